"""Voice states become time. The ledger remembers who is where, since when and in what state.

Time is booked as it passes, not when somebody leaves: ``book`` adds what has passed since the last booking,
cut at window edges so that each second lands in the window it belongs to. Whether somebody is alone changes
when others come and go, so a person left alone or joined is booked up to that moment first.

A session of which it is not sure that it goes on (after a restart, or a new gateway session) is unconfirmed:
no time is booked until the guild's voice states are seen. Who is still in the same channel was there all the
while; who is not is closed at the last moment known, never counted on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from exporter.events.facts import Count, Slot, VoiceState
from exporter.events.voice import JOINS, MOVES, SECONDS, SESSION_TIME, SESSIONS
from exporter.pipeline.journal import SavedSession

MAX_GAP_MS = 3_600_000
"""A member found in the same channel after a gap no longer than this is taken to have stayed; beyond an hour
it is as likely that they left and came back. Time in progress, booked every few seconds, never spans as much
unless the machine slept or its clock was set: then nobody knows what happened."""

MAX_SETBACK_MS = 60_000
"""A clock set back by less is waited for, so that no moment is booked twice; by more it is a new clock."""


@dataclass(slots=True)
class Session:
    """A member in voice."""

    since: int
    booked_until: int
    state: VoiceState
    confirmed: bool = True


@dataclass(slots=True)
class GuildVoice:
    """A guild's members in voice. ``people`` leaves bots out; peaks are since the last reset."""

    guild_id: int
    sessions: dict[int, Session] = field(default_factory=dict)
    people: dict[int, set[int]] = field(default_factory=dict)
    present: int = 0
    peak: int = 0
    channel_peaks: dict[int, int] = field(default_factory=dict)


