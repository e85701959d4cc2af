"""Amounts as the pipeline holds them within a window."""

from __future__ import annotations

from collections import Counter

from exporter.events.catalogue import full_catalogue
from exporter.events.facts.counting import Series

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MEASURES = full_catalogue().measures

Cells = Counter[tuple[Series, int, int, str]]
"""Amounts by slot, channel, user and emoji."""


def count(
    counts: Cells,
    measure: str,
    value: str,
    channel: int = 0,
    user: int = 0,
    emoji: str = "",
    amount: int = 1,
) -> None:
    """Add to a cell."""
    counts[MEASURES[measure][value], channel, user, emoji] += amount
