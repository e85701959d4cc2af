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
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from exporter.clock import Clock
from exporter.dispatch.component import Component, Emit, Handler
from exporter.dispatch.dispatcher import Dispatcher
from exporter.errors import SpoolError
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.facts import PermissionsChanged
from exporter.events.guilds import MEMBERS
from exporter.events.records import ALL_DETAILS, SnapshotDetail
from exporter.events.rest_request import Submit
from exporter.screen.config import PrivacyConfig
from exporter.spool.ports import SpoolWriter
from exporter.state.guild_cache import Guild, GuildCache
from exporter.state.member_count_sync import MemberCountSync
from exporter.state.permissions import Permissions
from exporter.state.shard_timeline import ShardTimeline
from exporter.state.voice_states import VoiceStates
from exporter.telemetry import Telemetry
from exporter.tracking.invites.tracker import LOOK_MS, InviteTracker
from exporter.tracking.levels.config import LevelsConfig
from exporter.tracking.moderation.config import CatchUpConfig
from exporter.tracking.previous_layout import convert
from exporter.tracking.registry import TRACKERS, Factory, TrackingContext
from exporter.tracking.snapshot_contents import SnapshotContents
from exporter.tracking.voice.tracker import VoiceTracker

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Component)

TICK_SECONDS: Final = 1.0
"""Interval of ticks. It is the resolution of every interval below it."""

VOICE_SLICE: Final = 1_000
"""Sessions whose time is settled in one step: about 15 ms with their part of a commit."""

VOICE_SETTLING_SECONDS: Final = 300.0
"""How long time in progress waits to be settled where no window asks for it."""

PREPARED_AT_ONCE: Final = 5_000
"""Rows of one table encoded in one tick while the disk takes nothing: some 10 ms."""

FLUSH_POLL_SECONDS: Final = 0.1
"""How often a flush looks whether the last actions are decided; only the clock decides them."""

UNDECIDED_SECONDS: Final = 30.0
"""How long a flush waits for them at most: a departure waits 10 s for its reason, or until 10 s after another
look-up and for 20 s for an answer."""


