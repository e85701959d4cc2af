"""Entries that wait for their commit, by class, and when the next commit is due for them.

Invariant: no more than ``max_pending`` wait besides those of a commit in flight. Beyond that the oldest entry
of the lowest class is shed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from exporter.checkpoint.config import BatchingConfig
from exporter.clock import Clock
from exporter.model import Entry, Priority


class WaitingEntries:
    """The entries in memory; ``shed`` takes the class of each one that is dropped."""

    def __init__(self, config: BatchingConfig, clock: Clock, shed: Callable[[Priority], None]) -> None:
        self._config = config
        self._clock = clock
        self._shed = shed
        self._waiting: dict[Priority, deque[Entry]] = {priority: deque() for priority in Priority}
        self._in_flight = 0
        self._gathered: dict[str, int] = {}
        self._due: float | None = None
        self._wake = asyncio.Event()
        self.number = 0
        """Entries that are in memory only, those of a commit in flight among them."""

    def offer(self, entry: Entry) -> None:
        """Take an entry; its commit is due when enough of its type have gathered, or waited long enough."""
        self._waiting[entry.priority].append(entry)
        self.number += 1
        if self.number - self._in_flight > self._config.max_pending:
            self._shed_one()
        batch = self._config.of(entry.type, entry.priority)
        gathered = self._gathered[entry.type] = self._gathered.get(entry.type, 0) + 1
        self.call_for(self._clock.monotonic() + (0 if gathered >= batch.max_size else batch.max_wait))

    def call_for(self, due: float) -> None:
        """Have a commit at this monotonic time at the latest."""
        if self._due is None or due < self._due:
            self._due = due
            self._wake.set()

    def take(self) -> list[Entry]:
        """All entries, for a commit; to be settled with ``confirm`` or ``put_back``."""
        group = [entry for waiting in self._waiting.values() for entry in waiting]
        for waiting in self._waiting.values():
            waiting.clear()
        self._in_flight = len(group)
        self._due = None
        self._gathered.clear()
        return group

    def confirm(self, group: Sequence[Entry]) -> None:
        """They are committed."""
        self._in_flight = 0
        self.number -= len(group)

    def put_back(self, group: Sequence[Entry]) -> None:
        """They are not committed: they go before those that came meanwhile."""
        self._in_flight = 0
        for entry in reversed(group):
            self._waiting[entry.priority].appendleft(entry)
        self._due = self._clock.monotonic()
        while self.number > self._config.max_pending:
            self._shed_one()

    async def wait_due(self) -> None:
        """Wait until a commit is due."""
        while True:
            self._wake.clear()
            if self._due is None:
                await self._wake.wait()
                continue
            pause = self._due - self._clock.monotonic()
            if pause <= 0:
                return
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                return

    def _shed_one(self) -> None:
        """Drop the oldest entry of the lowest class, possibly the one just taken."""
        priority = max(priority for priority, waiting in self._waiting.items() if waiting)
        self._waiting[priority].popleft()
        self.number -= 1
        self._shed(priority)
