"""The prunes whose departures are awaited: each is settled once nothing that comes can change who they are.

A prune is settled after its window, when those who may have been pruned have no reason of their own, nor may
get one. Prunes so close that a departure may be of either are settled together.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from exporter.dispatch.saved_rows import SavedRows
from exporter.events.facts import AuditEntry
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.membership.departures import Departures
from exporter.tracking.membership.evidence import PendingDeparture
from exporter.tracking.membership.prune_assignment import (
    PRUNE_MS,
    PendingPrune,
    are_mixed,
    assign_departures,
    mixed,
)
from exporter.tracking.moderation.waiting_table import WINDOW_MS

RIPE_MS: Final = 6_000
"""How long a departure waits for a reason of its own before a prune may have it."""

MAX_PRUNES: Final = 16
"""Prunes of one guild whose departures are awaited; the oldest is given up beyond this."""


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
            for prune in prunes:
                if prune.ready <= now and self._is_unripe(prune, prunes, now):
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
        whole = not any(self._timeline.missed(entry.guild_id, at, at) for at in moments)
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
