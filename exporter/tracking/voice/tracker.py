"""Time in voice from voice states: who is in which channel, since when and in what state.

Time in progress accrues as it passes: it is added to the running totals, some guilds at a time. It is settled
into the windows when a state changes and when a window ends, cut at window edges so that each second lands in
the window it belongs to. Settled time was accrued before, so the two never disagree about a state: whether
a member is alone changes when others enter and leave, so the time of a member left alone or joined is settled
up to that moment first.

A session that may have ended unseen (after a restart, or in a new gateway session) is unconfirmed: no time is
added until the guild's voice states are received. A member still in the same channel was there all the time;
the session of any other member ends at the last known moment.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from exporter.clock import Clock
from exporter.dispatch.component import Component, Emit, Handler, SavedTable, StateRow
from exporter.events.facts.counting import Count, Series
from exporter.events.facts.guilds import (
    GuildDeleted,
    GuildUpdated,
    GuildUpserted,
    SessionStarted,
    ShardStateChanged,
    VoiceChannelLeft,
    VoiceState,
)
from exporter.events.voice import JOINS, MOVES, SESSION_TIME, SESSIONS
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.voice.state_changes import ordered, switched
from exporter.tracking.voice.time_accumulator import MAX_GAP_MS, VoiceTimeAccumulator
from exporter.tracking.voice.voice_sessions import (
    GuildVoice,
    SavedGuildVoice,
    SavedRun,
    SavedSession,
    VoiceSession,
    restore_session,
    save_session,
)

ACCRUED_AT_ONCE = 2_000
"""Sessions whose time accrues in one step: about 2 ms, so that a small installation is always up to date."""

ROUNDS = 5
"""Most steps in which all sessions accrue: at one a second no total is older than this."""

SAVED_AT_ONCE = 1_000
"""Most guilds saved in one commit only because their known time advanced: some 5 ms of work."""


class VoiceTracker(Component):
    """Open voice sessions of all guilds.

    ``timeline`` knows which shards are without a connection; ``window_ms`` is the length of the smallest
    window.
    """

    name = "voice"

    def __init__(self, emit: Emit, timeline: ShardTimeline, clock: Clock, window_ms: int) -> None:
        super().__init__(emit)
        self._timeline = timeline
        self._clock = clock
        self._round: Iterator[int] = iter(())
        self._afk_channels: dict[int, int] = {}
        self.guilds: dict[int, GuildVoice] = {}
        self.open = 0
        self._run = 1
        self._runs: dict[int, int] = {}
        self._found: dict[int, SavedGuildVoice] = {}
        self._known: dict[int, None] = {}
        self._guild_table: SavedTable[int, SavedGuildVoice] = SavedTable(
            "guilds", int, SavedGuildVoice, self._read_guild, self._found.__setitem__
        )
        self._run_table: SavedTable[int, SavedRun] = SavedTable(
            "runs", int, SavedRun, self._read_run, self._load_run
        )
        self._time = VoiceTimeAccumulator(emit, window_ms, self._afk_channels, self._guild_table.touch)

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Voice states, and facts that make them uncertain."""
        return {
            VoiceState: lambda fact, _: self.take(fact),
            ShardStateChanged: lambda fact, _: self._follow_shard(fact),
            SessionStarted: lambda fact, _: self.doubt(fact.guild_ids),
            GuildUpserted: lambda fact, _: self._take_guild(fact),
            GuildUpdated: lambda fact, _: self._change_guild(fact),
            GuildDeleted: lambda fact, _: self._delete_guild(fact),
        }

    # ------------------------------------------------------------------ facts

    def take(self, state: VoiceState) -> None:
        """Take one state, and emit what the member or a moderator changed."""
        session = self.session_of(state.guild_id, state.user_id)
        if session is not None:
            before = session.state
            if before.channel_id != state.channel_id:
                self.emit(VoiceChannelLeft(state.guild_id, state.channel_id, state.at))
            if session.confirmed:
                for change in (*switched(before, state), *ordered(before, state)):
                    self.emit(change)
        self.apply(state)

    def _follow_shard(self, fact: ShardStateChanged) -> None:
        if fact.state not in {"lost", "settled"}:
            return
        guild_ids = [guild_id for guild_id in self.guilds if self._timeline.shard_of(guild_id) == fact.shard]
        if fact.state == "lost":
            # The last known moment: a member missing when the next session begins was there until now.
            self._accrue(self._clock.now_ms(), guild_ids)
        self._known |= dict.fromkeys(guild_ids)

    def _take_guild(self, fact: GuildUpserted) -> None:
        self._set_afk_channel(fact.guild_id, fact.afk_channel_id)
        self.reconcile(fact.guild_id, fact.voice_states, fact.at)

    def _change_guild(self, fact: GuildUpdated) -> None:
        # Until now another channel may have been the AFK channel.
        self.settle(fact.at, (fact.guild_id,))
        self._set_afk_channel(fact.guild_id, fact.afk_channel_id)

    def _delete_guild(self, fact: GuildDeleted) -> None:
        if fact.unavailable:
            self.accrue(fact.at, (fact.guild_id,))
            self.doubt((fact.guild_id,))
            return
        self.reconcile(fact.guild_id, (), fact.at)
        self.guilds.pop(fact.guild_id, None)
        self._afk_channels.pop(fact.guild_id, None)

    def _set_afk_channel(self, guild_id: int, channel_id: int) -> None:
        if channel_id:
            self._afk_channels[guild_id] = channel_id
        else:
            self._afk_channels.pop(guild_id, None)

    # ------------------------------------------------------------------ sessions

    def apply(self, state: VoiceState) -> None:
        """Take one state: enter, leave, move, or a change within the channel."""
        guild = self.guilds.get(state.guild_id)
        session = guild.sessions.get(state.user_id) if guild else None
        if guild is None or session is None:
            if state.channel_id:
                self._enter(guild or self._guild(state.guild_id), state, state.at)
                self._count(JOINS.series, state)
            return
        if not session.confirmed:
            self._confirm(guild, session, state, state.at)
            return
        self._time.settle_until(guild, session, state.at)
        if state.channel_id == session.state.channel_id:
            self._change(session, state)
            return
        self._vacate(guild, session, state.at)
        if state.channel_id:
            self._enter(guild, state, session.since)
            self._count(MOVES.series, state)
        else:
            self._finish(guild, session, state.at)

    def doubt(self, guild_ids: Iterable[int]) -> None:
        """Stop adding time in guilds whose states are about to be sent again."""
        for guild_id in guild_ids:
            guild = self.guilds.get(guild_id)
            for session in guild.sessions.values() if guild else ():
                session.confirmed = False
            if guild is not None:
                self._known[guild_id] = None

    def reconcile(self, guild_id: int, states: Iterable[VoiceState], at: int) -> None:
        """Update a guild's sessions to the current states sent by Discord."""
        found = {state.user_id: state for state in states if state.channel_id}
        guild = self._guild(guild_id)
        sessions = list(guild.sessions.values())
        # Members who left are removed first: how long the others were not alone depends on it.
        for session in sessions:
            if not _stayed(session, found.get(session.state.user_id), at):
                self._close(guild, session, at)
        for session in sessions:
            user_id = session.state.user_id
            if user_id in guild.sessions:
                self._confirm(guild, session, found.pop(user_id), at)
        for state in found.values():
            self._enter(guild, state, at)
            self._count(JOINS.series, state)
        if not guild.sessions and not guild.peak:
            del self.guilds[guild_id]

    # ------------------------------------------------------------------ time passing

    def accrue_some(self, at: int) -> None:
        """Accrue the time of the guilds that have waited longest; each within ``ROUNDS`` calls."""
        budget = max(ACCRUED_AT_ONCE, -(-self.open // ROUNDS))
        for _ in range(len(self.guilds)):
            guild_id = next(self._round, 0)
            if not guild_id:
                self._round = iter(tuple(self.guilds))
                guild_id = next(self._round)
            self.accrue(at, (guild_id,))
            guild = self.guilds.get(guild_id)
            budget -= len(guild.sessions) if guild else 0
            if budget <= 0:
                return

    def accrue(self, at: int, guild_ids: Iterable[int]) -> None:
        """Accrue the time in progress of these guilds, where their shard is connected."""
        self._accrue(at, [guild_id for guild_id in guild_ids if not self._timeline.is_silent(guild_id)])

    def _accrue(self, at: int, guild_ids: Iterable[int]) -> None:
        for guild_id in guild_ids:
            guild = self.guilds.get(guild_id)
            if guild is not None:
                for session in guild.sessions.values():
                    self._time.accrue(guild, session, at)

    def settle(self, at: int, guild_ids: Iterable[int] | None = None) -> None:
        """Settle the time in progress of these guilds, or of all, as far as it is sure."""
        for guild_id in tuple(self.guilds) if guild_ids is None else guild_ids:
            self.accrue(at, (guild_id,))
            guild = self.guilds.get(guild_id)
            if guild is None:
                continue
            for session in guild.sessions.values():
                # Of one in doubt even the AFK channel may be unknown so far.
                if session.confirmed:
                    self._time.settle(guild, session)

    def slices(self, size: int) -> Iterator[list[int]]:
        """All guilds with members in voice, in lists with about so many sessions."""
        part: list[int] = []
        sessions = 0
        for guild_id, guild in tuple(self.guilds.items()):
            part.append(guild_id)
            sessions += len(guild.sessions)
            if sessions >= size:
                yield part
                part, sessions = [], 0
        if part:
            yield part

    # ------------------------------------------------------------------ what is known

    def members(self, guild_id: int) -> int:
        """People in voice in a guild now."""
        guild = self.guilds.get(guild_id)
        return guild.present if guild else 0

    def peaks(self, guild_id: int) -> tuple[int, dict[int, int]]:
        """Most people in voice at once since the last reset: in the guild, and by channel."""
        guild = self.guilds.get(guild_id)
        return (guild.peak, guild.channel_peaks) if guild else (0, {})

    def reset_peaks(self, guild_id: int) -> None:
        """Restart the peaks from the members present; forget a guild without any."""
        guild = self.guilds.get(guild_id)
        if guild is None:
            return
        guild.reset_peaks()
        if not guild.sessions:
            del self.guilds[guild_id]

    def session_of(self, guild_id: int, user_id: int) -> VoiceSession | None:
        """A member's session; None for a member who is not in voice."""
        guild = self.guilds.get(guild_id)
        return guild.sessions.get(user_id) if guild is not None else None

    @property
    def urgent(self) -> bool:
        """Many guilds changed: a commit now keeps the next one small."""
        return len(self._guild_table) >= SAVED_AT_ONCE

    # ------------------------------------------------------------------ saved state

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """The sessions of each guild, and until when each run is known to have gone on."""
        return (self._guild_table, self._run_table)

    @property
    def unsaved(self) -> bool:
        """A running session is known to go on by each commit."""
        return bool(self.open or self._known) or super().unsaved

    def save(self) -> Iterator[StateRow]:
        """The guilds that changed, some of those of which only more is known, and that this run goes on."""
        for guild_id in tuple(islice(self._known, SAVED_AT_ONCE)):
            del self._known[guild_id]
            self._guild_table.touch(guild_id)
        if self.open:
            self._run_table.touch(self._run)
        return super().save()

    def _read_guild(self, guild_id: int) -> SavedGuildVoice | None:
        guild = self.guilds.get(guild_id)
        if guild is None or not guild.sessions:
            return None
        connected = not self._timeline.is_silent(guild_id)
        sessions = [
            save_session(session, running=session.confirmed and connected)
            for session in guild.sessions.values()
        ]
        return SavedGuildVoice(self._run, sessions)

    def _read_run(self, run: int) -> SavedRun | None:
        return SavedRun(self._clock.now_ms()) if run == self._run else None

    def _load_run(self, run: int, saved: SavedRun) -> None:
        self._runs[run] = saved.known_until

    def clear(self) -> None:
        """Forget all sessions."""
        self.guilds.clear()
        self.open = 0

    def resume(self, now: int, wall: int) -> None:
        """Take up the sessions of the previous run; unconfirmed until their guild is seen."""
        del now, wall
        self._run = max((self._run, *(run + 1 for run in self._runs)))
        for guild_id, saved in self._found.items():
            for item in saved.sessions:
                self._restore_session(guild_id, item, self._runs.get(saved.run, 0))
            self._guild_table.touch(guild_id)
        for run in self._runs:
            self._run_table.touch(run)
        self._found.clear()
        self._runs.clear()

    def _restore_session(self, guild_id: int, saved: SavedSession, run_until: int) -> None:
        if saved.running:
            saved = msgspec.structs.replace(saved, known_until=max(saved.known_until, run_until))
        guild = self._guild(guild_id)
        session = restore_session(guild_id, saved)
        if not session.state.bot:
            guild.enter(saved.user_id, saved.channel_id)
        guild.sessions[saved.user_id] = session
        self.open += 1

    def forget_people(self, people: Container[int]) -> None:
        """Forget the sessions of these people; no time of theirs is settled."""
        for guild in list(self.guilds.values()):
            for user_id in [user_id for user_id in guild.sessions if user_id in people]:
                session = guild.sessions.pop(user_id)
                self.open -= 1
                self._guild_table.touch(guild.guild_id)
                if not session.state.bot:
                    guild.leave(user_id, session.state.channel_id)
            if not guild.sessions:
                del self.guilds[guild.guild_id]

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        self._known.pop(guild_id, None)

    # ------------------------------------------------------------------ steps of a session

    def _guild(self, guild_id: int) -> GuildVoice:
        return self.guilds.setdefault(guild_id, GuildVoice(guild_id))

    def _enter(self, guild: GuildVoice, state: VoiceState, since: int) -> None:
        user_id, channel_id = state.user_id, state.channel_id
        if not state.bot:
            self._settle_company(guild, user_id, channel_id, state.at)
            guild.enter(user_id, channel_id)
        self.open += user_id not in guild.sessions
        guild.sessions[user_id] = VoiceSession(since, state.at, state.at, state)
        self._guild_table.touch(guild.guild_id)

    def _confirm(self, guild: GuildVoice, session: VoiceSession, state: VoiceState, at: int) -> None:
        """Take what Discord says now of a session that was in doubt."""
        if _stayed(session, state, at):
            session.confirmed = True
            self._time.settle_until(guild, session, at)
            self._change(session, state)
            return
        self._close(guild, session, at)
        if state.channel_id:
            self._enter(guild, state, at)
            self._count(JOINS.series, state)

    def _close(self, guild: GuildVoice, session: VoiceSession, at: int) -> None:
        """End a session at the last moment at which it was known to go on."""
        self._time.settle_until(guild, session, at)
        # A replay may tell of it when more has been shown; of the others no more is known than it tells.
        self._vacate(guild, session, min(at, session.settled_until))
        self._finish(guild, session, session.settled_until)

    def _change(self, session: VoiceSession, state: VoiceState) -> None:
        # A bot stays one: a payload that leaves the user out must not make it a person.
        if state.bot is not session.state.bot:
            state = msgspec.structs.replace(state, bot=session.state.bot)
        session.state = state
        self._guild_table.touch(state.guild_id)

    def _vacate(self, guild: GuildVoice, session: VoiceSession, at: int) -> None:
        """Take a member out of the channel's people; one left behind was in company until now."""
        state = session.state
        if not state.bot:
            self._settle_company(guild, state.user_id, state.channel_id, at)
            guild.leave(state.user_id, state.channel_id)

    def _settle_company(self, guild: GuildVoice, user_id: int, channel_id: int, at: int) -> None:
        """Settle the only other person in a channel, who is alone from now on, or no longer."""
        other = guild.only_other(user_id, channel_id)
        if other is not None:
            self._time.settle_until(guild, other, at)

    def _finish(self, guild: GuildVoice, session: VoiceSession, at: int) -> None:
        state = session.state
        del guild.sessions[state.user_id]
        self.open -= 1
        self._guild_table.touch(guild.guild_id)
        if not state.bot:
            length = max(0, at - session.since)
            self.emit(Count(SESSIONS.series, guild.guild_id, at, user_id=state.user_id))
            self.emit(Count(SESSION_TIME.series, guild.guild_id, at, amount=length))

    def _count(self, series: Series, state: VoiceState) -> None:
        if not state.bot:
            self.emit(Count(series, state.guild_id, state.at, state.channel_id))


def _stayed(session: VoiceSession, state: VoiceState | None, at: int) -> bool:
    """Whether a member was there all the while; one whose connection is another has come anew."""
    if state is None or state.channel_id != session.state.channel_id:
        return False
    if session.confirmed:
        return True
    known, new = session.state.session, state.session
    return at - session.accrued_until <= MAX_GAP_MS and (known == new or not (known and new))
