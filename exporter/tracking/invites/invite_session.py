"""Invite attribution state of one guild: recent joins, readings of its invites, and when to read again.

Readings are kept until the joins they affect are explained. A single join gets a reading of its own, at
once; joins of a burst share readings, so that a burst costs at most one request for ten joins, also in a
guild with a vanity URL, where a reading is two requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace

from exporter.events.facts.invites import InviteKnown, InvitesRead, MemberJoined
from exporter.events.rest_request import RequestKind
from exporter.tracking.invites.assignment import Confidence, Finding
from exporter.tracking.invites.inference import LATE_MS, SETTLE_MS, Arrival, Reading, infer, is_in

BURST = 10
"""This many joins within ``BURST_MS`` are a burst."""

BURST_MS = 10_000

QUIET_MS = 1_000
"""Time without joins after which a reading separates earlier joins from later ones."""

BURST_QUIET_MS = 3_000
"""Time without joins that ends a burst."""

MAX_BURST_JOINS = 25
"""Most joins of a burst that share a reading."""

LONGEST_MS = 20_000
"""Longest wait of a join of a burst for its reading."""

REVOKED_MS = 6_000
"""How long to wait for the audit-log entry that says an invite was revoked rather than used up."""

DELETED_MS = 10_000
"""Longest time between the dispatches of an invite's deletion and of the join that used it up."""

EXPIRY_MS = 2_000
"""How long after an invite's end a join may be attributed to it: both times are Discord's own."""

ANSWER_MS = 60_000
"""Longest wait for an answer."""

MAX_WAIT_MS = 120_000
"""Longest wait of a join for its case to close, where further joins never stop."""

MOST_OPEN = 5_000
"""Most joins of one guild that wait for that; evaluating more at once takes too long."""


@dataclass(slots=True)
class Asked:
    """A reading in progress: the answers received so far, by kind of request."""

    serial: int
    since: int
    wanted: tuple[RequestKind, ...]
    answers: dict[RequestKind, InvitesRead] = field(default_factory=dict)

    def is_overdue(self, now: int) -> bool:
        """Whether it has waited for an answer for too long."""
        return now - self.since >= ANSWER_MS

    @property
    def found(self) -> dict[str, InviteKnown]:
        """Every invite read, by code."""
        return {invite.code: invite for kind in self.wanted for invite in self.answers[kind].invites}


@dataclass(slots=True)
class WaitingJoin:
    """A join; ``explained`` if it needs no finding, though the findings of other joins depend on it.

    ``early`` if it may have happened before a reading that is not kept any more and may include its use.
    """

    fact: MemberJoined
    arrival: Arrival
    explained: bool = False
    early: bool = False

    def restrict(self, finding: Finding) -> Finding:
        """The finding, or unknown if the invite of this join may not be among its codes."""
        certain = finding.confidence is Confidence.EXACT
        return finding if certain or not self.early else Finding(Confidence.UNKNOWN)


