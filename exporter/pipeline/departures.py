"""Why somebody is a member no more: exactly one of leave, kick, ban and prune.

A departure looks the same whatever its reason. It is recorded at once, as a leave; when the window is over it
is decided, its record amended, and it is counted. A process that ends before leaves it to the next one.

An entry of a kick or ban explains the departure that ended the membership it falls in: entries and joins both
carry Discord's own time, so it does not matter in which order they arrive. The dispatch of a ban comes with
that of the departure. A prune names nobody, only how many: it is the reason of that many departures of its
guild, those that lie closest together, that have no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from exporter.events.facts import Action, AuditEntry, Count, MemberJoined, Person, Record
from exporter.events.members import LEAVES
from exporter.model import Json
from exporter.pipeline.actions import SLACK_MS, WINDOW_MS, ActionLog
from exporter.pipeline.journal import SavedDeparture

BESIDE_MS = 1_000
"""How long after the departure the dispatch of the ban that caused it may come. Both are sent at once;
whoever is banned later than this had left before."""

SKEW_MS = 5_000
"""How far this machine's clock may be behind Discord's."""

RIPE_MS = 6_000
"""How long a departure waits for a reason of its own before a prune may have it."""

PRUNE_MS = 60_000
"""How long Discord may take to remove the members of one prune."""

LONGEST_MS = 30_000
"""How long a departure waits for an answer about it, at most."""

LATE_MS = LONGEST_MS + WINDOW_MS
"""How long before a departure its entry may have been made: as far back as joins are remembered."""

MAX_DEPARTURES = 50_000
"""Departures not decided; the oldest is decided early beyond this."""

MAX_CASES = 100_000
"""Members whose comings and goings of the last seconds are remembered."""

MAX_EVIDENCE = 16
"""Things remembered of each kind about one member: more within seconds are no person's doing."""


@dataclass(slots=True, eq=False)
class Departure:
    """A departure; ``after`` and ``before`` are the joins around it."""

    action: Action
    key: str
    order: int
    arrived: int
    deadline: int
    after: int = 0
    before: int | None = None
    decided: bool = False

    def spans(self, at: int) -> bool:
        """Whether a moment lies in the membership this departure ended."""
        return self.after <= at and (self.before is None or at <= self.before)


@dataclass(slots=True)
class Banned:
    """A ban as its dispatch tells it."""

    order: int
    at: int


@dataclass(slots=True, eq=False)
class Case:
    """What happened to one member lately; ``joined`` is in order of arrival: order, time told."""

    deadline: int
    departures: list[Departure] = field(default_factory=list)
    entries: list[AuditEntry] = field(default_factory=list)
    bans: list[Banned] = field(default_factory=list)
    joined: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Prune:
    """A prune, and how many of its departures have not been found yet."""

    entry: AuditEntry
    remaining: int
    ready: int
    deadline: int


_Place = tuple[int, int]
_T = TypeVar("_T")


