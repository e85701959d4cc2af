"""Which files a SQLite log is: SQLite goes on writing into files that were deleted or replaced under it.

They are known by device and inode: the database, its write-ahead log and the log's index. They are remembered
once the database is open, and compared before each batch.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from exporter.errors import ConfigError
from exporter.private_files import refuse_link


class LogFile:
    """The files at a path, as they were when the database was opened."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()
        self._beside = tuple(self.path.with_name(self.path.name + end) for end in ("-wal", "-shm"))
        self._opened: dict[Path, tuple[int, int] | None] = {}
        self._connections: set[DBAPIConnection] = set()

    def watch(self, engine: AsyncEngine) -> None:
        """Follow the engine's connections: with its last one SQLite itself deletes the log and the index."""

        def opened(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
            self._connections.add(connection)

        def closed(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
            self._connections.discard(connection)
            if not self._connections:
                for path in self._beside:
                    self._opened.pop(path, None)

        event.listen(engine.sync_engine, "connect", opened)
        event.listen(engine.sync_engine, "close", closed)

    def remember(self) -> None:
        """Take the files at the path for those that are open."""
        self._opened = {path: _identity(path) for path in (self.path, *self._beside)}

    def complete(self) -> None:
        """Remember the log and the index again after SQLite made new ones."""
        if self._connections and self.path in self._opened:
            for path in self._beside:
                if path not in self._opened:
                    self._opened[path] = _identity(path)

    def changed(self) -> Path | None:
        """A path that names another file than the one that is open, or no file; None if all are the same."""
        # A copy: a connection may be closed while this thread compares.
        return next((path for path, known in self._opened.copy().items() if _identity(path) != known), None)

    def refuse_links(self) -> None:
        """Check that none of the files is a symbolic link, as a start does.

        Raises:
            PermissionError: one is; whoever made it would choose where the log is written.
        """
        for path in (self.path, *self._beside):
            try:
                refuse_link(path)
            except ConfigError as error:
                raise PermissionError(str(error)) from error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


async def empty_wal(engine: AsyncEngine) -> None:
    """Move what SQLite's write-ahead log holds into the file that is open, wherever both are by now.

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
