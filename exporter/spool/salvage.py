"""Whether a spool's file can be used, and what can be read of a damaged one.

A damaged file is rebuilt: only rows whose checksum holds are taken over, entries at their old positions; the
new file keeps the name of the old one only when that could be read, and then skips positions, so that no row
gets one that a sink has seen; whatever is missing by the accounts afterwards is counted as evicted when sinks
register.
"""

from __future__ import annotations

import contextlib
import sqlite3
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar
from zlib import crc32

from exporter.model import Priority
from exporter.spool.accounts import Accounts
from exporter.spool.codec import INTEGER_LIMIT, NUMBER_LIMIT, try_unpack
from exporter.spool.commit import is_intact
from exporter.spool.database import connect_reader, connect_writer, transaction
from exporter.spool.delivery import tips
from exporter.spool.schema import NUMBERED, check_schema, counted_as_state, migrate, read_version

MAX_HOLES: Final = 2_000
"""Damaged places stepped over in one table before the rest is left; each costs a few reads."""

_SOURCE_LENGTH: Final = 32
_LANE_COLUMNS: Final = "position, type, guild, at, key, crc, body, committed_at, only_for"
_DEAD_COLUMNS: Final = "id, sink, lane, position, reason, buried_at, type, guild, at, key, crc, body"
_GIVEN: Final = ((0, NUMBER_LIMIT - 1),)
"""Where the numbers and positions are that were given out: after the first, up to the last one."""

_NOT_GIVEN: Final = ((-INTEGER_LIMIT, 0), (NUMBER_LIMIT - 1, INTEGER_LIMIT - 1))
_SELECT: Final = "SELECT {columns} FROM {table} WHERE {key} > ? AND {key} <= ? ORDER BY {key}"
_ENDS: Final = "SELECT (SELECT min({key}) FROM {table}), (SELECT max({key}) FROM {table})"
_INSERT: Final = "INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"
_CURSOR_COLUMNS: Final = "lane, position, spooled, delivered, dead, evicted, active, sink"
_INSERT_CURSOR: Final = "INSERT OR REPLACE INTO cursors ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)".replace(
    "{columns}", _CURSOR_COLUMNS
)
_SELECT_STATE: Final = "SELECT name, key, crc, value FROM state ORDER BY name{order}, key{order}"

_LANES: Final = tuple(lane.name.lower() for lane in Priority)

T = TypeVar("T")

DamagedRow: TypeAlias = tuple[Any, ...]
"""A row as it was read; a column may be of any type, by damage."""

Check: TypeAlias = Callable[[DamagedRow], DamagedRow | None]
"""Returns the row as it is to be copied, or None for one that is damaged."""


