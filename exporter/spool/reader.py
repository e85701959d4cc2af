"""Reading: the thread that owns the connection for it, and pages of a lane.

sqlite3 gives up the interpreter lock at each row and, beside a busy event loop, waits up to 5 ms to get it
back: 5,000 rows one by one would take 25 seconds. SQLite therefore joins a page into one row here.
"""

from __future__ import annotations

import asyncio
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final, TypeVar

from exporter.errors import SpoolError
from exporter.model import Priority, Row
from exporter.spool.codec import UnreadableError, unpack
from exporter.spool.database import connect_reader, on_lanes, spool_error

T = TypeVar("T")

_SIZES: Final = on_lanes(
    "SELECT group_concat(position), group_concat(size) FROM (SELECT position, length(body) AS size"
    " FROM {lane} WHERE position > :after AND {visible} ORDER BY position LIMIT :limit)"
)
_BODIES: Final = on_lanes(
    "SELECT group_concat(position), group_concat(CAST(crc AS INTEGER)),"
    " CAST(group_concat(CAST(body AS TEXT), '') AS BLOB) FROM (SELECT position, crc, body"
    " FROM {lane} WHERE position > :after AND position <= :upto AND {visible} ORDER BY position)"
)


class ReaderThread:
    """Runs work on a connection that cannot write; each piece of work sees one moment of the file."""

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
        """Finish what was asked for and close the connection; blocks, safe twice."""
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


@dataclass(frozen=True, slots=True)
class LanePage:
    """Rows in order, and why other rows of the same page cannot be read, by position."""

    rows: tuple[Row, ...]
    unreadable: Mapping[int, str]


def read_page(
    connection: sqlite3.Connection, sink: str, lane: Priority, after: int, *, max_rows: int, max_bytes: int
) -> LanePage:
    """The rows behind ``after`` that a sink sees, at least one if there is any; inside a transaction.

    Raises:
        SpoolError: the file does not hold together; nothing was changed.
        sqlite3.Error: it could not be read.
    """
    where: dict[str, object] = {"sink": sink, "after": after, "limit": max_rows}
    positions, lengths = connection.execute(_SIZES[lane], where).fetchone()
    if positions is None:
        return LanePage((), {})
    numbers = [int(number) for number in positions.split(",")]
    ends = list(accumulate((int(length) for length in lengths.split(",")), initial=0))
    kept = max(1, bisect_right(ends, max_bytes) - 1)
    where = {"sink": sink, "after": after, "upto": numbers[kept - 1]}
    same, checksums, joined = connection.execute(_BODIES[lane], where).fetchone()
    crcs = [int(crc) for crc in checksums.split(",")]
    if len(joined) != ends[kept] or len(crcs) != kept or same != ",".join(map(str, numbers[:kept])):
        msg = "a page of the spool does not add up; restart the exporter, it saves what it can"
        raise SpoolError(msg)
    bodies = memoryview(joined)
    rows: list[Row] = []
    unreadable: dict[int, str] = {}
    for position, (start, end), crc in zip(numbers, pairwise(ends), crcs, strict=False):
        try:
            rows.append(Row(position, unpack(bodies[start:end], crc)))
        except UnreadableError as error:
            unreadable[position] = error.reason
    return LanePage(tuple(rows), unreadable)
