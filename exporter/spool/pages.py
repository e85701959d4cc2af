"""One page of a lane, read in a constant number of steps.

sqlite3 gives up the interpreter lock at each row and, beside a busy event loop, waits up to 5 ms to get it
back: 5,000 rows one by one would take 25 seconds. SQLite therefore joins a page into one row here.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from exporter.errors import SpoolError
from exporter.model import Priority, Row
from exporter.spool.codec import unpack
from exporter.spool.schema import on_lanes

_SIZES: Final = on_lanes(
    "SELECT group_concat(position), group_concat(size) FROM (SELECT position, length(body) AS size"
    " FROM {lane} WHERE position > :after AND {visible} ORDER BY position LIMIT :limit)"
)
_BODIES: Final = on_lanes(
    "SELECT group_concat(position), group_concat(crc),"
    " CAST(group_concat(CAST(body AS TEXT), '') AS BLOB) FROM (SELECT position, crc, body"
    " FROM {lane} WHERE position > :after AND position <= :upto AND {visible} ORDER BY position)"
)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in order, and the positions of rows on the same page that are damaged."""

    rows: tuple[Row, ...]
    damaged: tuple[int, ...]


def read_page(
    connection: sqlite3.Connection, sink: str, lane: Priority, after: int, *, max_rows: int, max_bytes: int
) -> Page:
    """The rows behind ``after`` that a sink sees, at least one if there is any; inside a transaction.

    Raises:
        SpoolError: the file does not hold together; nothing was changed.
        sqlite3.Error: it could not be read.
    """
    where: dict[str, object] = {"sink": sink, "after": after, "limit": max_rows}
    positions, lengths = connection.execute(_SIZES[lane], where).fetchone()
    if positions is None:
        return Page((), ())
    numbers = [int(number) for number in positions.split(",")]
    sizes = [int(size) for size in lengths.split(",")]
    total = kept = 0
    for size in sizes:
        if kept and total + size > max_bytes:
            break
        total += size
        kept += 1
    where = {"sink": sink, "after": after, "upto": numbers[kept - 1]}
    same, checksums, joined = connection.execute(_BODIES[lane], where).fetchone()
    if len(joined) != total or same != ",".join(map(str, numbers[:kept])):
        msg = "a page of the spool does not add up; restart the exporter, it saves what it can"
        raise SpoolError(msg)
    return _cut(numbers, sizes, checksums, memoryview(joined))


def _cut(numbers: list[int], sizes: list[int], checksums: str, joined: memoryview) -> Page:
    rows: list[Row] = []
    damaged: list[int] = []
    start = 0
    for position, size, crc in zip(numbers, sizes, checksums.split(","), strict=False):
        entry = unpack(joined[start : start + size], int(crc))
        start += size
        if entry is None:
            damaged.append(position)
        else:
            rows.append(Row(position, entry))
    return Page(tuple(rows), tuple(damaged))
