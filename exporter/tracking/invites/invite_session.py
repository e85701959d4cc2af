"""What goes on at the doors of one guild: who has just come, what was read of its invites, when to read.

Readings are kept until the joins they bear on are explained. Who comes alone has a reading of their own, at
once; a burst shares them, so that it costs no more than a request for ten joins, in a guild with an address
of its own too, where a reading is two requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace

from exporter.events.facts import InviteKnown, InvitesRead, MemberJoined
from exporter.events.rest_request import RequestKind
from exporter.tracking.invites.assignment import Finding
from exporter.tracking.invites.inference import LATE_MS, SETTLE_MS, Arrival, Reading, infer, is_in

BURST = 10
"""So many joins within ``BURST_MS`` are a burst."""

BURST_MS = 10_000

CALM_MS = 1_000
"""Quiet after which those who came are told from those who come next."""

BURST_CALM_MS = 3_000
"""Quiet that ends a burst."""

CROWD = 25
"""Joins of a burst that share a reading at most."""

LONGEST_MS = 20_000
"""The longest a join of a burst waits for its reading."""

TAKEN_MS = 6_000
"""How long to wait for the audit-log entry that says an invite was taken back rather than used up."""

LOST_MS = 10_000
"""How far apart an invite's end and the join that used it up may be told of."""

EXPIRY_MS = 2_000
"""How long after an invite's end somebody may be said to have joined by it: both times are Discord's own."""

PATIENCE_MS = 120_000
"""How long a join waits for its case to close, where people never stop coming."""

MOST_OPEN = 5_000
"""Joins of one guild that wait for that; looking at more at once takes too long."""


@dataclass(slots=True)
class Asked:
    """A reading under way: what has been answered of it so far, by kind."""

    serial: int
    since: int
    wanted: tuple[RequestKind, ...]
    answers: dict[RequestKind, InvitesRead] = field(default_factory=dict)

    @property
    def found(self) -> dict[str, InviteKnown]:
        """Every invite read, by code."""
        return {invite.code: invite for kind in self.wanted for invite in self.answers[kind].invites}


@dataclass(slots=True)
class Waiting:
    """Somebody who came; ``told`` if it need not be said how, though others' explanations depend on it."""

    fact: MemberJoined
    arrival: Arrival
    told: bool = False


