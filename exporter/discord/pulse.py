"""The round trip of heartbeats.

disnake's own figure is not used: its thread notes the time of a heartbeat once it has learnt that it was
sent, so an answer quicker than the thread is measured against the heartbeat before, an interval ago.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from disnake.gateway import DiscordWebSocket

from exporter.clock import Clock


class Pulse:
    """Notes when a heartbeat leaves a websocket of disnake's."""

    __slots__ = ("_clock", "_send", "_sent_at")

    def __init__(self, ws: DiscordWebSocket, clock: Clock) -> None:
        self._clock = clock
        self._send = ws.send_heartbeat
        self._sent_at: float | None = None
        ws.send_heartbeat = self.send  # type: ignore[method-assign] # the payload is disnake's affair

    async def send(self, data: Mapping[str, Any]) -> None:
        """Send a heartbeat."""
        self._sent_at = self._clock.monotonic()
        await self._send(data)  # type: ignore[arg-type] # as above

    def answered(self) -> float | None:
        """Seconds since the heartbeat that Discord has just acknowledged; None if none is open."""
        sent, self._sent_at = self._sent_at, None
        return None if sent is None else self._clock.monotonic() - sent
