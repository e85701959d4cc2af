"""The memory stage put together: facts in, entries committed, totals and states for the exposition.

Everything here runs on the event loop and nothing in ``accept`` waits. ``run`` is the stage's heartbeat: once
a second it folds counts, books voice time, settles departures and closes windows that have ended.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping

from exporter.clock import Clock
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.facts import (
    Action,
    AuditEntry,
    AuditPage,
    BotKnown,
    ChannelGone,
    ChannelSeen,
    Count,
    CountsRead,
    GuildChanged,
    GuildGone,
    GuildSeen,
    InviteLost,
    InviteMade,
    InvitesRead,
    InviteTaken,
    Joined,
    MemberJoined,
    MemberMoved,
    MemberRoles,
    MemberSilence,
    MessageGone,
    PartGone,
    PartSeen,
    PartsListed,
    Record,
    RoleGone,
    RoleSeen,
    RolesSeen,
    SessionStarted,
    ShardNews,
    VoiceState,
)
from exporter.events.guilds import BOOSTS, MEMBERS, ONLINE
from exporter.events.inquiry import Ask
from exporter.events.voice import MEMBERS as VOICE_MEMBERS
from exporter.model import Entry
from exporter.pipeline.aggregate import Activity, Aggregate, Kind
from exporter.pipeline.attribution import WINDOW_MS, Attribution
from exporter.pipeline.catchup import PURPOSE as CATCH_UP_PURPOSE
from exporter.pipeline.catchup import CatchUp
from exporter.pipeline.commit import Committer
from exporter.pipeline.config import BatchingConfig, CatchUpConfig, LevelsConfig, MetricsConfig, PrivacyConfig
from exporter.pipeline.directory import Directory, Guild
from exporter.pipeline.headcount import Headcount
from exporter.pipeline.intake import Intake, Route
from exporter.pipeline.invites import InviteTracker
from exporter.pipeline.leftovers import Leftovers
from exporter.pipeline.levels import Levels
from exporter.pipeline.parts import Change, Parts
from exporter.pipeline.privacy import OptOut
from exporter.pipeline.reasons import LONGEST_MS
from exporter.pipeline.rights import Rights
from exporter.pipeline.snapshot import Surroundings, activity_entry, metrics_entry
from exporter.pipeline.stream import Streams
from exporter.pipeline.voice import VoiceLedger
from exporter.pipeline.voice_changes import ordered, switched
from exporter.pipeline.voice_journal import VoiceJournal
from exporter.pipeline.windows import Windows
from exporter.spool.ports import SpoolWriter
from exporter.telemetry import Telemetry

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
        ask: Ask | None = None,
        forgive: Callable[[int], None] = lambda _: None,
        catch_up: CatchUpConfig | None = None,
        levels: LevelsConfig | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._metrics = metrics
        self._batching = batching
        self._opt_out = OptOut(privacy.opt_out)
        self._spool = spool
        self._clock = clock
        self._telemetry = telemetry
        self._ask = ask
        self._forgive = forgive
        self.directory = Directory()
        self.rights = Rights(catalogue, self._change_rights)
        self._catch_up = CatchUp(
            catch_up or CatchUpConfig(),
            ask if "REST_AUDIT_LOG" in catalogue.readers else None,
            lambda guild_id: not self.rights.lacks(guild_id, "view_audit_log"),
        )
        self._headcount = Headcount(
            self.directory,
            ask if MEMBERS.name in catalogue.gauges else None,
            telemetry,
            rng or random.Random(),
            interval=round(metrics.member_count_interval * 1000),
            told={"GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"} <= catalogue.events.keys(),
        )
        self._parts = Parts(catalogue.events)
        self._streams = Streams(clock)
        window_ms = round(metrics.snapshot_interval * 1000)
        lengths = {
            METRICS_SNAPSHOT: window_ms,
            MEMBER_ACTIVITY_SNAPSHOT: round(metrics.member_activity_interval * 1000),
        }
        kinds = [Kind(name, length) for name, length in lengths.items() if name in catalogue.events]
        self._lengths = {kind.name: kind.length_ms for kind in kinds}
        self._aggregate = Aggregate(catalogue, kinds, self.directory.parents, channels=channels)
        self._leftovers = Leftovers(self._aggregate)
        self.voice = VoiceLedger(
            self._count, self._aggregate.show, window_ms, self._afk_channel, self._streams.is_silent
        )
        self._voice_journal = VoiceJournal(self.voice, clock)
        self._invites = InviteTracker(
            self._record_person,
            self._count,
            ask if "REST_INVITES" in catalogue.readers else None,
            lambda guild_id, permission: not self.rights.lacks(guild_id, permission),
            self._has_vanity,
            privacy.opt_out,
            audited="guild_moderation" in catalogue.intents,
        )
        self._attribution = Attribution(
            self._record_person,
            self._count,
            self.directory.people.get,
            catalogue.events,
            self._streams,
            ask,
            lambda guild_id: self.rights.lacks(guild_id, "view_audit_log"),
        )
        self._levels = Levels(
            levels or LevelsConfig(), catalogue, self.directory.people.get, telemetry.levels_forgotten.add
        )
        self._committer = Committer(spool, batching, clock, telemetry, self._attribution.begun)
        self._windows = Windows(
            self._aggregate,
            self._committer,
            clock,
            {METRICS_SNAPSHOT: self._metrics_entry, MEMBER_ACTIVITY_SNAPSHOT: self._activity_entry},
            self._settle_snapshots,
            self._voice_journal,
            self._catch_up,
            spool.source,
            lambda: self._attribution.save(self._now()),
            self._levels,
        )
        self._gauges: dict[str, Callable[[Guild], int | None]] = {
            MEMBERS.name: lambda guild: guild.member_count,
            BOOSTS.name: lambda guild: guild.premium_subscription_count,
            ONLINE.name: lambda guild: guild.online,
            VOICE_MEMBERS.name: lambda guild: self.voice.members(guild.guild_id),
        }
        self._newcomers: dict[int, dict[int, int]] = {}
        self._voice_booked = clock.monotonic()
        self._saved = clock.monotonic()
        self._intake = Intake(catalogue, self._opt_out.screened(self._routes()), telemetry, self._streams)
        self.accept = self._intake.accept

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Take up the open windows and voice sessions of the process before."""
        self._windows.restore(await self._spool.journal())
        # Somebody may have opted out since the journal was written.
        self._aggregate.leave_out(self._opt_out)
        self._voice_journal.resume(self._opt_out)
        self._streams.restore(self._windows.moderation.told)
        self._levels.leave_out(self._opt_out)
        self._attribution.restore(self._windows.moderation, self._now())
        await self._windows.resize(self._lengths)

    async def run(self) -> None:
        """Look after the stage until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._committer.run())
            tasks.create_task(self._tick())

    async def flush(self) -> bool:
        """Close every window now, as deltas, and commit all there is; False if the disk refuses.

        Waits for actions that are not decided yet, for as long as what explains them may still turn up.
        """
        self._attribution.hurry(self._now())
        self._invites.hurry(self._now())
        for _ in range(FLUSH_POLLS):
            undecided = self._attribution.undecided(self._clock.now_ms())
            if not (undecided or self._invites.undecided or self._catch_up.behind):
                break
            await asyncio.sleep(FLUSH_POLL_SECONDS)
            self._settle()
        await self._book()
        closed = await self._windows.close(everything=True)
        return await self._committer.drain() and closed

    async def stop(self) -> bool:
        """Save everything, so that the next process goes on where this one stops."""
        self._settle()
        self._invites.stop()
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

    async def tick(self) -> None:
        """One look after the stage."""
        self._streams.look()
        self._settle(self._streams.heard)
        self._leftovers.tick(self._now())
        self._show()
        if self._windows.due() or self._clock.monotonic() - self._voice_booked >= VOICE_BOOKING_SECONDS:
            # A window that leaves without its last seconds of talk would have to leave twice.
            await self._book()
        full = self._aggregate.cell_count() > self._batching.max_cells
        await self._windows.close(everything=full)
        due = self._clock.monotonic() - self._saved >= self._batching.journal_interval
        if due or self._attribution.unsaved or self._voice_journal.full:
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
            self._telemetry.blind.set(spot.guilds, spot.type, spot.permission)

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
        return {
            guild.guild_id: value
            for guild in self.directory.guilds.values()
            if guild.known and (value := read(guild)) is not None
        }

    # ------------------------------------------------------------------ routes

    def _routes(self) -> dict[type, Route]:
        return {
            Count: self._count,
            Record: self._record_whole,
            Action: self._act,
            AuditEntry: self._audit,
            AuditPage: self._take_page,
            MemberJoined: self._join,
            MemberSilence: self._silence,
            MessageGone: lambda fact: self._attribution.lose_message(fact, self._now()),
            VoiceState: self._speak,
            SessionStarted: self._start_session,
            ShardNews: self._take_news,
            ChannelSeen: self._see_channel,
            ChannelGone: self._lose_channel,
            GuildSeen: self._see_guild,
            GuildChanged: self._change_guild,
            GuildGone: self._lose_guild,
            MemberMoved: self._headcount.move,
            CountsRead: lambda fact: self._headcount.answer(fact, self._now()),
            BotKnown: self.rights.know_bot,
            RolesSeen: self.rights.see_roles,
            RoleSeen: self.rights.see_role,
            RoleGone: self.rights.lose_role,
            MemberRoles: self.rights.see_member,
            PartSeen: lambda fact: self._change_parts(self._parts.see(fact)),
            PartGone: lambda fact: self._change_parts(self._parts.lose(fact)),
            PartsListed: lambda fact: self._change_parts(self._parts.list_all(fact)),
            Joined: self._come_in,
            InvitesRead: lambda fact: self._invites.answer(fact, self._now()),
            InviteMade: self._invites.make,
            InviteLost: lambda fact: self._invites.lose(fact, self._now()),
            InviteTaken: self._invites.take_back,
        }

    def _count(self, count: Count) -> None:
        if count.name:
            self.directory.name_person(count.user_id, count.name)
        self._aggregate.add(count)
        if count.slot in self._levels.earners:
            self._earn(count)

    def _earn(self, count: Count) -> None:
        for earned in self._levels.take(count):
            if isinstance(earned, Count):
                self._aggregate.add(earned)
            else:
                self._record_whole(earned)

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

    def _change_parts(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._attribution.change(change, self._now())

    def _audit(self, entry: AuditEntry, *, recovered: bool = False) -> None:
        self._attribute(entry, fresh=self._catch_up.take(entry), recovered=recovered)

    def _attribute(self, entry: AuditEntry, *, fresh: bool, recovered: bool) -> None:
        self._attribution.audit(entry, self._now(), fresh=fresh, recovered=recovered)

    def _take_page(self, page: AuditPage) -> None:
        for person in page.people:
            if person.name:
                self.directory.name_person(person.user_id, person.name)
        if page.inquiry.purpose == CATCH_UP_PURPOSE:
            for entry in self._catch_up.turn(page, self._now()):
                self._attribute(entry, fresh=True, recovered=True)
            return
        for entry in page.entries:
            self._audit(entry, recovered=self._catch_up.is_missed(entry))
        self._attribution.answer(page, self._now())

    def _join(self, fact: MemberJoined) -> None:
        self._attribution.join(fact, self._now())

    def _silence(self, fact: MemberSilence) -> None:
        self._attribution.silence(fact, self._now())

    def _settle(self, heard: int | None = None, *, all_of_them: bool = False) -> None:
        self._attribution.settle(self._now(), self._clock.now_ms(), heard=heard, all_of_them=all_of_them)
        if not all_of_them:
            self._catch_up.tick(self._now())
            self._headcount.tick(self._now())
            self._invites.tick(self._now(), heard)

    def _now(self) -> int:
        """Now for timers, in ms: the wall clock may be set, and would then starve or fire them."""
        return round(self._clock.monotonic() * 1000)

    def _speak(self, state: VoiceState) -> None:
        session = self.voice.session_of(state.guild_id, state.user_id)
        if session is not None:
            before = session.state
            if before.channel_id != state.channel_id:
                self._attribution.change_voice(state.guild_id, state.channel_id, state.at, self._now())
            if session.confirmed:
                self._change_voice(before, state)
        self.voice.apply(state)

    def _change_voice(self, before: VoiceState, state: VoiceState) -> None:
        for count in switched(before, state):
            self._count(count)
        for action in ordered(before, state):
            self._act(action)

    def _take_news(self, news: ShardNews) -> None:
        if news.state == "lost":
            # The last moment known: who is gone when the next session begins is booked up to here.
            self.voice.show(self._clock.now_ms(), self._voiced(news.shard))
        self._streams.take(news)
        if news.state in {"lost", "settled"}:
            self.voice.touched |= dict.fromkeys(self._voiced(news.shard))

    def _voiced(self, shard: int) -> list[int]:
        """The guilds of a shard with somebody in voice."""
        return [guild_id for guild_id in self.voice.guilds if self._streams.shard_of(guild_id) == shard]

    def _start_session(self, fact: SessionStarted) -> None:
        shard, self._streams.shards = fact.shard
        self._streams.take(ShardNews(shard, "settled"))
        self._streams.start_session(shard)
        self._catch_up.start_session(fact.guild_ids)
        for gone in self.directory.start_session(fact):
            self._lose_guild(gone)
        self.voice.doubt(fact.guild_ids)

    def _see_guild(self, fact: GuildSeen) -> None:
        for record in self.directory.see_guild(fact):
            self._record_whole(record)
        self.voice.reconcile(fact.guild_id, fact.voice_states, fact.at)
        self._catch_up.see_guild(fact.guild_id, fact.at, self._now())
        self._invites.see_guild(fact.guild_id)
        self._headcount.see_guild(fact.guild_id, self._now())
        self._leftovers.see_guild(fact, self._now())

    def _see_channel(self, fact: ChannelSeen) -> None:
        self.directory.see_channel(fact)
        self._leftovers.see_channel(fact)

    def _lose_channel(self, fact: ChannelGone) -> None:
        self.directory.lose_channel(fact)
        self._leftovers.lose_channel(fact, self._now())

    def _change_rights(self, guild_id: int) -> None:
        self._forgive(guild_id)
        self._catch_up.permit(guild_id, self._now())
        self._attribution.permit(guild_id)
        self._invites.permit(guild_id)

    def _come_in(self, fact: Joined) -> None:
        # What a replay tells of happened at any time since the connection was last heard.
        self._invites.join(fact, self._now(), self._streams.heard if self._streams.replaying else None)

    def _has_vanity(self, guild_id: int) -> bool:
        guild = self.directory.guilds.get(guild_id)
        return guild is not None and "VANITY_URL" in guild.features

    def _change_guild(self, fact: GuildChanged) -> None:
        # Until now another channel may have been the AFK channel.
        self.voice.book(fact.at, (fact.guild_id,))
        for record in self.directory.change_guild(fact):
            self._record_whole(record)

    def _lose_guild(self, fact: GuildGone) -> None:
        for record in self.directory.lose_guild(fact):
            self._record_whole(record)
        if fact.unavailable:
            self.voice.show(fact.at, (fact.guild_id,))
            self.voice.doubt((fact.guild_id,))
        else:
            self.voice.forget(fact.guild_id, fact.at)
            self.rights.forget(fact.guild_id)
            self._catch_up.forget(fact.guild_id)
            self._headcount.forget(fact.guild_id)
            self._leftovers.lose_guild(fact.guild_id, self._now())
            self._invites.forget(fact.guild_id)
            self._attribution.forget(fact.guild_id)
            self._parts.forget(fact.guild_id)
            self._newcomers.pop(fact.guild_id, None)

    def _afk_channel(self, guild_id: int) -> int:
        guild = self.directory.guilds.get(guild_id)
        return guild.afk_channel_id if guild else 0

    # ------------------------------------------------------------------ windows

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

    def _metrics_entry(self, guild_id: int, period: tuple[int, int], key: str, activity: Activity) -> Entry:
        guild = self.directory.guilds.get(guild_id)
        seen = guild is not None and guild.known
        gauges = {
            name: value
            for name in self._catalogue.gauges
            if guild and seen and (value := self._gauges[name](guild)) is not None
        }
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
