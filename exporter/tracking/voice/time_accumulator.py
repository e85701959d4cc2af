"""The time of one session: accrued to the running totals as it passes, settled into the windows when needed.

Invariant: time is accrued before it is settled, in the same state; no time is accrued or settled twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from exporter.dispatch.component import Emit
from exporter.events.facts.counting import Count, Series, TimeElapsed
from exporter.events.facts.guilds import VoiceState
from exporter.events.voice import SECONDS, STREAM_SECONDS, VIDEO_SECONDS
from exporter.state.shard_timeline import LONGEST_SILENCE_MS
from exporter.tracking.voice.voice_sessions import GuildVoice, VoiceSession

MAX_GAP_MS = 3_600_000
"""A member found in the same channel after a gap no longer than this counts as having stayed; beyond an hour
it is as likely that they left and returned. Time in progress, accrued every few seconds, never spans as much
unless the machine was suspended or its clock was set: then the states in between are unknown."""

MAX_SETBACK_MS = LONGEST_SILENCE_MS
"""After a smaller step back of the clock nothing accrues until it catches up, so that no time is settled
twice; a larger one starts a new timeline. A replay goes back as far: until a connection is known to be dead,
time accrues as if nothing had changed."""


class VoiceTimeAccumulator:
    """Accrues and settles the time of sessions.

    Arguments are those of ``VoiceTracker``; ``changed`` takes the guilds whose sessions were settled.
    """

    def __init__(
        self,
        emit: Emit,
        window_ms: int,
        afk_channels: Mapping[int, int],
        changed: Callable[[int], None],
    ) -> None:
        self._emit = emit
        self._window_ms = window_ms
        self._afk_channels = afk_channels
        self._changed = changed

    def settle_until(self, guild: GuildVoice, session: VoiceSession, until: int) -> None:
        """Accrue and settle the time up to a moment."""
        self.accrue(guild, session, until)
        self.settle(guild, session)

    def accrue(self, guild: GuildVoice, session: VoiceSession, until: int) -> None:
        """Add the time since it was last accrued to the totals; a clock that was set adds nothing."""
        if not session.confirmed:
            return
        step = until - session.accrued_until
        if not -MAX_SETBACK_MS <= step <= MAX_GAP_MS:
            self.settle(guild, session)
            session.since += step
            session.settled_until = session.accrued_until = until
            self._changed(guild.guild_id)
        elif step > 0:
            for series in self._series(guild, session.state):
                self._emit(TimeElapsed(series, guild.guild_id, session.state.channel_id, step))
            session.accrued_until = until

    def settle(self, guild: GuildVoice, session: VoiceSession) -> None:
        """Emit accrued time as counts for the windows, cut at window edges."""
        start, until = session.settled_until, session.accrued_until
        if until <= start:
            return
        state = session.state
        active = self._series(guild, state)
        user_id = 0 if state.bot else state.user_id
        while start < until:
            edge = min(until, start - start % self._window_ms + self._window_ms)
            for series in active:
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
        session.settled_until = until
        self._changed(guild.guild_id)

    def _series(self, guild: GuildVoice, state: VoiceState) -> list[Series]:
        """The series that a second in this state counts for."""
        active = [SECONDS[self._state(guild, state)]]
        if state.stream and not state.bot:
            active.append(STREAM_SECONDS.series)
        if state.video and not state.bot:
            active.append(VIDEO_SECONDS.series)
        return active

    def _state(self, guild: GuildVoice, state: VoiceState) -> str:
        if state.bot:
            return "bot"
        if state.channel_id == self._afk_channels.get(guild.guild_id):
            return "afk"
        if state.self_deaf or state.deaf:
            return "deafened"
        if state.self_mute or state.mute:
            return "muted"
        return "alone" if guild.is_alone(state.channel_id) else "active"