class Departures:
    """The departures of the last seconds and what speaks of them.

    ``waits`` says whether an answer about a departure is awaited. Times called ``now`` are in ms on a clock
    that never steps.
    """

    def __init__(self, log: ActionLog, waits: Callable[[Departure], bool]) -> None:
        self._log = log
        self._waits = waits
        self._cases: dict[_Place, Case] = {}
        self._pending: dict[Departure, None] = {}
        self._prunes: dict[int, list[Prune]] = {}
        self._order = 0

    def __len__(self) -> int:
        return len(self._pending)

    # ------------------------------------------------------------------ evidence

    def depart(self, action: Action, now: int) -> Departure:
        """Record a departure of a reason not known yet."""
        user_id = action.target.user_id
        case = self._case((action.guild_id, user_id), now)
        key = f"leave:{action.guild_id}:{user_id}:{action.at}"
        after = case.joined[-1][1] if case.joined else 0
        departure = Departure(action, key, self._next(), now, now + WINDOW_MS, after)
        data: dict[str, Json] = {
            "event": "leave",
            "user_id": user_id,
            "username": action.target.name,
            "bot": action.target.bot,
            "reason": "leave",
        }
        self._log.record(Record(action.type, action.guild_id, action.at, key, data, user_id), False)
        _remember(case.departures, departure)
        if len(self._pending) >= MAX_DEPARTURES:
            self._decide(next(iter(self._pending)))
        self._pending[departure] = None
        return departure

    def join(self, fact: MemberJoined, now: int) -> None:
        """A new membership begins."""
        case = self._case((fact.guild_id, fact.user_id), now)
        _remember(case.joined, (self._next(), fact.at))
        for departure in case.departures:
            if departure.before is None:
                departure.before = fact.at

    def ban(self, action: Action, now: int) -> None:
        """The dispatch of a ban."""
        case = self._case((action.guild_id, action.target.user_id), now)
        _remember(case.bans, Banned(self._next(), action.at))

    def remove(self, entry: AuditEntry, now: int) -> None:
        """An entry of a kick or a ban."""
        case = self._case((entry.guild_id, entry.target_id), now)
        _remember(case.entries, entry)

    def prune(self, entry: AuditEntry, now: int) -> None:
        """An entry of a prune; its members are found when those who just left have other reasons by then."""
        if entry.amount > 0:
            prune = Prune(entry, entry.amount, now + WINDOW_MS + RIPE_MS, now + PRUNE_MS)
            _remember(self._prunes.setdefault(entry.guild_id, []), prune)

    # ------------------------------------------------------------------ reasons

    def _reason(self, case: Case, departure: Departure) -> tuple[str, AuditEntry | None]:
        """The reason, and the entry that says so."""
        received = departure.action.at
        mine = [entry for entry in case.entries if self._is_nearest(case, departure, entry)]
        banned = self._is_banned(case, departure)
        # Who is banned after having left is no member; a ban made after the departure is not its reason. A
        # kick always is the reason of one, though a clock may be wrong.
        latest = {"ban": received + (SKEW_MS if banned else SLACK_MS), "kick": received + SKEW_MS}
        causes = [entry for entry in mine if entry.at <= latest[entry.action]]
        # The first ends the membership: who was kicked can be banned later on.
        first = min(causes, key=lambda entry: entry.at, default=None)
        if first is not None:
            return first.action, first
        return ("ban", None) if banned else ("leave", None)

    @staticmethod
    def _is_nearest(case: Case, departure: Departure, entry: AuditEntry) -> bool:
        received = departure.action.at
        if not departure.spans(entry.at) or received - entry.at > LATE_MS:
            return False
        # Only where a join between them was missed do two departures span one moment.
        others = (other for other in case.departures if other is not departure and other.spans(entry.at))
        return all(abs(received - entry.at) <= abs(other.action.at - entry.at) for other in others)

    @staticmethod
    def _is_banned(case: Case, departure: Departure) -> bool:
        """Whether a ban's dispatch goes with it: before it and no join between, or right behind it."""
        for ban in case.bans:
            first, last = sorted((ban.order, departure.order))
            if any(first < order < last for order, _ in case.joined):
                continue
            if any(first < other.order < last for other in case.departures):
                continue
            if ban.order < departure.order or ban.at - departure.action.at <= BESIDE_MS:
                return True
        return False

    # ------------------------------------------------------------------ decisions

    def settle(self, now: int, *, all_of_them: bool = False) -> None:
        """Decide what has waited long enough."""
        self._settle_prunes(now, all_of_them=all_of_them)
        for departure in list(self._pending):
            if not all_of_them:
                if departure.deadline > now:
                    break
                guild_id = departure.action.guild_id
                patient = now - departure.arrived < LONGEST_MS
                if patient and (self._waits(departure) or self._is_pruning(guild_id, now)):
                    continue
            self._decide(departure)
        while self._cases:
            place = next(iter(self._cases))
            if not all_of_them and self._cases[place].deadline > now:
                break
            del self._cases[place]

    def _is_pruning(self, guild_id: int, now: int) -> bool:
        return any(prune.ready > now for prune in self._prunes.get(guild_id, ()))

    def _settle_prunes(self, now: int, *, all_of_them: bool) -> None:
        for guild_id, prunes in list(self._prunes.items()):
            for prune in prunes:
                if all_of_them or prune.ready <= now:
                    self._fill(prune, None if all_of_them else now - RIPE_MS)
            kept = [prune for prune in prunes if prune.remaining and prune.deadline > now and not all_of_them]
            if kept:
                self._prunes[guild_id] = kept
            else:
                del self._prunes[guild_id]

    def _fill(self, prune: Prune, ripe: int | None) -> None:
        """Find the departures of a prune among those without another reason."""
        entry = prune.entry
        found = [
            departure
            for departure in self._pending
            if departure.action.guild_id == entry.guild_id
            and (ripe is None or departure.arrived <= ripe)
            and departure.spans(entry.at)
            and abs(departure.action.at - entry.at) <= PRUNE_MS
            and self._reason(self._case_of(departure), departure)[0] == "leave"
        ]
        for departure in _densest(found, prune.remaining, entry.at):
            prune.remaining -= 1
            self._end(departure, "prune", entry)

    def _decide(self, departure: Departure) -> None:
        self._end(departure, *self._reason(self._case_of(departure), departure))

    def _end(self, departure: Departure, reason: str, entry: AuditEntry | None) -> None:
        departure.decided = True
        del self._pending[departure]
        action = departure.action
        if reason != "leave":
            data: dict[str, Json] = self._log.blame(entry) if entry is not None else {}
            data |= {"reason": reason}
            person = action.target.user_id
            record = Record(action.type, action.guild_id, action.at, departure.key, data, person)
            self._log.record(record, True)
        self._log.count(Count(LEAVES[reason], action.guild_id, action.at))

    # ------------------------------------------------------------------ memory

    def save(self) -> list[SavedDeparture]:
        """The departures that are not decided, for the journal."""
        saved = []
        for departure in self._pending:
            action = departure.action
            who = action.target
            case = self._case_of(departure)
            saved.append(
                SavedDeparture(
                    *(action.type, action.guild_id, action.at, who.user_id, who.name, who.bot),
                    departure.key,
                    departure.after,
                    self._reason(case, departure)[1],
                    self._is_banned(case, departure),
                )
            )
        return saved

    def restore(self, saved: SavedDeparture, now: int) -> Departure:
        """Take up a departure of the process before."""
        person = Person(saved.user_id, saved.name, saved.bot)
        action = Action(saved.type, "leave", saved.guild_id, saved.at, person)
        case = self._case((saved.guild_id, saved.user_id), now)
        if saved.banned:  # ahead of its own departure, or it would be that of the member's next one too
            _remember(case.bans, Banned(self._next(), saved.at))
        departure = Departure(action, saved.key, self._next(), now, now + WINDOW_MS, saved.after)
        _remember(case.departures, departure)
        if saved.entry is not None:
            _remember(case.entries, saved.entry)
        self._pending[departure] = None
        return departure

    def _next(self) -> int:
        self._order += 1
        return self._order

    def _case(self, place: _Place, now: int) -> Case:
        """A member's case, kept for a while longer; dictionaries are in order of deadline."""
        case = self._cases.pop(place, None)
        if case is None:
            if len(self._cases) >= MAX_CASES:
                del self._cases[next(iter(self._cases))]
            case = Case(0)
        case.deadline = now + LATE_MS
        self._cases[place] = case
        return case

    def _case_of(self, departure: Departure) -> Case:
        place = (departure.action.guild_id, departure.action.target.user_id)
        return self._cases.get(place) or Case(0, [departure])


def _densest(departures: list[Departure], number: int, at: int) -> list[Departure]:
    """So many departures within the shortest time: a prune's come all at once, whenever its entry does."""
    found = sorted(departures, key=lambda departure: departure.action.at)
    if len(found) <= number:
        return found

    def spread(first: int) -> tuple[int, int]:
        begin, end = found[first].action.at, found[first + number - 1].action.at
        return end - begin, abs(begin - at)

    first = min(range(len(found) - number + 1), key=spread)
    return found[first : first + number]


def _remember(items: list[_T], item: _T) -> None:
    if len(items) >= MAX_EVIDENCE:
        del items[0]
    items.append(item)