class VoiceLedger:
    """Open voice sessions of all guilds.

    ``emit`` takes the counts; ``window_ms`` is the length of the smallest window; ``afk_channel`` tells a
    guild's AFK channel; ``is_silent`` whether nothing is heard of a guild at the moment.
    """

    def __init__(
        self,
        emit: Callable[[Count], None],
        window_ms: int,
        afk_channel: Callable[[int], int],
        is_silent: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._emit = emit
        self._window_ms = window_ms
        self._afk_channel = afk_channel
        self._is_silent = is_silent
        self.guilds: dict[int, GuildVoice] = {}

    def apply(self, state: VoiceState) -> None:
        """Take one state: enter, leave, move, or a change within the channel."""
        guild = self.guilds.get(state.guild_id)
        session = guild.sessions.get(state.user_id) if guild else None
        if guild is None or session is None:
            if state.channel_id:
                self._enter(guild or self._guild(state.guild_id), state, state.at)
                self._count(JOINS.slot, state)
            return
        if not session.confirmed:
            self._confirm(guild, session, state, state.at)
            return
        self._book(guild, session, state.at)
        if state.channel_id == session.state.channel_id:
            self._change(session, state)
            return
        self._vacate(guild, session, state.at)
        if state.channel_id:
            self._enter(guild, state, session.since)
            self._count(MOVES.slot, state)
        else:
            self._finish(guild, session, state.at)

    def doubt(self, guild_ids: Iterable[int]) -> None:
        """Stop the clock of guilds whose states are about to be told anew."""
        for guild_id in guild_ids:
            guild = self.guilds.get(guild_id)
            for session in guild.sessions.values() if guild else ():
                session.confirmed = False

    def reconcile(self, guild_id: int, states: Iterable[VoiceState], at: int) -> None:
        """Bring a guild's sessions in line with the states Discord says hold now."""
        found = {state.user_id: state for state in states if state.channel_id}
        guild = self._guild(guild_id)
        sessions = list(guild.sessions.values())
        # Those who are gone leave first: until when the others were in company depends on it.
        for session in sessions:
            if not _stayed(session, found.get(session.state.user_id), at):
                self._close(guild, session, at)
        for session in sessions:
            user_id = session.state.user_id
            if user_id in guild.sessions:
                self._confirm(guild, session, found.pop(user_id), at)
        for state in found.values():
            self._enter(guild, state, at)
            self._count(JOINS.slot, state)
        if not guild.sessions and not guild.peak:
            del self.guilds[guild_id]

    def forget(self, guild_id: int, at: int) -> None:
        """Close a guild's sessions: the bot was removed from it."""
        self.reconcile(guild_id, (), at)
        self.guilds.pop(guild_id, None)

    def book(self, at: int) -> None:
        """Book the time in progress of all sessions that are sure, where news comes in."""
        for guild in self.guilds.values():
            if self._is_silent(guild.guild_id):
                continue
            for session in guild.sessions.values():
                self._book(guild, session, at)

    def members(self, guild_id: int) -> int:
        """People in voice in a guild now."""
        guild = self.guilds.get(guild_id)
        return guild.present if guild else 0

    def peaks(self, guild_id: int) -> tuple[int, dict[int, int]]:
        """Most people in voice at once since the last reset: in the guild, and by channel."""
        guild = self.guilds.get(guild_id)
        return (guild.peak, guild.channel_peaks) if guild else (0, {})

    def reset_peaks(self, guild_id: int) -> None:
        """Begin anew with who is there; forget a guild where nobody is."""
        guild = self.guilds.get(guild_id)
        if guild is None:
            return
        guild.peak = guild.present
        guild.channel_peaks = {channel: len(people) for channel, people in guild.people.items()}
        if not guild.sessions:
            del self.guilds[guild_id]

    def channel_of(self, guild_id: int, user_id: int) -> int:
        """The channel a member is in; 0 for none."""
        guild = self.guilds.get(guild_id)
        session = guild.sessions.get(user_id) if guild is not None else None
        return session.state.channel_id if session is not None else 0

    def save(self) -> list[SavedSession]:
        """The sessions as they stand, for the journal."""
        return [
            SavedSession(
                guild.guild_id,
                user_id,
                session.state.channel_id,
                session.since,
                session.booked_until,
                session.state.self_mute or session.state.mute,
                session.state.self_deaf or session.state.deaf,
                session.state.bot,
            )
            for guild in self.guilds.values()
            for user_id, session in guild.sessions.items()
        ]

    def restore(self, saved: Iterable[SavedSession]) -> None:
        """Take back sessions of a process that ended; unconfirmed until the guild is seen."""
        for item in saved:
            state = VoiceState(
                item.guild_id,
                item.user_id,
                item.channel_id,
                item.booked_until,
                bot=item.bot,
                self_mute=item.muted,
                self_deaf=item.deafened,
            )
            self._enter(self._guild(item.guild_id), state, item.since, confirmed=False)

    def _guild(self, guild_id: int) -> GuildVoice:
        return self.guilds.setdefault(guild_id, GuildVoice(guild_id))

    def _enter(self, guild: GuildVoice, state: VoiceState, since: int, *, confirmed: bool = True) -> None:
        channel_id = state.channel_id
        if not state.bot:
            people = guild.people.setdefault(channel_id, set())
            if len(people) == 1:
                self._book(guild, guild.sessions[next(iter(people))], state.at)
            people.add(state.user_id)
            guild.present += 1
            guild.peak = max(guild.peak, guild.present)
            guild.channel_peaks[channel_id] = max(guild.channel_peaks.get(channel_id, 0), len(people))
        guild.sessions[state.user_id] = Session(since, state.at, state, confirmed)

    def _confirm(self, guild: GuildVoice, session: Session, state: VoiceState, at: int) -> None:
        """Take what Discord says now of a session that was in doubt."""
        if _stayed(session, state, at):
            session.confirmed = True
            self._book(guild, session, at)
            self._change(session, state)
            return
        self._close(guild, session, at)
        if state.channel_id:
            self._enter(guild, state, at)
            self._count(JOINS.slot, state)

    def _close(self, guild: GuildVoice, session: Session, at: int) -> None:
        """End a session at the last moment at which it was known to go on."""
        self._book(guild, session, at)
        self._vacate(guild, session, session.booked_until)
        self._finish(guild, session, session.booked_until)

    @staticmethod
    def _change(session: Session, state: VoiceState) -> None:
        # Who is a bot stays one; a payload that leaves the user out must not make it a person.
        if state.bot is not session.state.bot:
            state = msgspec.structs.replace(state, bot=session.state.bot)
        session.state = state

    def _vacate(self, guild: GuildVoice, session: Session, at: int) -> None:
        """Take a member out of the channel's people; one left behind was in company until now."""
        channel_id, user_id = session.state.channel_id, session.state.user_id
        people = guild.people.get(channel_id)
        if people is None or user_id not in people:
            return
        if len(people) == 2:  # noqa: PLR2004 - one of two goes, so the other is alone from now on
            other = next(user for user in people if user != user_id)
            self._book(guild, guild.sessions[other], at)
        people.discard(user_id)
        if not people:
            del guild.people[channel_id]
        guild.present -= 1

    def _finish(self, guild: GuildVoice, session: Session, at: int) -> None:
        state = session.state
        del guild.sessions[state.user_id]
        if not state.bot:
            length = max(0, at - session.since)
            self._emit(Count(SESSIONS.slot, guild.guild_id, at, user_id=state.user_id))
            self._emit(Count(SESSION_TIME.slot, guild.guild_id, at, amount=length))

    def _count(self, slot: Slot, state: VoiceState) -> None:
        if not state.bot:
            self._emit(Count(slot, state.guild_id, state.at, state.channel_id))

    def _book(self, guild: GuildVoice, session: Session, until: int) -> None:
        """Add the time since the last booking, cut at window edges; a clock that was set adds nothing."""
        start = session.booked_until
        if not session.confirmed:
            return
        if not -MAX_SETBACK_MS <= until - start <= MAX_GAP_MS:
            session.since += until - start
            session.booked_until = until
            return
        if until <= start:
            return
        state = session.state
        slot = SECONDS[self._state(guild, state)]
        user_id = 0 if state.bot else state.user_id
        while start < until:
            edge = min(until, start - start % self._window_ms + self._window_ms)
            self._emit(Count(slot, guild.guild_id, start, state.channel_id, user_id, amount=edge - start))
            start = edge
        session.booked_until = until

    def _state(self, guild: GuildVoice, state: VoiceState) -> str:
        if state.bot:
            return "bot"
        if state.channel_id == self._afk_channel(guild.guild_id):
            return "afk"
        if state.self_deaf or state.deaf:
            return "deafened"
        if state.self_mute or state.mute:
            return "muted"
        return "alone" if len(guild.people.get(state.channel_id, ())) <= 1 else "active"


def _stayed(session: Session, state: VoiceState | None, at: int) -> bool:
    return (
        state is not None
        and state.channel_id == session.state.channel_id
        and (session.confirmed or at - session.booked_until <= MAX_GAP_MS)
    )
