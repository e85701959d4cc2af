"""The pipeline: facts in, entries and state committed, totals and states for the exposition.

Everything here runs on the event loop and nothing in ``accept`` waits. ``run`` is its timer: once a second it
folds counts, accrues voice time and lets every component do what time decides; beside it, so that a disk that
hangs holds none of that up, windows that have ended are closed and counts are saved. An error in any of it is
logged and counted; it ends neither the timer nor the process.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

from exporter.aggregation.cells import WindowKind
from exporter.aggregation.config import MetricsConfig
from exporter.aggregation.counters import Counters
from exporter.aggregation.running_totals import SeriesExpiry
from exporter.aggregation.windows import Windows
from exporter.checkpoint.checkpoint import Checkpoint
from exporter.checkpoint.config import BatchingConfig
from exporter.checkpoint.event_recorder import EventRecorder
from exporter.checkpoint.reverting import Reverting
from exporter.clock import Clock
from exporter.dispatch.dispatcher import Dispatcher
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.records.snapshots import ALL_DETAILS, SnapshotDetail
from exporter.events.rest_request import Submit
from exporter.screen.config import PrivacyConfig
from exporter.spool.ports import SpoolWriter
from exporter.telemetry import Telemetry
from exporter.tracking.invites.tracker import LOOK_MS, InviteTracker
from exporter.tracking.levels.config import LevelsConfig
from exporter.tracking.moderation.config import CatchUpConfig
from exporter.tracking.previous_layout import take_over
from exporter.tracking.registry import TRACKERS, Factory, add_state
from exporter.tracking.snapshot_contents import SnapshotContents
from exporter.tracking.voice.settling import VoiceSettling
from exporter.tracking.voice.tracker import VoiceTracker

log = logging.getLogger(__name__)

T = TypeVar("T")

TICK_SECONDS: Final = 1.0
"""Interval of ticks. It is the resolution of every interval below it."""

PREPARED_AT_ONCE: Final = 2_000
"""Rows of one table encoded in one tick while the disk takes nothing: some 10 ms on a slow machine."""

FLUSH_POLL_SECONDS: Final = 0.1
"""How often a flush looks whether the last actions are decided; only the clock decides them."""

UNDECIDED_SECONDS: Final = 30.0
"""How long a flush waits for them at most: a departure waits 10 s for its reason, or until 10 s after another
look-up and for 20 s for an answer."""


class Pipeline:
    """The components, the windows and the checkpoint. ``accept`` is the source's side.

    ``details`` are what sinks store of snapshots besides sums; ``trackers`` are the components between state
    and counters, those of the registry unless given.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        metrics: MetricsConfig,
        batching: BatchingConfig,
        privacy: PrivacyConfig,
        spool: SpoolWriter,
        clock: Clock,
        telemetry: Telemetry,
        *,
        channels: bool = False,
        submit: Submit | None = None,
        clear_refusals: Callable[[int], None] = lambda _: None,
        catch_up: CatchUpConfig | None = None,
        levels: LevelsConfig | None = None,
        details: frozenset[SnapshotDetail] = ALL_DETAILS,
        rng: random.Random | None = None,
        trackers: Sequence[Factory] = TRACKERS,
    ) -> None:
        self._catalogue = catalogue
        self._batching = batching
        self._spool = spool
        self._clock = clock
        self._telemetry = telemetry
        self._lengths = {kind: ms for kind, ms in metrics.lengths.items() if kind in catalogue.events}
        self._dispatcher = Dispatcher(catalogue, clock, telemetry, privacy.opt_out)
        add = self._dispatcher.add
        context = add_state(
            *(self._dispatcher, catalogue, clock, telemetry, metrics),
            submit=submit,
            clear_refusals=clear_refusals,
            levels=levels or LevelsConfig(),
            catch_up=catch_up or CatchUpConfig(),
            rng=rng or random.Random(),
        )
        self.timeline, self.guild_cache = context.timeline, context.guilds
        self.permissions = context.permissions
        for factory in trackers:
            add(partial(factory, context))
        self.voice = self._dispatcher.find(VoiceTracker)
        self._counters = add(
            lambda emit: Counters(
                emit,
                catalogue,
                [WindowKind(kind, length) for kind, length in self._lengths.items()],
                self.guild_cache.parents,
                self.timeline,
                channels=channels,
            )
        )
        self._expiry = add(lambda emit: SeriesExpiry(emit, self._counters.totals))
        self.checkpoint = Checkpoint(
            spool,
            batching,
            clock,
            telemetry,
            self._dispatcher.states,
            lambda: self._windows.capture(),  # noqa: PLW0108 - windows are made of components
            lambda: self._counters.has_unsaved,
        )
        self._reverting = Reverting(self._dispatcher.states, self.checkpoint, spool)
        self._recorder = add(lambda emit: EventRecorder(emit, catalogue, self.checkpoint.offer, details))
        self._contents = SnapshotContents(
            self.guild_cache, self.voice, self._recorder, catalogue, metrics, details
        )
        self._windows = Windows(
            self._counters,
            clock,
            {
                METRICS_SNAPSHOT: self._contents.metrics_entry,
                MEMBER_ACTIVITY_SNAPSHOT: self._contents.activity_entry,
            },
            self._contents.committed,
            spool.source,
            self._dispatcher.report,
        )
        self._settling = VoiceSettling(
            self._dispatcher, self.voice, self._counters, clock, self.checkpoint.commit
        )
        self.accept = self._dispatcher.accept
        self.gauges = self._contents.gauges
        self.component_errors = self._dispatcher.errors
        self.undecided = self._dispatcher.undecided
        self.blind = partial(self.permissions.ask, lambda: tuple(self.permissions.blind()), ())

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Restore the open windows and the components' state of the previous run.

        Raises:
            SpoolError: the spool cannot be read, or does not take what the previous layout left.
        """
        await take_over(self._spool)
        self._telemetry.damaged_state.inc(self._windows.restore(await self._spool.increments()))
        self._dispatcher.states.restore(await self._spool.state())
        if self._counters.lengths() != self._lengths:
            if await self._windows.close(self.checkpoint.commit, everything=True):
                self._counters.resize(self._lengths)
            else:
                log.warning("the spool takes nothing: windows keep their lengths until the next start")

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.checkpoint.run())
            tasks.create_task(self._repeat(self._step, watch=self._telemetry.loop_lag.observe))
            tasks.create_task(self._repeat(self._maintain))
            tasks.create_task(self._look_at_invites())
            tasks.create_task(self._reverting.run())

    async def flush(self) -> bool:
        """Close every window now, as deltas, and commit all there is; False if the disk refuses.

        Waits for actions that are not decided yet, for as long as what explains them may still arrive; for
        none that came and no timeout that ended after it was called: it would wait for one after the other.
        """
        asked_at, wall = self._dispatcher.now(), self._clock.now_ms()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + UNDECIDED_SECONDS
        self._dispatcher.each(lambda component: component.hurry(asked_at))
        while self._dispatcher.holds_for_any(lambda each: each.undecided(asked_at, wall)):
            if loop.time() >= deadline:
                break
            await asyncio.sleep(FLUSH_POLL_SECONDS)
            self._decide()
        return await self._save(everything=True)

    async def stop(self) -> bool:
        """Save everything, so that the next process continues where this one stops."""
        self._decide()
        now = self._dispatcher.now()
        self._dispatcher.each(lambda component: component.stop(now))
        return await self._save(everything=False)

    async def _save(self, *, everything: bool) -> bool:
        """Close windows and commit; an error in what comes first keeps nothing from being committed."""
        await self._guard(self._settling.settle)
        close = partial(self._windows.close, self.checkpoint.commit, everything=everything)
        closed = await self._guard(close)
        return await self.checkpoint.drain() and bool(closed)

    def _decide(self) -> None:
        """Decide what can be decided by now, without waiting for further data of every shard."""
        self.timeline.hurried = True
        try:
            self._dispatcher.tick()
        except Exception as error:  # noqa: BLE001 - whatever it is, what is known by now is saved
            self._dispatcher.report("pipeline", error)
        finally:
            self.timeline.hurried = False

    async def _repeat(
        self, work: Callable[[], Awaitable[None]], watch: Callable[[float], None] = lambda _: None
    ) -> None:
        """Do work every ``TICK_SECONDS``; ``watch`` takes by how many seconds it began too late."""
        loop = asyncio.get_running_loop()
        while True:
            woken = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            watch(max(0.0, loop.time() - woken))
            await self._guard(work)

    async def _guard(self, work: Callable[[], Awaitable[T]]) -> T | None:
        try:
            return await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the timer goes on
            self._dispatcher.report("pipeline", error)
            return None

    async def _look_at_invites(self) -> None:
        invites = [found for found in self._dispatcher.components if isinstance(found, InviteTracker)]
        while True:
            await asyncio.sleep(LOOK_MS / 1000)
            now = self._dispatcher.now()
            for tracker in invites:
                self._dispatcher.guard(tracker, partial(tracker.look, now))

    async def tick(self) -> None:
        """Run a tick of the components, and the commits that are due."""
        await self._guard(self._step)
        await self._guard(self._maintain)

    async def _step(self) -> None:
        """Run a tick of the components; never waits for the disk."""
        self._counters.limit = self._batching.max_cells if self.checkpoint.problem else None
        self._dispatcher.tick()
        self._settling.accrue()
        if self.checkpoint.problem:
            # What changes meanwhile is encoded as it changes: all at once would hold up the loop later.
            self._dispatcher.each(lambda component: component.prepare(PREPARED_AT_ONCE))
        self.checkpoint.shed_counts(self._counters.take_shed())
        self._telemetry.unspooled.set(self.checkpoint.waiting)
        self._telemetry.unsaved_seconds.set(self.checkpoint.unsaved_seconds())

    async def _maintain(self) -> None:
        """Close windows that have ended, commit what is due, restore failed components."""
        await self._reverting.revert()
        if self._windows.due() or self._settling.due:
            # A window closed without its last seconds in voice would have to be written twice.
            await self._guard(self._settling.settle)
        await self._windows.close(
            self.checkpoint.commit, everything=self._counters.windows.cells > self._batching.max_cells
        )
        await self.checkpoint.save(urgent=self._dispatcher.holds_for_any(lambda each: each.urgent))

    # ------------------------------------------------------------------ what the exposition reads

    def refresh(self) -> None:
        """Bring totals up to date; before each scrape."""
        self._settling.accrue()
        for spot in self.blind():
            self._telemetry.blind.labels(spot.type, spot.permission).set(spot.guilds)
        for component, number in self._dispatcher.undecided().items():
            self._telemetry.pending_decisions.labels(component).set(number)

    def guilds(self) -> Mapping[int, str]:
        """Names of the guilds seen whole so far by id, those in an outage among them."""
        return {guild.guild_id: guild.name for guild in self.guild_cache.guilds.values() if guild.known}

    def departed(self) -> Collection[int]:
        """Guilds the bot was removed from whose totals are still kept."""
        return self._expiry.departed

    def totals(self, measure: str, value: str) -> Mapping[int, int]:
        """Running sums of one label value since the start, by guild."""
        return self._counters.totals.by_guild.get(self._catalogue.measures[measure][value], {})

    def channel_totals(self, measure: str) -> Mapping[int, Mapping[int, int]]:
        """Running sums of a measure by guild and channel; empty unless kept by channel."""
        return self._counters.totals.by_channel.get(measure, {})
