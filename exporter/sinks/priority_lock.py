"""Mutual exclusion whose waiters are served by priority: a ban waits for at most one delivery of counters."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from exporter.model import Priority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class PriorityLock:
    """A lock for one event loop. Waiters of equal priority are served in the order in which they came."""

    def __init__(self) -> None:
        self._held = False
        self._waiters: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @asynccontextmanager
    async def hold(self, priority: Priority) -> AsyncIterator[None]:
        """Hold the lock within the context."""
        if self._held:
            waiter = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiters, (priority, next(self._order), waiter))
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._release()
                raise
        self._held = True
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        self._held = False
        while self._waiters:
            _, _, waiter = heapq.heappop(self._waiters)
            if not waiter.done():
                # Held on behalf of the waiter, so that a newcomer cannot come between.
                self._held = True
                waiter.set_result(None)
                return
