"""What is left out, summed up so that the sum never falls.

A sum over whatever happens to be left out falls when one of them leaves, and Prometheus takes any fall of a
counter for a restart. So increases are summed, not amounts: a fold remembers how much of each it has counted.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping


class Fold:
    """One counter labelled ``other``."""

    __slots__ = ("_counted", "total")

    def __init__(self) -> None:
        self.total = 0
        self._counted: dict[int, int] = {}

    def take(self, ids: Iterable[int], amounts: Mapping[int, int]) -> None:
        """Add what ``ids`` have gained since the last time; one that fell has started anew."""
        counted = self._counted
        for key in ids:
            now = amounts.get(key, 0)
            before = counted.get(key, 0)
            if now != before:
                self.total += now - before if now > before else now
                counted[key] = now

    def release(self, key: int) -> int:
        """Stop counting ``key``; returns how much of it the total holds."""
        return self._counted.pop(key, 0)

    def keep(self, ids: Container[int]) -> None:
        """Forget whoever is not in ``ids``; what they did stays in the total."""
        for key in [key for key in self._counted if key not in ids]:
            del self._counted[key]
