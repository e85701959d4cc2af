"""Connections to the spool's SQLite file, and what its errors mean.

The settings here are the durability of the whole program: a transaction that COMMIT has answered is on the
disk.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from exporter.errors import SpoolError

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


def is_damage(error: BaseException) -> bool:
    """Whether the file's content is at fault, rather than permissions, a lock or a full disk."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return code & 0xFF in _DAMAGE or code in _UNREADABLE
    return isinstance(error, TypeError | ValueError | OverflowError | LookupError)


def is_full(error: BaseException) -> bool:
    """Whether there was no room to write, by our own bound, the volume's or the process's."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code == sqlite3.SQLITE_FULL or (code & 0xFF == sqlite3.SQLITE_IOERR and code not in _UNREADABLE)


def spool_error(path: Path, what: str, error: BaseException) -> SpoolError:
    """The error a person reads: what failed, on which file, and what to look at."""
    if is_full(error):
        advice = "free space on its volume or raise spool.max_bytes"
    elif isinstance(error, sqlite3.Error) and is_damage(error):
        advice = "restart the exporter: it keeps the damaged file and saves what it can"
    else:
        advice = "check that this user may write there"
    return SpoolError(f"{what} on {path} failed: {error}; {advice}")


def _read_text(raw: bytes) -> str:
    # A damaged row must be listed, not raise.
    return raw.decode("utf-8", "replace")
