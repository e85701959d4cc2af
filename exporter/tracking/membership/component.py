"""Membership as a component: why a member left, exactly one of leave, kick, ban and prune, or unknown.

A departure looks the same whatever its reason. It is recorded at once, as a leave; when the window is over it
is decided, its record amended, and it is counted. A run that ends before leaves it to the next one.

The evidence about one member is judged in ``evidence``, departures are assigned to prunes in ``prunes``.
Where the audit log may not be read, and where a prune cannot be distinguished from a leave beside it, the
reason is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from exporter.dispatch.component import Component, Emit, Handler, SavedTable
from exporter.events.facts.moderation import Action, AuditEntryTaken, MembershipStarted
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.membership.departures import Departures
from exporter.tracking.membership.evidence import BanDispatch, EvidenceStore, remember
from exporter.tracking.membership.prunes import Prunes
from exporter.tracking.moderation.audit_access import AuditAccess
from exporter.tracking.moderation.lookups import LookupBoard
from exporter.tracking.moderation.waiting_table import LONGEST_MS


class MembershipTracker(Component):
    """The departures of the last seconds and the evidence of their reasons.

    ``lookups`` is None where nothing can be looked up: that an entry was not found says nothing then. Times
    called ``now`` are in ms on a clock that never steps.
    """

    name = "membership"

    def __init__(
        self,
        emit: Emit,
        name_of: Callable[[int], str | None],
        timeline: ShardTimeline,
        access: AuditAccess,
        lookups: LookupBoard | None,
    ) -> None:
        super().__init__(emit)
        self._access = access
        self._evidence = EvidenceStore()
        self._departures = Departures(emit, name_of, timeline, self._evidence, lookups, access.is_unreadable)
        self._prunes = Prunes(timeline, self._departures)

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Departures, and what is evidence of their reasons."""
        return {
            Action: self._act,
            AuditEntryTaken: self._enter,
            MembershipStarted: self._join,
        }

    # ------------------------------------------------------------------ evidence

    def _act(self, action: Action, now: int) -> None:
        if action.action == "leave":
            self._departures.begin(action, now)
        elif action.action == "ban":
            member = self._evidence.add(action.guild_id, action.target.user_id, now)
            remember(member.bans, BanDispatch(self._evidence.next(), action.at))
            self._departures.note(member)

    def _join(self, fact: MembershipStarted, now: int) -> None:
        """A new membership begins."""
        member = self._evidence.add(fact.guild_id, fact.user_id, now)
        remember(member.joined, (self._evidence.next(), fact.at))
        for departure in member.departures:
            if departure.before is None:
                departure.before = fact.at
        self._departures.note(member)

    def _enter(self, fact: AuditEntryTaken, now: int) -> None:
        """An entry of a kick, a ban or a prune."""
        entry = fact.entry
        if entry.action in {"kick", "ban"} and entry.target_id:
            member = self._evidence.add(entry.guild_id, entry.target_id, now)
            remember(member.entries, entry)
            self._departures.note(member)
        elif entry.action == "prune" and entry.amount > 0:
            # Its members are found when those who just left have other reasons by then.
            self._prunes.begin(entry, now)

    # ------------------------------------------------------------------ decisions

    def undecided(self, asked_at: int, wall: int) -> int:
        """Departures that are not decided."""
        del wall
        return self._departures.table.added_by(asked_at)

    def tick(self, now: int, wall: int) -> None:
        """Decide what has waited long enough."""
        del wall
        heard = self._access.heard(now)
        self._departures.tick()
        self._prunes.settle(heard)
        for departure in self._departures.table.due(heard):
            patient = departure.waited(heard) < LONGEST_MS
            if not (patient and self._prunes.is_waiting(departure.guild_id, heard)):
                self._departures.decide(departure)
        self._evidence.expire(heard)

    # ------------------------------------------------------------------ saved state

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """Departures that are not decided, and prunes whose departures have not all been found."""
        return (self._departures.table, self._prunes.table)

    def resume(self, now: int, wall: int) -> None:
        """Let restored departures and prunes wait anew, and have the departures looked up."""
        del wall
        self._departures.resume(now)
        self._prunes.resume(now)

    def clear(self) -> None:
        """Forget everything."""
        self._evidence.members.clear()
        self._departures.clear()
        self._prunes.table.rows.clear()

    def forget_people(self, people: Container[int]) -> None:
        """Forget the departures of these people; no moderator among them is named."""
        for place in [place for place in self._evidence.members if place[1] in people]:
            del self._evidence.members[place]
        self._departures.forget_people(people)
        for member in self._evidence.members.values():
            if member.forget_actors(people):
                self._departures.note(member)
        self._prunes.forget_people(people)
