"""Limits of the gateway: sessions per day, identifies per window, commands per window."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from discord_simulator.clock import Clock

_DAY_S: Final = 86_400.0


class SessionStartLimit:
    """Limits the sessions a bot may start.

    Source: Discord docs, Gateway › Session Start Limit Object and Concurrency.

    Args:
        clock: measures the identify windows and the day.
        total: sessions per day.
        max_concurrency: identify buckets; a shard belongs to bucket ``shard_id % max_concurrency``.
        window_s: one IDENTIFY per bucket in this many seconds.
    """

    __slots__ = ("_buckets", "_clock", "_day_ends", "_max_concurrency", "_total", "_used", "_window_s")

    def __init__(self, clock: Clock, *, total: int, max_concurrency: int, window_s: float) -> None:
        self._clock = clock
        self._total = total
        self._max_concurrency = max_concurrency
        self._window_s = window_s
        self._used = 0
        self._day_ends = clock.monotonic() + _DAY_S
        self._buckets: dict[int, float] = {}

    def admit(self, shard_id: int) -> bool:
        """Take a shard's bucket for the window; False if it is taken already."""
        bucket = shard_id % self._max_concurrency
        now = self._clock.monotonic()
        if now < self._buckets.get(bucket, now):
            return False
        self._buckets[bucket] = now + self._window_s
        return True

    def spend(self) -> bool:
        """Use one session of the day; False if none is left."""
        self._renew()
        if self._used >= self._total:
            return False
        self._used += 1
        return True

    def report(self) -> dict[str, int]:
        """The ``session_start_limit`` of GET /gateway/bot; ``reset_after`` in milliseconds."""
        self._renew()
        return {
            "total": self._total,
            "remaining": self._total - self._used,
            "reset_after": round((self._day_ends - self._clock.monotonic()) * 1000),
            "max_concurrency": self._max_concurrency,
        }

    def _renew(self) -> None:
        now = self._clock.monotonic()
        if now >= self._day_ends:
            self._used = 0
            self._day_ends = now + _DAY_S


class CommandLimit:
    """Limits the commands of one connection in any window (Discord docs, Gateway › Rate Limiting)."""

    __slots__ = ("_clock", "_times", "_window_s")

    def __init__(self, clock: Clock, *, limit: int, window_s: float) -> None:
        self._clock = clock
        self._window_s = window_s
        self._times: deque[float] = deque(maxlen=limit)

    def spend(self) -> bool:
        """Count one command; False if it exceeds the limit."""
        now = self._clock.monotonic()
        times = self._times
        if len(times) == times.maxlen and now - times[0] < self._window_s:
            return False
        times.append(now)
        return True
