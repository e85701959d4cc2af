"""Rows just begun, for the journal: with their entries is committed what tells them again after a crash.

A ban's row is begun by its dispatch and gets actor and reason from an entry of the audit log, which may come
a moment later. If the process is killed in between, the next one finds the entry by catching up; without this
it would take it for another ban, in every store and in the counts. It is the same where the entry comes first
and the dispatch after the restart.
"""

from __future__ import annotations

from exporter.tracking.previous_journal import Begun, SavedAction, SavedDeparture

MAX_BEGUN = 50_000
"""Rows of each kind begun while the disk refuses everything; none is noted beyond this."""


class BegunRows:
    """Actions and departures begun since the last commit."""

    def __init__(self) -> None:
        self._fresh = Begun([], [])

    def act(self, action: SavedAction) -> None:
        """Note an action that has its row and waits for its entry."""
        if len(self._fresh.actions) < MAX_BEGUN:
            self._fresh.actions.append(action)

    def depart(self, departure: SavedDeparture) -> None:
        """Note a departure that has its row and is not decided."""
        if len(self._fresh.departures) < MAX_BEGUN:
            self._fresh.departures.append(departure)
