"""Keeps the file inside its bounds and the volume's; used by the writer thread alone.

Three lines of defence, each tested against a disk that is really full:

* a soft bound below ``max_bytes``: after a commit that crossed it, passed rows are deleted, then counters,
  then important ones;
* ``max_page_count`` as the hard bound: a commit of entries that hits it commits nothing, space is made among
  the entries of its own class and the classes below, and it is tried again. Deleting and reading go on at
  this bound;
* a reserve file on the volume: on a full volume even DELETE needs space in the log, so the reserve is
  released for what drains the spool. Nothing new is taken in until the reserve could be taken again, or it
  would fill that space; only saved state may take half of it.

``max_bytes`` bounds entries and dead letters. Saved state comes on top: it is as large as what its components
keep in memory, and no entry is evicted for it. The pages it takes are counted in ``books.state_pages``, with
the transaction that writes it.

Sizes are counted in pages of the file itself, so they are right after any crash.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from exporter.clock import Clock
from exporter.model import Priority
from exporter.spool.accounting import DELETE_ROWS, delete_passed, evict
from exporter.spool.config import SpoolConfig
from exporter.spool.database import is_full, transaction
from exporter.spool.dead_letters import trim
from exporter.spool.directory import SpoolDirectory
from exporter.spool.state import PAGES_USED, counted_as_state
from exporter.spool.write_jobs import WriteJob

log = logging.getLogger(__name__)

T = TypeVar("T")

SOFT_SHARE: Final = 15 / 16
"""Part of ``max_bytes`` up to which nothing is evicted; the rest takes a large commit before space is made
for it."""

STATE_SHARE: Final = 2
"""Saved state leaves one part in this many of the reserve to what drains the spool."""

RESERVE_MARGIN: Final = 2
"""The reserve is taken again only when the volume has this many times its size free, not at the first free
byte."""

VACUUM_SHARE: Final = 4
"""Free pages are given back to the volume when they are more than this part of the file."""

VACUUM_PAGES: Final = 1_024
"""Pages given back at a time (4 MiB), to keep the log of it short."""

PORTION_SHARE: Final = 8
"""How much smaller a portion is tried next on a full volume."""

LOG_SECONDS: Final = 60.0
"""Evictions come with every commit while the spool is full; they are logged at most this often."""

UNBOUNDED_PAGES: Final = 2**30
"""As many pages as SQLite allows in any build: 4 TiB."""

_SPARING_CRITICAL: Final = (Priority.SLOW, Priority.IMPORTANT)


class DiskQuota:
    """Space on disk: measured, bounded, made and given back."""

    def __init__(
        self, connection: sqlite3.Connection, directory: SpoolDirectory, config: SpoolConfig, clock: Clock
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._config = config
        self._clock = clock
        self._page_size: int = connection.execute("PRAGMA page_size").fetchone()[0]
        self._bound = config.max_bytes // self._page_size
        self._hard = 0
        self._set_hard_bound()
        self._passed = True
        self._unlogged = 0
        self._logged_at: float | None = None
        self._starved = False

    @property
    def starved(self) -> bool:
        """Whether the reserve was released and not taken again."""
        return self._starved

    @property
    def has_passed(self) -> bool:
        """Whether there may be rows that every sink has passed."""
        return self._passed

    def cursor_moved(self) -> None:
        """Rows may have become free to delete."""
        self._passed = True

    def admits(self, job: WriteJob[Any]) -> bool:
        """Whether a job may run: on a full volume what drains it, and state that the reserve can hold."""
        return not self._starved or (not job.takes_entries and self._reserve_holds(job.state_size))

    @contextlib.contextmanager
    def unbounded_for_state(self) -> Iterator[None]:
        """Within this context, and a transaction, count what is written as saved state, without a bound."""
        self._connection.execute("PRAGMA max_page_count = " + str(UNBOUNDED_PAGES))
        try:
            with counted_as_state(self._connection):
                yield
        finally:
            self._set_hard_bound()

    def keep_bound(self) -> None:
        """Make space down to the soft bound, sparing the critical lane; after each commit."""
        soft = int(self._bound * SOFT_SHARE)
        if self._used() > soft:
            with transaction(self._connection):
                self._make_space(soft, _SPARING_CRITICAL)

    def relieve(self, error: sqlite3.Error, job: WriteJob[Any], attempt: int) -> bool:
        """Make space for a job after a write that found none; whether trying again has a chance."""
        if not is_full(error) or job.size > self._bound * self._page_size:
            return False
        try:
            # Half as much again for pages that are not full, and a few for the tables beside the rows.
            need = (job.size << attempt) * 3 // 2 // self._page_size + 8
            if job.evictable and self._query("PRAGMA page_count") >= self._hard - need:
                with transaction(self._connection):
                    if self._make_space(max(self._bound - need, 0), job.evictable):
                        return True
        except sqlite3.Error as second:
            log.debug("spool: no space could be made: %s", second)
        if not job.takes_entries and self._reserve_holds(job.state_size):
            self._release_reserve()
        with contextlib.suppress(sqlite3.Error):
            self.empty_log()
        return True

    def recover(self) -> None:
        """Give back pages that are free by now, and take the reserve if that made space for it."""
        self._vacuum()
        self.empty_log()
        self.take_reserve()

    def delete_passed(self) -> None:
        """Delete one portion of passed rows."""
        # Lowered first, so that a failure is not tried again before a cursor moves or the next idle moment.
        self._passed = False

        def delete(limit: int) -> bool:
            with transaction(self._connection):
                return delete_passed(self._connection, limit) >= limit

        self._passed = self._in_portions(delete, DELETE_ROWS)

    def tidy(self) -> None:
        """What an idle moment is for: age out dead letters, shrink the file, empty the log."""
        self.delete_passed()
        with transaction(self._connection):
            trim(self._connection, self._config, self._clock.now_ms())
        self.recover()

    def empty_log(self) -> None:
        """Write the log back and cut it to nothing; a reader in the middle of a page defers it."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def take_reserve(self) -> None:
        """Occupy the reserve unless it is there already or the volume is nearly full."""
        size, path = self._config.reserve, self._directory.reserve
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

    def _make_space(self, goal: int, lanes: Sequence[Priority]) -> int:
        """Delete until entries take at most ``goal`` pages; returns the number of rows deleted."""
        total = 0
        while self._used() > goal and (deleted := delete_passed(self._connection)):
            total += deleted
        for lane in lanes:
            while self._used() > goal and (evicted := evict(self._connection, lane)):
                total += evicted
                self._unlogged += evicted
        self._log_evictions()
        return total

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

    def _reserve_holds(self, state_size: int) -> bool:
        if not state_size:
            return True
        held = 0 if self._starved else self._config.reserve
        return self._directory.free() + held - state_size >= self._config.reserve // STATE_SHARE

    def _release_reserve(self) -> None:
        if self._config.reserve and not self._starved:
            self._starved = True
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

        if self._query("PRAGMA freelist_count") > (0 if self._starved else kept):
            self._in_portions(vacuum, VACUUM_PAGES)

    def _in_portions(self, work: Callable[[int], T], size: int) -> T:
        """Do the work on a portion of this size, or smaller while a full volume cannot take up its log."""
        while True:
            try:
                return work(size)
            except sqlite3.Error as error:
                size //= PORTION_SHARE
                if not size or not is_full(error):
                    raise
            self.empty_log()

    def _set_hard_bound(self) -> None:
        state = self._query("SELECT state_pages FROM books")
        # SQLite never bounds a file below its present size; it shrinks again by delivery and vacuum.
        self._hard = self._query("PRAGMA max_page_count = " + str(self._bound + state))

    def _used(self) -> int:
        """Pages that entries and dead letters take."""
        return self._query("SELECT {used} - state_pages FROM books".replace("{used}", PAGES_USED))

    def _query(self, sql: str) -> int:
        return int(self._connection.execute(sql).fetchone()[0])
