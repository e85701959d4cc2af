"""The thread that owns the connection that reads; work is short, since the log cannot be cut meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from exporter.spool.database import connect_reader, read_at_once

T = TypeVar("T")


class ReaderThread:
    """Reads one file, each time as of one moment. ``read`` is for the event loop."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        self._path = path
        self._connection = connect_reader(path)
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
