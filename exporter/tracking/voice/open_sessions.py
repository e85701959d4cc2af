"""Open voice sessions: who enters, stays, moves and leaves, and what is counted of it.

Settled time was accrued before, so the two never disagree about a state: whether a member is alone changes
when others enter and leave, so the time of a member left alone or joined is settled up to that moment first.

A session that may have ended unseen (after a restart, or in a new gateway session) is unconfirmed: no time is
added until the guild's voice states are received. A member still in the same channel was there all the time;
the session of any other member ends at the last known moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from exporter.dispatch.component import Emit
from exporter.events.facts.counting import Count, Series
from exporter.events.facts.guilds import VoiceState
from exporter.events.voice import JOINS, MOVES, SESSION_TIME, SESSIONS
from exporter.tracking.voice.time_accumulator import MAX_GAP_MS, VoiceTimeAccumulator
from exporter.tracking.voice.voice_sessions import GuildVoice, VoiceSession


class OpenSessions:
    """The sessions of all guilds; ``changed`` takes each guild where one begins, changes or ends."""

    def __init__(
        self,
        emit: Emit,
        guilds: dict[int, GuildVoice],
        time: VoiceTimeAccumulator,
        changed: Callable[[int], None],
    ) -> None:
        self._emit = emit
        self._guilds = guilds
        self._time = time
        self._changed = changed
        self.number = 0

    def guild(self, guild_id: int) -> GuildVoice:
        """A guild's members in voice."""
        return self._guilds.setdefault(guild_id, GuildVoice(guild_id))

    def apply(self, state: VoiceState) -> None:
        """Take one state: enter, leave, move, or a change within the channel."""
        guild = self._guilds.get(state.guild_id)
        session = guild.sessions.get(state.user_id) if guild else None
        if guild is None or session is None:
            if state.channel_id:
                self._enter(guild or self.guild(state.guild_id), state, state.at)
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

    def reconcile(self, guild_id: int, states: Iterable[VoiceState], at: int) -> None:
        """Update a guild's sessions to the current states sent by Discord."""
        found = {state.user_id: state for state in states if state.channel_id}
        guild = self.guild(guild_id)
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
            del self._guilds[guild_id]

    # ------------------------------------------------------------------ steps of a session

    def put(self, session: VoiceSession) -> None:
        """Add a session."""
        guild = self.guild(session.state.guild_id)
        self.number += session.state.user_id not in guild.sessions
        guild.put(session)
        self._changed(guild.guild_id)

    def remove(self, guild: GuildVoice, session: VoiceSession) -> None:
        """Remove a session whose member was taken out of the channel."""
        del guild.sessions[session.state.user_id]
        self.number -= 1
        self._changed(guild.guild_id)

    def _enter(self, guild: GuildVoice, state: VoiceState, since: int) -> None:
        self._settle_company(guild, state, state.at)
        self.put(VoiceSession(since, state.at, state.at, state))

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
        self._changed(state.guild_id)

    def _vacate(self, guild: GuildVoice, session: VoiceSession, at: int) -> None:
        """Take a member out of the channel's people; one left behind was in company until now."""
        self._settle_company(guild, session.state, at)
        guild.vacate(session)

    def _settle_company(self, guild: GuildVoice, state: VoiceState, at: int) -> None:
        """Settle the only other person in a channel, who is alone from now on, or no longer."""
        other = None if state.bot else guild.only_other(state.user_id, state.channel_id)
        if other is not None:
            self._time.settle_until(guild, other, at)

    def _finish(self, guild: GuildVoice, session: VoiceSession, at: int) -> None:
        state = session.state
        self.remove(guild, session)
        if not state.bot:
            length = max(0, at - session.since)
            self._emit(Count(SESSIONS.series, guild.guild_id, at, user_id=state.user_id))
            self._emit(Count(SESSION_TIME.series, guild.guild_id, at, amount=length))

    def _count(self, series: Series, state: VoiceState) -> None:
        if not state.bot:
            self._emit(Count(series, state.guild_id, state.at, state.channel_id))


def _stayed(session: VoiceSession, state: VoiceState | None, at: int) -> bool:
    """Whether a member was there all the while; one whose connection is another has come anew."""
    if state is None or state.channel_id != session.state.channel_id:
        return False
    if session.confirmed:
        return True
    known, new = session.state.session, state.session
    return at - session.accrued_until <= MAX_GAP_MS and (known == new or not (known and new))
