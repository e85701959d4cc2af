"""Finding damage in a spool file, and saving what can be read into a new one.

Invariants: looking never changes the file; only rows whose checksum holds are taken over, at their old
positions; the new file keeps the name of the old one only when that could be read, and then skips positions,
so that no row gets one that a sink has seen; whatever the books say is missing afterwards is counted as
evicted when sinks register.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from exporter.model import Priority
from exporter.spool.codec import INTEGER_LIMIT, unpack
from exporter.spool.database import connect_reader, connect_writer
from exporter.spool.schema import migrate, on_lanes, read_version

log = logging.getLogger(__name__)

MAX_HOLES: Final = 2_000
"""Damaged places stepped over in one table before the rest is given up; each costs a few reads."""

_CURSORS: Final = "SELECT sink, lane, position, spooled, delivered, dead, evicted, active FROM cursors"
_BOOKS: Final = "SELECT spooled, position, clean FROM books WHERE id = 1"
_SOURCE: Final = "SELECT value FROM meta WHERE name = 'source'"
_SOURCE_LENGTH: Final = 32
_ROWS: Final = on_lanes(
    "SELECT position, crc, body, committed_at, only_for FROM {lane} WHERE position > ? ORDER BY position"
)
_LAST: Final = on_lanes("SELECT position FROM {lane} ORDER BY position DESC LIMIT 1")
_INSERT: Final = on_lanes(
    "INSERT OR IGNORE INTO {lane} (position, type, guild, at, key, crc, body, committed_at, only_for)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DEAD: Final = "SELECT id, sink, lane, position, reason, buried_at, type, guild, at, key, crc, body FROM dead"
_INSERT_DEAD: Final = "INSERT OR IGNORE INTO dead VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Saved:
    """What came over."""

    rows: int
    same_source: bool
    same_cursors: bool

    def __str__(self) -> str:
        start = (
            "each sink goes on where it was" if self.same_cursors else "each sink starts at the oldest row"
        )
        name = "" if self.same_source else ", under a new name"
        return f"{self.rows} unsent or unpassed entries were saved{name}, {start}"


def inspect(path: Path) -> None:
    """Look whether the file can be used; returns if so, or if there is none.

    Raises:
        SchemaError: it is of a newer version.
        sqlite3.Error, TypeError, ValueError: it is damaged, or cannot be read (see ``database.is_damage``).
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    connection = connect_reader(path)
    try:
        if read_version(connection) == 0:
            return
        (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise ValueError(result)
        _read_source(connection)
        _read_books(connection)
        _read_cursors(connection)
    finally:
        connection.close()


def rebuild(damaged: Path, fresh: Path) -> Saved:
    """Make a new spool in the empty file ``fresh`` with all that can be read of ``damaged``.

    Raises:
        sqlite3.Error: the new file could not be written.
    """
    target = connect_writer(fresh)
    try:
        migrate(target)
        target.execute("BEGIN IMMEDIATE")
        saved = _Rescue(damaged, target).run()
        target.execute("COMMIT")
        # One file, complete, before it takes the place of the damaged one.
        target.execute("PRAGMA journal_mode = DELETE").fetchone()
    finally:
        target.close()
    return saved


def _read_source(connection: sqlite3.Connection) -> str:
    (source,) = connection.execute(_SOURCE).fetchone()
    if len(source) != _SOURCE_LENGTH or not set(source) <= set(string.hexdigits):
        msg = "the name of the spool is damaged"
        raise ValueError(msg)
    return str(source)


def _read_books(connection: sqlite3.Connection) -> tuple[int, int, int]:
    spooled, position, clean = _integers(connection.execute(_BOOKS).fetchone())
    return spooled, position, clean


def _read_cursors(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    rows = connection.execute(_CURSORS).fetchall()
    for sink, lane, *numbers in rows:
        if not isinstance(sink, str) or "�" in sink:
            msg = "the name of a sink is damaged"
            raise ValueError(msg)
        Priority(lane)
        _integers(numbers)
    return rows


def _integers(values: Sequence[object] | None) -> list[int]:
    numbers = [value for value in values or () if isinstance(value, int) and 0 <= value < INTEGER_LIMIT // 2]
    if not values or len(numbers) != len(values):
        msg = "a number in the books is damaged"
        raise ValueError(msg)
    return numbers


class _Rescue:
    """One pass over a damaged file; each part is taken or left for itself."""

    def __init__(self, damaged: Path, target: sqlite3.Connection) -> None:
        self._path = damaged
        self._target = target
        self._source: sqlite3.Connection | None = None
        self._highest = 0

    def run(self) -> Saved:
        """Copy everything that can be read; never raises for what the damaged file holds."""
        saved = Saved(0, same_source=False, same_cursors=False)
        try:
            self._source = connect_reader(self._path)
        except sqlite3.Error:
            return saved
        try:
            rows = sum(self._copy_rows(lane) for lane in Priority)
            same_cursors = self._copy_cursors()
            same_books = self._copy_books()
            # Without the books it is unknown which positions were given out under the old name.
            same_source = same_books and self._copy_source()
            self._copy_journal()
            self._copy_dead()
            self._target.execute("UPDATE books SET clean = 0, position = max(position, ?)", (self._highest,))
        finally:
            self._source.close()
        return Saved(rows, same_source=same_source, same_cursors=same_cursors)

    def _copy_rows(self, lane: Priority) -> int:
        copied = 0
        for position, crc, body, committed_at, only_for in self._walk(lane):
            try:
                entry = unpack(body, crc)
            except TypeError:
                continue
            if entry is None or not isinstance(committed_at, int):
                continue
            values = (
                position,
                entry.type,
                entry.guild_id,
                entry.at,
                entry.key,
                crc,
                body,
                committed_at,
                only_for,
            )
            self._target.execute(_INSERT[lane], values)
            self._highest = max(self._highest, position)
            copied += 1
        return copied

    def _walk(self, lane: Priority) -> Iterator[tuple[Any, ...]]:
        """Rows in order, stepping over places that cannot be read in growing strides."""
        after, stride, holes = 0, 1, 0
        try:
            last = self._connection().execute(_LAST[lane]).fetchone()
        except sqlite3.Error:
            last = None
        while holes < MAX_HOLES and after >= 0:
            try:
                for row in self._connection().execute(_ROWS[lane], (after,)):
                    if not isinstance(row[0], int) or row[0] <= after:
                        break
                    after, stride = row[0], 1
                    yield row
                after = -1
            except (sqlite3.Error, OverflowError):
                holes += 1
                after += stride
                stride *= 2
                if last is None or after >= last[0]:
                    after = -1

    def _copy_cursors(self) -> bool:
        try:
            rows = _read_cursors(self._connection())
        except (sqlite3.Error, TypeError, ValueError):
            return False
        self._target.executemany("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._highest = max([self._highest, *(row[2] for row in rows)])
        return True

    def _copy_books(self) -> bool:
        try:
            spooled, position, _ = _read_books(self._connection())
        except (sqlite3.Error, TypeError, ValueError):
            return False
        self._target.execute("UPDATE books SET spooled = ?", (spooled,))
        self._highest = max(self._highest, position)
        return True

    def _copy_source(self) -> bool:
        try:
            name = _read_source(self._connection())
        except (sqlite3.Error, TypeError, ValueError):
            return False
        self._target.execute("UPDATE meta SET value = ? WHERE name = 'source'", (name,))
        return True

    def _copy_journal(self) -> None:
        with contextlib.suppress(sqlite3.Error, TypeError):
            for number, crc, body in self._connection().execute("SELECT number, crc, body FROM journal"):
                if crc32(body) == crc:
                    self._target.execute(
                        "INSERT OR IGNORE INTO journal VALUES (?, ?, ?)", (number, crc, body)
                    )

    def _copy_dead(self) -> None:
        with contextlib.suppress(sqlite3.Error, TypeError):
            for row in self._connection().execute(_DEAD):
                if unpack(row[11], row[10]) is not None:
                    self._target.execute(_INSERT_DEAD, row)

    def _connection(self) -> sqlite3.Connection:
        if self._source is None:
            msg = "the damaged file is not open"
            raise sqlite3.ProgrammingError(msg)
        return self._source
