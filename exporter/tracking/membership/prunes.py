"""Which departures a prune is the reason of: its entry names nobody, only how many.

A prune is done in one go. So those it removed went at the moment of its entry, as far as the stream tells
moments apart, one after the other. Are there just as many, it is them. Are there more, the ones in the
middle belong to it wherever it began, and of those at the edges nobody can tell. Where Discord took its time,
so that fewer went at that very moment, the rest are those that lie closest together.

Where part of what happened then could not be seen, the number says nothing: of who went at that moment nobody
can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.events.facts import AuditEntry
from exporter.tracking.membership.evidence import PendingDeparture

PRUNE_MS = 60_000
"""How long Discord may take to remove the members of one prune."""

_CLOSE = 2
"""A group so many times as long as the shortest may be the prune's as well."""

_CLOSE_MS = 1_000
"""And so much longer in any case: services at Discord are not in step."""


@dataclass(slots=True, eq=False)
class PendingPrune:
    """A prune, and how many of its departures have not been found yet."""

    entry: AuditEntry
    remaining: int
    ready: int
    deadline: int


class PruneAssignment(NamedTuple):
    """Departures of a prune, and those of which nobody can tell."""

    pruned: Sequence[PendingDeparture]
    doubtful: Sequence[PendingDeparture]


def assign_departures(
    found: Sequence[PendingDeparture], number: int, moments: Sequence[int], *, whole: bool
) -> PruneAssignment:
    """Tell apart the departures of a prune among some in the order they came.

    ``moments`` is when it was done, in ms; prunes whose departures are mixed are one with several moments.
    ``whole`` says that everything that happened then was seen.
    """
    there = [departure for departure in found if any(map(departure.moment.holds, moments))]
    if not whole:
        return PruneAssignment((), there)
    if len(there) >= number:
        return _edges(there, number, range(len(there) - number + 1))
    taken = set(there)
    others = [departure for departure in found if departure not in taken]
    rest = number - len(there)
    if len(others) <= rest:
        return PruneAssignment([*there, *others], ())
    spreads = [
        others[first + rest - 1].action.at - others[first].action.at
        for first in range(len(others) - rest + 1)
    ]
    longest = _CLOSE * min(spreads) + _CLOSE_MS
    near = _edges(others, rest, [first for first, spread in enumerate(spreads) if spread <= longest])
    return PruneAssignment([*there, *near.pruned], near.doubtful)


def _edges(found: Sequence[PendingDeparture], number: int, firsts: Sequence[int]) -> PruneAssignment:
    """What is in every one of the groups that may be the prune's, and what only in some; ``firsts`` rises."""
    sure = range(firsts[-1], firsts[0] + number)
    doubtful: list[PendingDeparture] = []
    told = 0
    for first in firsts:
        places = range(max(first, told), first + number)
        doubtful += (found[place] for place in places if place not in sure)
        told = places.stop
    return PruneAssignment([found[place] for place in sure], doubtful)


def mixed(
    known: list[PendingPrune], others: list[PendingPrune], found: list[PendingDeparture]
) -> list[PendingPrune]:
    """All prunes that are mixed with those known, or with one of these."""
    for one in known:
        near = [other for other in others if are_mixed(one, other, found)]
        others = [other for other in others if other not in near]
        known.extend(near)
    return sorted(known, key=lambda prune: prune.entry.at)


def are_mixed(one: PendingPrune, other: PendingPrune, found: list[PendingDeparture]) -> bool:
    """Whether two prunes are the same or so close that somebody may have gone by either."""
    return one is other or any(
        departure.moment.holds(one.entry.at) and departure.moment.holds(other.entry.at) for departure in found
    )