def inspect(path: Path) -> None:
    """Check whether the file can be used; returns if so, or if there is none.

    Raises:
        SchemaError: it is of a newer version.
        sqlite3.Error, TypeError, ValueError: it is damaged, or cannot be read (see ``database.is_damage``).
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    with contextlib.closing(connect_reader(path)) as connection:
        version = read_version(connection)
        if version == 0:
            return
        check_schema(connection, version)
        (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise ValueError(result)
        _read_source(connection)
        _, position = _read_totals(connection)
        _read_cursors(connection)
        _check_numbers(connection, position)


def rebuild(damaged: Path, fresh: Path, copy: Accounts | None) -> str:
    """Make a new spool in the empty file ``fresh`` of what can be read of ``damaged``; says what that was.

    Raises:
        sqlite3.Error: the new file could not be written.
    """
    with contextlib.closing(connect_writer(fresh)) as target:
        migrate(target)
        try:
            source = connect_reader(damaged)
        except sqlite3.Error:
            # A database without tables: nothing can be read of it.
            source = sqlite3.connect(":memory:")
        with contextlib.closing(source), transaction(target):
            saved = _copy_all(source, target, copy)
        # One file, complete, before it takes the place of the damaged one.
        target.execute("PRAGMA journal_mode = DELETE").fetchone()
    return saved


def _copy_all(source: sqlite3.Connection, target: sqlite3.Connection, copy: Accounts | None) -> str:
    """Copy everything that can be read, each table by itself; never raises for what ``source`` holds."""
    name = _readable(_read_source, source)
    if copy is not None and name is not None and not copy.is_of(name):
        copy = None
    entries = sum(
        _insert(target, lane, _LANE_COLUMNS, _read_rows(source, lane, _LANE_COLUMNS, _mend_entry, _GIVEN))
        for lane in _LANES
    )
    _copy_numbered(source, target, "dead", _DEAD_COLUMNS, _check_dead)
    with counted_as_state(target):
        insert = "INSERT OR IGNORE INTO state VALUES (?, ?, ?, ?)"
        state = sum(target.execute(insert, row).rowcount for row in _walk_state(source) if is_intact(*row))
        firsts = {"increments": copy.increments[0] if copy else 0, "journal": 0}
        for table, first in firsts.items():
            state += _copy_numbered(source, target, table, "number, crc, body", _check_numbered, first)
    cursors: Sequence[DamagedRow] | None = _readable(_read_cursors, source)
    totals = _readable(_read_totals, source)
    if copy is not None:
        name, totals = copy.source, totals or (copy.spooled, copy.position)
        cursors = cursors or copy.cursors
    if not totals:
        # It is unknown which positions were given out under the old name.
        name = None
    target.executemany(_INSERT_CURSOR, cursors or ())
    spooled, position = totals or (0, 0)
    highest = max(position, *tips(target).values(), *(row[1] for row in cursors or ()))
    for lane in _LANES:
        # At a new position, so that no sink has passed them.
        displaced = _read_rows(source, lane, _LANE_COLUMNS, _mend_entry, _NOT_GIVEN)
        positions = zip(displaced, count(highest + 1), strict=False)
        entries += _insert(target, lane, _LANE_COLUMNS, ((at, *row[1:]) for row, at in positions))
        highest = max(highest, *tips(target).values())
    target.execute("UPDATE books SET spooled = ?, position = ?, clean = 0", (spooled, highest))
    if name:
        target.execute("UPDATE meta SET value = ? WHERE name = 'source'", (name,))
    renamed = "" if name else ", under a new name"
    start = "starts at the oldest row" if cursors is None else "goes on where it was"
    rows = f"{entries} unsent or unpassed entries and {state} rows of state"
    return f"{rows} were saved{renamed}, each sink {start}"


def _readable(read: Callable[[sqlite3.Connection], T], source: sqlite3.Connection) -> T | None:
    try:
        return read(source)
    except (sqlite3.Error, TypeError, ValueError):
        return None


def _read_source(connection: sqlite3.Connection) -> str:
    (source,) = connection.execute("SELECT value FROM meta WHERE name = 'source'").fetchone()
    if len(source) != _SOURCE_LENGTH or not set(source) <= set(string.hexdigits):
        msg = "the name of the spool is damaged"
        raise ValueError(msg)
    return str(source)


def _read_totals(connection: sqlite3.Connection) -> tuple[int, int]:
    # All columns, of which version 1 has one less.
    _, spooled, position, *_ = _integers(connection.execute("SELECT * FROM books WHERE id = 1").fetchone())
    return spooled, position


def _read_cursors(connection: sqlite3.Connection) -> list[DamagedRow]:
    rows = connection.execute(
        "SELECT {columns} FROM cursors".replace("{columns}", _CURSOR_COLUMNS)
    ).fetchall()
    for lane, *numbers, sink in rows:
        if not isinstance(sink, str) or "�" in sink:
            msg = "the name of a sink is damaged"
            raise ValueError(msg)
        Priority(lane)
        _integers(numbers)
    return rows


def _check_numbers(connection: sqlite3.Connection, position: int) -> None:
    """Check that there are numbers left to give out, and that none is given out twice."""
    # Version 1 has no increments.
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    keys = dict.fromkeys(_LANES, "position") | NUMBERED
    for table in sorted(keys.keys() & there):
        key = keys[table]
        ends = connection.execute(_ENDS.replace("{table}", table).replace("{key}", key)).fetchone()
        _integers([0 if end is None else end for end in ends])
    for (last,) in connection.execute("SELECT coalesce(seq, 0) FROM sqlite_sequence").fetchall():
        _integers([last])
    if max(tips(connection).values()) > position:
        msg = "an entry is behind the last position that was given out"
        raise ValueError(msg)


def _integers(values: Sequence[object] | None) -> list[int]:
    numbers = [value for value in values or () if isinstance(value, int) and 0 <= value < NUMBER_LIMIT]
    if not values or len(numbers) != len(values):
        msg = "a number in the accounts is damaged"
        raise ValueError(msg)
    return numbers


def _copy_numbered(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    table: str,
    columns: str,
    check: Check,
    first: int = 0,
) -> int:
    """Copy the rows that ``check`` returns; one whose number was not given out gets the first free one.

    So it takes the place of a row that is missing, as by the accounts its own is; they begin with ``first``.
    """
    copied = _insert(target, table, columns, _read_rows(source, table, columns, check, _GIVEN))
    keys = "SELECT {key} FROM {table}".replace("{table}", table).replace("{key}", NUMBERED[table])
    taken = {number for (number,) in target.execute(keys)}
    free = (number for number in count(first or min(taken, default=1)) if number not in taken)
    displaced = zip(_read_rows(source, table, columns, check, _NOT_GIVEN), free, strict=False)
    return copied + _insert(target, table, columns, ((number, *row[1:]) for row, number in displaced))


def _insert(target: sqlite3.Connection, table: str, columns: str, rows: Iterable[DamagedRow]) -> int:
    marks = ", ".join("?" * len(columns.split(",")))
    insert = _INSERT.replace("{table}", table).replace("{columns}", columns).replace("{marks}", marks)
    return sum(target.execute(insert, row).rowcount for row in rows)


def _read_rows(
    source: sqlite3.Connection,
    table: str,
    columns: str,
    check: Check,
    ranges: Iterable[tuple[int, int]],
) -> Iterator[DamagedRow]:
    """The rows that ``check`` returns, of a table whose first column is its integer key."""
    for after, last in ranges:
        for row in _walk(source, table, columns, after, last):
            # Of the wrong type is damaged, too.
            with contextlib.suppress(TypeError):
                if (sound := check(row)) is not None:
                    yield sound


def _walk(
    source: sqlite3.Connection, table: str, columns: str, after: int, last: int
) -> Iterator[DamagedRow]:
    """Rows in order of their key, stepping over places that cannot be read in growing strides."""
    key = columns.split(",", maxsplit=1)[0]
    select = _SELECT.replace("{table}", table).replace("{key}", key)
    stride, end = 1, after
    with contextlib.suppress(sqlite3.Error):
        # What is in a column that is missing is said by the body, or unknown.
        there = {row[1] for row in source.execute("PRAGMA table_info({table})".replace("{table}", table))}
        columns = ", ".join(name if name in there else "NULL" for name in columns.split(", "))
        newest = select.replace("{columns}", key) + " DESC LIMIT 1"
        (end,) = source.execute(newest, (after, last)).fetchone() or (after,)
    for _ in range(MAX_HOLES):
        try:
            for row in source.execute(select.replace("{columns}", columns), (after, last)):
                if not isinstance(row[0], int) or row[0] <= after:
                    return
                after, stride = row[0], 1
                yield row
        except sqlite3.Error:
            after += stride
            stride *= 2
            if after >= end:
                return
        else:
            return


def _walk_state(source: sqlite3.Connection) -> Iterator[DamagedRow]:
    """Rows of state from both ends up to a place that cannot be read; their keys cannot be stepped over."""
    for order in ("", " DESC"):
        with contextlib.suppress(sqlite3.Error):
            yield from source.execute(_SELECT_STATE.replace("{order}", order))


def _mend_entry(row: DamagedRow) -> DamagedRow | None:
    """The row with the columns that its body says."""
    position, _, _, _, _, crc, body, committed_at, only_for = row
    entry = try_unpack(body, crc)
    if entry is None:
        return None
    if not isinstance(committed_at, int):
        committed_at = entry.at
    return (position, entry.type, entry.guild_id, entry.at, entry.key, crc, body, committed_at, only_for)


def _check_dead(row: DamagedRow) -> DamagedRow | None:
    return None if try_unpack(row[-1], row[-2]) is None else row


def _check_numbered(row: DamagedRow) -> DamagedRow | None:
    _, crc, body = row
    return row if crc32(body) == crc else None
