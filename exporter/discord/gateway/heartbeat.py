"""The round trip of heartbeats.

disnake's own figure is not used: its thread notes the time of a heartbeat once it has learnt that it was
sent, so an answer quicker than the thread is measured against the heartbeat before, an interval ago.
"""

from __future__ import annotations

from exporter.clock import Clock


class HeartbeatTimer:
    """Measures from the moment a heartbeat leaves to its acknowledgement."""

    __slots__ = ("_clock", "_sent_at")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent_at: float | None = None

    def note_sent(self) -> None:
        """Note that a heartbeat leaves now."""
        self._sent_at = self._clock.monotonic()

    def acknowledged(self) -> float | None:
        """Seconds since the heartbeat that Discord has just acknowledged; None if none is open."""
        sent, self._sent_at = self._sent_at, None
        return None if sent is None else self._clock.monotonic() - sent
