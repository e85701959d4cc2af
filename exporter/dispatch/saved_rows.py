"""Saved state in the form a component works with: a dictionary whose changes are committed.

Where the row on the disk and the state in memory are one value, nothing has to be converted: the component
reads ``rows``, puts and pops, and touches the key of a row that it changed in place. Fields of a row that say
something only within a run (moments on the steady clock) are set anew when the component resumes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from exporter.dispatch.component import SavedTable

K = TypeVar("K")
V = TypeVar("V")


class SavedRows(SavedTable[K, V]):
    """Rows by key, in the order they were added; beyond ``limit`` the oldest is given up.

    ``give_up`` is asked to take out the row that is given up, where more than that is to be done. ``read``
    gives what is saved under a key, where that is not simply the row.
    """

    def __init__(
        self,
        name: str,
        key: type[K] | Any,
        value: type[V],
        limit: int | None = None,
        *,
        give_up: Callable[[V], None] | None = None,
        read: Callable[[K], V | None] | None = None,
    ) -> None:
        self.rows: dict[K, V] = {}
        self._limit = limit
        self._give_up = give_up
        super().__init__(name, key, value, read or self.rows.get, self.rows.__setitem__)

    def put(self, key: K, row: V) -> None:
        """Add a row, or replace the one of this key."""
        if key not in self.rows and self._limit is not None and len(self.rows) >= self._limit:
            oldest = next(iter(self.rows))
            if self._give_up is not None:
                self._give_up(self.rows[oldest])
            self.pop(oldest)
        self.rows[key] = row
        self.touch(key)

    def pop(self, key: K) -> V | None:
        """Take a row out; None if there is none."""
        row = self.rows.pop(key, None)
        if row is not None:
            self.touch(key)
        return row
