"""The spool's directory: who may use it, and its files.

It is readable by its owner only (0700) and so are the files (0600); one process at a time holds
``spool.lock``; a damaged file is never deleted by the step that found it, and at most ``KEPT`` of them stay.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from exporter.errors import SpoolError

KEPT: Final = 3
"""Damaged files kept: enough to look at the first one after a bad night, without filling the disk."""

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
            SpoolError: it cannot be used, another process uses it, or it is or holds a link.
        """
        # The directory above may be a link, by which an operator says where the data is.
        self._refuse_link(self.path)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            for path in self.path.iterdir():
                self._refuse_link(path)
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

    @staticmethod
    def _refuse_link(path: Path) -> None:
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
