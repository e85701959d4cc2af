"""Tables of the spool, their version and the steps from older ones.

Each lane is a table of its own: a page of one lane is a range of its primary key, no secondary index has to
be written or can disagree, and evicting counters gives back whole database pages instead of holes between
bans.

Invariants: ``books`` and ``meta`` have their rows from the moment the file exists; a position is taken from
``books.position`` and so used once over all lanes; a file whose version is newer is never written to.
"""

from __future__ import annotations

import sqlite3
import uuid
from typing import Final

from exporter.errors import SchemaError
from exporter.model import Priority

LANE_TABLES: Final[dict[Priority, str]] = {
    Priority.CRITICAL: "critical",
    Priority.IMPORTANT: "important",
    Priority.SLOW: "slow",
}

_VISIBLE: Final = "(only_for IS NULL OR only_for = :sink)"
"""Rows a sink sees: those for all sinks, and those replayed from its own dead letters."""

_LANE = """
CREATE TABLE {lane} (
    position INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    guild INTEGER NOT NULL,
    at INTEGER NOT NULL,
    key TEXT NOT NULL,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL,
    committed_at INTEGER NOT NULL,
    only_for TEXT
)
"""

_META = "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)"

_BOOKS = """
CREATE TABLE books (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    spooled INTEGER NOT NULL,
    position INTEGER NOT NULL,
    clean INTEGER NOT NULL
)
"""

_CURSORS = """
CREATE TABLE cursors (
    sink TEXT NOT NULL,
    lane INTEGER NOT NULL,
    position INTEGER NOT NULL,
    spooled INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    evicted INTEGER NOT NULL,
    active INTEGER NOT NULL,
    PRIMARY KEY (sink, lane)
)
"""

_JOURNAL = """
CREATE TABLE journal (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL
)
"""

_DEAD = """
CREATE TABLE dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    lane INTEGER NOT NULL,
    position INTEGER NOT NULL,
    reason TEXT NOT NULL,
    buried_at INTEGER NOT NULL,
    type TEXT NOT NULL,
    guild INTEGER NOT NULL,
    at INTEGER NOT NULL,
    key TEXT NOT NULL,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL
)
"""

_TABLES = (
    _META,
    _BOOKS,
    _CURSORS,
    _JOURNAL,
    _DEAD,
    *(_LANE.replace("{lane}", table) for table in LANE_TABLES.values()),
    "INSERT INTO books VALUES (1, 0, 0, 1)",
)

_STATE = """
CREATE TABLE state (
    name TEXT NOT NULL,
    key BLOB NOT NULL,
    crc INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (name, key)
) WITHOUT ROWID
"""

_INCREMENTS = """
CREATE TABLE increments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL
)
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (_TABLES, (_STATE, _INCREMENTS))
"""Step ``n`` leads from version ``n`` to ``n + 1``; a step that was released is never edited."""


def on_lanes(template: str) -> dict[Priority, str]:
    """The statement for each lane.

    ``{lane}`` is the table's name, ``{number}`` the lane's number, ``{visible}`` the rows that ``:sink``
    sees.
    """
    return {
        lane: template.replace("{lane}", table)
        .replace("{number}", str(int(lane)))
        .replace("{visible}", _VISIBLE)
        for lane, table in LANE_TABLES.items()
    }


def current_version() -> int:
    """The version this program writes."""
    return len(MIGRATIONS)


def read_version(connection: sqlite3.Connection) -> int:
    """The version of a file, 0 for one without tables.

    Raises:
        SchemaError: it is newer than this program; nothing was changed.
        sqlite3.DatabaseError: its two records of the version differ, so one of them is damaged.
    """
    (header,) = connection.execute("PRAGMA user_version").fetchone()
    if header == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return 0
    row = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    if row is None or row[0] != str(header):
        msg = f"the header says schema {header}, the table meta says {row and row[0]}"
        raise sqlite3.DatabaseError(msg)
    if header > current_version():
        msg = (
            f"the spool has schema {header}, this program knows {current_version()}: "
            "start the newer version of discord-exporter again, or point spool at another directory"
        )
        raise SchemaError(msg)
    return int(header)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the current version in one transaction.

    Raises:
        SchemaError: it is newer than this program.
        sqlite3.Error: it could not be written; the file is as it was.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = read_version(connection)
        if version < current_version():
            for step in MIGRATIONS[version:]:
                for statement in step:
                    connection.execute(statement)
            connection.execute("PRAGMA user_version = " + str(current_version()))
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (str(current_version()),))
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('source', ?)", (uuid.uuid4().hex,))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
