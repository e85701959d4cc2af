"""Why somebody is a member no more: exactly one of leave, kick, ban and prune, or unknown.

A departure looks the same whatever its reason. It is recorded at once, as a leave; when the window is over it
is decided, its record amended, and it is counted. A process that ends before leaves it to the next one.

What speaks of one member is judged in ``reasons``, a prune's share in ``prunes``. Where the audit log may not
be read, and where nobody can tell a prune from a leave beside it, the reason is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from exporter.events.facts import Action, AuditEntry, Count, MembershipStarted, Person, Record
from exporter.events.members import LEAVES
from exporter.model import Json
from exporter.state.shard_timeline import TimeBounds
from exporter.tracking.membership.evidence import LATE_MS, LONGEST_MS, Banned, Case, Departure, remember
from exporter.tracking.membership.prunes import PRUNE_MS, Prune, are_mixed, mixed, share
from exporter.tracking.moderation.audit_matcher import WINDOW_MS, ActionLog
from exporter.tracking.moderation.begun import BegunRows
from exporter.tracking.previous_journal import SavedDeparture, SavedPrune

RIPE_MS = 6_000
"""How long a departure waits for a reason of its own before a prune may have it."""

MAX_DEPARTURES = 50_000
"""Departures not decided; the oldest is decided early beyond this."""

MAX_CASES = 100_000
"""Members whose comings and goings of the last seconds are remembered."""

MAX_PRUNES = 16
"""Prunes of one guild whose departures are awaited."""

_Place = tuple[int, int]


class Stream(Protocol):
    """What is known of the order of things."""

    def moment(self, guild_id: int, at: int) -> TimeBounds:
        """When, by Discord's clock, what is being told of a guild happened; ``at`` is what it is dated."""
        ...

    def missed(self, guild_id: int, since: int, until: int) -> bool:
        """Whether something that happened between two moments may never have been told."""
        ...


