"""Assigns departures to prunes: the entry of a prune has no names, only the number of members removed.

A prune removes its members in one go. So they left at the moment of its entry, one after the other, as far as
the order of dispatches separates moments. If there are just as many departures, they are the prune's. If
there are more, those in the middle belong to it wherever it began, and those at the edges are doubtful. Where
Discord took longer, so that fewer left at that very moment, the rest are those that lie closest together.

Where part of what happened then was not received, or was decided before the entry came, the number says
nothing: all who left at that moment are doubtful.

A prune is settled after its window, when those who may have been pruned have no reason of their own, nor may
get one. Prunes so close that a departure may be of either are settled together.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final, NamedTuple

import msgspec

from exporter.dispatch.saved_rows import SavedRows
from exporter.events.facts.moderation import AuditEntry
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.membership.departures import Departures
from exporter.tracking.membership.evidence import PendingDeparture
from exporter.tracking.moderation.waiting_table import WINDOW_MS

RIPE_MS: Final = 6_000
"""How long a departure waits for a reason of its own before a prune may have it."""

MAX_PRUNES: Final = 16
"""Prunes of one guild whose departures are awaited; the oldest is given up beyond this."""

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


class Prunes:
    """The prunes of the last minute."""

    def __init__(self, timeline: ShardTimeline, departures: Departures) -> None:
        self._timeline = timeline
        self._departures = departures
        self.table: SavedRows[tuple[int, int], PendingPrune] = SavedRows(
            "prunes", tuple[int, int], PendingPrune
        )

    def of(self, guild_id: int) -> list[PendingPrune]:
        """The prunes of a guild, in the order their entries came."""
        return [prune for prune in self.table.rows.values() if prune.entry.guild_id == guild_id]

    def is_waiting(self, guild_id: int, now: int) -> bool:
        """Whether a prune that may have a guild's departures is not ready to be settled."""
        return any(prune.ready > now for prune in self.of(guild_id))

    def begin(self, entry: AuditEntry, now: int) -> None:
        """Await the departures of a prune."""
        known = self.of(entry.guild_id)
        if len(known) >= MAX_PRUNES:
            self.table.pop((entry.guild_id, known[0].entry.entry_id))
        prune = PendingPrune(entry, entry.amount, now + WINDOW_MS, now + PRUNE_MS)
        self.table.put((entry.guild_id, entry.entry_id), prune)

    def settle(self, now: int) -> None:
        """Find the departures of the prunes that are ready, and forget those that are complete or too old."""
        for guild_id in dict.fromkeys(guild_id for guild_id, _ in self.table.rows):
            prunes = self.of(guild_id)
            # One that has to wait may have others wait that were looked at before it.
            while unripe := [
                prune for prune in prunes if prune.ready <= now and self._is_unripe(prune, prunes, now)
            ]:
                for prune in unripe:
                    prune.ready = now + 1
            ready = [prune for prune in prunes if prune.ready <= now]
            for prune in ready:
                if prune.remaining:
                    self._fill(prune, ready)
            for prune in prunes:
                if not prune.remaining or max(prune.deadline, prune.ready) <= now:
                    self.table.pop((guild_id, prune.entry.entry_id))

    def _is_unripe(self, prune: PendingPrune, prunes: list[PendingPrune], now: int) -> bool:
        """Whether someone who may have been pruned may still turn out to have another reason or prune."""
        found = self._candidates(prune.entry)
        return any(other.ready > now and are_mixed(prune, other, found) for other in prunes) or any(
            departure.waited(now) < RIPE_MS or self._departures.table.is_looked_up(departure, now)
            for departure in found
            if departure.may_be_at(prune.entry.at)
        )

    def _candidates(self, entry: AuditEntry) -> list[PendingDeparture]:
        """Who may have been pruned: at its very moment, where some who left later may not be known."""
        partial = self._timeline.missed(entry.guild_id, entry.at, entry.at + PRUNE_MS)
        return [
            departure
            for departure in self._departures.table.rows.values()
            if departure.guild_id == entry.guild_id
            and departure.spans(entry.at)
            and abs(departure.at - entry.at) <= PRUNE_MS
            and (not partial or departure.may_be_at(entry.at))
            and self._departures.reason(departure)[0] == "leave"
        ]

    def _fill(self, prune: PendingPrune, ready: list[PendingPrune]) -> None:
        """Find the departures of a prune among those without another reason."""
        entry = prune.entry
        found = self._candidates(entry)
        beside = mixed([prune], [other for other in ready if other.remaining and other is not prune], found)
        number = sum(each.remaining for each in beside)
        moments = [each.entry.at for each in beside]
        whole = not any(
            self._timeline.missed(entry.guild_id, at, at) or self._departures.was_decided(entry.guild_id, at)
            for at in moments
        )
        pruned, doubtful = assign_departures(found, number, moments, whole=whole)
        if doubtful and len(beside) > 1:  # which of them lie in the middle of what is not known
            pruned, doubtful = (), (*pruned, *doubtful)
        for departure in doubtful:
            self._departures.end(departure, "unknown", None)
        for departure in pruned:
            of = next(each for each in beside if each.remaining)
            of.remaining -= 1
            self._departures.end(departure, "prune", of.entry)
        for each in beside:
            each.remaining = 0 if doubtful else each.remaining
            self.table.touch((entry.guild_id, each.entry.entry_id))

    def resume(self, now: int) -> None:
        """Let restored prunes wait anew: their departures may come in a replay."""
        for prune in self.table.rows.values():
            prune.ready, prune.deadline = now + WINDOW_MS, now + PRUNE_MS

    def forget_people(self, people: Container[int]) -> None:
        """Name none of these people as a moderator."""
        for prune in self.table.rows.values():
            prune.entry = prune.entry.without(people) or prune.entry


# ------------------------------------------------------------------ which departures are whose


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
