"""From whatever is in the directory to a database that can be written.

Invariants: damage never stops a start, it costs at most the rows that cannot be read; a file of a newer
version is left as it is; after an end that was not clean no position is given out a second time, even if the
log with the last positions was lost.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import Final

from exporter.clock import Clock
from exporter.errors import SchemaError
from exporter.spool.database import connect_writer, is_damage, is_full, migrate, spool_error
from exporter.spool.directory import SpoolDirectory
from exporter.spool.salvage import inspect, rebuild

log = logging.getLogger(__name__)

POSITION_GAP: Final = 2**30
"""Positions skipped after an end that was not clean. A log that is damaged loses commits without a trace, and
sinks would take new rows at their positions for old ones; no log can hold this many. 2**53 leaves 8 million
such ends."""


def open_database(directory: SpoolDirectory, clock: Clock) -> sqlite3.Connection:
    """The write connection to a sound database of the current version.

    Raises:
        SchemaError: the file is of a newer version and untouched.
        SpoolError: the directory cannot be read or written.
    """
    try:
        try:
            return _open_sound(directory, clock)
        except sqlite3.Error as error:
            if not is_full(error) or not directory.reserve.exists():
                raise
            log.warning("spool: the volume is full, the reserve is released to be able to start")
            directory.reserve.unlink()
            return _open_sound(directory, clock)
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


def _open_sound(directory: SpoolDirectory, clock: Clock) -> sqlite3.Connection:
    if not directory.database.exists() and directory.rebuilt.exists():
        # A rebuild was interrupted between its last two steps.
        directory.rebuilt.replace(directory.database)
    try:
        inspect(directory.database)
        return _prepare(directory)
    except SchemaError:
        raise
    except (sqlite3.Error, TypeError, ValueError, LookupError, OverflowError) as error:
        if not is_damage(error):
            raise
        _replace(directory, clock, error)
    return _prepare(directory)


def _prepare(directory: SpoolDirectory) -> sqlite3.Connection:
    directory.touch(directory.database)
    connection = connect_writer(directory.database)
    try:
        migrate(connection)
        connection.execute("UPDATE books SET position = position + ? WHERE clean = 0", (POSITION_GAP,))
        mark_clean(connection, clean=False)
        # Into the file itself: the mark has to outlive a damaged log.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _replace(directory: SpoolDirectory, clock: Clock, error: Exception) -> None:
    log.error("spool: %s is damaged (%s), what can be read of it is taken over", directory.database, error)
    directory.discard(directory.rebuilt)
    directory.touch(directory.rebuilt)
    salvaged = rebuild(directory.database, directory.rebuilt)
    aside = directory.set_aside(clock.now_ms())
    directory.rebuilt.replace(directory.database)
    log.error("spool: %s; the damaged file is kept as %s", salvaged, aside)
