"""The clock that the simulator reads. It makes none of its own: a caller passes the machine's or a test's."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall time stamps events; monotonic time measures windows and drives timers."""

    def now_ms(self) -> int:
        """Wall time in milliseconds since the Unix epoch (UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps; only differences mean anything."""
        ...
