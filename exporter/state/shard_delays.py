"""How late what is received of each shard is.

What happened while a replay was sent comes after RESUMED, and a busy process reads seconds after the frames
came. How late that is shows in messages, which carry Discord's own time: against the fastest one, since only
differences between Discord's clock and ours are known.
"""

from __future__ import annotations

import math

from exporter.clock import Clock, steady_ms

LONGEST_SILENCE_MS = 120_000
"""A connection without data for longer is dead: it acknowledges a heartbeat every 41 s."""

FASTEST_MS = 1_800_000
"""How long the fastest message is the measure of the others, at least: clocks drift apart by less than a
second meanwhile."""


class ShardDelays:
    """The delay of each shard, measured by its messages; ms on the clock that never steps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.resumes: dict[int, tuple[int, int]] = {}
        """When each shard asked for its last replay, and until when frames from that time may come."""
        self._late: dict[int, tuple[float, float]] = {}
        """How long each shard's last message was under way, by clocks that differ, and when it came."""
        self._fastest = self._fastest_before = math.inf
        """The least of them since the measure was last renewed, and in the time before."""
        self.least_way = math.inf
        """The least of both: how far the steady clock was ahead of Discord's at the fastest message."""
        self._measured_until = 0.0

    def measure(self, shard: int, sent_at: int, received_at: int) -> None:
        """Measure by a message how late its shard is."""
        now = self._clock.monotonic() * 1000
        # On the steady clock: the wall clock may be set meanwhile.
        way = now - (self._clock.now_ms() - received_at) - sent_at
        if now >= self._measured_until:
            self._fastest_before, self._fastest = self._fastest, way
            self.least_way = min(way, self._fastest_before)
            self._measured_until = now + FASTEST_MS
        elif way < self._fastest:
            self._fastest = way
            self.least_way = min(way, self._fastest_before)
        self._late[shard] = (way, now)

    def measure_resumed(self, shard: int, sent_at: int, received_at: int) -> None:
        """Measure after a replay, unless this may be of it and no other message says how fast one can be."""
        if self._measured_until or steady_ms(self._clock) >= self.resumes.get(shard, (0, 0))[1]:
            self.resumes.pop(shard, None)
            self.measure(shard, sent_at, received_at)

    def of(self, shard: int) -> int:
        """By how much longer than usual what comes of a shard has been under way.

        After a while without a message nothing is taken to be late: what is in line comes sooner.
        """
        now = steady_ms(self._clock)
        asked_at, until = self.resumes.get(shard, (0, 0))
        if now < until:
            return now - asked_at
        way, noted_at = self._late.get(shard, (math.inf, -math.inf))
        if now - noted_at >= LONGEST_SILENCE_MS:
            return 0
        return min(round(way - self.least_way), LONGEST_SILENCE_MS)

    def least_since(self, moment: int) -> float | None:
        """The least way of a shard's last message among those that came after a moment; None without one."""
        return min((way for way, noted_at in self._late.values() if noted_at > moment), default=None)

    def begin_replay(self, shard: int) -> None:
        """A shard asks for a replay."""
        self.resumes[shard] = (steady_ms(self._clock), 0)

    def end_replay(self, shard: int) -> None:
        """A replay is over: what happened meanwhile is sent now, which takes no longer than it has lasted."""
        asked_at, _ = self.resumes[shard]
        self.resumes[shard] = (asked_at, 2 * steady_ms(self._clock) - asked_at)

    def forget(self, shard: int) -> None:
        """A new session begins: what comes now was sent after that."""
        self.resumes.pop(shard, None)
        self._late.pop(shard, None)
