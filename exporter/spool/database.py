"""The connections to the spool's SQLite file, and what its errors mean.

The settings of a connection are the durability of the whole program: a transaction that COMMIT has answered
is on the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final, TypeVar

from exporter.errors import SpoolError

T = TypeVar("T")

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


def read_at_once(connection: sqlite3.Connection, path: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """The result of the work, which reads ``path`` as of one moment.

    Raises:
        SpoolError: the file cannot be read, or holds a value of a type that damage gave it.
    """
    try:
        with transaction(connection, "BEGIN"):
            return work(connection)
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise spool_error(path, "reading", error) from error


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
