"""Assigns departures to prunes: the entry of a prune has no names, only the number of members removed.

A prune removes its members in one go. So they left at the moment of its entry, one after the other, as far as
the order of dispatches separates moments. If there are just as many departures, they are the prune's. If
there are more, those in the middle belong to it wherever it began, and those at the edges are doubtful. Where
Discord took longer, so that fewer left at that very moment, the rest are those that lie closest together.

Where part of what happened then was not received, the number says nothing: all who left at that moment are
doubtful.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from exporter.events.facts import AuditEntry
from exporter.tracking.membership.evidence import PendingDeparture

PRUNE_MS = 60_000
"""How long Discord may take to remove the members of one prune."""

_CLOSE = 2
"""A group so many times as long as the shortest may be the prune's as well."""

_CLOSE_MS = 1_000
"""And so much longer in any case: services at Discord are not in step."""


class PendingPrune(msgspec.Struct, array_like=True, eq=False):
    """A prune, and how many of its departures have not been found yet.

    They are looked for from ``ready`` on, and until ``deadline``: both on the steady clock of this run.
    """

    entry: AuditEntry
    remaining: int
    ready: int = 0
    deadline: int = 0


class PruneAssignment(NamedTuple):
    """Departures of a prune, and those that may be of it or not."""

    pruned: Sequence[PendingDeparture]
    doubtful: Sequence[PendingDeparture]


def assign_departures(
    found: Sequence[PendingDeparture], number: int, moments: Sequence[int], *, whole: bool
) -> PruneAssignment:
    """Tell apart the departures of a prune among some in the order they came.

    ``moments`` is when it was done, in ms; prunes whose departures are mixed are one with several moments.
    ``whole`` says that everything that happened then was seen.
    """
    there = [departure for departure in found if any(map(departure.may_be_at, moments))]
    if not whole:
        return PruneAssignment((), there)
    if len(there) >= number:
        return _edges(there, number, range(len(there) - number + 1))
    taken = set(there)
    others = [departure for departure in found if departure not in taken]
    rest = number - len(there)
    if len(others) <= rest:
        return PruneAssignment([*there, *others], ())
    spreads = [others[first + rest - 1].at - others[first].at for first in range(len(others) - rest + 1)]
    longest = _CLOSE * min(spreads) + _CLOSE_MS
    near = _edges(others, rest, [first for first, spread in enumerate(spreads) if spread <= longest])
    return PruneAssignment([*there, *near.pruned], near.doubtful)


def _edges(found: Sequence[PendingDeparture], number: int, firsts: Sequence[int]) -> PruneAssignment:
    """What is in every one of the groups that may be the prune's, and what only in some; ``firsts`` rises."""
    sure = range(firsts[-1], firsts[0] + number)
    doubtful: list[PendingDeparture] = []
    seen = 0
    for first in firsts:
        places = range(max(first, seen), first + number)
        doubtful += (found[place] for place in places if place not in sure)
        seen = places.stop
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
    """Whether two prunes are the same or so close that a departure may be of either."""
    return one is other or any(
        departure.may_be_at(one.entry.at) and departure.may_be_at(other.entry.at) for departure in found
    )
