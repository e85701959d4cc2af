"""When what is received of a shard happened.

As a rule a dispatch happened when it is received. Not in a replay: after RESUME, Discord sends in one burst
what was missed in seconds or minutes, and most dispatches carry no time of their own. Some do, in a message's
id or an audit-log entry's; between two of those the others happened. So in a replay a dispatch is dated by
the last one that carried its time, starting from when the connection was last heard. Nor in what was sent
while the machine slept: that is received at once when it wakes, and is dated as a replay.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from exporter.clock import Clock, steady_ms
from exporter.state.shard_delays import LONGEST_SILENCE_MS

SLEPT_MS = 2_000
"""By how much more time passed than the machine was awake for it to have slept: clocks differ by less."""

PAUSE_MS = 250
"""What was sent while the machine slept is received without a pause as long as this."""


class DispatchDates:
    """The dates of the dispatches of all shards, in ms since the epoch.

    ``silent`` are the shards without a connection.
    """

    def __init__(self, clock: Clock, silent: AbstractSet[int]) -> None:
        self._clock = clock
        self._silent = silent
        self.last: dict[int, int] = {}
        """When each shard was last heard, outside a replay."""
        self.replays: dict[int, int] = {}
        """The shards in a replay, or whose backlog of a sleep is read, and the last time known in it."""
        self.woken: dict[int, int] = {}
        """The shards of which what was sent in a sleep is read, and when the last of it came."""
        self._seen = (clock.now_ms(), steady_ms(clock))
        """The last tick: Discord's time, and that on the clock that stands still in sleep."""
        self._slept = (0, 0)

    def date(self, shard: int, received_at: int) -> int:
        """When a dispatch received now happened."""
        if received_at - self._seen[0] > SLEPT_MS:
            self._notice_sleep(received_at)
        if self.woken:
            self._follow_backlog(shard)
        if shard in self.replays:
            return min(self.replays[shard], received_at)
        self.last[shard] = received_at
        return received_at

    def learn(self, shard: int, at: int) -> None:
        """Note that a dispatch of this shard carried its own time; only a replay has use for it."""
        if shard in self.replays:
            self.replays[shard] = max(self.replays[shard], at)

    @property
    def replaying(self) -> bool:
        """Whether any shard is in a replay."""
        return bool(self.replays)

    # ------------------------------------------------------------------ connections

    def resume(self, shard: int) -> None:
        """A replay begins."""
        self.replays[shard] = self.last.get(shard, self._clock.now_ms())

    def hear(self, shard: int) -> None:
        """A shard gave a sign of life without a dispatch."""
        self.last[shard] = self.date(shard, self._clock.now_ms())

    def settle(self, shard: int) -> bool:
        """READY or RESUMED came; returns whether a replay is over with it."""
        self.last[shard] = self._clock.now_ms()
        return self.replays.pop(shard, None) is not None

    def disconnect(self, shard: int) -> int:
        """A connection has ended; returns the date of what would have come next."""
        at = self.replays[shard] if shard in self.woken else self._clock.now_ms()
        self._end_backlog(shard)
        return at

    # ------------------------------------------------------------------ sleep

    def tick(self) -> None:
        """Notice a sleep, and where what was sent in one has been read."""
        at = self._clock.now_ms()
        self._notice_sleep(at)
        for shard, came in list(self.woken.items()):
            if steady_ms(self._clock) - came >= PAUSE_MS:
                self._end_backlog(shard)
                self.last[shard] = at

    @property
    def held_up(self) -> int:
        """How long the machine has slept lately, ms."""
        slept, until = self._slept
        return slept if steady_ms(self._clock) < until else 0

    def _notice_sleep(self, at: int) -> None:
        """Note whether the machine has slept since the last tick; if so, what comes now is from meanwhile."""
        seen, steady = self._seen
        now = steady_ms(self._clock)
        self._seen = at, now
        slept = at - seen - (now - steady)
        if slept > SLEPT_MS:
            self._slept = slept + self.held_up, now + LONGEST_SILENCE_MS
            self.woken = dict.fromkeys(self.woken, now)
            for shard in self.last.keys() - self.replays.keys() - self._silent:
                self.replays[shard], self.woken[shard] = max(self.last[shard], seen), now

    def _follow_backlog(self, shard: int) -> None:
        """Something is received of a shard after a sleep."""
        came, now = self.woken.get(shard), steady_ms(self._clock)
        if came is None:
            return
        if now - came >= PAUSE_MS:
            self._end_backlog(shard)
        else:
            self.woken[shard] = now

    def _end_backlog(self, shard: int) -> None:
        """What comes now of a shard is from after a sleep, or its connection has ended."""
        if self.woken.pop(shard, None) is not None:
            self.last[shard] = self.replays.pop(shard)
