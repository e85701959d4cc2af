"""Voice states become time. The ledger remembers who is where, since when and in what state.

Time in progress is shown as it passes: added to the running totals, some guilds at a time. It is booked on
the windows when a state changes and when a window ends, cut at window edges so that each second lands in the
window it belongs to. What is booked has been shown before, so the two never disagree about a state: whether
somebody is alone changes when others come and go, so a person left alone or joined is booked up to that
moment first.

A session of which it is not sure that it goes on (after a restart, or a new gateway session) is unconfirmed:
no time is added until the guild's voice states are seen. Who is still in the same channel was there all the
while; who is not is closed at the last moment known, never counted on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from exporter.checkpoint.journal import SavedSession
from exporter.events.facts import Count, Series, VoiceState
from exporter.events.voice import JOINS, MOVES, SESSION_TIME, SESSIONS
from exporter.tracking.voice.time import MAX_GAP_MS, Timekeeper
from exporter.tracking.voice.voice_sessions import GuildVoice, Session, restore_session, save_session

SHOWN_AT_ONCE = 2_000
"""Sessions whose time is shown in one go: about 2 ms, so that a small installation is always up to date."""

ROUNDS = 5
"""In how many goes at most all sessions are shown: at one a second no total is staler than this."""


class VoiceLedger:
    """Open voice sessions of all guilds.

    ``emit`` takes the counts for windows; ``show`` adds to a running total: slot, guild, channel, amount.
    ``window_ms`` is the length of the smallest window; ``afk_channel`` tells a guild's AFK channel;
    ``is_silent`` whether nothing is heard of a guild at the moment.

    ``changed`` holds the guilds whose sessions the journal has to be told of together with what was counted;
    ``touched`` those where only what is known of them changed.
    """

    def __init__(
        self,
        emit: Callable[[Count], None],
        show: Callable[[Series, int, int, int], None],
        window_ms: int,
        afk_channel: Callable[[int], int],
        is_silent: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._emit = emit
        self._is_silent = is_silent
        self._round: Iterator[int] = iter(())
        self.guilds: dict[int, GuildVoice] = {}
        self.open = 0
        self.changed: dict[int, None] = {}
        self.touched: dict[int, None] = {}
        self._time = Timekeeper(emit, show, window_ms, afk_channel, self.changed)

    # ------------------------------------------------------------------ what is told

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
        self._time.book(guild, session, state.at)
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
        """Stop the clock of guilds whose states are about to be told anew."""
        for guild_id in guild_ids:
            guild = self.guilds.get(guild_id)
            for session in guild.sessions.values() if guild else ():
                session.confirmed = False
            if guild is not None:
                self.touched[guild_id] = None

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
            self._count(JOINS.series, state)
        if not guild.sessions and not guild.peak:
            del self.guilds[guild_id]

    def forget(self, guild_id: int, at: int) -> None:
        """Close a guild's sessions: the bot was removed from it."""
        self.reconcile(guild_id, (), at)
        self.guilds.pop(guild_id, None)

    # ------------------------------------------------------------------ time passing

    def show_some(self, at: int) -> None:
        """Show the time in progress of the guilds that have waited longest; each within ``ROUNDS`` calls."""
        budget = max(SHOWN_AT_ONCE, -(-self.open // ROUNDS))
        for _ in range(len(self.guilds)):
            guild_id = next(self._round, 0)
            if not guild_id:
                self._round = iter(tuple(self.guilds))
                guild_id = next(self._round)
            self.show(at, (guild_id,))
            guild = self.guilds.get(guild_id)
            budget -= len(guild.sessions) if guild else 0
            if budget <= 0:
                return

    def show(self, at: int, guild_ids: Iterable[int]) -> None:
        """Show the time in progress of these guilds, where news comes in."""
        for guild_id in guild_ids:
            guild = self.guilds.get(guild_id)
            if guild is not None and not self._is_silent(guild_id):
                for session in guild.sessions.values():
                    self._time.show(guild, session, at)

    def book(self, at: int, guild_ids: Iterable[int] | None = None) -> None:
        """Book the time in progress of these guilds, or of all, as far as it is sure."""
        for guild_id in tuple(self.guilds) if guild_ids is None else guild_ids:
            self.show(at, (guild_id,))
            guild = self.guilds.get(guild_id)
            if guild is None:
                continue
            for session in guild.sessions.values():
                # Of one in doubt even the AFK channel may be unknown so far.
                if session.confirmed:
                    self._time.write(guild, session)

    def slices(self, size: int) -> Iterator[list[int]]:
        """All guilds where somebody is in voice, in lists with about so many sessions."""
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
        """Begin anew with who is there; forget a guild where nobody is."""
        guild = self.guilds.get(guild_id)
        if guild is None:
            return
        guild.reset_peaks()
        if not guild.sessions:
            del self.guilds[guild_id]

    def session_of(self, guild_id: int, user_id: int) -> Session | None:
        """A member's session; None for somebody who is not in voice."""
        guild = self.guilds.get(guild_id)
        return guild.sessions.get(user_id) if guild is not None else None

    def save(self, guild_id: int) -> list[SavedSession]:
        """A guild's sessions as they stand, for the journal."""
        guild = self.guilds.get(guild_id)
        heard = not self._is_silent(guild_id)
        sessions = guild.sessions.values() if guild is not None else ()
        return [save_session(session, running=session.confirmed and heard) for session in sessions]

    def restore(self, guild_id: int, saved: Iterable[SavedSession]) -> None:
        """Take back sessions of a process that ended; unconfirmed until the guild is seen."""
        for item in saved:
            session = restore_session(guild_id, item)
            guild = self._guild(guild_id)
            if not session.state.bot:
                guild.enter(item.user_id, item.channel_id)
            guild.sessions[item.user_id] = session
            self.open += 1

    # ------------------------------------------------------------------ steps of a session

    def _guild(self, guild_id: int) -> GuildVoice:
        return self.guilds.setdefault(guild_id, GuildVoice(guild_id))

    def _enter(self, guild: GuildVoice, state: VoiceState, since: int) -> None:
        user_id, channel_id = state.user_id, state.channel_id
        if not state.bot:
            self._book_company(guild, user_id, channel_id, state.at)
            guild.enter(user_id, channel_id)
        self.open += user_id not in guild.sessions
        guild.sessions[user_id] = Session(since, state.at, state.at, state)
        self.changed[guild.guild_id] = None

    def _confirm(self, guild: GuildVoice, session: Session, state: VoiceState, at: int) -> None:
        """Take what Discord says now of a session that was in doubt."""
        if _stayed(session, state, at):
            session.confirmed = True
            self._time.book(guild, session, at)
            self._change(session, state)
            return
        self._close(guild, session, at)
        if state.channel_id:
            self._enter(guild, state, at)
            self._count(JOINS.series, state)

    def _close(self, guild: GuildVoice, session: Session, at: int) -> None:
        """End a session at the last moment at which it was known to go on."""
        self._time.book(guild, session, at)
        # A replay may tell of it when more has been shown; of the others no more is known than it tells.
        self._vacate(guild, session, min(at, session.booked_until))
        self._finish(guild, session, session.booked_until)

    def _change(self, session: Session, state: VoiceState) -> None:
        # Who is a bot stays one; a payload that leaves the user out must not make it a person.
        if state.bot is not session.state.bot:
            state = msgspec.structs.replace(state, bot=session.state.bot)
        session.state = state
        self.changed[state.guild_id] = None

    def _vacate(self, guild: GuildVoice, session: Session, at: int) -> None:
        """Take a member out of the channel's people; one left behind was in company until now."""
        state = session.state
        if not state.bot:
            self._book_company(guild, state.user_id, state.channel_id, at)
            guild.leave(state.user_id, state.channel_id)

    def _book_company(self, guild: GuildVoice, user_id: int, channel_id: int, at: int) -> None:
        """Book the only other person in a channel, who is alone from now on, or no longer."""
        other = guild.only_other(user_id, channel_id)
        if other is not None:
            self._time.book(guild, other, at)

    def _finish(self, guild: GuildVoice, session: Session, at: int) -> None:
        state = session.state
        del guild.sessions[state.user_id]
        self.open -= 1
        self.changed[guild.guild_id] = None
        if not state.bot:
            length = max(0, at - session.since)
            self._emit(Count(SESSIONS.series, guild.guild_id, at, user_id=state.user_id))
            self._emit(Count(SESSION_TIME.series, guild.guild_id, at, amount=length))

    def _count(self, series: Series, state: VoiceState) -> None:
        if not state.bot:
            self._emit(Count(series, state.guild_id, state.at, state.channel_id))


def _stayed(session: Session, state: VoiceState | None, at: int) -> bool:
    """Whether a member was there all the while; one whose connection is another has come anew."""
    if state is None or state.channel_id != session.state.channel_id:
        return False
    if session.confirmed:
        return True
    known, told = session.state.session, state.session
    return at - session.shown_until <= MAX_GAP_MS and (known == told or not (known and told))
