"""Open windows: what each guild did in them, and what will be a snapshot of one kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from exporter.events.facts.counting import Series

Cell: TypeAlias = tuple[Series, int, int, str]
"""Series, channel, user, emoji."""

Key: TypeAlias = tuple[Series, int, int, int, str]
"""Series, guild, channel, user, emoji."""

Amounts: TypeAlias = dict[Key, int]
"""What was added to one window."""


@dataclass(slots=True)
class Activity:
    """What a guild did in one window."""

    cells: dict[Cell, int] = field(default_factory=dict)
    seen: dict[int, tuple[int, int]] = field(default_factory=dict)
    """First and last activity by member, ms."""

    def extend_seen(self, user_id: int, first: int, last: int) -> None:
        """Note that a member was active from one moment to another, ms."""
        before = self.seen.get(user_id)
        if before is None:
            self.seen[user_id] = (first, last)
        elif first < before[0] or last > before[1]:
            self.seen[user_id] = (min(first, before[0]), max(last, before[1]))


Window: TypeAlias = dict[int, Activity]
"""A window's activity by guild."""


class WindowKind:
    """One kind of snapshot: its length, and its open windows by their start."""

    __slots__ = ("length_ms", "name", "windows")

    def __init__(self, name: str, length_ms: int) -> None:
        self.name = name
        self.length_ms = length_ms
        self.windows: dict[int, Window] = {}

    def start_of(self, at: int) -> int:
        """The start of the window a moment falls in."""
        return at - at % self.length_ms
