"""The tables of the spool's file, and their version.

Each lane is a table of its own, named after it: a page of one lane is a range of its primary key, no
secondary index has to be written or can disagree, and evicting counters gives back whole database pages
instead of holes between bans.

Invariants: ``books`` and ``meta`` have their rows from the moment the file exists; a position is taken from
``books.position`` and so used once over all lanes; a file whose version is newer is never written to.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain
from typing import Final

from exporter.errors import SchemaError
from exporter.model import Priority
from exporter.spool.database import transaction

PAGES_USED: Final = (
    "(SELECT page_count - freelist_count - (page_count + page_size / 5 - 1) / (page_size / 5 + 1)"
    " FROM pragma_page_count, pragma_freelist_count, pragma_page_size)"
)
"""Pages of the file that hold rows: neither free nor one of those that auto_vacuum keeps its pointers in.
Those follow from the size of the file and belong to no table."""

_SUBTRACT: Final = "UPDATE books SET state_pages = state_pages - {used}".replace("{used}", PAGES_USED)
_ADD_BACK: Final = "UPDATE books SET state_pages = max(0, state_pages + {used})".replace("{used}", PAGES_USED)

_OBJECTS: Final = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
"""What was created by a statement. SQLite makes others itself, as statistics for its planner."""

_VISIBLE: Final = "(only_for IS NULL OR only_for = :sink)"
"""Rows a sink sees: those for all sinks, and those replayed from its own dead letters."""

_NUMBERED: Final = """
CREATE TABLE {table} (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL
)
"""

_LANE: Final = """
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

NUMBERED: Final = {"increments": "number", "journal": "number", "dead": "id"}
"""Tables whose rows SQLite numbers, and the column of the number."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        """
        CREATE TABLE books (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            spooled INTEGER NOT NULL,
            position INTEGER NOT NULL,
            clean INTEGER NOT NULL
        )
        """,
        """
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
        """,
        _NUMBERED.replace("{table}", "journal"),
        """
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
        """,
        *(_LANE.replace("{lane}", lane.name.lower()) for lane in Priority),
        "INSERT INTO books VALUES (1, 0, 0, 1)",
    ),
    (
        """
        CREATE TABLE state (
            name TEXT NOT NULL,
            key BLOB NOT NULL,
            crc INTEGER NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (name, key)
        ) WITHOUT ROWID
        """,
        _NUMBERED.replace("{table}", "increments"),
        "ALTER TABLE books ADD COLUMN state_pages INTEGER NOT NULL DEFAULT 0",
        """
        UPDATE books SET state_pages = (
            SELECT coalesce(sum(length(body) / page_size + 1), 0) FROM journal, pragma_page_size
        )
        """,
    ),
)
"""Step ``n`` leads from version ``n`` to ``n + 1``; a step that was released is never edited."""


def on_lanes(template: str) -> dict[Priority, str]:
    """The statement for each lane; ``{lane}`` is the table's name, ``{visible}`` the rows ``:sink`` sees."""
    seen = template.replace("{visible}", _VISIBLE)
    return {lane: seen.replace("{lane}", lane.name.lower()) for lane in Priority}


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
    if header > len(MIGRATIONS):
        msg = (
            f"the spool has schema {header}, this program knows {len(MIGRATIONS)}: "
            "start the newer version of discord-exporter again, or point spool at another directory"
        )
        raise SchemaError(msg)
    return int(header)


def check_schema(connection: sqlite3.Connection, version: int) -> None:
    """Compare the tables of a file of this version with those that it declares.

    The whole statements are compared, so that a column, a constraint or AUTOINCREMENT that is not there is
    found as well. An object that is not declared is damage, too: a trigger or an index can refuse any commit.

    Raises:
        sqlite3.DatabaseError: they differ.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        for statement in chain.from_iterable(MIGRATIONS[:version]):
            model.execute(statement)
        declared = _read_objects(model)
    found = _read_objects(connection)
    differences = [
        f"the {kind} {name} is {_difference((kind, name), declared, found)}"
        for kind, name in sorted(declared.keys() | found.keys())
        if declared.get((kind, name)) != found.get((kind, name))
    ]
    if differences:
        raise sqlite3.DatabaseError(", ".join(differences))


def _read_objects(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """The statement of each object by its type and name, without white space, which says nothing."""
    rows = connection.execute(_OBJECTS).fetchall()
    return {(str(kind), str(name)): "".join(str(sql).split()) for kind, name, sql in rows}


def _difference(
    key: tuple[str, str], declared: dict[tuple[str, str], str], found: dict[tuple[str, str], str]
) -> str:
    if key not in found:
        return "missing"
    return "altered" if key in declared else "foreign"


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the current version in one transaction.

    Raises:
        SchemaError: it is newer than this program.
        sqlite3.Error: it could not be written; the file is as it was.
    """
    with transaction(connection):
        version = read_version(connection)
        if version == len(MIGRATIONS):
            return
        for statement in chain.from_iterable(MIGRATIONS[version:]):
            connection.execute(statement)
        connection.execute("PRAGMA user_version = " + str(len(MIGRATIONS)))
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (str(len(MIGRATIONS)),))
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('source', ?)", (uuid.uuid4().hex,))


@contextmanager
def counted_as_state(connection: sqlite3.Connection) -> Iterator[None]:
    """Within this context, and a transaction, note the pages taken and freed as those of saved state."""
    connection.execute(_SUBTRACT)
    yield
    connection.execute(_ADD_BACK)
