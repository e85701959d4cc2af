"""What one commit holds: entries, and the state that goes with them; and that state read back.

State is rows by key, numbered increments, and the journal of the previous layout. Each row carries a checksum
over all of it, so that a damaged one is left out and not restored. Every function runs inside a transaction
of the writer, or of one reader.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Literal
from zlib import crc32

from exporter.model import Entry, Priority
from exporter.spool.codec import ROW_OVERHEAD, PackedEntry, RefusedError, pack
from exporter.spool.config import SpoolConfig
from exporter.spool.database import split_joined
from exporter.spool.ports import NumberedBody, StateRow
from exporter.spool.schema import counted_as_state, on_lanes

ROWS_PER_STATEMENT: Final = (128, 16, 1)
"""Rows written by one statement. sqlite3 gives up the interpreter lock once a statement, and beside a busy
event loop gets it back only after up to 5 ms: row by row, 10,000 rows would take most of a minute."""

PORTION_SHARE: Final = 32
"""Entries are written in portions of one part in this many of ``max_bytes``, and space is made after each:
even in pages half full a portion fits into what ``disk_quota.SPACE_SHARE`` leaves."""

READ_ROWS: Final = 5_000
"""Rows of state joined by one statement (see ``database.split_joined``)."""

READ_BYTES: Final = 16 * 1024**2
"""Bytes of values joined by one statement."""

_INSERT: Final = on_lanes(
    "INSERT INTO {lane} (type, guild, at, key, crc, body, position, committed_at) VALUES {rows}"
)
_UPSERT_STATE: Final = (
    "INSERT INTO state (name, key, crc, value) VALUES {rows}"
    " ON CONFLICT (name, key) DO UPDATE SET crc = excluded.crc, value = excluded.value"
)
_DELETE_STATE: Final = "DELETE FROM state WHERE (name, key) IN (VALUES {rows})"
_TABLES: Final = "SELECT name, max(length(value)), count(*) FROM state GROUP BY name ORDER BY name"
_JOINED: Final = (
    "SELECT group_concat(length(key)), CAST(group_concat(CAST(key AS TEXT), '') AS BLOB),"
    " group_concat(length(value)), CAST(group_concat(CAST(value AS TEXT), '') AS BLOB), group_concat(crc)"
    " FROM (SELECT key, coalesce(CAST(crc AS INTEGER), 0) AS crc, CAST(coalesce(value, '') AS BLOB) AS value"
    " FROM state WHERE name = :name AND key >= :first ORDER BY key LIMIT :limit)"
)
_NUMBERED: Final = "SELECT number, crc, CAST(body AS BLOB) FROM {table} ORDER BY number"


@dataclass(slots=True, eq=False)
class Append:
    """What one ``append`` writes, and what became of it once that is committed."""

    entries: Sequence[Entry]
    state: Sequence[StateRow]
    increments: Sequence[bytes]
    forget: int
    forget_journal: bool
    config: SpoolConfig
    tips: dict[Priority, int] = field(default_factory=dict)
    """The last position of each lane that got an entry."""
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    """Type, reason and detail of each entry that can never be spooled."""
    size: int = 0
    """Bytes of the entries, about."""
    _packed: dict[Priority, list[PackedEntry]] | None = None

    @property
    def changes_state(self) -> bool:
        """Whether it writes or deletes anything but entries."""
        return bool(self.state or self.increments or self.forget or self.forget_journal)

    @property
    def state_size(self) -> int:
        """Bytes of the state, about."""
        rows = sum(len(row.key) + len(row.value or b"") + ROW_OVERHEAD for row in self.state)
        return rows + sum(map(len, self.increments))

    def write(
        self, connection: sqlite3.Connection, now_ms: int, make_space: Callable[[Priority], object]
    ) -> tuple[int, ...]:
        """Write everything; returns the numbers of the increments.

        ``make_space`` is called after each portion of entries, for their lane.
        """
        numbers: tuple[int, ...] = ()
        if self.changes_state:
            with counted_as_state(connection):
                _write_state(connection, self.state)
                numbers = _write_increments(connection, self.increments, self.forget)
                if self.forget_journal:
                    connection.execute("DELETE FROM journal")
        if self._packed is None:
            # In this thread, so that the event loop does not wait; once, however often it is tried.
            self._packed = self._pack()
        (position,) = connection.execute("SELECT position FROM books").fetchone()
        # The lowest class first: all of it can make space for the higher ones.
        for lane, rows in sorted(self._packed.items(), reverse=True):
            for portion in _portions(rows, self.config.max_bytes // PORTION_SHARE):
                position = append_rows(connection, lane, portion, position, now_ms)
                make_space(lane)
            self.tips[lane] = position
        return numbers

    def _pack(self) -> dict[Priority, list[PackedEntry]]:
        packed: dict[Priority, list[PackedEntry]] = {}
        for entry in self.entries:
            try:
                row = pack(entry, self.config.max_entry_bytes)
            except RefusedError as error:
                self.refused.append((entry.type, error.reason, str(error)))
                continue
            packed.setdefault(entry.priority, []).append(row)
            self.size += row.size
        return packed


def _portions(rows: Sequence[PackedEntry], size: int) -> Iterator[Sequence[PackedEntry]]:
    start = taken = 0
    for end, row in enumerate(rows, 1):
        taken += row.size
        if taken >= size or end == len(rows):
            yield rows[start:end]
            start, taken = end, 0


def append_rows(
    connection: sqlite3.Connection, lane: Priority, rows: Sequence[PackedEntry], position: int, now_ms: int
) -> int:
    """Insert rows behind ``position``, the last one given out; returns the last one of them."""
    values: list[object] = []
    for row in rows:
        position += 1
        values += row
        values += (position, now_ms)
    _execute_rows(connection, _INSERT[lane], 8, values)
    connection.execute("UPDATE cursors SET spooled = spooled + ? WHERE lane = ?", (len(rows), lane))
    connection.execute("UPDATE books SET spooled = spooled + ?, position = ?", (len(rows), position))
    return position


def _write_state(connection: sqlite3.Connection, rows: Sequence[StateRow]) -> None:
    """Write or delete rows of state; of several for one key the last one counts."""
    last = {(row.table, row.key): row.value for row in rows}
    written: list[object] = []
    deleted: list[object] = []
    for (table, key), value in last.items():
        if value is None:
            deleted += (table, key)
        else:
            written += (table, key, _checksum(table, key, value), value)
    _execute_rows(connection, _UPSERT_STATE, 4, written)
    _execute_rows(connection, _DELETE_STATE, 2, deleted)


def _write_increments(
    connection: sqlite3.Connection, bodies: Sequence[bytes], forget: int
) -> tuple[int, ...]:
    """Delete the increments up to number ``forget`` and add others; returns their numbers."""
    if forget:
        connection.execute("DELETE FROM increments WHERE number <= ?", (forget,))
    add = "INSERT INTO increments (crc, body) VALUES (?, ?)"
    return tuple(connection.execute(add, (crc32(body), body)).lastrowid or 0 for body in bodies)


def _execute_rows(connection: sqlite3.Connection, statement: str, columns: int, values: list[object]) -> None:
    """Run a statement whose ``{rows}`` stands for many rows of values, in as few executions as possible.

    ``values`` holds the columns of all rows, one row after the other: a container for each of them would be
    work for the garbage collector.
    """
    done = 0
    for size in ROWS_PER_STATEMENT:
        step = size * columns
        while len(values) - done >= step:
            connection.execute(_with_rows(statement, columns, size), values[done : done + step])
            done += step


@cache
def _with_rows(statement: str, columns: int, rows: int) -> str:
    row = "(" + ", ".join("?" * columns) + ")"
    return statement.replace("{rows}", ", ".join([row] * rows))


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


def _read_table(
    connection: sqlite3.Connection, table: str, longest: int
) -> Iterator[tuple[bytes, int, bytes]]:
    """Key, checksum and value of each row, in portions of bounded size."""
    limit = min(READ_ROWS, max(1, READ_BYTES // longest))
    first = b""
    while True:
        where: dict[str, object] = {"name": table, "first": first, "limit": limit}
        key_lengths, keys, lengths, values, checksums = connection.execute(_JOINED, where).fetchone()
        if key_lengths is None:
            return
        crcs = map(int, checksums.split(","))
        rows = list(zip(split_joined(key_lengths, keys), crcs, split_joined(lengths, values), strict=True))
        yield from rows
        # Behind a damaged page rows may come out of order.
        if rows[-1][0] < first:
            return
        # The smallest key above the last one.
        first = rows[-1][0] + b"\0"


def is_intact(table: object, key: object, crc: object, value: object) -> bool:
    """Whether a row of state is as it was written."""
    if not (isinstance(table, str) and isinstance(key, bytes) and isinstance(value, bytes)):
        return False
    return _checksum(table, key, value) == crc


def _checksum(table: str, key: bytes, value: bytes) -> int:
    return crc32(value, crc32(key, crc32(table.encode("utf-8", "replace"))))


def read_numbered(
    connection: sqlite3.Connection, table: Literal["increments", "journal"]
) -> tuple[list[NumberedBody], int]:
    """The rows, oldest first, and how many damaged ones were left out."""
    rows = connection.execute(_NUMBERED.replace("{table}", table)).fetchall()
    kept = [NumberedBody(number, body) for number, crc, body in rows if crc32(body) == crc]
    return kept, len(rows) - len(kept)
