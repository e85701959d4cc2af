"""From whatever is in the spool's directory to a database that can be written.

Invariants: damage never stops a start, it costs at most the rows that cannot be read; a file of a newer
version is left as it is, and a damaged one is kept. After an end that was not
clean no position is given out a second time, even if the log with the last positions was lost.

A damaged file is rebuilt: only rows whose checksum holds are taken over, entries at their old positions; the
new file keeps the name of the old one only when that could be read, and then skips positions, so that no row
gets one that a sink has seen; whatever is missing by the accounts afterwards is counted as evicted when sinks
register.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar
from zlib import crc32

from exporter.clock import Clock
from exporter.errors import SchemaError
from exporter.model import Priority
from exporter.spool.accounts import Accounts, restore_accounts
from exporter.spool.codec import INTEGER_LIMIT, try_unpack
from exporter.spool.commit import is_intact
from exporter.spool.database import (
    connect_reader,
    connect_writer,
    counted_as_state,
    is_damage,
    is_full,
    migrate,
    read_version,
    spool_error,
    transaction,
)
from exporter.spool.delivery import tips
from exporter.spool.disk import SpoolDirectory

log = logging.getLogger(__name__)

POSITION_GAP: Final = 2**30
"""Positions skipped after an end that was not clean. A log that is damaged loses commits without a trace, and
sinks would take new rows at their positions for old ones; no log can hold this many. 2**53 leaves 8 million
such ends."""

POSITIONS_PER_MS: Final = 1024
"""Positions begin anew at the time of each start, so that those of a directory that was restored from a
backup are above all that it gave out before, which stores have seen. More than so many entries a millisecond
cannot be committed; 2**53 is reached in the year 2248."""

MAX_HOLES: Final = 2_000
"""Damaged places stepped over in one table before the rest is left; each costs a few reads."""

_SOURCE_LENGTH: Final = 32
_LANE_COLUMNS: Final = "position, type, guild, at, key, crc, body, committed_at, only_for"
_DEAD_COLUMNS: Final = "id, sink, lane, position, reason, buried_at, type, guild, at, key, crc, body"
_SELECT: Final = "SELECT {columns} FROM {table} WHERE {key} > ? ORDER BY {key}"
_INSERT: Final = "INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"
_CURSOR_COLUMNS: Final = "lane, position, spooled, delivered, dead, evicted, active, sink"
_INSERT_CURSOR: Final = "INSERT OR REPLACE INTO cursors ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)".replace(
    "{columns}", _CURSOR_COLUMNS
)
_SELECT_STATE: Final = "SELECT name, key, crc, value FROM state ORDER BY name{order}, key{order}"

T = TypeVar("T")

DamagedRow: TypeAlias = tuple[Any, ...]
"""A row as it was read; a column may be of any type, by damage."""


@dataclass(frozen=True, slots=True)
class OpenedDatabase:
    """The connection that writes, and what was found at the start."""

    connection: sqlite3.Connection
    lost_increments: int
    skipped: tuple[int, int]
    """The last position that was given out, and the one after which the next ones are."""


def open_database(directory: SpoolDirectory, clock: Clock, copy: Accounts | None) -> OpenedDatabase:
    """A sound database of the current version; ``copy`` is the copy of its accounts.

    Raises:
        SchemaError: the file is of a newer version and untouched.
        SpoolError: the directory cannot be read or written.
    """
    try:
        try:
            return _open_sound(directory, clock, copy)
        except sqlite3.Error as error:
            if not is_full(error) or not directory.reserve.exists():
                raise
            log.warning("spool: the volume is full, the reserve is released to be able to start")
            directory.reserve.unlink()
            return _open_sound(directory, clock, copy)
    except OSError as error:
        raise spool_error(directory.path, "opening", error) from error
    except sqlite3.Error as error:
        raise spool_error(directory.database, "opening", error) from error


def mark_clean(connection: sqlite3.Connection, *, clean: bool) -> None:
    """Note in the file whether this program has ended its work on it.

    Raises:
        sqlite3.Error: it could not be written.
    """
    connection.execute("UPDATE books SET clean = ?", (int(clean),))


def _open_sound(directory: SpoolDirectory, clock: Clock, copy: Accounts | None) -> OpenedDatabase:
    if not directory.database.exists() and directory.rebuilt.exists():
        # A rebuild was interrupted between its last two steps.
        directory.rebuilt.replace(directory.database)
    try:
        inspect(directory.database)
        return _prepare(directory, copy, clock.now_ms())
    except SchemaError:
        raise
    except (sqlite3.Error, TypeError, ValueError, LookupError, OverflowError) as error:
        if not is_damage(error):
            raise
        damage = error
    log.error("spool: %s is damaged (%s), what can be read of it is taken over", directory.database, damage)
    directory.discard(directory.rebuilt)
    directory.touch(directory.rebuilt)
    saved = _rebuild(directory.database, directory.rebuilt, copy)
    aside = directory.set_aside(clock.now_ms())
    directory.rebuilt.replace(directory.database)
    log.error("spool: %s; the damaged file is kept as %s", saved, aside)
    return _prepare(directory, copy, clock.now_ms(), is_rebuilt=True)


def _prepare(
    directory: SpoolDirectory, copy: Accounts | None, now_ms: int, *, is_rebuilt: bool = False
) -> OpenedDatabase:
    directory.touch(directory.database)
    connection = connect_writer(directory.database)
    try:
        is_new = read_version(connection) == 0
        migrate(connection)
        with transaction(connection):
            lost = restore_accounts(connection, copy, is_new=is_new, is_rebuilt=is_rebuilt)
            skipped = _skip_positions(connection, now_ms)
            mark_clean(connection, clean=False)
        # Into the file itself: the mark has to outlive a damaged log.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except BaseException:
        connection.close()
        raise
    return OpenedDatabase(connection, lost, skipped)


def _skip_positions(connection: sqlite3.Connection, now_ms: int) -> tuple[int, int]:
    known, clean = connection.execute("SELECT position, clean FROM books").fetchone()
    begin = known if clean else known + POSITION_GAP
    if known:
        begin = max(begin, now_ms * POSITIONS_PER_MS)
    connection.execute("UPDATE books SET position = ?", (begin,))
    return known, begin


def inspect(path: Path) -> None:
    """Check whether the file can be used; returns if so, or if there is none.

    Raises:
        SchemaError: it is of a newer version.
        sqlite3.Error, TypeError, ValueError: it is damaged, or cannot be read (see ``database.is_damage``).
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    with contextlib.closing(connect_reader(path)) as connection:
        if read_version(connection) == 0:
            return
        (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise ValueError(result)
        _read_source(connection)
        _read_totals(connection)
        _read_cursors(connection)


def _rebuild(damaged: Path, fresh: Path, copy: Accounts | None) -> str:
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
    entries = sum(
        _copy_rows(source, target, lane.name.lower(), _LANE_COLUMNS, _mend_entry) for lane in Priority
    )
    _copy_rows(source, target, "dead", _DEAD_COLUMNS, _check_dead)
    with counted_as_state(target):
        insert = "INSERT OR IGNORE INTO state VALUES (?, ?, ?, ?)"
        state = sum(target.execute(insert, row).rowcount for row in _walk_state(source) if is_intact(*row))
        for table in ("increments", "journal"):
            state += _copy_rows(source, target, table, "number, crc, body", _check_numbered)
    cursors: Sequence[DamagedRow] | None = _readable(_read_cursors, source)
    totals = _readable(_read_totals, source)
    name = _readable(_read_source, source)
    if copy is not None and (name is None or copy.is_of(name)):
        name, totals = copy.source, totals or (copy.spooled, copy.position)
        cursors = cursors or copy.cursors
    if not totals:
        # It is unknown which positions were given out under the old name.
        name = None
    target.executemany(_INSERT_CURSOR, cursors or ())
    spooled, position = totals or (0, 0)
    highest = max(position, *tips(target).values(), *(row[1] for row in cursors or ()))
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


def _integers(values: Sequence[object] | None) -> list[int]:
    numbers = [value for value in values or () if isinstance(value, int) and 0 <= value < INTEGER_LIMIT // 2]
    if not values or len(numbers) != len(values):
        msg = "a number in the accounts is damaged"
        raise ValueError(msg)
    return numbers


def _copy_rows(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    table: str,
    columns: str,
    check: Callable[[DamagedRow], DamagedRow | None],
) -> int:
    """Copy the rows that ``check`` returns, of a table whose first column is its integer key."""
    marks = ", ".join("?" * len(columns.split(",")))
    insert = _INSERT.replace("{table}", table).replace("{columns}", columns).replace("{marks}", marks)
    copied = 0
    for row in _walk(source, table, columns):
        # Of the wrong type is damaged, too.
        with contextlib.suppress(TypeError):
            if (sound := check(row)) is not None:
                copied += target.execute(insert, sound).rowcount
    return copied


def _walk(source: sqlite3.Connection, table: str, columns: str) -> Iterator[DamagedRow]:
    """Rows in order of their key, stepping over places that cannot be read in growing strides."""
    key = columns.split(",", maxsplit=1)[0]
    select = _SELECT.replace("{table}", table).replace("{key}", key)
    after, stride, end = 0, 1, 0
    with contextlib.suppress(sqlite3.Error):
        (end,) = source.execute(select.replace("{columns}", key) + " DESC LIMIT 1", (0,)).fetchone() or (0,)
    for _ in range(MAX_HOLES):
        try:
            for row in source.execute(select.replace("{columns}", columns), (after,)):
                if not isinstance(row[0], int) or row[0] <= after:
                    return
                after, stride = row[0], 1
                yield row
        except (sqlite3.Error, OverflowError):
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
    if entry is None or not isinstance(committed_at, int):
        return None
    return (position, entry.type, entry.guild_id, entry.at, entry.key, crc, body, committed_at, only_for)


def _check_dead(row: DamagedRow) -> DamagedRow | None:
    return None if try_unpack(row[-1], row[-2]) is None else row


def _check_numbered(row: DamagedRow) -> DamagedRow | None:
    _, crc, body = row
    return row if crc32(body) == crc else None