@dataclass(slots=True)
class Visit:
    """What is going on in one guild at the moment; times are in ms on a clock that never steps."""

    joins: list[Waiting] = field(default_factory=list)
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=BURST))
    """When the last ones were told of, whether they are explained or not."""
    readings: list[Reading] = field(default_factory=list)
    asked: Asked | None = None
    last_asked: int = 0
    read_to: int = -1
    """When the last reading that was answered was asked for."""
    failures: int = 0
    not_before: int = 0
    lacking: bool = False
    """Whether what was read does not explain everybody it has; counts that lag will, a little later."""
    made: dict[str, None] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    taken: dict[str, None] = field(default_factory=dict)
    known: dict[str, InviteKnown] = field(default_factory=dict)
    """Every invite the readings speak of, those gone since among them."""

    @property
    def untold(self) -> list[Waiting]:
        """Who waits to be explained."""
        return [one for one in self.joins if not one.told]

    @property
    def unread(self) -> list[Waiting]:
        """Who is in no reading for certain, be it answered or under way."""
        read_to = self.asked.since if self.asked is not None else self.read_to
        return [one for one in self.joins if one.arrival.told > read_to]

    def join(self, fact: MemberJoined, arrival: Arrival) -> bool:
        """Somebody came; whether they came apart from everybody else."""
        self.joins.append(Waiting(fact, arrival, told=not fact.person.user_id))
        alone = not self.recent or arrival.told - self.recent[-1] >= CALM_MS
        self.recent.append(arrival.told)
        return alone and not self._is_burst(arrival.told)

    def precede(self, fact: MemberJoined, arrival: Arrival) -> None:
        """Somebody came before the first reading, which may not count their use yet."""
        self.joins.append(Waiting(fact, arrival, told=True))
        del self.joins[:-MOST_OPEN]

    def begin(self, asked: Asked) -> None:
        """Take the first reading: it has everybody whose use cannot be late any more."""
        self.read_to = asked.since
        self.joins = [one for one in self.joins if one.arrival.told + LATE_MS > asked.since]

    def _is_burst(self, now: int) -> bool:
        return len(self.recent) == BURST and now - self.recent[0] < BURST_MS

    def is_due(self, now: int) -> bool:
        """Whether it is time for a reading."""
        if self.asked is not None or now < self.not_before:
            return False
        quiet = now - self.recent[-1] if self.recent else 0
        unread = self.unread
        if unread:
            calm = quiet >= (BURST_CALM_MS if self._is_burst(now) else CALM_MS)
            return calm or len(unread) >= CROWD or now - unread[0].arrival.told >= LONGEST_MS
        # Counts may have lagged. Where people go on coming, the reading for the next one is the second look.
        return self.lacking and bool(self.joins) and quiet >= LATE_MS

    def is_over(self, now: int) -> bool:
        """Whether nobody waits, and what was lost will not be missed by anybody."""
        last = max(self.last_asked, self.not_before, *self.lost.values())
        return not self.joins and self.asked is None and now - last >= LOST_MS

    def take_reading(self, before: dict[str, InviteKnown], asked: Asked, at: int, now: int) -> None:
        """Note what a reading shows against the one before; ``at`` is its answer's moment since the epoch."""
        found = asked.found
        uses: dict[str, int] = {}
        used_up: dict[str, int] = {}
        faded: list[str] = []
        for code, invite in found.items():
            old = before.get(code)
            risen = invite.uses - (old.uses if old is not None else 0)
            # An address given to a guild anew brings its old uses along; an invite begins at none.
            if risen > 0 and (old is not None or not invite.vanity):
                uses[code] = risen
        first = min((one.fact.at for one in self.joins), default=at)
        came = min((one.arrival.since for one in self.joins), default=now)
        for code, invite in before.items():
            if code in found or invite.vanity or (code in self.made and code not in self.lost):
                continue
            end = self.lost.pop(code, None)
            if end is not None and end < came and code in self.taken:
                continue
            self.known[code] = invite
            left = invite.max_uses - invite.uses
            if end is not None and left > 0:
                used_up[code] = left
            elif not invite.expires_at or invite.expires_at >= first - EXPIRY_MS:
                faded.append(code)
        self.read_to = asked.since
        self.readings.append(Reading(asked.since, now, uses, used_up, tuple(faded)))
        # PendingAction at once: the second look has to be over before the next one comes.
        self.lacking = self._is_open(self.readings)
        if self.joins:
            self.known |= found

    def _is_open(self, readings: list[Reading]) -> bool:
        """Whether the case of somebody who came may change with a further reading."""
        cases = infer([one.arrival for one in self.joins], readings, sure=False)
        return any(not case.closed for case in cases)

    # ------------------------------------------------------------------ what is decided

    def decide(self, heard: int, *, sure: bool) -> Iterator[tuple[MemberJoined, Finding]]:
        """What can be said for good; ``heard`` is up to when every dispatch has come."""
        readings = [
            _without(reading, self.taken)
            for reading in self.readings
            if heard - reading.answered >= SETTLE_MS
        ]
        if not readings:
            return
        yield from self._close_cases(readings, heard, sure=sure)
        oldest = next((one.arrival for one in self.joins if not one.told), None)
        if oldest is not None and (heard - oldest.told >= PATIENCE_MS or len(self.joins) > MOST_OPEN):
            yield from self._hasten(readings, heard, sure=sure)
        if not self.joins:
            self.known.clear()
            self.taken.clear()

    def _close_cases(
        self, readings: list[Reading], heard: int, *, sure: bool
    ) -> Iterator[tuple[MemberJoined, Finding]]:
        """Tell and forget every case that nothing can change any more; ``readings`` are left without it."""
        done: set[int] = set()
        ended = 0
        for case in infer([one.arrival for one in self.joins], readings, sure=sure):
            if not case.closed and len(readings) == len(self.readings):
                self.lacking = True  # an invite that is gone was not used up, or somebody was told of late
            if not case.closed or (case.used_up_at and heard - case.used_up_at < TAKEN_MS):
                break
            for index, finding in zip(case.arrivals, case.judge(), strict=True):
                if not self.joins[index].told:
                    yield self.joins[index].fact, finding
            done |= set(case.arrivals)
            ended = case.last + 1
        self.joins = [one for index, one in enumerate(self.joins) if index not in done]
        del self.readings[:ended], readings[:ended]

    def _hasten(
        self, readings: list[Reading], heard: int, *, sure: bool
    ) -> Iterator[tuple[MemberJoined, Finding]]:
        """Tell what is known of those whose own readings are there, though people have not stopped coming."""
        ripe = [one if heard - one.answered >= TAKEN_MS else _without(one, one.used_up) for one in readings]
        for case in infer([one.arrival for one in self.joins], ripe, sure=sure):
            for index, finding in zip(case.arrivals, case.judge(), strict=True):
                one = self.joins[index]
                if not one.told and is_in(one.arrival, ripe):
                    one.told = True
                    yield one.fact, finding
        since = min((one.arrival.since for one in self.joins if not one.told), default=heard)
        gone = [reading for reading in readings if reading.answered < since]
        del self.readings[: len(gone)]
        self.joins = [one for one in self.joins if not (one.told and is_in(one.arrival, gone))]


def _without(reading: Reading, taken: Container[str]) -> Reading:
    """The reading as it is once invites are known to have been taken back: they may have been used before."""
    back = tuple(code for code in reading.used_up if code in taken)
    if not back:
        return reading
    used_up = {code: left for code, left in reading.used_up.items() if code not in back}
    return replace(reading, used_up=used_up, faded=(*reading.faded, *back))
