"""Keeps the file inside its bounds and the volume's; used by the writer thread alone.

Three lines of defence, each tested against a disk that is really full:

* a soft bound below ``max_bytes``: after a commit that crossed it, passed rows go, then counters, then
  important ones;
* ``max_page_count`` as the hard bound: an insert that hits it commits nothing, room is made (bans last), and
  it is tried again. Deleting and reading go on at this bound;
* a reserve file on the volume: on a full volume even DELETE needs room in the log, so the reserve is given up
  for what drains the spool. Nothing new is taken in until the reserve could be taken again, or it would eat
  that room.

Sizes are counted in pages of the file itself, so they are right after any crash.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable
from typing import Final

from exporter.clock import Clock
from exporter.model import Priority
from exporter.spool import retention
from exporter.spool.config import SpoolConfig
from exporter.spool.database import is_full
from exporter.spool.dead import trim
from exporter.spool.files import Directory

log = logging.getLogger(__name__)

SOFT_SHARE: Final = 15 / 16
"""Part of ``max_bytes`` up to which nothing is given up; the rest takes a large commit before room is made
for it."""

RESERVE_MARGIN: Final = 2
"""The reserve is taken again only when the volume has this many times its size free, not at the first free
byte."""

VACUUM_SHARE: Final = 4
"""Free pages are given back to the volume when they are more than this part of the file."""

VACUUM_PAGES: Final = 1_024
"""Pages given back at a time (4 MiB), to keep the log of it short."""

LOG_SECONDS: Final = 60.0
"""Evictions come with every commit while the spool is full; they are told at most this often."""

_LOWEST_FIRST: Final = (Priority.SLOW, Priority.IMPORTANT, Priority.CRITICAL)


class Room:
    """Space on disk: measured, bounded, made and given back."""

    def __init__(
        self, connection: sqlite3.Connection, directory: Directory, config: SpoolConfig, clock: Clock
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._config = config
        self._clock = clock
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        pages = config.max_bytes // page_size
        # SQLite never bounds a file below its present size; it shrinks again by delivery and vacuum.
        (self._hard,) = connection.execute("PRAGMA max_page_count = " + str(pages)).fetchone()
        self._soft = int(pages * SOFT_SHARE)
        self._page_size = int(page_size)
        self._passed = True
        self._unlogged = 0
        self._logged_at: float | None = None
        self._starved = False

    @property
    def starved(self) -> bool:
        """Whether the reserve was given up and not taken again."""
        return self._starved

    @property
    def has_passed(self) -> bool:
        """Whether there may be rows that every sink has passed."""
        return self._passed

    def cursor_moved(self) -> None:
        """Rows may have become free to delete."""
        self._passed = True

    def keep_bound(self) -> None:
        """Make room down to the soft bound, sparing the critical lane; after each commit."""
        if self._used() > self._soft:
            self._transact(lambda: self._make(self._soft, spare_critical=True))

    def relieve(self, error: sqlite3.Error, need: int, *, adds: bool) -> bool:
        """Make room for ``need`` bytes after a write that found none; whether trying again has a chance.

        ``adds`` says that the write takes in something new: the reserve is not for that.
        """
        if not is_full(error):
            return False
        goal = self._hard - self._pages(need)
        try:
            (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
            if pages >= goal:
                return self._transact(lambda: self._make(max(goal, 0), spare_critical=False)) > 0
        except sqlite3.Error as second:
            log.debug("spool: no room could be made: %s", second)
        if not adds:
            self._give_up_reserve()
        with contextlib.suppress(sqlite3.Error):
            self.empty_log()
        return True

    def recover(self) -> None:
        """Give back pages that are free by now, and take the reserve if that made room for it."""
        self._vacuum()
        self.empty_log()
        self.take_reserve()

    def delete_passed(self) -> None:
        """Delete one portion of passed rows."""
        # Lowered first, so that a failure is not tried again before a cursor moves.
        self._passed = False
        deleted = self._transact(lambda: retention.delete_passed(self._connection))
        self._passed = deleted >= retention.DELETE_ROWS

    def tidy(self) -> None:
        """What an idle moment is for: age out dead letters, shrink the file, empty the log."""
        if self._passed:
            self.delete_passed()
        now = self._clock.now_ms()
        self._transact(lambda: trim(self._connection, self._config, now))
        self.recover()

    def empty_log(self) -> None:
        """Write the log back and cut it to nothing; a reader in the middle of a page defers it."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def take_reserve(self) -> None:
        """Occupy the reserve unless it is there already or the volume is nearly full."""
        size, path = self._config.reserve, self._directory.ballast
        with contextlib.suppress(OSError):
            if path.exists() and path.stat().st_size == size:
                self._starved = False
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
            self._starved = False

    def _make(self, goal: int, *, spare_critical: bool) -> int:
        """Delete until at most ``goal`` pages are used; returns the number of rows deleted."""
        total = 0
        while self._used() > goal and (deleted := retention.delete_passed(self._connection)):
            total += deleted
        for lane in _LOWEST_FIRST[: 2 if spare_critical else 3]:
            while self._used() > goal and (evicted := retention.evict(self._connection, lane)):
                total += evicted
                self._unlogged += evicted
        self._tell()
        return total

    def _tell(self) -> None:
        now = self._clock.monotonic()
        if not self._unlogged or (self._logged_at is not None and now - self._logged_at < LOG_SECONDS):
            return
        log.error(
            "spool: full at %d MiB, the %d oldest unsent entries were given up, lowest priority first; "
            "bring the sinks back or raise spool.max_bytes",
            self._config.max_bytes // 1024**2,
            self._unlogged,
        )
        self._unlogged = 0
        self._logged_at = now

    def _give_up_reserve(self) -> None:
        if self._config.reserve and not self._starved:
            self._starved = True
            log.warning(
                "spool: the volume is full, the reserve is given up so that unsent entries can drain; "
                "nothing new is taken until there is space"
            )
            # A file system that became read-only refuses this, too; the thread that writes must outlive it.
            with contextlib.suppress(OSError):
                self._directory.ballast.unlink(missing_ok=True)

    def _vacuum(self) -> None:
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        if free > max(VACUUM_PAGES, pages // VACUUM_SHARE):
            # A statement without columns is stepped once by ``execute``, which would free a single page.
            self._connection.executescript("PRAGMA incremental_vacuum(" + str(VACUUM_PAGES) + ")")

    def _used(self) -> int:
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        return int(pages) - int(free)

    def _pages(self, size: int) -> int:
        # Half as much again for pages that are not full, and a few for the tables beside the rows.
        return size * 3 // 2 // self._page_size + 8

    def _transact(self, work: Callable[[], int]) -> int:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work()
            self._connection.execute("COMMIT")
        finally:
            # A full disk makes SQLite roll back by itself; a second ROLLBACK would hide its error.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return result
