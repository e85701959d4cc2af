"""Whether the files that SQLite has open are still those in the spool's directory.

SQLite goes on with files that were deleted, moved or replaced, as if nothing were wrong: each commit
succeeds, and is gone when the process ends. So device and inode of the database and of its log are noted, and
compared by the thread that writes. SQLite cuts the log and keeps the file; it deletes neither while they are
open, and no other file gets their inodes.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from exporter.spool.directory import SpoolDirectory

log = logging.getLogger(__name__)


class FileIdentity(NamedTuple):
    """What a file keeps as long as it exists, whatever is written into it."""

    device: int
    inode: int


class FileWatch:
    """Compares the files with those there were when it was made; ``check`` is for the thread that writes."""

    def __init__(self, directory: SpoolDirectory) -> None:
        self._known: dict[Path, FileIdentity | None] = dict.fromkeys((directory.database, directory.wal))
        self.problem = ""
        """Which file is not in its place and what to do, as of the last check; empty while all are."""
        self.check()

    def check(self) -> str:
        """Compare now and return the problem; logs an error when there is one that was not there before."""
        problem = ""
        for path, known in self._known.items():
            try:
                status = path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                found = None
            except OSError:
                # It may still be there. What is wrong with the disk shows where it is written.
                continue
            else:
                found = FileIdentity(status.st_dev, status.st_ino)
            if known is None:
                # SQLite may make the log later.
                self._known[path] = found
            elif found != known:
                what = "replaced by another file" if found else "deleted or moved"
                problem = problem or (
                    f"{path} was {what} while the exporter runs, so nothing more is saved; move the file "
                    "itself back, not a copy, or restart the exporter, which then goes on without it"
                )
        if problem and not self.problem:
            log.error("spool: %s", problem)
        self.problem = problem
        return problem
