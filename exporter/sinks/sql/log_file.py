"""Which file a SQLite log is: SQLite goes on writing into a file that was deleted or replaced under it.

A database is known by the device and inode at its path. They are remembered once the database is open, and
compared before each batch.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool


class LogFile:
    """The file at a path, as it was when the database was opened."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()
        self._opened: tuple[int, int] | None = None

    def remember(self) -> None:
        """Take the file at the path for the one that is open."""
        self._opened = self._identity()

    def is_other(self) -> bool:
        """Whether the path names another file than the one that is open, or none."""
        return self._opened is not None and self._identity() != self._opened

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


async def empty_wal(engine: AsyncEngine) -> None:
    """Move what SQLite's write-ahead log holds into the file that is open, wherever that is by now.

    The log at the path may still be that file's, and SQLite would apply it to the next file there.

    Raises:
        TimeoutError: another process is reading the log.
    """
    pool = engine.sync_engine.pool
    if not isinstance(pool, QueuePool) or not pool.checkedin():
        return
    async with engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        busy = (await outside.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).scalar_one()
    if busy:
        msg = "the SQLite file was replaced while another process reads it"
        raise TimeoutError(msg)
