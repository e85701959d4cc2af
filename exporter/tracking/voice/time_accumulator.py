"""Time in voice: accrued to the running totals as it passes, settled into the windows when needed.

Invariant: time is accrued before it is settled, in the same state; no time is accrued or settled twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from exporter.dispatch.component import Emit
from exporter.events.facts.counting import Count, Series, TimeElapsed
from exporter.events.facts.guilds import VoiceState
from exporter.events.voice import SECONDS, STREAM_SECONDS, VIDEO_SECONDS
from exporter.state.shard_delays import LONGEST_SILENCE_MS
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.voice.voice_sessions import GuildVoice, VoiceSession

MAX_GAP_MS = 3_600_000
"""A member found in the same channel after a gap no longer than this counts as having stayed; beyond an hour
it is as likely that they left and returned. Time in progress, accrued every few seconds, never spans as much
unless the machine was suspended or its clock was set: then the states in between are unknown."""

MAX_SETBACK_MS = LONGEST_SILENCE_MS
"""After a smaller step back of the clock nothing accrues until it catches up, so that no time is settled
twice; a larger one starts a new timeline. A replay goes back as far: until a connection is known to be dead,
time accrues as if nothing had changed."""


ForEach = Callable[[Iterable[int], Callable[[int], None]], None]
"""Does some work for each guild; an error in one keeps no other from its turn."""


class VoiceTimeAccumulator:
    """Accrues and settles the time of sessions in ``guilds``.

    ``window_ms`` is the length of the smallest window; ``changed`` takes guilds whose sessions were settled.
    """

    def __init__(
        self,
        emit: Emit,
        guilds: Mapping[int, GuildVoice],
        timeline: ShardTimeline,
        window_ms: int,
        for_each: ForEach,
        changed: Callable[[int], None],
    ) -> None:
        self._emit = emit
        self._guilds = guilds
        self._timeline = timeline
        self._window_ms = window_ms
        self._for_each = for_each
        self._changed = changed
        self._round: Iterator[int] = iter(())
        self._afk_channels: dict[int, int] = {}

    def set_afk_channel(self, guild_id: int, channel_id: int) -> None:
        """Take the AFK channel of a guild, 0 for none."""
        if channel_id:
            self._afk_channels[guild_id] = channel_id
        else:
            self._afk_channels.pop(guild_id, None)

    # ------------------------------------------------------------------ of guilds

    def accrue_some(self, at: int, budget: int) -> None:
        """Accrue the time of the guilds that have waited longest, until about so many sessions are done."""
        self.accrue_guilds(at, self._next_guilds(budget))

    def accrue_guilds(self, at: int, guild_ids: Iterable[int]) -> None:
        """Accrue the time in progress of these guilds, where their shard is connected."""
        connected = (guild_id for guild_id in guild_ids if not self._timeline.is_silent(guild_id))
        self._for_each(connected, partial(self.accrue_guild, at))

    def accrue_guild(self, at: int, guild_id: int) -> None:
        """Accrue the time in progress of a guild."""
        if (guild := self._guilds.get(guild_id)) is not None:
            for session in guild.sessions.values():
                self.accrue(guild, session, at)

    def settle_guilds(self, at: int, guild_ids: Iterable[int] | None = None) -> None:
        """Settle the time in progress of these guilds, or of all, as far as it is sure."""
        self._for_each(
            tuple(self._guilds) if guild_ids is None else guild_ids, partial(self._settle_guild, at)
        )

    def _settle_guild(self, at: int, guild_id: int) -> None:
        if not self._timeline.is_silent(guild_id):
            self.accrue_guild(at, guild_id)
        if (guild := self._guilds.get(guild_id)) is not None:
            for session in guild.sessions.values():
                # Of one in doubt even the AFK channel may be unknown so far.
                if session.confirmed:
                    self.settle(guild, session)

    def slices(self, size: int) -> Iterator[list[int]]:
        """All guilds with members in voice, in lists with about so many sessions."""
        part: list[int] = []
        sessions = 0
        for guild_id, guild in tuple(self._guilds.items()):
            part.append(guild_id)
            sessions += len(guild.sessions)
            if sessions >= size:
                yield part
                part, sessions = [], 0
        if part:
            yield part

    def _next_guilds(self, budget: int) -> Iterator[int]:
        for _ in range(len(self._guilds)):
            guild_id = next(self._round, 0)
            if not guild_id:
                self._round = iter(tuple(self._guilds))
                guild_id = next(self._round)
            guild = self._guilds.get(guild_id)
            budget -= len(guild.sessions) if guild else 0
            yield guild_id
            if budget <= 0:
                return

    # ------------------------------------------------------------------ of one session

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
