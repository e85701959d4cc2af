"""The time of one session: shown in the running totals as it passes, booked on the windows when it must be.

Invariant: what is booked was shown before, in the same state; no moment is shown or booked twice.
"""

from __future__ import annotations

from collections.abc import Callable

from exporter.events.facts import Count, Series, VoiceState
from exporter.events.voice import SECONDS, STREAM_SECONDS, VIDEO_SECONDS
from exporter.state.shard_timeline import LONGEST_SILENCE_MS
from exporter.tracking.voice.voice_sessions import GuildVoice, Session

MAX_GAP_MS = 3_600_000
"""A member found in the same channel after a gap no longer than this is taken to have stayed; beyond an hour
it is as likely that they left and came back. Time in progress, shown every few seconds, never spans as much
unless the machine slept or its clock was set: then nobody knows what happened."""

MAX_SETBACK_MS = LONGEST_SILENCE_MS
"""A clock set back by less is waited for, so that no moment is booked twice; by more it is a new clock. A
replay goes back as far: until a connection is known to be dead, time is shown as if nothing had changed."""


class Timekeeper:
    """Arguments as of ``VoiceLedger``; ``changed`` gets the guilds whose sessions were booked."""

    def __init__(
        self,
        emit: Callable[[Count], None],
        show: Callable[[Series, int, int, int], None],
        window_ms: int,
        afk_channel: Callable[[int], int],
        changed: dict[int, None],
    ) -> None:
        self._emit = emit
        self._add = show
        self._window_ms = window_ms
        self._afk_channel = afk_channel
        self._changed = changed

    def book(self, guild: GuildVoice, session: Session, until: int) -> None:
        """Show and book the time up to a moment."""
        self.show(guild, session, until)
        self.write(guild, session)

    def show(self, guild: GuildVoice, session: Session, until: int) -> None:
        """Add the time since it was last shown to the totals; a clock that was set adds nothing."""
        if not session.confirmed:
            return
        step = until - session.shown_until
        if not -MAX_SETBACK_MS <= step <= MAX_GAP_MS:
            self.write(guild, session)
            session.since += step
            session.booked_until = session.shown_until = until
            self._changed[guild.guild_id] = None
        elif step > 0:
            for series in self._slots(guild, session.state):
                self._add(series, guild.guild_id, session.state.channel_id, step)
            session.shown_until = until

    def write(self, guild: GuildVoice, session: Session) -> None:
        """Book what has been shown, cut at window edges."""
        start, until = session.booked_until, session.shown_until
        if until <= start:
            return
        state = session.state
        series_of = self._slots(guild, state)
        user_id = 0 if state.bot else state.user_id
        while start < until:
            edge = min(until, start - start % self._window_ms + self._window_ms)
            for series in series_of:
                self._emit(
                    Count(
                        series,
                        guild.guild_id,
                        start,
                        state.channel_id,
                        user_id,
                        amount=edge - start,
                        until=edge - 1,
                    )
                )
            start = edge
        session.booked_until = until
        self._changed[guild.guild_id] = None

    def _slots(self, guild: GuildVoice, state: VoiceState) -> list[Series]:
        """What a second is at the moment."""
        series_of = [SECONDS[self._state(guild, state)]]
        if state.stream and not state.bot:
            series_of.append(STREAM_SECONDS.series)
        if state.video and not state.bot:
            series_of.append(VIDEO_SECONDS.series)
        return series_of

    def _state(self, guild: GuildVoice, state: VoiceState) -> str:
        if state.bot:
            return "bot"
        if state.channel_id == self._afk_channel(guild.guild_id):
            return "afk"
        if state.self_deaf or state.deaf:
            return "deafened"
        if state.self_mute or state.mute:
            return "muted"
        return "alone" if guild.is_alone(state.channel_id) else "active"
