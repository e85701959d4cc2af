"""The state stored beside the entries: rows by key, numbered increments, and the journal of the last layout.

Each row carries a checksum over all of it, so that a damaged one is left out and not restored. Every function
runs inside a transaction of the writer, or of one reader.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final, Literal, TypeAlias, TypeVar
from zlib import crc32

from exporter.spool.ports import StateRow

T = TypeVar("T")

ROWS_PER_STATEMENT: Final = (128, 16, 1)
"""Rows written by one statement. sqlite3 gives up the interpreter lock once a statement, and beside a busy
event loop gets it back only after up to 5 ms: row by row, 10,000 rows would take most of a minute."""

_StoredRow: TypeAlias = tuple[bytes, int, bytes]
"""Key, checksum and value."""

READ_ROWS: Final = 5_000
"""Rows of state joined by one statement, for the same reason."""

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
_ADD: Final = {
    "increments": "INSERT INTO increments (crc, body) VALUES (?, ?)",
    "journal": "INSERT INTO journal (crc, body) VALUES (?, ?)",
}
_NUMBERED: Final = {
    "increments": "SELECT number, crc, CAST(body AS BLOB) FROM increments ORDER BY number",
    "journal": "SELECT number, crc, CAST(body AS BLOB) FROM journal ORDER BY number",
}


def in_portions(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows in order, cut into the numbers of rows that statements are made for."""
    done = 0
    for size in ROWS_PER_STATEMENT:
        while len(rows) - done >= size:
            yield rows[done : done + size]
            done += size


def write_state(connection: sqlite3.Connection, rows: Sequence[StateRow]) -> None:
    """Write or delete rows of state; of several for one key the last one counts."""
    last = {(row.table, row.key): row.value for row in rows}
    written = [
        (table, key, _checksum(table, key, value), value)
        for (table, key), value in last.items()
        if value is not None
    ]
    for upserted in in_portions(written):
        statement = _UPSERT.format(rows=", ".join(["(?, ?, ?, ?)"] * len(upserted)))
        connection.execute(statement, [column for row in upserted for column in row])
    for deleted in in_portions([row for row, value in last.items() if value is None]):
        statement = _DELETE.format(rows=", ".join(["(?, ?)"] * len(deleted)))
        connection.execute(statement, [column for row in deleted for column in row])


def read_state(connection: sqlite3.Connection, prefix: str) -> tuple[list[StateRow], int]:
    """The rows of the tables whose name starts with ``prefix``, and how many damaged ones were left out."""
    kept: list[StateRow] = []
    total = 0
    for table, longest, count in connection.execute(_TABLES).fetchall():
        if table.startswith(prefix):
            total += count
            rows = _read_table(connection, table, longest or 1)
            kept += (
                StateRow(table, key, value) for key, crc, value in rows if _intact(table, key, crc, value)
            )
    return kept, total - len(kept)


def write_increments(connection: sqlite3.Connection, bodies: Sequence[bytes], forget: int) -> tuple[int, ...]:
    """Delete the increments up to number ``forget`` and add others; returns their numbers."""
    if forget:
        connection.execute("DELETE FROM increments WHERE number <= ?", (forget,))
    return tuple(_add(connection, "increments", body) for body in bodies)


def write_journal(connection: sqlite3.Connection, part: bytes | None, forget: int) -> int:
    """Delete the parts of the journal up to number ``forget`` and add ``part``; returns its number, or 0."""
    if forget:
        connection.execute("DELETE FROM journal WHERE number <= ?", (forget,))
    return 0 if part is None else _add(connection, "journal", part)


def drop_journal(connection: sqlite3.Connection) -> None:
    """Delete the journal."""
    connection.execute("DELETE FROM journal")


def read_numbered(
    connection: sqlite3.Connection, table: Literal["increments", "journal"]
) -> tuple[list[tuple[int, bytes]], int]:
    """Number and body of each increment or part, oldest first, and how many damaged ones were left out."""
    rows = connection.execute(_NUMBERED[table]).fetchall()
    kept = [(number, body) for number, crc, body in rows if crc32(body) == crc]
    return kept, len(rows) - len(kept)


def _add(connection: sqlite3.Connection, table: Literal["increments", "journal"], body: bytes) -> int:
    return connection.execute(_ADD[table], (crc32(body), body)).lastrowid or 0


def _checksum(table: str, key: bytes, value: bytes) -> int:
    return crc32(value, crc32(key, crc32(table.encode("utf-8", "replace"))))


def _intact(table: str, key: object, crc: object, value: object) -> bool:
    return isinstance(key, bytes) and isinstance(value, bytes) and _checksum(table, key, value) == crc


def _read_table(connection: sqlite3.Connection, table: str, longest: int) -> Iterator[_StoredRow]:
    limit = min(READ_ROWS, max(1, READ_BYTES // longest))
    first = b""
    while True:
        where: dict[str, object] = {"name": table, "first": first, "limit": limit}
        try:
            rows = _split(connection.execute(_JOINED, where).fetchone())
        except ValueError:
            # A column of another type, by damage: one by one, each is judged by its checksum.
            rows = connection.execute(_ROWS, where).fetchall()
        yield from rows
        # Behind a damaged page rows may come out of order.
        if not rows or rows[-1][0] < first:
            return
        # The smallest key above the last one.
        first = rows[-1][0] + b"\0"


def _split(joined: tuple[str | None, str, str, bytes, bytes]) -> list[_StoredRow]:
    key_lengths, lengths, checksums, keys, values = joined
    if key_lengths is None:
        return []
    key_ends = list(accumulate(map(int, key_lengths.split(",")), initial=0))
    ends = list(accumulate(map(int, lengths.split(",")), initial=0))
    if key_ends[-1] != len(keys) or ends[-1] != len(values):
        msg = "the lengths do not add up"
        raise ValueError(msg)
    cuts = zip(pairwise(key_ends), checksums.split(","), pairwise(ends), strict=True)
    return [(keys[key[0] : key[1]], int(crc), values[value[0] : value[1]]) for key, crc, value in cuts]
