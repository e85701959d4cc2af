"""Where each lane ends, and the wait for it to grow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from exporter.model import Priority


class LaneTips:
    """The last committed position of each lane; for the event loop."""

    def __init__(self, positions: Mapping[Priority, int]) -> None:
        self._positions = dict(positions)
        self._grown = {lane: asyncio.Event() for lane in Priority}

    def __getitem__(self, lane: Priority) -> int:
        return self._positions[lane]

    def raise_to(self, positions: Mapping[Priority, int]) -> None:
        """Note positions that were committed, and wake whoever waits for those lanes."""
        for lane, position in positions.items():
            self._positions[lane] = max(position, self._positions[lane])
            self.wake(lane)

    def wake(self, lane: Priority) -> None:
        """Let every ``growth`` of the lane return."""
        self._grown[lane].set()
        self._grown[lane] = asyncio.Event()

    async def growth(self, lane: Priority) -> None:
        """Return with the next ``wake``."""
        await self._grown[lane].wait()
