"""The only source of time in the program, so that a test can control it.

Wall time dates events; monotonic time measures durations and drives every timer. The two are never mixed: a
stepped wall clock must not fire or delay a timer.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time and monotonic time."""

    def now_ms(self) -> int:
        """Wall time in milliseconds since the Unix epoch (UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps; only differences are meaningful."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Wall time in milliseconds since the Unix epoch (UTC)."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds on a clock that never steps."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only by ``advance``; ``step`` moves the wall clock alone."""

    __slots__ = ("_monotonic", "_wall_ms")

    def __init__(self, wall_ms: int = 1_700_000_000_000) -> None:
        self._wall_ms = wall_ms
        self._monotonic = 0.0

    def now_ms(self) -> int:
        """The wall time set so far, in milliseconds since the Unix epoch."""
        return self._wall_ms

    def monotonic(self) -> float:
        """The seconds advanced so far."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._monotonic += seconds
        self._wall_ms += round(seconds * 1000)

    def step(self, seconds: float) -> None:
        """Step the wall clock as an administrator or NTP would; monotonic time stays."""
        self._wall_ms += round(seconds * 1000)
