"""The sum over guilds or channels without series of their own, as a counter that never falls.

A sum of amounts would fall when one of them is removed, and Prometheus reads any fall of a counter as a
restart. So increases are summed: a bucket keeps the amount it has counted of each key.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping


class OtherBucket:
    """One counter labelled ``other``."""

    __slots__ = ("_counted", "total")

    def __init__(self) -> None:
        self.total = 0
        self._counted: dict[int, int] = {}

    def take(self, ids: Iterable[int], amounts: Mapping[int, int]) -> None:
        """Add the increase of each id since the last call; an amount that fell has restarted from 0."""
        counted = self._counted
        for key in ids:
            now = amounts.get(key, 0)
            before = counted.get(key, 0)
            if now != before:
                self.total += now - before if now > before else now
                counted[key] = now

    def release(self, key: int) -> int:
        """Stop counting ``key``; returns its share of the total."""
        return self._counted.pop(key, 0)

    def keep(self, ids: Container[int]) -> None:
        """Drop the keys that are not in ``ids``; their share stays in the total."""
        for key in [key for key in self._counted if key not in ids]:
            del self._counted[key]
