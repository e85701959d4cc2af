"""The exporter's own files are its user's only: the mode of new ones, links in their place, who reaches them.

The spool and the SQLite log hold who was banned, by whom and why. With a symbolic link in the place of a
file, whoever may write to the directory decides where it is written.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError

log = logging.getLogger(__name__)

OWNER_ONLY: Final = 0o077
OTHERS: Final = 0o007


def restrict_umask() -> None:
    """Make files that are created from now on the owner's only.

    One that keeps out all but the group was chosen by the operator, as for a reader in that group; it stays.
    """
    given = os.umask(OWNER_ONLY)
    if given & OTHERS == OTHERS:
        os.umask(given)


def refuse_link(path: Path) -> None:
    """Check that the path is not a symbolic link; it need not exist.

    Raises:
        ConfigError: it is one.
    """
    if path.is_symlink():
        msg = f"{path} is a symbolic link to {path.readlink()}: remove it, and configure where the file is"
        raise ConfigError((msg,))


def warn_if_shared(directory: Path) -> None:
    """Log a warning if every user of the machine may read or write in the directory."""
    mode = directory.stat().st_mode
    ways = [word for bit, word in ((0o004, "read"), (0o002, "written")) if mode & bit]
    if ways:
        log.warning(
            "data_dir %s can be %s by every user of this machine (mode %04o): run chmod o-rwx %s",
            directory,
            " and ".join(ways),
            mode & 0o7777,
            directory,
        )
