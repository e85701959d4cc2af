"""The spool's SQLite file: its tables and their version, the connections to it, and what its errors mean.

The settings of a connection are the durability of the whole program: a transaction that COMMIT has answered
is on the disk.

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
from contextlib import contextmanager
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Final

from exporter.errors import SchemaError, SpoolError
from exporter.model import Priority

CHECKPOINT_PAGES: Final = 256
"""Pages in the log before it is written back: with 4 KiB pages 1 MiB, so the reserve (4 MiB) can hold what a
full disk still has to take up, and a commit of 10,000 entries is not followed by a long one."""

LOG_LIMIT: Final = 4 * 1024**2
"""A log that grew past this in one large commit is cut back to it at the next checkpoint."""

BUSY_MS: Final = 1_000
"""How long a checkpoint waits for a page of the reader; reads take milliseconds."""

_DAMAGE: Final = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_SCHEMA,
}
_UNREADABLE: Final = {
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_IOERR_DATA,
}
"""Input errors that mean bad sectors; all others come from writing, on a volume or under a limit that is
full."""

PAGES_USED: Final = (
    "(SELECT page_count - freelist_count - (page_count + page_size / 5 - 1) / (page_size / 5 + 1)"
    " FROM pragma_page_count, pragma_freelist_count, pragma_page_size)"
)
"""Pages of the file that hold rows: neither free nor one of those that auto_vacuum keeps its pointers in.
Those follow from the size of the file and belong to no table."""

_SUBTRACT: Final = "UPDATE books SET state_pages = state_pages - {used}".replace("{used}", PAGES_USED)
_ADD_BACK: Final = "UPDATE books SET state_pages = max(0, state_pages + {used})".replace("{used}", PAGES_USED)

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


def connect_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes; transactions are opened by hand.

    Raises:
        sqlite3.Error: the file cannot be opened or is no database.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
    try:
        connection.text_factory = _read_text
        # Settles the page layout of a new file; without effect on one that has tables.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT}")
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write.

    Raises:
        sqlite3.Error: the file cannot be opened or is no database.
    """
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_MS / 1000,
    )
    connection.text_factory = _read_text
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """Commit what is written within the context, or nothing of it when that raises."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # A full disk makes SQLite roll back by itself; a second ROLLBACK would hide its error.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def counted_as_state(connection: sqlite3.Connection) -> Iterator[None]:
    """Within this context, and a transaction, note the pages taken and freed as those of saved state."""
    connection.execute(_SUBTRACT)
    yield
    connection.execute(_ADD_BACK)


def split_joined(lengths: str | None, joined: bytes) -> list[bytes]:
    """The values that SQLite joined into one, by their lengths, which it joined with commas.

    sqlite3 gives up the interpreter lock at each row and, beside a busy event loop, waits up to 5 ms to get
    it back: 5,000 rows one by one would take 25 seconds. So many rows are read as one. The statement makes
    every column of its own type, whatever damage made of it, and none NULL, so that all columns have as many
    values; each row is judged by its checksum.
    """
    if lengths is None:
        return []
    ends = accumulate(map(int, lengths.split(",")), initial=0)
    return [joined[start:end] for start, end in pairwise(ends)]


def is_damage(error: BaseException) -> bool:
    """Whether the file's content is at fault, rather than permissions, a lock or a full disk."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return code & 0xFF in _DAMAGE or code in _UNREADABLE
    return isinstance(error, TypeError | ValueError | OverflowError | LookupError)


def is_full(error: BaseException) -> bool:
    """Whether there was no space to write: the volume is full, or a limit of the process is reached."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code == sqlite3.SQLITE_FULL or (code & 0xFF == sqlite3.SQLITE_IOERR and code not in _UNREADABLE)


def spool_error(path: Path, what: str, error: BaseException) -> SpoolError:
    """The error a person reads: what failed, on which file, and what to look at."""
    if is_full(error):
        advice = "free space on its volume"
    elif isinstance(error, sqlite3.Error) and is_damage(error):
        advice = "restart the exporter: it keeps the damaged file and saves what it can"
    else:
        advice = "check that this user may write there"
    return SpoolError(f"{what} on {path} failed: {error}; {advice}")


def full_volume_error(path: Path) -> SpoolError:
    """The same for what is not tried, because the volume is known to have no space for it."""
    return SpoolError(f"writing on {path} failed: the volume is full; free space on it")


def _read_text(raw: bytes) -> str:
    # A damaged row must be listed, not raise.
    return raw.decode("utf-8", "replace")
