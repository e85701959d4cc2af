"""The reading side: where each lane ends and the wait for it to grow, and the thread that reads."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from exporter.model import Priority
from exporter.spool.database import connect_reader, read_at_once

T = TypeVar("T")


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


class ReaderThread:
    """Owns the connection that reads one file, each time as of one moment; ``read`` is for the event loop.

    Work is short: the log cannot be cut meanwhile.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        self._path = path
        self._connection = connect_reader(path)
        try:
            # SQLite opens the files with the first read: now, since others may be in their place later.
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error:
            self._connection.close()
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool-reader")

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of the work.

        Raises:
            SpoolError: the file cannot be read.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, read_at_once, self._connection, self._path, work)

    def close(self) -> None:
        """Finish what waits and end the thread; blocks."""
        self._thread.shutdown()
        self._connection.close()
