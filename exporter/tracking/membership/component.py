"""Membership as a component: why a member left, exactly one of leave, kick, ban and prune, or unknown.

A departure looks the same whatever its reason. It is recorded at once, as a leave; when the window is over it
is decided, its record amended, and it is counted. A run that ends before leaves it to the next one.

The evidence about one member is judged in ``evidence``, departures are assigned to prunes in ``prunes``.
Where the audit log may not be read, and where a prune cannot be distinguished from a leave beside it, the
reason is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, Final

import msgspec

from exporter.dispatch.component import Component, Emit, Handler, SavedTable
from exporter.events.facts import (
    Action,
    ActionExplained,
    ActionUnexplained,
    AuditEntry,
    AuditEntryTaken,
    Count,
    MembershipStarted,
    Person,
    Record,
)
from exporter.events.members import LEAVES
from exporter.events.records.membership import MemberLeaveRecord
from exporter.state.shard_timeline import ShardTimeline, TimeBounds
from exporter.tracking.membership.evidence import (
    LATE_MS,
    LONGEST_MS,
    BanDispatch,
    MemberEvidence,
    PendingDeparture,
    remember,
)
from exporter.tracking.membership.prunes import (
    PRUNE_MS,
    PendingPrune,
    are_mixed,
    assign_departures,
    mixed,
)
from exporter.tracking.moderation.audit_access import AuditAccess
from exporter.tracking.moderation.audit_matcher import WINDOW_MS
from exporter.tracking.moderation.lookups import LookupBoard

RIPE_MS: Final = 6_000
"""How long a departure waits for a reason of its own before a prune may have it."""

MAX_DEPARTURES: Final = 50_000
"""Departures not decided; the oldest is decided early beyond this."""

MAX_MEMBERS: Final = 100_000
"""Members whose joins and departures of the last seconds are remembered."""

MAX_PRUNES: Final = 16
"""Prunes of one guild whose departures are awaited."""

_Place = tuple[int, int]


class StoredDeparture(msgspec.Struct, frozen=True, array_like=True):
    """A departure whose reason is not decided; ``after`` and ``before`` are the joins around it, where seen.

    ``entry`` is the audit-log entry and ``banned`` the dispatch of a ban that are evidence of its reason so
    far; ``moment`` is between when and when it happened.
    """

    type: str
    guild_id: int
    at: int
    user_id: int
    name: str
    bot: bool
    after: int
    entry: AuditEntry | None = None
    banned: bool = False
    before: int | None = None
    moment: tuple[int, int] | None = None


class StoredPrune(msgspec.Struct, frozen=True, array_like=True):
    """A prune, and how many of its departures have not been found."""

    entry: AuditEntry
    remaining: int


class MembershipTracker(Component):
    """The departures of the last seconds and the evidence of their reasons.

    ``asks`` says that look-ups are possible at all: only then one that was refused says anything. Times
    called ``now`` are in ms on a clock that never steps.
    """

    name = "membership"

    def __init__(
        self,
        emit: Emit,
        name_of: Callable[[int], str | None],
        timeline: ShardTimeline,
        access: AuditAccess,
        lookups: LookupBoard,
        *,
        asks: bool,
    ) -> None:
        super().__init__(emit)
        self._name_of = name_of
        self._timeline = timeline
        self._access = access
        self._lookups = lookups
        self._asks = asks
        self._members: dict[_Place, MemberEvidence] = {}
        self._pending: dict[str, PendingDeparture] = {}
        self._fresh: list[str] = []
        self._prunes: dict[int, list[PendingPrune]] = {}
        self._order = 0
        self._departures_table: SavedTable[str, StoredDeparture] = SavedTable(
            "departures", str, StoredDeparture, self._read_departure, self._load_departure
        )
        self._prunes_table: SavedTable[_Place, StoredPrune] = SavedTable(
            "prunes", _Place, StoredPrune, self._read_prune, self._load_prune
        )

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
            self._depart(action, now)
        elif action.action == "ban":
            place = (action.guild_id, action.target.user_id)
            remember(self._member(place, now).bans, BanDispatch(self._next(), action.at))
            self._note(place)

    def _depart(self, action: Action, now: int) -> None:
        """Record a departure of a reason not known yet."""
        user_id = action.target.user_id
        member = self._member((action.guild_id, user_id), now)
        key = f"leave:{action.guild_id}:{user_id}:{action.at}"
        number = sum(departure.key.startswith(key) for departure in member.departures)
        if number:  # in a burst a departure, a join and another departure are received in one millisecond
            key = f"{key}:{number}"
        after = member.joined[-1][1] if member.joined else 0
        moment = self._timeline.moment(action.guild_id, action.at)
        departure = PendingDeparture(action, key, self._next(), now, now + WINDOW_MS, moment, after)
        data = MemberLeaveRecord(
            event="leave",
            user_id=user_id,
            username=action.target.name,
            bot=action.target.bot,
            reason="leave",
        )
        self.emit(Record(action.type, action.guild_id, action.at, key, data, user_id))
        remember(member.departures, departure)
        if len(self._pending) >= MAX_DEPARTURES:
            self._decide(next(iter(self._pending.values())))
        self._pending[key] = departure
        self._fresh.append(key)
        self._departures_table.touch(key)
        self.emit(ActionUnexplained(action.guild_id, key, action.at))

    def _join(self, fact: MembershipStarted, now: int) -> None:
        """A new membership begins."""
        place = (fact.guild_id, fact.user_id)
        member = self._member(place, now)
        remember(member.joined, (self._next(), fact.at))
        for departure in member.departures:
            if departure.before is None:
                departure.before = fact.at
        self._note(place)

    def _enter(self, fact: AuditEntryTaken, now: int) -> None:
        """An entry of a kick, a ban or a prune."""
        entry = fact.entry
        if entry.action in {"kick", "ban"} and entry.target_id:
            place = (entry.guild_id, entry.target_id)
            remember(self._member(place, now).entries, entry)
            self._note(place)
        elif entry.action == "prune" and entry.amount > 0:
            # Its members are found when those who just left have other reasons by then.
            self._await_prune(entry, entry.amount, now)

    def _await_prune(self, entry: AuditEntry, remaining: int, now: int) -> None:
        prunes = self._prunes.setdefault(entry.guild_id, [])
        if len(prunes) >= MAX_PRUNES:
            self._prunes_table.touch((entry.guild_id, prunes.pop(0).entry.entry_id))
        prunes.append(PendingPrune(entry, remaining, now + WINDOW_MS, now + PRUNE_MS))
        self._prunes_table.touch((entry.guild_id, entry.entry_id))

    def _note(self, place: _Place) -> None:
        """More is known of a member's departures than before."""
        for departure in self._members[place].departures:
            if not departure.decided:
                self._departures_table.touch(departure.key)

    # ------------------------------------------------------------------ decisions

    def undecided(self, asked_at: int, wall: int) -> int:
        """Departures that are not decided."""
        del wall
        return sum(1 for departure in self._pending.values() if departure.arrived <= asked_at)

    def tick(self, now: int, wall: int) -> None:
        """Decide what has waited long enough."""
        del wall
        heard = self._access.heard(now)
        for key in self._fresh:  # when it was is known better now than when it was received
            self._departures_table.touch(key)
        self._fresh.clear()
        self._settle_prunes(heard)
        for departure in list(self._pending.values()):
            if departure.deadline > heard:
                break
            patient = heard - departure.arrived < LONGEST_MS
            waits = self._waits(departure) or self._is_pruning(departure.action.guild_id, heard)
            if not (patient and waits):
                self._decide(departure)
        while self._members:
            place = next(iter(self._members))
            if self._members[place].deadline > heard:
                break
            del self._members[place]

    def _waits(self, departure: PendingDeparture) -> bool:
        return self._lookups.is_pending(departure.key)

    def _is_pruning(self, guild_id: int, now: int) -> bool:
        return any(prune.ready > now for prune in self._prunes.get(guild_id, ()))

    def _settle_prunes(self, now: int) -> None:
        for guild_id, prunes in list(self._prunes.items()):
            for prune in prunes:
                if prune.ready <= now and self._is_unripe(prune, prunes, now):
                    prune.ready = now + 1
            ready = [prune for prune in prunes if prune.ready <= now]
            for prune in ready:
                if prune.remaining:
                    self._fill(prune, ready)
            left = [prune for prune in prunes if prune.remaining and max(prune.deadline, prune.ready) > now]
            for prune in prunes:
                if prune not in left:
                    self._prunes_table.touch((guild_id, prune.entry.entry_id))
            if left:
                self._prunes[guild_id] = left
            else:
                del self._prunes[guild_id]

    def _is_unripe(self, prune: PendingPrune, prunes: list[PendingPrune], now: int) -> bool:
        """Whether someone who may have been pruned may still turn out to have another reason or prune."""
        found = self._candidates(prune.entry)
        return any(other.ready > now and are_mixed(prune, other, found) for other in prunes) or any(
            now - departure.arrived < RIPE_MS
            or (now - departure.arrived < LONGEST_MS and self._waits(departure))
            for departure in found
            if departure.moment.holds(prune.entry.at)
        )

    def _candidates(self, entry: AuditEntry) -> list[PendingDeparture]:
        """Who may have been pruned: of those who left at another moment none, where the rest may be missed."""
        partial = self._timeline.missed(entry.guild_id, entry.at, entry.at + PRUNE_MS)
        return [
            departure
            for departure in self._pending.values()
            if departure.action.guild_id == entry.guild_id
            and departure.spans(entry.at)
            and abs(departure.action.at - entry.at) <= PRUNE_MS
            and (not partial or departure.moment.holds(entry.at))
            and self._reason(departure)[0] == "leave"
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
            self._end(departure, "unknown", None)
        for departure in pruned:
            of = next(each for each in beside if each.remaining)
            of.remaining -= 1
            self._end(departure, "prune", of.entry)
        for each in beside:
            each.remaining = 0 if doubtful else each.remaining
            self._prunes_table.touch((entry.guild_id, each.entry.entry_id))

    def _decide(self, departure: PendingDeparture) -> None:
        reason, entry = self._reason(departure)
        refused = self._asks and self._lookups.is_refused(departure.key)
        if reason == "leave" and (refused or self._access.is_unreadable(departure.action.guild_id)):
            reason = "unknown"
        self._end(departure, reason, entry)

    def _reason(self, departure: PendingDeparture) -> tuple[str, AuditEntry | None]:
        guild_id, until = departure.action.guild_id, departure.action.at
        member = self._evidence_of(departure)
        return member.reason(departure, lambda at: self._timeline.missed(guild_id, at, until))

    def _end(self, departure: PendingDeparture, reason: str, entry: AuditEntry | None) -> None:
        departure.decided = True
        del self._pending[departure.key]
        self._departures_table.touch(departure.key)
        action = departure.action
        if reason != "leave":
            data = MemberLeaveRecord(reason=reason)
            if entry is not None:
                data = MemberLeaveRecord(
                    reason=reason,
                    moderator_id=entry.actor_id or None,
                    moderator_username=self._name_of(entry.actor_id) if entry.actor_id else None,
                    audit_entry_id=entry.entry_id,
                )
            self.emit(
                Record(
                    *(action.type, action.guild_id, action.at, departure.key, data, action.target.user_id),
                    amends=True,
                )
            )
        self.emit(Count(LEAVES[reason], action.guild_id, action.at))
        self.emit(ActionExplained(action.guild_id, departure.key))

    # ------------------------------------------------------------------ memory

    def _next(self) -> int:
        self._order += 1
        return self._order

    def _member(self, place: _Place, now: int) -> MemberEvidence:
        """The evidence about a member, kept for a while longer; the dictionary is in order of deadline."""
        member = self._members.pop(place, None)
        if member is None:
            if len(self._members) >= MAX_MEMBERS:
                del self._members[next(iter(self._members))]
            member = MemberEvidence(0)
        member.deadline = now + LATE_MS
        self._members[place] = member
        return member

    def _evidence_of(self, departure: PendingDeparture) -> MemberEvidence:
        place = (departure.action.guild_id, departure.action.target.user_id)
        return self._members.get(place) or MemberEvidence(0, [departure])

    # ------------------------------------------------------------------ saved state

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """Departures that are not decided, and prunes whose departures have not all been found."""
        return (self._departures_table, self._prunes_table)

    def _read_departure(self, key: str) -> StoredDeparture | None:
        departure = self._pending.get(key)
        if departure is None:
            return None
        action = departure.action
        who = action.target
        return StoredDeparture(
            *(action.type, action.guild_id, action.at, who.user_id, who.name, who.bot, departure.after),
            self._reason(departure)[1],
            self._evidence_of(departure).is_banned(departure),
            departure.before,
            (departure.moment.since, departure.moment.until),
        )

    def _load_departure(self, key: str, saved: StoredDeparture) -> None:
        person = Person(saved.user_id, saved.name, saved.bot)
        action = Action(saved.type, "leave", saved.guild_id, saved.at, person)
        member = self._member((saved.guild_id, saved.user_id), 0)
        if saved.banned:  # ahead of its own departure, or it would be that of the member's next one too
            remember(member.bans, BanDispatch(self._next(), saved.at))
        moment = TimeBounds(*(saved.moment or (saved.at, saved.at)))
        departure = PendingDeparture(*(action, key, self._next(), 0, 0, moment), saved.after, saved.before)
        remember(member.departures, departure)
        if saved.entry is not None:
            remember(member.entries, saved.entry)
        self._pending[key] = departure

    def _read_prune(self, key: _Place) -> StoredPrune | None:
        for prune in self._prunes.get(key[0], ()):
            if prune.entry.entry_id == key[1]:
                return StoredPrune(prune.entry, prune.remaining)
        return None

    def _load_prune(self, key: _Place, saved: StoredPrune) -> None:
        del key
        self._await_prune(saved.entry, saved.remaining, 0)

    def resume(self, now: int, wall: int) -> None:
        """Let restored departures and prunes wait anew, and have the departures looked up."""
        del wall
        # Rows come in the order of their keys.
        self._pending = dict(sorted(self._pending.items(), key=lambda item: item[1].action.at))
        for member in self._members.values():
            member.deadline = now + LATE_MS
        for key, departure in self._pending.items():
            departure.arrived, departure.deadline = now, now + WINDOW_MS
            self.emit(ActionUnexplained(departure.action.guild_id, key, departure.action.at))
        for prunes in self._prunes.values():
            for prune in prunes:
                prune.ready, prune.deadline = now + WINDOW_MS, now + PRUNE_MS

    def clear(self) -> None:
        """Forget everything."""
        self._members.clear()
        self._pending.clear()
        self._fresh.clear()
        self._prunes.clear()

    def forget_people(self, people: Container[int]) -> None:
        """Forget the departures of these people; no moderator among them is named."""
        for place in [place for place in self._members if place[1] in people]:
            del self._members[place]
        for key in [key for key, gone in self._pending.items() if gone.action.target.user_id in people]:
            del self._pending[key]
            self._departures_table.touch(key)
        for place, member in self._members.items():
            if member.forget_actors(people):
                self._note(place)
        for prunes in self._prunes.values():
            for prune in prunes:
                prune.entry = prune.entry.without(people) or prune.entry