@dataclass(slots=True)
class InviteSession:
    """Joins and readings in progress in one guild; times are in ms on the monotonic clock."""

    joins: list[WaitingJoin] = field(default_factory=list)
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=BURST))
    """When the latest joins were received, explained or not."""
    readings: list[Reading] = field(default_factory=list)
    asked: Asked | None = None
    last_asked: int = 0
    read_to: int = -1
    """When the last answered reading was requested."""
    forgotten_to: int = 0
    """When the last reading was answered that is not kept any more."""
    failures: int = 0
    failing_since: int = 0
    """When the first of the readings failed that have failed in a row; 0 if the last one did not."""
    not_before: int = 0
    lacking: bool = False
    """Whether the readings do not explain every join they include; a later one may, since counts lag."""
    created: dict[str, None] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    revoked: dict[str, None] = field(default_factory=dict)
    known: dict[str, InviteKnown] = field(default_factory=dict)
    """Every invite in the readings, including those deleted since."""

    @property
    def unexplained(self) -> list[WaitingJoin]:
        """Joins that wait for a finding."""
        return [one for one in self.joins if not one.explained]

    def undecided(self, asked_at: int, heard: int) -> int:
        """Joins received up to ``asked_at`` that wait for more than the findings of later joins.

        While joins go on, one after the other may keep a case open for ``MAX_WAIT_MS``: a flush does not wait
        for those that have had their own reading, and as long as an entry may explain it.
        """
        had_at = -1
        if self.joins and self.joins[-1].arrival.received > asked_at:
            complete = (one for one in self.readings if one.answered + REVOKED_MS + SETTLE_MS <= heard)
            had_at = max((reading.asked for reading in complete), default=-1)
        return sum(had_at < one.arrival.received <= asked_at for one in self.unexplained)

    @property
    def unread(self) -> list[WaitingJoin]:
        """Joins that no reading, answered or in progress, certainly includes."""
        read_to = self.asked.since if self.asked is not None else self.read_to
        return [one for one in self.joins if one.arrival.received > read_to]

    def join(self, fact: MemberJoined, arrival: Arrival) -> bool:
        """Take a join; returns whether no other join is near it."""
        early = arrival.since + SETTLE_MS < self.forgotten_to
        self.joins.append(WaitingJoin(fact, arrival, explained=not fact.person.user_id, early=early))
        alone = not self.recent or arrival.received - self.recent[-1] >= QUIET_MS
        self.recent.append(arrival.received)
        return alone and not self._is_burst(arrival.received)

    def precede(self, fact: MemberJoined, arrival: Arrival) -> None:
        """Take a join before the first reading, which may not count its use yet."""
        self.joins.append(WaitingJoin(fact, arrival, explained=True))
        del self.joins[:-MOST_OPEN]

    def begin(self, asked: Asked, now: int) -> None:
        """Take the first reading: it includes every join whose use can no longer be late."""
        self.read_to = asked.since
        self.forgotten_to = now
        self.joins = [one for one in self.joins if one.arrival.received + LATE_MS > asked.since]

    def _is_burst(self, now: int) -> bool:
        return len(self.recent) == BURST and now - self.recent[0] < BURST_MS

    def is_due(self, now: int) -> bool:
        """Whether it is time for a reading."""
        if self.asked is not None or now < self.not_before:
            return False
        quiet = now - self.recent[-1] if self.recent else 0
        unread = self.unread
        if unread:
            ended = quiet >= (BURST_QUIET_MS if self._is_burst(now) else QUIET_MS)
            return ended or len(unread) >= MAX_BURST_JOINS or now - unread[0].arrival.received >= LONGEST_MS
        # Counts may have lagged. While joins continue, the reading for the next one is the second attempt.
        return self.lacking and bool(self.joins) and quiet >= LATE_MS

    def is_over(self, now: int) -> bool:
        """Whether no join waits, and no deleted invite can still explain one."""
        last = max(self.last_asked, self.not_before, *self.deleted.values())
        return not self.joins and self.asked is None and now - last >= DELETED_MS

    def take_reading(self, before: dict[str, InviteKnown], asked: Asked, at: int, now: int) -> None:
        """Add what a reading shows against the previous one; ``at`` is the time of its answer, in ms."""
        found = asked.found
        uses: dict[str, int] = {}
        used_up: dict[str, int] = {}
        indeterminate: list[str] = []
        for code, invite in found.items():
            old = before.get(code)
            risen = invite.uses - (old.uses if old is not None else 0)
            # A vanity URL given to a guild again keeps its old uses; an invite begins at none.
            if risen > 0 and (old is not None or not invite.vanity):
                uses[code] = risen
        first = min((one.fact.at for one in self.joins), default=at)
        came = min((one.arrival.since for one in self.joins), default=now)
        for code, invite in before.items():
            if code in found or invite.vanity or (code in self.created and code not in self.deleted):
                continue
            end = self.deleted.pop(code, None)
            if end is not None and end < came and code in self.revoked:
                continue
            self.known[code] = invite
            left = invite.max_uses - invite.uses
            if end is not None and left > 0:
                used_up[code] = left
            elif not invite.expires_at or invite.expires_at >= first - EXPIRY_MS:
                indeterminate.append(code)
        self.read_to = asked.since
        self.readings.append(Reading(asked.since, now, uses, used_up, tuple(indeterminate)))
        # Set at once: the second reading has to be over before the next join.
        self.lacking = self._is_open(self.readings)
        if self.joins:
            self.known |= found

    def _is_open(self, readings: list[Reading]) -> bool:
        """Whether the case of a join may change with a further reading."""
        cases = infer([one.arrival for one in self.joins], readings, sure=False)
        return any(not case.closed for case in cases)

    # ------------------------------------------------------------------ decisions

    def decide(self, heard: int, *, sure: bool) -> Iterator[tuple[MemberJoined, Finding]]:
        """Final findings; up to ``heard`` every dispatch has been received."""
        readings = [
            _without(reading, self.revoked)
            for reading in self.readings
            if heard - reading.answered >= SETTLE_MS
        ]
        if not readings:
            return
        yield from self._close_cases(readings, heard, sure=sure)
        oldest = next((one.arrival for one in self.joins if not one.explained), None)
        if oldest is not None and (heard - oldest.received >= MAX_WAIT_MS or len(self.joins) > MOST_OPEN):
            yield from self._decide_early(readings, heard, sure=sure)
        if not self.joins:
            self.known.clear()
            self.revoked.clear()

    def _close_cases(
        self, readings: list[Reading], heard: int, *, sure: bool
    ) -> Iterator[tuple[MemberJoined, Finding]]:
        """Yield and remove every case that nothing can change any more, also from ``readings``."""
        done: set[int] = set()
        ended = 0
        for case in infer([one.arrival for one in self.joins], readings, sure=sure):
            if not case.closed and len(readings) == len(self.readings):
                self.lacking = True  # a missing invite was not used up, or a join was reported late
            if not case.closed or (case.used_up_at and heard - case.used_up_at < REVOKED_MS):
                break
            for index, finding in zip(case.arrivals, case.evaluate(), strict=True):
                if not (one := self.joins[index]).explained:
                    yield one.fact, one.restrict(finding)
            done |= set(case.arrivals)
            ended = case.last + 1
        self.joins = [one for index, one in enumerate(self.joins) if index not in done]
        self._forget(ended)
        del readings[:ended]

    def _forget(self, number: int) -> None:
        """Forget the first readings."""
        if number:
            self.forgotten_to = self.readings[number - 1].answered
        del self.readings[:number]

    def _decide_early(
        self, readings: list[Reading], heard: int, *, sure: bool
    ) -> Iterator[tuple[MemberJoined, Finding]]:
        """Yield findings for joins whose own readings are there, though further joins keep the case open."""
        complete = [
            one if heard - one.answered >= REVOKED_MS else _without(one, one.used_up) for one in readings
        ]
        for case in infer([one.arrival for one in self.joins], complete, sure=sure):
            for index, finding in zip(case.arrivals, case.evaluate(), strict=True):
                one = self.joins[index]
                if not one.explained and is_in(one.arrival, complete):
                    one.explained = True
                    yield one.fact, one.restrict(finding)
        since = min((one.arrival.since for one in self.joins if not one.explained), default=heard)
        gone = [reading for reading in readings if reading.answered < since]
        self._forget(len(gone))
        self.joins = [one for one in self.joins if not (one.explained and is_in(one.arrival, gone))]


def _without(reading: Reading, revoked: Container[str]) -> Reading:
    """The reading once invites are known to have been revoked: they may have been used before."""
    withdrawn = tuple(code for code in reading.used_up if code in revoked)
    if not withdrawn:
        return reading
    used_up = {code: left for code, left in reading.used_up.items() if code not in withdrawn}
    return replace(reading, used_up=used_up, indeterminate=(*reading.indeterminate, *withdrawn))
