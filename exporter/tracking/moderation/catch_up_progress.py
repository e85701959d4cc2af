"""How far a catch-up is, for the log: when it begins, once a minute, and when all have caught up."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final

from exporter.notation import counted

log = logging.getLogger(__name__)

PROGRESS_MS: Final = 60_000
"""How often a long catch-up logs how far it is."""


class CatchUpProgress:
    """One catch-up at a time, from the first guild ``behind`` to the last one that has caught up."""

    def __init__(self, behind: Collection[int]) -> None:
        self._behind = behind
        self._clear()

    def _clear(self) -> None:
        self._guilds: set[int] = set()
        self._since = 0
        self._logged: int | None = None
        self.entries = 0
        self.refused = 0

    def begin(self, guild_id: int, now: int) -> None:
        """Count a guild that has fallen behind."""
        if not self._guilds:
            self._clear()
            self._since = now
        self._guilds.add(guild_id)

    def report(self, now: int) -> None:
        """Log the begin, and how far this is."""
        if self._guilds and self._logged is None:
            self._logged = now
            log.info("catching up on the audit logs of %s", counted(len(self._guilds), "guild"))
        elif self._logged is not None and now - self._logged >= PROGRESS_MS:
            self._logged = now
            log.info(
                "catching up on the audit logs: %d of %s left, %s so far",
                len(self._behind),
                counted(len(self._guilds), "guild"),
                counted(self.entries, "entry", "entries"),
            )

    def end(self, now: int) -> None:
        """Log the end, if no guild is behind any more."""
        if self._guilds and not self._behind:
            log.info(
                "caught up on the audit logs of %s after %.0f s: %s, %s refused",
                counted(len(self._guilds), "guild"),
                (now - self._since) / 1000,
                counted(self.entries, "entry", "entries"),
                counted(self.refused, "guild"),
            )
            self._clear()
