"""The state stored beside the entries: rows by key, numbered increments, and the journal of the last layout.

Each row carries a checksum over all of it, so that a damaged one is left out and not restored. Every function
runs inside a transaction of the writer, or of one reader.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from typing import Final, Literal, TypeAlias
from zlib import crc32

from exporter.spool.database import execute_rows
from exporter.spool.ports import StateRow

READ_ROWS: Final = 5_000
"""Rows of state joined by one statement: sqlite3 may wait up to 5 ms for the interpreter lock at each row."""

READ_BYTES: Final = 16 * 1024**2
"""Bytes of values joined by one statement."""

_UPSERT: Final = (
    "INSERT INTO state (name, key, crc, value) VALUES {rows}"
    " ON CONFLICT (name, key) DO UPDATE SET crc = excluded.crc, value = excluded.value"
)
_DELETE: Final = "DELETE FROM state WHERE (name, key) IN (VALUES {rows})"
_TABLES: Final = "SELECT name, max(length(value)), count(*) FROM state GROUP BY name ORDER BY name"
_ROWS: Final = (
    "SELECT key, crc, value FROM state WHERE name = :name AND key >= :first ORDER BY key LIMIT :limit"
)
_JOINED: Final = (
    "SELECT group_concat(length(key)), group_concat(length(value)), group_concat(crc),"
    " CAST(group_concat(CAST(key AS TEXT), '') AS BLOB),"
    " CAST(group_concat(CAST(value AS TEXT), '') AS BLOB)"
    " FROM ({rows})"
).replace("{rows}", _ROWS)
_NUMBERED: Final = "SELECT number, crc, CAST(body AS BLOB) FROM {table} ORDER BY number"

PAGES_USED: Final = (
    "(SELECT page_count - freelist_count - (page_count + page_size / 5 - 1) / (page_size / 5 + 1)"
    " FROM pragma_page_count, pragma_freelist_count, pragma_page_size)"
)
"""Pages of the file that hold rows: neither free nor one of those that auto_vacuum keeps its pointers in.
Those follow from the size of the file and belong to no table."""

_SUBTRACT: Final = "UPDATE books SET state_pages = state_pages - {used}".replace("{used}", PAGES_USED)
_ADD_BACK: Final = "UPDATE books SET state_pages = max(0, state_pages + {used})".replace("{used}", PAGES_USED)


@contextmanager
def counted_as_state(connection: sqlite3.Connection) -> Iterator[None]:
    """Within this context, and a transaction, note the pages taken and freed as those of saved state."""
    connection.execute(_SUBTRACT)
    yield
    connection.execute(_ADD_BACK)


def write_state(connection: sqlite3.Connection, rows: Sequence[StateRow]) -> None:
    """Write or delete rows of state; of several for one key the last one counts."""
    last = {(row.table, row.key): row.value for row in rows}
    written: list[object] = []
    deleted: list[object] = []
    for (table, key), value in last.items():
        if value is None:
            deleted += (table, key)
        else:
            written += (table, key, _checksum(table, key, value), value)
    execute_rows(connection, _UPSERT, 4, written)
    execute_rows(connection, _DELETE, 2, deleted)


def read_state(connection: sqlite3.Connection, prefix: str) -> tuple[list[StateRow], int]:
    """The rows of the tables whose name starts with ``prefix``, and how many damaged ones were left out."""
    kept: list[StateRow] = []
    total = 0
    for table, longest, count in connection.execute(_TABLES).fetchall():
        if str(table).startswith(prefix):
            total += count
            rows = _read_table(connection, table, longest or 1)
            kept += (
                StateRow(table, key, value) for key, crc, value in rows if is_intact(table, key, crc, value)
            )
    return kept, total - len(kept)


def is_intact(table: object, key: object, crc: object, value: object) -> bool:
    """Whether a row of state is as it was written."""
    if not (isinstance(table, str) and isinstance(key, bytes) and isinstance(value, bytes)):
        return False
    return _checksum(table, key, value) == crc


def write_increments(connection: sqlite3.Connection, bodies: Sequence[bytes], forget: int) -> tuple[int, ...]:
    """Delete the increments up to number ``forget`` and add others; returns their numbers."""
    if forget:
        connection.execute("DELETE FROM increments WHERE number <= ?", (forget,))
    add = "INSERT INTO increments (crc, body) VALUES (?, ?)"
    return tuple(connection.execute(add, (crc32(body), body)).lastrowid or 0 for body in bodies)


def read_numbered(
    connection: sqlite3.Connection, table: Literal["increments", "journal"]
) -> tuple[list[tuple[int, bytes]], int]:
    """Number and body of each row, oldest first, and how many damaged ones were left out."""
    rows = connection.execute(_NUMBERED.replace("{table}", table)).fetchall()
    kept = [(number, body) for number, crc, body in rows if crc32(body) == crc]
    return kept, len(rows) - len(kept)


_StoredRow: TypeAlias = tuple[bytes, int, bytes]
"""Key, checksum and value."""


def _checksum(table: str, key: bytes, value: bytes) -> int:
    return crc32(value, crc32(key, crc32(table.encode("utf-8", "replace"))))


def _read_table(connection: sqlite3.Connection, table: str, longest: int) -> Iterator[_StoredRow]:
    limit = min(READ_ROWS, max(1, READ_BYTES // longest))
    first = b""
    while True:
        where: dict[str, object] = {"name": table, "first": first, "limit": limit}
        try:
            rows = _split(*connection.execute(_JOINED, where).fetchone())
        except ValueError:
            # A column of another type, by damage: one by one, each is judged by its checksum.
            rows = connection.execute(_ROWS, where).fetchall()
        yield from rows
        # Behind a damaged page rows may come out of order.
        if not rows or rows[-1][0] < first:
            return
        # The smallest key above the last one.
        first = rows[-1][0] + b"\0"


def _split(
    key_lengths: str | None, lengths: str, checksums: str, keys: bytes, values: bytes
) -> list[_StoredRow]:
    if key_lengths is None:
        return []
    key_ends = list(accumulate(map(int, key_lengths.split(",")), initial=0))
    ends = list(accumulate(map(int, lengths.split(",")), initial=0))
    if key_ends[-1] != len(keys) or ends[-1] != len(values):
        msg = "the lengths do not add up"
        raise ValueError(msg)
    cuts = zip(pairwise(key_ends), checksums.split(","), pairwise(ends), strict=True)
    return [(keys[key[0] : key[1]], int(crc), values[value[0] : value[1]]) for key, crc, value in cuts]
