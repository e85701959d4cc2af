"""The possible assignments of invite uses to joins, and what all of them have in common. Pure.

Every use belongs to one join, so each needs a join whose window holds its reading; a join need not have a
use. A finding for a join holds in every possible assignment. (It is a matching of a convex bipartite graph:
taking the joins whose windows end first finds one if there is one. F. Glover, Maximum matching in a convex
bipartite graph, 1967.)
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Window = tuple[int, int]
"""First and last reading a join's use may have appeared in; an empty one ends before it begins."""


class Confidence(enum.StrEnum):
    """How certain a finding is."""

    EXACT = "exact"
    PROBABLE = "probable"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one join: the codes that it may have used."""

    confidence: Confidence
    codes: tuple[str, ...] = ()
    counted: bool = False
    """Whether it certainly used one of these codes."""


def assign_uses(
    windows: Sequence[Window], uses: Sequence[Mapping[str, int]], spare: Sequence[Sequence[str]]
) -> tuple[Finding, ...] | None:
    """A finding for each window; None if some uses can belong to no join.

    ``uses`` are those of each reading, ``spare`` the codes that a join without a use may have used.
    """
    sizes = [sum(rises.values()) for rises in uses]
    places = Counter(windows)
    if not fits(places, sizes):
        return None
    found = {window: _find(window, places, sizes, uses, spare) for window in places}
    return tuple(found[window] for window in windows)


def _find(
    window: Window,
    places: Counter[Window],
    sizes: Sequence[int],
    uses: Sequence[Mapping[str, int]],
    spare: Sequence[Sequence[str]],
) -> Finding:
    others = places - Counter((window,))
    readings = range(window[0], min(window[1] + 1, len(sizes)))
    codes: dict[str, None] = {}
    for number in readings:
        rest = [size - (each == number) for each, size in enumerate(sizes)]
        if sizes[number] and fits(others, rest):
            codes |= dict.fromkeys(uses[number])
    if not fits(others, sizes):
        confidence = Confidence.EXACT if len(codes) == 1 else Confidence.AMBIGUOUS
        return Finding(confidence, tuple(codes), counted=True)
    for number in readings:
        codes |= dict.fromkeys(spare[number])
    return guess(tuple(codes), alone=places.total() == 1)


def guess(codes: tuple[str, ...], *, alone: bool) -> Finding:
    """The finding for a join that may have used one of these codes, or none."""
    if not codes:
        return Finding(Confidence.UNKNOWN)
    probable = alone and len(codes) == 1
    return Finding(Confidence.PROBABLE if probable else Confidence.AMBIGUOUS, codes)


def fits(places: Mapping[Window, int], sizes: Sequence[int]) -> bool:
    """Whether every use can be assigned a join of its own; ``sizes`` are the uses of each reading."""
    coming = sorted(places.items(), reverse=True)
    waiting: list[list[int]] = []
    for number, size in enumerate(sizes):
        while coming and coming[-1][0][0] <= number:
            (_, last), count = coming.pop()
            waiting.append([last, count])
        waiting = sorted(entry for entry in waiting if entry[0] >= number and entry[1])
        wanted = size
        for entry in waiting:
            taken = min(wanted, entry[1])
            entry[1] -= taken
            wanted -= taken
        if wanted:
            return False
    return True
