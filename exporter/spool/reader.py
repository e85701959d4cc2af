"""The thread that owns the connection that reads; each piece of work sees one moment of the file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from exporter.errors import SpoolError
from exporter.spool.database import connect_reader, spool_error

T = TypeVar("T")


class Reader:
    """Runs work on a connection that cannot write, one piece at a time. ``run`` belongs to the event loop."""

    def __init__(self, path: Path) -> None:
        """Connect.

        Raises:
            sqlite3.Error: the file cannot be opened.
        """
        self._path = path
        self._connection = connect_reader(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool-reader")
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in a transaction; short, since the log cannot be cut meanwhile.

        Raises:
            SpoolError: the file cannot be read, or is closed.
        """
        if self._closed:
            msg = f"the spool {self._path} is closed"
            raise SpoolError(msg)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def close(self) -> None:
        """Finish what was asked for and let the file go; blocks, safe twice."""
        self._closed = True
        self._thread.shutdown()
        self._connection.close()

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._connection.execute("BEGIN")
            try:
                return work(self._connection)
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise spool_error(self._path, "reading", error) from error
