"""What was added since the last commit, until the next one has it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from exporter.aggregation.cells import Amounts
from exporter.aggregation.increments import CELLS_AT_ONCE, Added


class Unsaved:
    """Amounts by the start of the smallest window, and members' first and last activity in ms."""

    def __init__(self) -> None:
        self.amounts: dict[int, Amounts] = {}
        self.seen: dict[tuple[int, int], tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self.amounts)

    def add(self, start: int, cells: Amounts) -> None:
        """Add the amounts of one window."""
        known = self.amounts.get(start)
        if known is None:
            if cells:
                self.amounts[start] = cells
            return
        if len(known) < len(cells):
            # After a commit that hung for long, what came meanwhile is the larger part.
            known, cells = cells, known
            self.amounts[start] = known
        for key, amount in cells.items():
            known[key] = known.get(key, 0) + amount

    def extend_seen(self, member: tuple[int, int], first: int, last: int) -> None:
        """Note that a member (guild and user) was active."""
        before = self.seen.get(member)
        if before is None:
            self.seen[member] = (first, last)
        elif first < before[0] or last > before[1]:
            self.seen[member] = (min(first, before[0]), max(last, before[1]))

    def merge(self, newer: Unsaved) -> None:
        """Take what was added after this could not be committed."""
        for start, cells in newer.amounts.items():
            self.add(start, cells)
        for member, (first, last) in newer.seen.items():
            self.extend_seen(member, first, last)

    def steps(self) -> Iterator[Added]:
        """The same as it is saved, in pieces of at most ``CELLS_AT_ONCE`` cells and as many members."""
        cells = (
            (start, series.measure, series.value, guild, channel, user, emoji, amount)
            for start, cells in self.amounts.items()
            for (series, guild, channel, user, emoji), amount in cells.items()
        )
        seen = ((*member, *times) for member, times in self.seen.items())
        while True:
            added = Added(list(islice(cells, CELLS_AT_ONCE)), list(islice(seen, CELLS_AT_ONCE)))
            if not (added.cells or added.seen):
                return
            yield added