class _RefusalReset(Component):
    """Clears what REST refused in a guild where the bot's permissions changed."""

    name = "refusal_reset"

    def __init__(self, emit: Emit, clear_refusals: Callable[[int], None]) -> None:
        super().__init__(emit)
        self._clear_refusals = clear_refusals

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Changed permissions."""
        return {PermissionsChanged: lambda fact, _: self._clear_refusals(fact.guild_id)}


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
        lengths = {
            METRICS_SNAPSHOT: round(metrics.snapshot_interval * 1000),
            MEMBER_ACTIVITY_SNAPSHOT: round(metrics.member_activity_interval * 1000),
        }
        self._lengths = {kind: length for kind, length in lengths.items() if kind in catalogue.events}
        self._dispatcher = Dispatcher(catalogue, clock, telemetry, privacy.opt_out)
        add = self._dispatcher.add
        self.timeline = self._dispatcher.reader.timeline = add(lambda emit: ShardTimeline(emit, clock))
        counts_members = {"GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"} <= catalogue.events.keys()
        known: dict[int, Guild] = {}
        add(
            lambda emit: MemberCountSync(
                emit,
                known,
                submit if MEMBERS.name in catalogue.gauges else None,
                telemetry,
                rng or random.Random(),
                interval=round(metrics.member_count_interval * 1000),
                counts_members=counts_members,
            )
        )
        self.guild_cache = add(lambda emit: GuildCache(emit, known, counts_members=counts_members))
        self.permissions = add(lambda emit: Permissions(emit, catalogue))
        add(lambda emit: _RefusalReset(emit, clear_refusals))
        context = TrackingContext(
            catalogue,
            clock,
            telemetry,
            self.guild_cache,
            self.permissions,
            self.timeline,
            add(VoiceStates),
            lengths[METRICS_SNAPSHOT],
            submit,
            levels or LevelsConfig(),
            catch_up or CatchUpConfig(),
        )
        for factory in trackers:
            add(partial(factory, context))
        self.voice = self._find(VoiceTracker)
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
        add(lambda emit: SeriesExpiry(emit, self._counters.totals))
        self.checkpoint = Checkpoint(
            spool,
            batching,
            clock,
            telemetry,
            self._dispatcher,
            lambda: self._windows.capture(),  # noqa: PLW0108 - windows are made of components
            lambda: self._counters.has_unsaved,
            self._dispatcher.report,
        )
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
        self._voice_settled = clock.monotonic()
        self.accept = self._dispatcher.accept

    def _find(self, kind: type[T]) -> T:
        return next(found for found in self._dispatcher.components if isinstance(found, kind))

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Restore the open windows and the components' state of the previous run.

        Raises:
            SpoolError: the spool cannot be read, or does not take what the previous layout left.
        """
        journal = await self._spool.journal()
        if journal:
            converted = convert(journal)
            await self._spool.append(
                (), state=converted.rows, increments=converted.increments, forget_journal=True
            )
            log.info("took over the state that the previous version saved: %d parts", len(journal))
        self._windows.restore(await self._spool.increments())
        self._dispatcher.restore(await self._spool.state())
        if self._counters.lengths() != self._lengths:
            if await self._close(everything=True):
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
        await self._settle_voice()
        closed = await self._close(everything=True)
        return await self.checkpoint.drain() and closed

    async def stop(self) -> bool:
        """Save everything, so that the next process continues where this one stops."""
        self._decide()
        now = self._dispatcher.now()
        self._dispatcher.each(lambda component: component.stop(now))
        await self._settle_voice()
        closed = await self._close()
        return await self.checkpoint.drain() and closed

    def _decide(self) -> None:
        """Decide what can be decided by now, without waiting for further data of every shard."""
        self.timeline.hurried = True
        try:
            self._dispatcher.tick()
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

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the timer goes on
            self._dispatcher.report("pipeline", error)

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
        self._counters.limit = self._batching.max_cells if self.checkpoint.is_stuck else None
        self._dispatcher.tick()
        self._accrue()
        if self.checkpoint.is_stuck:
            # What changes meanwhile is encoded as it changes: all at once would hold up the loop later.
            self._dispatcher.each(lambda component: component.prepare(PREPARED_AT_ONCE))
        self.checkpoint.shed_counts(self._counters.take_shed())
        self._telemetry.unspooled.set(self.checkpoint.waiting)

    async def _maintain(self) -> None:
        """Close windows that have ended, commit what is due, restore failed components."""
        await self._revert_suspended()
        if self._windows.due() or self._clock.monotonic() - self._voice_settled >= VOICE_SETTLING_SECONDS:
            # A window closed without its last seconds in voice would have to be written twice.
            await self._settle_voice()
        await self._close(everything=self._counters.windows.cells > self._batching.max_cells)
        await self.checkpoint.save(urgent=self._dispatcher.holds_for_any(lambda each: each.urgent))

    async def _close(self, *, everything: bool = False) -> bool:
        return await self._windows.close(self.checkpoint.commit, everything=everything)

    async def _revert_suspended(self) -> None:
        """Reset components that failed to what was committed last."""
        suspended = list(self._dispatcher.suspended)
        if not suspended:
            return
        # Under the turn: a commit in flight may hold newer rows of theirs.
        async with self.checkpoint.turn:
            for component in suspended:
                try:
                    rows = await self._spool.state(f"{component.name}/")
                except SpoolError as error:
                    self._dispatcher.report("spool", error)
                    return
                self._dispatcher.revert(component, rows)

    # ------------------------------------------------------------------ what the exposition reads

    @property
    def problem(self) -> str:
        """Why nothing can be committed at the moment; empty while it can."""
        return self.checkpoint.problem

    @property
    def component_errors(self) -> Mapping[str, int]:
        """Errors by component since the start."""
        return self._dispatcher.errors

    def refresh(self) -> None:
        """Bring totals up to date; before each scrape."""
        self._accrue()
        for spot in self.permissions.blind():
            self._telemetry.blind.labels(spot.type, spot.permission).set(spot.guilds)

    def guilds(self) -> Mapping[int, str]:
        """Names of the guilds seen whole so far by id, those in an outage among them."""
        return {guild.guild_id: guild.name for guild in self.guild_cache.guilds.values() if guild.known}

    def totals(self, measure: str, value: str) -> Mapping[int, int]:
        """Running sums of one label value since the start, by guild."""
        return self._counters.totals.by_guild.get(self._catalogue.measures[measure][value], {})

    def channel_totals(self, measure: str) -> Mapping[int, Mapping[int, int]]:
        """Running sums of a measure by guild and channel; empty unless kept by channel."""
        return self._counters.totals.by_channel.get(measure, {})

    def gauges(self, gauge: str) -> Mapping[int, float]:
        """A state by guild; guilds not seen whole yet have none."""
        return self._contents.gauges(gauge)

    # ------------------------------------------------------------------ time in progress

    def _accrue(self) -> None:
        wall = self._clock.now_ms()
        self._dispatcher.guard(self.voice, partial(self.voice.accrue_some, wall))
        self._counters.fold()

    async def _settle_voice(self) -> None:
        """Settle the time in progress of all members in voice, some guilds at a time."""
        self._voice_settled = self._clock.monotonic()
        for guild_ids in self.voice.time.slices(VOICE_SLICE):
            wall = self._clock.now_ms()
            self._dispatcher.guard(self.voice, partial(self.voice.time.settle_guilds, wall, guild_ids))
            if self.voice.sessions.number > VOICE_SLICE:
                await self.checkpoint.commit()
            await asyncio.sleep(0)
        self._counters.fold()
