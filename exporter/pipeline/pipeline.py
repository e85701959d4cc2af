"""The memory stage put together: facts in, entries committed, totals and states for the exposition.

Everything here runs on the event loop and nothing in ``accept`` waits. ``run`` is the stage's heartbeat: once
a second it folds counts, books voice time, settles departures and closes windows that have ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from exporter.clock import Clock
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.facts import (
    Action,
    AuditEntry,
    ChannelGone,
    ChannelSeen,
    Count,
    GuildChanged,
    GuildGone,
    GuildSeen,
    MemberMoved,
    Record,
    SessionStarted,
    ShardNews,
    VoiceState,
)
from exporter.events.guilds import BOOSTS, MEMBERS
from exporter.events.voice import MEMBERS as VOICE_MEMBERS
from exporter.model import Entry
from exporter.pipeline.aggregate import Activity, Aggregate, Kind
from exporter.pipeline.attribution import FOR_EVER, WINDOW_MS, Attribution
from exporter.pipeline.commit import Committer
from exporter.pipeline.config import BatchingConfig, MetricsConfig, PrivacyConfig
from exporter.pipeline.directory import Directory, Guild
from exporter.pipeline.intake import Intake, Route
from exporter.pipeline.privacy import OptOut
from exporter.pipeline.snapshot import Surroundings, activity_entry, metrics_entry
from exporter.pipeline.stream import Streams
from exporter.pipeline.voice import VoiceLedger
from exporter.pipeline.windows import Windows
from exporter.spool.ports import SpoolWriter
from exporter.telemetry import Telemetry

TICK_SECONDS = 1.0
"""How often the stage looks after itself. It is the resolution of every interval below it."""

VOICE_BOOKING_MS = 5_000
"""How often time in progress is booked: a scrape is never staler than this, and 100,000 open sessions cost
2 % of a core."""


FLUSH_POLL_SECONDS = 0.1
"""How often a flush looks whether the last departures are decided; only the clock decides them."""


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
    ) -> None:
        self._catalogue = catalogue
        self._metrics = metrics
        self._batching = batching
        self._opt_out = OptOut(privacy.opt_out)
        self._spool = spool
        self._clock = clock
        self._telemetry = telemetry
        self.directory = Directory()
        self._streams = Streams(clock)
        window_ms = round(metrics.snapshot_interval * 1000)
        lengths = {
            METRICS_SNAPSHOT: window_ms,
            MEMBER_ACTIVITY_SNAPSHOT: round(metrics.member_activity_interval * 1000),
        }
        kinds = [Kind(name, length) for name, length in lengths.items() if name in catalogue.events]
        self._lengths = {kind.name: kind.length_ms for kind in kinds}
        self._aggregate = Aggregate(catalogue, kinds, self.directory.parents, channels=channels)
        self.voice = VoiceLedger(self._count, window_ms, self._afk_channel, self._streams.is_silent)
        self._attribution = Attribution(
            self._record_person,
            self._count,
            self.directory.people.get,
            catalogue.events,
            self._streams.heard_until,
        )
        self._committer = Committer(spool, batching, clock, telemetry)
        self._windows = Windows(
            self._aggregate,
            self._committer,
            clock,
            {METRICS_SNAPSHOT: self._metrics_entry, MEMBER_ACTIVITY_SNAPSHOT: self._activity_entry},
            self._settle_snapshots,
            self.voice.save,
            spool.source,
        )
        self._gauges: dict[str, Callable[[Guild], int]] = {
            MEMBERS.name: lambda guild: guild.member_count,
            BOOSTS.name: lambda guild: guild.premium_subscription_count,
            VOICE_MEMBERS.name: lambda guild: self.voice.members(guild.guild_id),
        }
        self._newcomers: dict[int, dict[int, int]] = {}
        self._voice_booked = 0
        self._saved = clock.monotonic()
        self._intake = Intake(catalogue, self._opt_out.screened(self._routes()), telemetry, self._streams)
        self.accept = self._intake.accept

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Take up the open windows and voice sessions of the process before."""
        sessions = self._windows.restore(await self._spool.journal())
        # Somebody may have opted out since the journal was written.
        self._aggregate.leave_out(self._opt_out)
        self.voice.restore(session for session in sessions if session.user_id not in self._opt_out)
        await self._windows.resize(self._lengths)

    async def run(self) -> None:
        """Look after the stage until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._committer.run())
            tasks.create_task(self._tick())

    async def flush(self) -> bool:
        """Close every window now, as deltas, and commit all there is; False if the disk refuses.

        Waits for departures that are not decided yet, for as long as their cause may still turn up.
        """
        decided = self._now() + WINDOW_MS
        self._attribution.settle(self._now(), patient=False)
        while self._attribution.undecided and self._now() < decided:
            await asyncio.sleep(FLUSH_POLL_SECONDS)
            self._attribution.settle(self._now(), patient=False)
        self._book(force=True)
        closed = await self._windows.close(everything=True)
        return await self._committer.drain() and closed

    async def stop(self) -> bool:
        """Save everything, so that the next process goes on where this one stops."""
        self._attribution.settle(FOR_EVER, patient=False)
        self._book(force=True)
        saved = await self._windows.close() and await self._windows.save()
        return await self._committer.drain() and saved

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            woken = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._telemetry.loop_lag.observe(max(0.0, loop.time() - woken))
            await self.tick()

    async def tick(self) -> None:
        """One look after the stage."""
        self._streams.look()
        self._attribution.settle(self._now())
        # A window that leaves without its last seconds of talk would have to leave twice.
        self._book(force=self._windows.due())
        full = self._aggregate.cell_count() > self._batching.max_cells
        await self._windows.close(everything=full)
        if self._clock.monotonic() - self._saved >= self._batching.journal_interval:
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
        self._book()

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
        read = self._gauges[gauge]
        return {guild.guild_id: read(guild) for guild in self.directory.guilds.values() if guild.known}

    # ------------------------------------------------------------------ routes

    def _routes(self) -> dict[type, Route]:
        return {
            Count: self._count,
            Record: self._record_whole,
            Action: self._act,
            AuditEntry: self._audit,
            VoiceState: self.voice.apply,
            SessionStarted: self._start_session,
            ShardNews: self._streams.take,
            ChannelSeen: self.directory.see_channel,
            ChannelGone: self.directory.lose_channel,
            GuildSeen: self._see_guild,
            GuildChanged: self._change_guild,
            GuildGone: self._lose_guild,
            MemberMoved: self.directory.move_member,
        }

    def _count(self, count: Count) -> None:
        if count.name:
            self.directory.name_person(count.user_id, count.name)
        self._aggregate.add(count)

    def _record_whole(self, record: Record) -> None:
        self._record_person(record, False)

    def _record_person(self, record: Record, amends: bool) -> None:  # noqa: FBT001 - the second half of one callback
        event = self._catalogue.events.get(record.type)
        if event is None:
            return
        if record.type == "GUILD_MEMBER_ADD" and MEMBER_ACTIVITY_SNAPSHOT in self._catalogue.events:
            self._newcomers.setdefault(record.guild_id, {})[record.person] = record.at
        self._committer.offer(
            Entry(
                record.type,
                record.guild_id,
                record.at,
                record.key,
                event.priority,
                record.data,
                amends,
            )
        )

    def _act(self, action: Action) -> None:
        self._attribution.act(action, self._now())

    def _audit(self, entry: AuditEntry) -> None:
        self._attribution.audit(entry, self._now())

    def _now(self) -> int:
        """Now for timers, in ms: the wall clock may be set, and would then starve or fire them."""
        return round(self._clock.monotonic() * 1000)

    def _start_session(self, fact: SessionStarted) -> None:
        shard, self._streams.shards = fact.shard
        self._streams.take(ShardNews(shard, "settled"))
        for gone in self.directory.start_session(fact):
            self._lose_guild(gone)
        self.voice.doubt(fact.guild_ids)

    def _see_guild(self, fact: GuildSeen) -> None:
        for record in self.directory.see_guild(fact):
            self._record_whole(record)
        self.voice.reconcile(fact.guild_id, fact.voice_states, fact.at)

    def _change_guild(self, fact: GuildChanged) -> None:
        for record in self.directory.change_guild(fact):
            self._record_whole(record)

    def _lose_guild(self, fact: GuildGone) -> None:
        for record in self.directory.lose_guild(fact):
            self._record_whole(record)
        if fact.unavailable:
            self.voice.doubt((fact.guild_id,))
        else:
            self.voice.forget(fact.guild_id, fact.at)
            self._newcomers.pop(fact.guild_id, None)

    def _afk_channel(self, guild_id: int) -> int:
        guild = self.directory.guilds.get(guild_id)
        return guild.afk_channel_id if guild else 0

    # ------------------------------------------------------------------ windows

    def _book(self, *, force: bool = False) -> None:
        now = self._clock.now_ms()
        if force or abs(now - self._voice_booked) >= VOICE_BOOKING_MS:
            self._voice_booked = now
            self.voice.book(now)
        self._aggregate.fold()

    def _metrics_entry(self, guild_id: int, period: tuple[int, int], key: str, activity: Activity) -> Entry:
        guild = self.directory.guilds.get(guild_id)
        seen = guild is not None and guild.known
        gauges = {name: self._gauges[name](guild) for name in self._catalogue.gauges if guild and seen}
        peak, channel_peaks = self.voice.peaks(guild_id)
        around = Surroundings(
            gauges,
            peak,
            channel_peaks,
            self.directory.channel_names(guild_id),
            self.directory.people,
        )
        return metrics_entry(guild_id, period, key, activity, around, self._metrics)

    def _activity_entry(
        self, guild_id: int, period: tuple[int, int], key: str, activity: Activity
    ) -> Entry | None:
        joined = self._newcomers.get(guild_id, {})
        new = [user for user, at in joined.items() if period[0] <= at < period[1]]
        return activity_entry(guild_id, period, key, activity, self.directory.people, new)

    def _settle_snapshots(self, kind: str, period: tuple[int, int], guild_ids: Iterable[int]) -> None:
        """Forget what the snapshots just committed have said."""
        for guild_id in guild_ids:
            if kind == METRICS_SNAPSHOT:
                self.voice.reset_peaks(guild_id)
                continue
            joined = self._newcomers.get(guild_id, {})
            for user in [user for user, at in joined.items() if at < period[1]]:
                del joined[user]
            if not joined:
                self._newcomers.pop(guild_id, None)
