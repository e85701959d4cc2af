"""The round trip of heartbeats.

disnake's own figure is not used: its thread notes the time of a heartbeat once it has learnt that it was
sent, so an answer quicker than the thread is measured against the heartbeat before, an interval ago.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from disnake.gateway import DiscordWebSocket

from exporter.clock import Clock


class HeartbeatTimer:
    """Notes when a heartbeat leaves a websocket of disnake's."""

    __slots__ = ("_clock", "_send", "_sent_at", "_ws")

    def __init__(self, ws: DiscordWebSocket, clock: Clock) -> None:
        self._ws = ws
        self._clock = clock
        self._send = ws.send_heartbeat
        self._sent_at: float | None = None
        ws.send_heartbeat = self.send  # type: ignore[method-assign] # the payload is disnake's affair

    async def send(self, data: Mapping[str, Any]) -> None:
        """Send a heartbeat."""
        self._sent_at = self._clock.monotonic()
        keep_alive = self._ws._keep_alive  # noqa: SLF001 - no public way; guarded by tests
        if keep_alive is not None:
            # Else disnake warns of a shard that lags by a whole interval.
            keep_alive._last_send = time.perf_counter()  # noqa: SLF001 - as above
        await self._send(data)  # type: ignore[arg-type] # as above

    def answered(self) -> float | None:
        """Seconds since the heartbeat that Discord has just acknowledged; None if none is open."""
        sent, self._sent_at = self._sent_at, None
        return None if sent is None else self._clock.monotonic() - sent
