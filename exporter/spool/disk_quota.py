"""How much space the spool's files take on their volume: measured, bounded, made and given back.

The file is kept inside its bound and the volume's by two lines of defence, each tested against a disk that is
really full:

* ``max_bytes`` bounds entries and dead letters. After each portion of entries, within its transaction, space
  is made: passed rows are deleted, then the oldest of the lowest class, up to the class taken in. So a commit
  is never refused for the bound: what does not fit is evicted at once, lowest class first, and all else of
  the commit stays;
* a reserve file on the volume: on a full volume even DELETE needs space in the log, so the reserve is
  released for what drains the spool. Nothing new is taken in until the reserve could be taken again, or it
  would fill that space; only saved state may take half of it.

Saved state comes on top of ``max_bytes``: it is as large as what its components keep in memory, and no entry
is evicted for it. The pages it takes are counted in ``books.state_pages``, with the transaction that writes
it.

Sizes are counted in pages of the file itself, so they are right after any crash.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from exporter.clock import Clock
from exporter.model import Priority
from exporter.spool.config import SpoolConfig
from exporter.spool.database import is_full, transaction
from exporter.spool.dead_letters import trim_dead_letters
from exporter.spool.delivery import DELETE_ROWS, delete_passed, evict, holds_rows
from exporter.spool.directory import SpoolDirectory
from exporter.spool.schema import PAGES_USED

log = logging.getLogger(__name__)

T = TypeVar("T")

SPACE_SHARE: Final = 15 / 16
"""Part of ``max_bytes`` that entries are kept in; the rest is for those written before space is made."""

LAGGING_SHARE: Final = 14 / 16
"""Part of ``max_bytes`` that entries are kept in which a sink has passed and another has not; what is between
the two is for what no sink has passed. So a sink that is away costs another one nothing."""

STATE_SHARE: Final = 2
"""Saved state leaves one part in this many of the reserve to what drains the spool."""

RESERVE_MARGIN: Final = 2
"""The reserve is taken again only when the volume has this many times its size free, not at the first free
byte."""

VACUUM_SHARE: Final = 4
"""Free pages are given back to the volume when they are more than this part of the file."""

VACUUM_PAGES: Final = 1_024
"""Pages given back at a time (4 MiB), to keep the log of it short."""

SMALLER: Final = 8
"""How much smaller a portion of maintenance is tried next on a full volume."""

LOG_SECONDS: Final = 60.0
"""Evictions come with every commit while the spool is full; they are logged at most this often."""


class DiskQuota:
    """Keeps the file inside its bound and the volume's."""

    def __init__(
        self, connection: sqlite3.Connection, directory: SpoolDirectory, config: SpoolConfig, clock: Clock
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._config = config
        self._clock = clock
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        pages = config.max_bytes // page_size
        self._goal, self._lagging_goal = int(pages * SPACE_SHARE), int(pages * LAGGING_SHARE)
        self.starved = False
        """Whether the reserve was released and not taken again."""
        self._evicted = 0
        self._unlogged = 0
        self._logged_at: float | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction of the writer; what it evicts is logged once it is committed."""
        self._evicted = 0
        with transaction(self._connection):
            yield
        self._unlogged += self._evicted
        self._log_evictions()

    def make_space(self, lane: Priority) -> None:
        """Delete passed rows, then the oldest of this class and those below, until the others are in bounds.

        Of one class what a sink has passed goes first, and no class is touched while there is one below it.
        Within a transaction.
        """
        while self._used() > self._lagging_goal and delete_passed(self._connection):
            pass
        for lower in range(max(Priority), lane - 1, -1):
            for goal, lagging in ((self._lagging_goal, True), (self._goal, False)):
                while self._used() > goal and (
                    evicted := evict(self._connection, Priority(lower), lagging=lagging)
                ):
                    self._evicted += evicted
            if holds_rows(self._connection, Priority(lower)):
                return

    def reserve_holds(self, state_size: int) -> bool:
        """Whether the reserve has space for so much saved state beside what drains the spool."""
        if not state_size:
            return True
        held = 0 if self.starved else self._config.reserve
        return self._directory.free() + held - state_size >= self._config.reserve // STATE_SHARE

    def relieve(self, *, release: bool) -> None:
        """Give a write that the volume has no space for what there is: the log's, and the reserve's if so."""
        if release:
            self._release_reserve()
        with contextlib.suppress(sqlite3.Error):
            self.empty_log()

    def recover(self) -> None:
        """Give back pages that are free by now, and take the reserve if that made space for it."""
        self._vacuum()
        self.empty_log()
        self.take_reserve()

    def tidy(self) -> bool:
        """What an idle moment is for: delete passed rows and old dead letters, shrink file and log.

        Returns whether there may be more rows to delete.
        """

        def delete(limit: int) -> bool:
            with transaction(self._connection):
                return delete_passed(self._connection, limit) >= limit

        more = self._in_portions(delete, DELETE_ROWS)
        with transaction(self._connection):
            trim_dead_letters(self._connection, self._config, self._clock)
        self.recover()
        return more

    def empty_log(self) -> None:
        """Write the log back and cut it to nothing; a reader in the middle of a page defers it."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def take_reserve(self) -> None:
        """Occupy the reserve unless it is there already or the volume is nearly full."""
        size, path = self._config.reserve, self._directory.reserve
        with contextlib.suppress(OSError):
            if path.exists() and path.stat().st_size == size:
                self.starved = False
                return
            if self._directory.free() < RESERVE_MARGIN * size:
                return
            self._directory.touch(path)
            try:
                with path.open("r+b") as file:
                    # Written, not truncated: a sparse file would hold no space back.
                    file.write(bytes(size))
                    os.fsync(file.fileno())
            except OSError:
                path.unlink(missing_ok=True)
                return
            self.starved = False

    def _log_evictions(self) -> None:
        now = self._clock.monotonic()
        if not self._unlogged or (self._logged_at is not None and now - self._logged_at < LOG_SECONDS):
            return
        log.error(
            "spool: full at %d MiB, the %d oldest unsent entries were evicted, lowest priority first; "
            "bring the sinks back or raise spool.max_bytes",
            self._config.max_bytes // 1024**2,
            self._unlogged,
        )
        self._unlogged = 0
        self._logged_at = now

    def _release_reserve(self) -> None:
        if self._config.reserve and not self.starved:
            self.starved = True
            log.warning(
                "spool: the volume is full, the reserve is released so that unsent entries can drain; "
                "nothing new is taken until there is space"
            )
            # A file system that became read-only refuses this, too; the thread that writes must outlive it.
            with contextlib.suppress(OSError):
                self._directory.reserve.unlink(missing_ok=True)

    def _vacuum(self) -> None:
        kept = max(VACUUM_PAGES, self._query("PRAGMA page_count") // VACUUM_SHARE)

        def vacuum(pages: int) -> None:
            # A statement without columns is stepped once by ``execute``, which would free a single page.
            self._connection.executescript("PRAGMA incremental_vacuum(" + str(pages) + ")")

        if self._query("PRAGMA freelist_count") > (0 if self.starved else kept):
            self._in_portions(vacuum, VACUUM_PAGES)

    def _in_portions(self, work: Callable[[int], T], size: int) -> T:
        """Do the work on a portion of this size, or smaller while a full volume cannot take up its log."""
        while True:
            try:
                return work(size)
            except sqlite3.Error as error:
                size //= SMALLER
                if not size or not is_full(error):
                    raise
            self.empty_log()

    def _used(self) -> int:
        """Pages that entries and dead letters take."""
        return self._query("SELECT {used} - state_pages FROM books".replace("{used}", PAGES_USED))

    def _query(self, sql: str) -> int:
        return int(self._connection.execute(sql).fetchone()[0])