class Departures:
    """The departures of the last seconds and what speaks of them.

    ``waits`` says whether an answer about a departure is awaited, ``blind`` whether nobody could be asked.
    Times called ``now`` are in ms on a clock that never steps.
    """

    def __init__(
        self,
        log: ActionLog,
        stream: Stream,
        begun: BegunRows,
        waits: Callable[[Departure], bool],
        blind: Callable[[Departure], bool],
    ) -> None:
        self._log = log
        self._stream, self._begun = stream, begun
        self._waits = waits
        self._blind = blind
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
        moment = self._stream.moment(action.guild_id, action.at)
        departure = Departure(action, key, self._next(), now, now + WINDOW_MS, moment, after)
        data: dict[str, Json] = {
            "event": "leave",
            "user_id": user_id,
            "username": action.target.name,
            "bot": action.target.bot,
            "reason": "leave",
        }
        self._log.record(Record(action.type, action.guild_id, action.at, key, data, user_id), False)
        remember(case.departures, departure)
        if len(self._pending) >= MAX_DEPARTURES:
            self._decide(next(iter(self._pending)))
        self._pending[departure] = None
        self._begun.depart(self._saved(departure))
        return departure

    def join(self, fact: MembershipStarted, now: int) -> None:
        """A new membership begins."""
        case = self._case((fact.guild_id, fact.user_id), now)
        remember(case.joined, (self._next(), fact.at))
        for departure in case.departures:
            if departure.before is None:
                departure.before = fact.at

    def ban(self, action: Action, now: int) -> None:
        """The dispatch of a ban."""
        case = self._case((action.guild_id, action.target.user_id), now)
        remember(case.bans, Banned(self._next(), action.at))

    def remove(self, entry: AuditEntry, now: int) -> None:
        """An entry of a kick or a ban."""
        case = self._case((entry.guild_id, entry.target_id), now)
        remember(case.entries, entry)

    def prune(self, entry: AuditEntry, now: int) -> None:
        """An entry of a prune; its members are found when those who just left have other reasons by then."""
        if entry.amount > 0:
            prunes = self._prunes.setdefault(entry.guild_id, [])
            if len(prunes) >= MAX_PRUNES:
                del prunes[0]
            prunes.append(Prune(entry, entry.amount, now + WINDOW_MS, now + PRUNE_MS))

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
                if not all_of_them and prune.ready <= now and self._is_unripe(prune, prunes, now):
                    prune.ready = now + 1
            ready = [prune for prune in prunes if all_of_them or prune.ready <= now]
            for prune in ready:
                if prune.remaining:
                    self._fill(prune, ready)
            self._prunes[guild_id] = [
                prune
                for prune in prunes
                if prune.remaining and max(prune.deadline, prune.ready) > now and not all_of_them
            ]
            if not self._prunes[guild_id]:
                del self._prunes[guild_id]

    def _is_unripe(self, prune: Prune, prunes: list[Prune], now: int) -> bool:
        """Whether somebody who may have been pruned may still turn out to have another reason or prune."""
        found = self._candidates(prune.entry)
        return any(other.ready > now and are_mixed(prune, other, found) for other in prunes) or any(
            now - departure.arrived < RIPE_MS
            or (now - departure.arrived < LONGEST_MS and self._waits(departure))
            for departure in found
            if departure.moment.holds(prune.entry.at)
        )

    def _candidates(self, entry: AuditEntry) -> list[Departure]:
        return [
            departure
            for departure in self._pending
            if departure.action.guild_id == entry.guild_id
            and departure.spans(entry.at)
            and abs(departure.action.at - entry.at) <= PRUNE_MS
            and self._reason(departure)[0] == "leave"
        ]

    def _fill(self, prune: Prune, ready: list[Prune]) -> None:
        """Find the departures of a prune among those without another reason."""
        entry = prune.entry
        found = self._candidates(entry)
        beside = mixed([prune], [other for other in ready if other.remaining and other is not prune], found)
        number = sum(each.remaining for each in beside)
        moments = [each.entry.at for each in beside]
        whole = not any(self._stream.missed(entry.guild_id, at, at) for at in moments)
        mine = share(found, number, moments, whole=whole)
        pruned, doubtful = mine
        if doubtful and len(beside) > 1:  # which of them lie in the middle of what is not known
            pruned, doubtful = (), (*pruned, *doubtful)
        for departure in doubtful:
            self._end(departure, "unknown", None)
        for departure in pruned:
            of = next(each for each in beside if each.remaining)
            of.remaining -= 1
            self._end(departure, "prune", of.entry)
        if doubtful:
            for each in beside:
                each.remaining = 0

    def _decide(self, departure: Departure) -> None:
        reason, entry = self._reason(departure)
        self._end(departure, "unknown" if reason == "leave" and self._blind(departure) else reason, entry)

    def _reason(self, departure: Departure) -> tuple[str, AuditEntry | None]:
        guild_id = departure.action.guild_id
        until = departure.action.at
        return self._case_of(departure).reason(departure, lambda at: self._stream.missed(guild_id, at, until))

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
        return [self._saved(departure) for departure in self._pending]

    def _saved(self, departure: Departure) -> SavedDeparture:
        """One of them, with what speaks of it so far."""
        action = departure.action
        who = action.target
        case = self._case_of(departure)
        return SavedDeparture(
            *(action.type, action.guild_id, action.at, who.user_id, who.name, who.bot),
            departure.key,
            departure.after,
            self._reason(departure)[1],
            case.is_banned(departure),
            departure.before,
            (departure.moment.since, departure.moment.until),
        )

    def restore(self, saved: SavedDeparture, now: int) -> Departure:
        """Take up a departure of the process before."""
        person = Person(saved.user_id, saved.name, saved.bot)
        action = Action(saved.type, "leave", saved.guild_id, saved.at, person)
        case = self._case((saved.guild_id, saved.user_id), now)
        if saved.banned:  # ahead of its own departure, or it would be that of the member's next one too
            remember(case.bans, Banned(self._next(), saved.at))
        moment = TimeBounds(*(saved.moment or (saved.at, saved.at)))
        departure = Departure(
            *(action, saved.key, self._next(), now, now + WINDOW_MS, moment), saved.after, saved.before
        )
        remember(case.departures, departure)
        if saved.entry is not None:
            remember(case.entries, saved.entry)
        self._pending[departure] = None
        return departure

    def save_prunes(self) -> list[SavedPrune]:
        """The prunes whose departures have not all been found, for the journal."""
        return [
            SavedPrune(prune.entry, prune.remaining) for prunes in self._prunes.values() for prune in prunes
        ]

    def restore_prune(self, saved: SavedPrune, now: int) -> None:
        """Take up a prune of the process before."""
        self.prune(saved.entry, now)
        prune = self._prunes[saved.entry.guild_id][-1]
        prune.remaining = min(prune.remaining, saved.remaining)

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
