"""What an operator may read of a spool: beside the exporter that runs on it, or while none runs.

The file is opened read-only and without ``spool.lock``: a reader sees one moment of it and holds up nothing.
A file of an earlier version can be read too; the next start of the exporter upgrades it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from exporter.errors import SpoolError
from exporter.spool import delivery
from exporter.spool.config import SpoolConfig
from exporter.spool.database import connect_reader, read_at_once, spool_error
from exporter.spool.dead_letters import (
    DeadLetterFilter,
    KeptDeadLetters,
    dead_letter_ids,
    kept_dead_letters,
    list_dead_letters,
)
from exporter.spool.directory import SpoolDirectory
from exporter.spool.ports import DeadLetter, SpoolStats
from exporter.spool.schema import read_version

T = TypeVar("T")


def read_stats(connection: sqlite3.Connection, directory: SpoolDirectory, config: SpoolConfig) -> SpoolStats:
    """The accounts of the spool, inside a transaction of a reader."""
    # All columns, of which version 1 has one less.
    _, spooled, _, _, *state_pages = connection.execute("SELECT * FROM books").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    database, wal = directory.sizes()
    limit = config.max_bytes + sum(state_pages) * page_size
    return SpoolStats(spooled, database, wal, limit, directory.free(), delivery.sink_stats(connection))


class SpoolInspector:
    """A spool opened for reading only. Made by ``SpoolInspector.open``.

    Every method raises ``SpoolError`` if the file cannot be read.
    """

    def __init__(self, connection: sqlite3.Connection, directory: SpoolDirectory) -> None:
        self._connection = connection
        self._directory = directory

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[SpoolInspector]:
        """Open the spool in the directory ``path``.

        Raises:
            SchemaError: it was written by a newer version.
            SpoolError: there is none, or it cannot be read.
        """
        directory = SpoolDirectory(path)
        if not directory.database.exists():
            msg = (
                f"there is no spool in {path}; run the exporter first, or name another data_dir with --config"
            )
            raise SpoolError(msg)
        try:
            connection = connect_reader(directory.database)
        except sqlite3.Error as error:
            raise spool_error(directory.database, "opening", error) from error
        with contextlib.closing(connection):
            inspector = cls(connection, directory)
            if inspector._read(read_version) == 0:
                msg = f"the spool in {path} is empty: the exporter has not started on it yet"
                raise SpoolError(msg)
            yield inspector

    def stats(self, config: SpoolConfig) -> SpoolStats:
        """The accounts, exact at one moment."""
        return self._read(partial(read_stats, directory=self._directory, config=config))

    def is_closed(self) -> bool:
        """Whether the exporter has stopped and closed the spool; False while it runs and after a crash."""
        return bool(
            self._read(lambda connection: connection.execute("SELECT clean FROM books").fetchone())[0]
        )

    def kept_dead_letters(self) -> list[KeptDeadLetters]:
        """How many dead letters are kept for each sink."""
        return self._read(kept_dead_letters)

    def dead_letter_ids(self, chosen: DeadLetterFilter, *, limit: int | None = None) -> list[int]:
        """The ids of dead letters, oldest first."""
        return self._read(partial(dead_letter_ids, chosen=chosen, limit=limit))

    def dead_letters(self, chosen: DeadLetterFilter, *, limit: int | None = None) -> list[DeadLetter]:
        """Dead letters with what they say, oldest first."""
        return self._read(partial(list_dead_letters, chosen=chosen, limit=limit))

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return read_at_once(self._connection, self._directory.database, work)
