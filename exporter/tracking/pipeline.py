"""The memory stage put together: facts in, entries committed, totals and states for the exposition.

Everything here runs on the event loop and nothing in ``accept`` waits. ``run`` is the stage's heartbeat: once
a second it folds counts, books voice time, settles departures and closes windows that have ended.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping

from exporter.aggregation.contents import Contents
from exporter.aggregation.windows import Windows
from exporter.clock import Clock
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.rest_request import Submit
from exporter.screen.opt_out import OptOut
from exporter.spool.ports import SpoolWriter
from exporter.telemetry import Telemetry
from exporter.tracking.config import BatchingConfig, CatchUpConfig, LevelsConfig, MetricsConfig, PrivacyConfig
from exporter.tracking.intake import Intake
from exporter.tracking.invites.tracker import LOOK_MS
from exporter.tracking.membership.evidence import LONGEST_MS
from exporter.tracking.moderation.attribution import WINDOW_MS
from exporter.tracking.routes import Routes
from exporter.tracking.stages import Stages

TICK_SECONDS = 1.0
"""How often the stage looks after itself. It is the resolution of every interval below it."""

VOICE_SLICE = 1_000
"""Sessions whose time is booked in one go: about 15 ms with their part of the journal."""

VOICE_BOOKING_SECONDS = 300.0
"""How long time in progress waits to be booked where no window asks for it."""

FLUSH_POLL_SECONDS = 0.1
"""How often a flush looks whether the last actions are decided; only the clock decides them."""

FLUSH_POLLS = round((LONGEST_MS + WINDOW_MS) / 1000 / FLUSH_POLL_SECONDS)
"""How often at most: a departure waits that long for an answer about it."""


class Pipeline:
    """The stage. ``accept`` is the source's side, ``totals`` and its neighbours are the exposition's."""

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
        rng: random.Random | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._batching = batching
        self._opt_out = OptOut(privacy.opt_out)
        self._spool = spool
        self._clock = clock
        self._telemetry = telemetry
        self._stages = Stages(
            catalogue,
            metrics,
            batching,
            privacy,
            spool,
            clock,
            telemetry,
            channels=channels,
            submit=submit,
            clear_refusals=clear_refusals,
            catch_up=catch_up or CatchUpConfig(),
            levels=levels or LevelsConfig(),
            rng=rng or random.Random(),
        )
        self.directory = self._stages.directory
        self.rights = self._stages.rights
        self.voice = self._stages.voice
        self._aggregate = self._stages.aggregate
        self._attribution = self._stages.attribution
        self._committer = self._stages.committer
        self._contents = Contents(self._stages, catalogue, metrics)
        self._windows = Windows(
            self._aggregate,
            self._committer,
            clock,
            {
                METRICS_SNAPSHOT: self._contents.metrics_entry,
                MEMBER_ACTIVITY_SNAPSHOT: self._contents.activity_entry,
            },
            self._contents.settle,
            self._stages.voice_journal,
            self._stages.catch_up,
            spool.source,
            lambda: self._attribution.save(self._stages.now()),
            self._stages.levels,
        )
        self._voice_booked = clock.monotonic()
        self._saved = clock.monotonic()
        routes = Routes(self._stages, clock).table()
        self._intake = Intake(catalogue, self._opt_out.screened(routes), telemetry, self._stages.streams)
        self.accept = self._intake.accept

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Take up the open windows and voice sessions of the process before."""
        self._windows.restore(await self._spool.journal())
        # Somebody may have opted out since the journal was written.
        self._aggregate.leave_out(self._opt_out)
        self._stages.voice_journal.resume(self._opt_out)
        self._stages.streams.restore(self._windows.moderation.told)
        self._stages.levels.leave_out(self._opt_out)
        self._attribution.restore(self._windows.moderation, self._stages.now())
        await self._windows.resize(self._stages.lengths)

    async def run(self) -> None:
        """Look after the stage until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._committer.run())
            tasks.create_task(self._tick())
            tasks.create_task(self._watch_doors())

    async def flush(self) -> bool:
        """Close every window now, as deltas, and commit all there is; False if the disk refuses.

        Waits for actions that are not decided yet, for as long as what explains them may still turn up; for
        no timeout that ends meanwhile, or it would wait for one after the other.
        """
        asked = self._clock.now_ms()
        self._attribution.hurry(self._stages.now())
        self._stages.invites.hurry(self._stages.now())
        for _ in range(FLUSH_POLLS):
            undecided = self._attribution.undecided(asked)
            if not (undecided or self._stages.invites.undecided or self._stages.catch_up.behind):
                break
            await asyncio.sleep(FLUSH_POLL_SECONDS)
            self._stages.settle(self._clock.now_ms())
        await self._book()
        closed = await self._windows.close(everything=True)
        return await self._committer.drain() and closed

    async def stop(self) -> bool:
        """Save everything, so that the next process goes on where this one stops."""
        self._stages.settle(self._clock.now_ms())
        self._stages.invites.stop()
        await self._book()
        saved = await self._windows.close() and await self._windows.save()
        return await self._committer.drain() and saved

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            woken = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._telemetry.loop_lag.observe(max(0.0, loop.time() - woken))
            await self.tick()

    async def _watch_doors(self) -> None:
        while True:
            await asyncio.sleep(LOOK_MS / 1000)
            self._stages.invites.look(self._stages.now())

    async def tick(self) -> None:
        """One look after the stage."""
        self._stages.streams.look()
        self._stages.settle(self._clock.now_ms(), self._stages.streams.heard)
        self._stages.leftovers.tick(self._stages.now())
        self._show()
        if self._windows.due() or self._clock.monotonic() - self._voice_booked >= VOICE_BOOKING_SECONDS:
            # A window that leaves without its last seconds of talk would have to leave twice.
            await self._book()
        full = self._aggregate.cell_count() > self._batching.max_cells
        await self._windows.close(everything=full)
        due = self._clock.monotonic() - self._saved >= self._batching.journal_interval
        if due or self._stages.voice_journal.full or self._stages.catch_up.newly_seen:
            self._saved = self._clock.monotonic()
            await self._windows.save()
        self._telemetry.unspooled.set(self._committer.waiting)

    # ------------------------------------------------------------------ what the exposition reads

    @property
    def problem(self) -> str:
        """Why nothing can be committed at the moment; empty while it can."""
        return self._committer.problem

    def refresh(self) -> None:
        """Bring totals up to date; before each scrape."""
        self._show()
        for spot in self.rights.blind():
            self._telemetry.blind.labels(spot.type, spot.permission).set(spot.guilds)

    def guilds(self) -> Mapping[int, str]:
        """Names of the guilds seen whole so far by id, those in an outage among them."""
        return {guild.guild_id: guild.name for guild in self.directory.guilds.values() if guild.known}

    def totals(self, measure: str, value: str) -> Mapping[int, int]:
        """Running sums of one label value since the start, by guild."""
        return self._aggregate.totals.get(self._catalogue.measures[measure][value], {})

    def channel_totals(self, measure: str) -> Mapping[int, Mapping[int, int]]:
        """Running sums of a measure by guild and channel; empty unless kept by channel."""
        return self._aggregate.channel_totals.get(measure, {})

    def gauges(self, gauge: str) -> Mapping[int, float]:
        """A state by guild; guilds not seen whole yet have none."""
        return self._contents.gauges(gauge)

    # ------------------------------------------------------------------ time in progress

    def _show(self) -> None:
        self.voice.show_some(self._clock.now_ms())
        self._aggregate.fold()

    async def _book(self) -> None:
        """Book the time in progress of everybody in voice, some guilds at a time."""
        self._voice_booked = self._clock.monotonic()
        for guild_ids in self.voice.slices(VOICE_SLICE):
            self.voice.book(self._clock.now_ms(), guild_ids)
            self._aggregate.fold()
            if self.voice.open > VOICE_SLICE:
                await self._windows.save()
            await asyncio.sleep(0)
        self._aggregate.fold()
