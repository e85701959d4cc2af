"""Entries wait here, briefly, to be committed in groups.

Each entry has a deadline by its class; the first one due takes all that wait along, since one commit costs
what a hundred entries cost. One commit is in flight at a time; what comes meanwhile forms the next group, so
a slow disk makes larger groups and not a longer queue. If the disk takes nothing, entries are kept and
retried; beyond ``max_pending`` the lowest class is shed first, and counted.

Conservation: offered = spooled + shed + waiting.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from exporter.clock import Clock
from exporter.errors import SpoolError
from exporter.model import Entry, Priority
from exporter.spool.ports import SpoolWriter
from exporter.telemetry import Telemetry, value
from exporter.tracking.config import BatchingConfig

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""Pause after a commit the disk refused: short, since memory fills meanwhile."""

MAX_GROUP = 5_000
"""Entries in one commit; keeps the writer's transaction, and with it the wait of a ban behind it, short."""


T = TypeVar("T")


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Await a commit and what is noted of it; a cancellation waits until both are done.

    A commit in flight cannot be called back, so giving up in the middle would leave it unknown whether what
    was committed is still to be kept.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


class Rider(Protocol):
    """What has to be in the journal with the entries it goes with."""

    def take(self) -> bytes | None:
        """A part of the journal; None if there is nothing to add to it."""
        ...

    def put_back(self) -> None:
        """Keep what was taken last: the disk refused it."""
        ...


class Committer:
    """The only writer of the spool."""

    def __init__(
        self,
        spool: SpoolWriter,
        config: BatchingConfig,
        clock: Clock,
        telemetry: Telemetry,
        rider: Rider | None = None,
    ) -> None:
        self._rider = rider
        self._spool = spool
        self._config = config
        self._clock = clock
        self._telemetry = telemetry
        self._waiting: dict[Priority, deque[Entry]] = {priority: deque() for priority in Priority}
        self._size = 0
        self._gathered: dict[str, int] = {}
        self._due: float | None = None
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self.problem = ""
        """Why the spool took nothing the last time it was asked; empty while it takes everything."""

    @property
    def waiting(self) -> int:
        """Entries that are in memory only."""
        return self._size

    def offer(self, entry: Entry) -> None:
        """Take an entry; never blocks."""
        self._telemetry.offered.labels(entry.type).inc()
        self._waiting[entry.priority].append(entry)
        self._size += 1
        if self._size > self._config.max_pending:
            self._shed()
        batch = self._config.of(entry.type, entry.priority)
        gathered = self._gathered[entry.type] = self._gathered.get(entry.type, 0) + 1
        due = self._clock.monotonic() + (0 if gathered >= batch.max_size else batch.max_wait)
        if self._due is None or due < self._due:
            self._due = due
            self._wake.set()

    async def run(self) -> None:
        """Commit what is due, until cancelled."""
        while True:
            await self._wait_due()
            if not await self._commit_waiting():
                await asyncio.sleep(RETRY_SECONDS)

    async def commit(self, entries: Sequence[Entry], journal: bytes | None, forget: int) -> int | None:
        """Commit entries and journal together; returns the part's number, None if the disk refused.

        What is refused is not kept here: whoever calls still has it.
        """
        async with self._turn:
            number = await self._append(entries, journal, forget)
        if number is not None:
            for entry in entries:
                self._telemetry.offered.labels(entry.type).inc()
        return number

    async def drain(self) -> bool:
        """Commit everything that waits; False if the disk refuses it."""
        while self._size:
            if not await self._commit_waiting():
                return False
        return True

    async def _wait_due(self) -> None:
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

    async def _commit_waiting(self) -> bool:
        return await finish(self._commit_group())

    async def _commit_group(self) -> bool:
        async with self._turn:
            group = self._take_group()
            if not group:
                return True
            journal = self._rider.take() if self._rider is not None else None
            committed = False
            try:
                committed = await self._append(group, journal, 0) is not None
            finally:
                if not committed:
                    self._put_back(group)
                    if self._rider is not None:
                        self._rider.put_back()
            if committed:
                self._size -= len(group)
            return committed

    def _take_group(self) -> list[Entry]:
        """The next group, highest class first; it counts as waiting until it is committed."""
        group: list[Entry] = []
        for waiting in self._waiting.values():
            while waiting and len(group) < MAX_GROUP:
                group.append(waiting.popleft())
        left = any(self._waiting.values())
        self._due = self._clock.monotonic() if left else None
        self._gathered.clear()
        return group

    def _put_back(self, group: Sequence[Entry]) -> None:
        for entry in reversed(group):
            self._waiting[entry.priority].appendleft(entry)
        self._due = self._clock.monotonic()

    async def _append(self, entries: Sequence[Entry], journal: bytes | None, forget: int) -> int | None:
        try:
            number = await self._spool.append(entries, journal=journal, forget=forget)
        except SpoolError as error:
            if not self.problem:
                log.warning("the spool takes nothing (%s); %d entries wait in memory", error, self.waiting)
            self.problem = str(error) or type(error).__name__
            return None
        if self.problem:
            log.info("the spool takes entries again")
            self.problem = ""
        return number

    def _shed(self) -> None:
        """Give up the oldest entry of the lowest class; the one just taken may be of it."""
        for priority in reversed(Priority):
            if self._waiting[priority]:
                if not value(self._telemetry.dropped, "memory_full"):
                    log.error(
                        "memory for unsaved entries is full: entries are being lost, lowest class first"
                    )
                self._waiting[priority].popleft()
                self._size -= 1
                self._telemetry.dropped.labels("memory_full").inc()
                return
