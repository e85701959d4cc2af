"""Who did it and why: actions and audit-log entries that speak of the same thing are brought together.

Discord sends both, in either order, or only one. Whatever comes first is recorded at once; the other one, if
it comes within the window, amends the record under the same key. So a critical entry never waits, one real
action is one row, and it is counted once, when it is first learnt.

A departure is provisional for the length of the window: it is recorded as a leave and becomes a kick, a ban
or a prune if something says so. It is counted when that is decided. A prune names nobody, only how many: it
is the cause of that many departures of its guild around it that have no other.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import TypeVar

from exporter.events.facts import Action, AuditEntry, Count, Record
from exporter.events.members import LEAVES
from exporter.events.moderation import ACTIONS, AUDIT_BAN, AUDIT_KICK, AUDIT_PRUNE, AUDIT_UNBAN
from exporter.model import Json

WINDOW_MS = 10_000
"""How far apart an action and its audit-log entry may arrive. They come within a second of each other as a
rule; ten cover a slow day at Discord, and stay short of the same person being removed twice."""

TOGETHER_MS = 2_000
"""A ban and the departure it causes are dispatched in one breath. Somebody who left longer before is banned
as a stranger: that departure was a leave. A kick needs no such bound, since only a member can be kicked."""

LONGEST_SILENCE_MS = 120_000
"""A connection that says nothing for longer is known to be dead: it answers a heartbeat every 41 s."""

MAX_WAITING = 50_000
"""Actions and entries that wait for their other half; the oldest is settled early beyond this."""

FOR_EVER = 2**63

_AUDITED = {AUDIT_BAN: "ban", AUDIT_UNBAN: "unban", AUDIT_KICK: "kick"}
_TYPES = {
    "ban": "GUILD_BAN_ADD",
    "unban": "GUILD_BAN_REMOVE",
    "kick": "GUILD_AUDIT_LOG_ENTRY_CREATE",
}
_DEPARTS = ("ban", "kick")
_OPPOSITE = {"ban": "unban", "unban": "ban"}

_Place = TypeVar("_Place", tuple[int], tuple[int, int], tuple[int, str, int])


@dataclass(slots=True)
class Departure:
    """A departure recorded as a leave, not counted yet."""

    action: Action
    key: str
    deadline: int


@dataclass(slots=True)
class Known:
    """What has been recorded of one action, waiting for what else is said of it.

    ``undone`` is set once the opposite has been done, so that the same dispatch again is a new action.
    """

    key: str
    deadline: int
    audited: AuditEntry | None
    named: bool
    departure: Departure | None = None
    undone: bool = False


@dataclass(slots=True)
class Prune:
    """A prune, and how many of its departures have not been seen yet."""

    entry: AuditEntry
    remaining: int
    deadline: int


class Attribution:
    """The actions of the last seconds.

    ``record`` takes records and, with ``amends``, what else is known of one; ``count`` takes counts;
    ``name_of`` knows people's names; ``types`` holds the event types that are switched on;
    ``heard_until`` tells up to when a guild has been heard. ``now`` is in ms on a clock that never steps.
    """

    def __init__(
        self,
        record: Callable[[Record, bool], None],
        count: Callable[[Count], None],
        name_of: Callable[[int], str | None],
        types: Container[str],
        heard_until: Callable[[int], int] | None = None,
    ) -> None:
        self._record = record
        self._count = count
        self._name_of = name_of
        self._types = types
        self._heard_until = heard_until or (lambda _: FOR_EVER)
        self._known: dict[tuple[int, str, int], Known] = {}
        self._departures: dict[tuple[int, int], Departure] = {}
        self._prunes: dict[tuple[int], Prune] = {}

    @property
    def undecided(self) -> int:
        """Departures whose cause may still turn up."""
        return len(self._departures)

    def act(self, action: Action, now: int) -> None:
        """Take what a dispatch says was done to somebody."""
        if action.action == "leave":
            self._depart(action, now)
            return
        place = (action.guild_id, action.action, action.target.user_id)
        named: dict[str, Json] = {"target_username": action.target.name}
        known = self._known.get(place)
        if known is not None and not known.named:
            known.named = True
            self._amend(action.type, action.guild_id, action.at, known.key, named, place[2])
            return
        if known is not None and not known.undone:
            return
        key = f"{action.action}:{action.guild_id}:{place[2]}:{action.at}"
        data: dict[str, Json] = {"action": action.action, "target_user_id": place[2], **named}
        self._open(Record(action.type, action.guild_id, action.at, key, data, place[2]), action.action)
        self._learn(place, Known(key, now + WINDOW_MS, None, named=True), action.at)

    def audit(self, entry: AuditEntry, now: int) -> None:
        """Take an audit-log entry."""
        if entry.action_type == AUDIT_PRUNE:
            self._prune(entry, now)
            return
        action = _AUDITED.get(entry.action_type)
        if action is None or not entry.target_id:
            return
        place = (entry.guild_id, action, entry.target_id)
        kind = _TYPES[action]
        told: dict[str, Json] = {
            "moderator_id": entry.actor_id or None,
            "moderator_username": self._name_of(entry.actor_id),
            "reason": entry.reason,
            "audit_entry_id": entry.entry_id,
        }
        known = self._known.get(place)
        if known is not None and known.audited is not None and known.audited.entry_id == entry.entry_id:
            return
        if known is not None and known.audited is None:
            known.audited = entry
            self._amend(kind, entry.guild_id, entry.at, known.key, told, entry.target_id)
            if known.departure is not None:
                self._blame(known.departure, action, entry)
        else:
            key = f"audit:{entry.entry_id}"
            data: dict[str, Json] = {
                "action": action,
                "target_user_id": entry.target_id,
                "target_username": self._name_of(entry.target_id),
                **told,
            }
            self._open(Record(kind, entry.guild_id, entry.at, key, data, entry.target_id), action)
            self._learn(place, Known(key, now + WINDOW_MS, entry, named=False), entry.heard_at)

    def settle(self, now: int, *, patient: bool = True) -> None:
        """Decide what has waited long enough; a ``patient`` one waits for news of the guild since then."""
        for place in self._due(self._departures, now, patient=patient):
            self._decide(self._departures.pop(place), "leave")
        for known in self._due(self._known, now, patient=patient):
            del self._known[known]
        for guild in self._due(self._prunes, now, patient=patient):
            del self._prunes[guild]

    def _prune(self, entry: AuditEntry, now: int) -> None:
        """Latest departures first: a prune and its departures come together, others may lie before."""
        guild_id = entry.guild_id
        waiting = [place for place in self._departures if place[0] == guild_id]
        pruned = waiting[-entry.amount :] if entry.amount else []
        for place in pruned:
            self._end(self._departures.pop(place), "prune", entry)
        if remaining := entry.amount - len(pruned):
            self._prunes.pop((guild_id,), None)
            self._prunes[guild_id,] = Prune(entry, remaining, now + WINDOW_MS)

    def _depart(self, action: Action, now: int) -> None:
        user_id = action.target.user_id
        key = f"leave:{action.guild_id}:{user_id}:{action.at}"
        departure = Departure(action, key, now + WINDOW_MS)
        data: dict[str, Json] = {
            "event": "leave",
            "user_id": user_id,
            "username": action.target.name,
            "bot": action.target.bot,
            "reason": "leave",
        }
        self._record(Record(action.type, action.guild_id, action.at, key, data, user_id), False)
        for cause in _DEPARTS:
            known = self._known.get((action.guild_id, cause, user_id))
            if known is not None and known.departure is None:
                self._explain(departure, known, cause)
                return
        prune = self._prunes.get((action.guild_id,))
        if prune is not None and prune.remaining:
            prune.remaining -= 1
            self._end(departure, "prune", prune.entry)
            return
        earlier = self._departures.pop((action.guild_id, user_id), None)
        if earlier is None and len(self._departures) >= MAX_WAITING:
            earlier = self._departures.pop(next(iter(self._departures)))
        if earlier is not None:
            self._decide(earlier, "leave")
        self._departures[action.guild_id, user_id] = departure

    def _learn(self, place: tuple[int, str, int], known: Known, at: int) -> None:
        self._known.pop(place, None)
        if len(self._known) >= MAX_WAITING:
            del self._known[next(iter(self._known))]
        self._known[place] = known
        guild_id, action, user_id = place
        opposite = self._known.get((guild_id, _OPPOSITE.get(action, ""), user_id))
        if opposite is not None:
            opposite.undone = True
        if action in _DEPARTS:
            departure = self._departures.get((guild_id, user_id))
            if departure is None or (action == "ban" and at - departure.action.at > TOGETHER_MS):
                return
            del self._departures[guild_id, user_id]
            self._explain(departure, known, action)

    def _open(self, record: Record, action: str) -> None:
        """Record and count an action first heard of, if its own type is on, whichever dispatch told of it."""
        if record.type in self._types:
            self._record(record, False)
            self._count(Count(ACTIONS[action], record.guild_id, record.at))

    def _explain(self, departure: Departure, known: Known, cause: str) -> None:
        """A departure has its cause, and with it its actor if that is known."""
        known.departure = departure
        self._end(departure, cause, known.audited)

    def _end(self, departure: Departure, cause: str, entry: AuditEntry | None) -> None:
        self._blame(departure, cause, entry)
        self._decide(departure, cause)

    def _decide(self, departure: Departure, reason: str) -> None:
        action = departure.action
        self._count(Count(LEAVES[reason], action.guild_id, action.at))

    def _blame(self, departure: Departure, cause: str, entry: AuditEntry | None) -> None:
        told: dict[str, Json] = {"reason": cause}
        if entry is not None:
            told["moderator_id"] = entry.actor_id or None
            told["moderator_username"] = self._name_of(entry.actor_id)
            told["audit_entry_id"] = entry.entry_id
        action = departure.action
        person = action.target.user_id
        self._amend(action.type, action.guild_id, action.at, departure.key, told, person)

    def _amend(self, kind: str, guild_id: int, at: int, key: str, told: dict[str, Json], person: int) -> None:
        self._record(Record(kind, guild_id, at, key, told, person), True)

    def _due(
        self,
        waiting: dict[_Place, Known] | dict[_Place, Departure] | dict[_Place, Prune],
        now: int,
        *,
        patient: bool,
    ) -> list[_Place]:
        """Dictionaries are in order of deadline."""
        due: list[_Place] = []
        for place, item in waiting.items():
            if item.deadline > now:
                break
            heard = max(self._heard_until(place[0]), now - LONGEST_SILENCE_MS)
            if not patient or item.deadline <= heard:
                due.append(place)
        return due
