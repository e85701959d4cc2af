"""From whatever is in the spool's directory to a database that can be written.

Invariants: damage never stops a start, it costs at most the rows that cannot be read; a file of a newer
version is left as it is, and a damaged one is kept. After an end that was not
clean no position is given out a second time, even if the log with the last positions was lost.

A damaged file is replaced by what can be read of it (see ``salvage``).
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass
from typing import Final

from exporter.clock import Clock
from exporter.errors import SchemaError
from exporter.model import Priority
from exporter.spool.accounts import Accounts, restore_accounts
from exporter.spool.database import connect_writer, is_damage, is_full, spool_error, transaction
from exporter.spool.directory import SpoolDirectory
from exporter.spool.salvage import inspect, rebuild
from exporter.spool.schema import migrate, read_version

log = logging.getLogger(__name__)

POSITION_GAP: Final = 2**30
"""Positions skipped after an end that was not clean. A log that is damaged loses commits without a trace, and
sinks would take new rows at their positions for old ones; no log can hold this many. 2**53 leaves 8 million
such ends."""

POSITIONS_PER_MS: Final = 1024
"""Positions begin anew at the time of each start, so that those of a directory that was restored from a
backup are above all that it gave out before, which stores have seen. More than so many entries a millisecond
cannot be committed; 2**53 is reached in the year 2248."""


@dataclass(frozen=True, slots=True)
class OpenedDatabase:
    """The connection that writes, and what was found at the start."""

    connection: sqlite3.Connection
    lost_increments: int
    skipped: tuple[int, int]
    """The last position that was given out, and the one after which the next ones are."""

    def compare(self, sink: str, lane: Priority, position: int) -> None:
        """Log an error if the sink holds the lane up to a position that this file gave to no entry.

        Positions that this start skipped are such: a later state of the spool gave them out.
        """
        known, begin = self.skipped
        if known < position <= begin:
            log.error(
                "spool: sink %s holds %s entries up to position %d, and the file knows none after %d: it is "
                "of an earlier time, and what was accepted since and not stored is lost",
                sink,
                lane.name.lower(),
                position,
                known,
            )


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
    saved = rebuild(directory.database, directory.rebuilt, copy)
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
