"""The spool's directory on its volume: who may use it, and how much space its files take.

The directory is readable by its owner only (0700) and so are the files (0600); one process at a time holds
``spool.lock``; a damaged file is never deleted by the step that found it, and at most ``KEPT`` of them stay.

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
import fcntl
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from exporter.clock import Clock
from exporter.errors import SpoolError
from exporter.model import Priority
from exporter.spool.config import SpoolConfig
from exporter.spool.database import PAGES_USED, is_full, transaction
from exporter.spool.delivery import DELETE_ROWS, delete_passed, evict, holds_rows, trim_dead_letters

log = logging.getLogger(__name__)

T = TypeVar("T")

KEPT: Final = 3
"""Damaged files kept: enough to look at the first one after a bad night, without filling the disk."""

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

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
"""A link in the place of a file would have it written elsewhere."""


class SpoolDirectory:
    """The spool's own directory; nothing else should live in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "spool.db"
        self.wal = path / "spool.db-wal"
        self.rebuilt = path / "spool.db.new"
        self.reserve = path / "spool.reserve"
        self.accounts = path / "spool.accounts"
        self._lock_path = path / "spool.lock"
        self._lock: int | None = None

    def sizes(self) -> tuple[int, int]:
        """Bytes of the database and of its log; 0 for a file that is not there."""
        database, wal = (path.stat().st_size if path.exists() else 0 for path in (self.database, self.wal))
        return database, wal

    def free(self) -> int:
        """Bytes its volume still has for this user; 0 where that is unknown."""
        try:
            return shutil.disk_usage(self.path).free
        except OSError:
            return 0

    def claim(self) -> None:
        """Make the directory and take it for this process.

        Raises:
            SpoolError: it cannot be used, another process uses it, or it holds a link.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self._refuse_links()
            lock = os.open(self._lock_path, _FLAGS, 0o600)
        except OSError as error:
            msg = (
                f"the spool directory {self.path} cannot be used: {error.strerror}; "
                "give this user a writable data_dir"
            )
            raise SpoolError(msg) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            msg = (
                f"the spool {self.path} is in use by another process, such as a running exporter; "
                "stop the exporter first, or give each one a data_dir of its own"
            )
            raise SpoolError(msg) from error
        self._lock = lock

    def release(self) -> None:
        """Let another process take the directory; safe twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _refuse_links(self) -> None:
        for path in self.path.iterdir():
            if path.is_symlink():
                msg = (
                    f"{path} is a symbolic link to {path.readlink()}: remove it; "
                    "to have the spool elsewhere, name another data_dir"
                )
                raise SpoolError(msg)

    def touch(self, path: Path) -> None:
        """Make an empty file that only its owner may read; SQLite gives its side files the same mode."""
        os.close(os.open(path, _FLAGS, 0o600))
        path.chmod(0o600)

    def discard(self, path: Path) -> None:
        """Delete a database and its side files, as far as they exist."""
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def set_aside(self, now_ms: int) -> Path:
        """Rename the damaged database and its log out of the way; returns its new path."""
        stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = first = self.path / f"{self.database.name}.damaged-{stamp}"
        number = 1
        while aside.exists():
            number += 1
            aside = first.with_name(f"{first.name}-{number}")
        # The log goes first: beside the rebuilt database it would be taken for its own. The shared memory
        # holds nothing that is not in the log.
        self.path.joinpath("spool.db-shm").unlink(missing_ok=True)
        if self.wal.exists() and self.wal.stat().st_size == 0:
            self.wal.unlink()
        with contextlib.suppress(FileNotFoundError):
            self.wal.rename(aside.with_name(aside.name + "-wal"))
        self.database.rename(aside)
        for path in self.damaged()[:-KEPT]:
            self.discard(path)
        return aside

    def damaged(self) -> list[Path]:
        """The damaged databases kept, oldest first."""
        found = self.path.glob(f"{self.database.name}.damaged-*")
        databases = [path for path in found if not path.name.endswith(("-wal", "-shm"))]
        return sorted(databases, key=lambda path: (path.stat().st_mtime_ns, path.name))


class DiskQuota:
    """Space on disk: measured, bounded, made and given back."""

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
