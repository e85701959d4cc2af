"""A guild whose moderators go on while the exporter is killed, restarted and cut off, and what is true of it.

The process under test is the components of moderation; its disk takes rows, counts and state in one cut, as
the checkpoint does. Discord delivers dispatches in order, audit entries in any order, and loses what
is under way when a connection ends.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec

from exporter.clock import ManualClock
from exporter.dispatch.component import StateRow
from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.counting import Person
from exporter.events.facts.guilds import SessionStarted, ShardStateChanged
from exporter.events.facts.moderation import Action, AuditEntry, AuditPage, TimeoutState
from exporter.events.rest_request import RestRequest
from tests.tracking.moderation.moderators import AT, GUILD, TYPES, act, audit, fields_of, guild
from tests.tracking.moderation.stage import Stage

LATE_MS = 3_000
"""How much later than it is done a dispatch comes, at most."""

ENTRY_LATE_MS = 8_000
"""And its audit entry: less than what an end waits for it."""

Dispatch = Action | TimeoutState


@dataclass
class Disk:
    """What is committed: rows as the stores merge them, counts, and the state of the components."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    state: list[StateRow] = field(default_factory=list)


class Process:
    """One run of the program on a disk, from its session's start to its end."""

    def __init__(self, disk: Disk, clock: ManualClock) -> None:
        self.disk, self.clock = disk, clock
        self.asked: list[RestRequest] = []
        self.stage = Stage(clock, TYPES, self._submit, names={}, catches_up=True)
        self.stage.restore(disk.state)
        self.start_session()
        if not disk.state:
            self.commit()  # a guild seen for the first time is marked at once

    def _submit(self, request: RestRequest) -> None:
        self.asked.append(request)

    def lose_connection(self) -> None:
        self.stage.dispatch(ShardStateChanged(0, "lost"))

    def start_session(self) -> None:
        at = self.clock.now_ms()
        self.stage.dispatch(SessionStarted((GUILD,), at))
        self.stage.dispatch(guild(at))

    def commit(self) -> None:
        """Rows, counts and state in one cut."""
        for record in self.stage.outlet.records:
            row = self.disk.rows.get(record.key)
            assert record.amends or row is None, f"{record.key} is begun twice"
            assert row is not None or not record.amends, f"{record.key} is amended and was not begun"
            known = fields_of(record)
            # The first to say something of a row is believed, as in the stores.
            self.disk.rows[record.key] = known | (row or {})
        self.disk.counts.update(self.stage.outlet.counts)
        self.stage.outlet.records.clear()
        self.stage.outlet.counts.clear()
        self.disk.state = self.stage.save()


@dataclass
class Member:
    """How one member stands in truth; ``changes`` are those of the timeout, in order: when, until when."""

    banned: bool = False
    changes: list[tuple[int, int]] = field(default_factory=list)

    def until(self, at: int) -> int:
        return self.changes[-1][1] if self.changes and self.changes[-1][1] > at else 0

    def ends(self, at: int) -> list[int]:
        """The timeouts that ran out."""
        following = [when for when, _ in self.changes[1:]] + [at]
        return [until for (_, until), then in zip(self.changes, following, strict=False) if 0 < until <= then]


class Absences:
    """A random history; ``play`` returns the disk at its end."""

    def __init__(self, seed: int, steps: int, people: int = 3) -> None:
        self.chance = random.Random(seed)
        self.steps = steps
        self.clock = ManualClock(AT)
        self.numbers = itertools.count(1)
        self.people = {100 + number: Member() for number in range(people)}
        self.log: list[AuditEntry] = []
        self.dispatches: list[Dispatch] = []
        self.entries: list[AuditEntry] = []
        self.disk = Disk()
        self.process: Process | None = Process(self.disk, self.clock)

    @property
    def wall(self) -> int:
        return self.clock.now_ms()

    def play(self) -> Disk:
        for _ in range(self.steps):
            self.chance.choices(
                (self.do, self.wait, self.deliver, self.read, self.commit, self.end, self.begin),
                (3, 1, 3, 2, 1, 1, 2),
            )[0]()
        self.begin()
        for _ in range(400):
            while self.dispatches or self.entries:
                self.deliver()
            self.read()
            self.pass_second()
        self.commit()
        return self.disk

    # ------------------------------------------------------------------ what happens

    def wait(self) -> None:
        for _ in range(self.chance.choice((1, 1, 2, 9, 40))):
            self.pass_second()

    def pass_second(self) -> None:
        self.clock.advance(1)
        while self.dispatches and self.dispatches[0].at < self.wall - LATE_MS:
            self.dispatch()
        while self.entries and self.entries[0].at < self.wall - ENTRY_LATE_MS:
            self.enter(0)
        if self.process is not None:
            self.process.stage.tick()

    def do(self) -> None:
        self.clock.advance(self.chance.randrange(2, 400) / 1000)
        user_id = self.chance.choice(list(self.people))
        person = self.people[user_id]
        actions = ["unban"] if person.banned else ["ban", "nick", "timeout", "timeout", "shown"]
        if person.until(self.wall):
            actions += ["timeout_removed", "timeout_removed"]
        action = self.chance.choice(actions)
        until = self.wall + self.chance.choice((3_000, 20_000, 60_000, 150_000)) if action == "timeout" else 0
        if action in {"ban", "unban"}:
            person.banned = action == "ban"
            self.tell(act(action, self.wall, user_id))
        elif action in {"timeout", "timeout_removed"}:
            person.changes.append((self.wall, until))
        if action in {"timeout", "timeout_removed", "shown"}:
            self.tell(TimeoutState(GUILD, self.wall, Person(user_id, "nelly"), person.until(self.wall)))
        if action != "shown":
            entry = audit(action, self.wall, next(self.numbers) % 4096, user_id, until=until)
            self.log.append(entry)
            if self.process is not None:
                self.entries.append(entry)

    def tell(self, fact: Dispatch) -> None:
        if self.process is not None:
            self.dispatches.append(fact)

    def deliver(self) -> None:
        """One dispatch, and an entry: these overtake one another."""
        if self.dispatches:
            self.dispatch()
        if self.entries:
            self.enter(self.chance.randrange(min(3, len(self.entries))))

    def dispatch(self) -> None:
        # Dated when it is received, as the gateway's side does.
        fact = self.dispatches.pop(0)
        if self.process is not None:
            self.process.stage.dispatch(msgspec.structs.replace(fact, at=self.wall))

    def enter(self, place: int) -> None:
        entry = self.entries.pop(place)
        if self.process is not None:
            self.process.stage.dispatch(entry)

    def read(self) -> None:
        """Discord answers the oldest question."""
        if self.process is None or not self.process.asked:
            return
        asked = self.process.asked.pop(0)
        found = [
            entry
            for entry in self.log
            if entry.entry_id > asked.after and asked.action_type in {0, entry.action_type}
        ]
        # Pages as small as can be, so that a gap takes several.
        limit = self.chance.randrange(1, 6)
        asked = msgspec.structs.replace(asked, limit=limit)
        page = tuple(found[:limit])
        self.process.stage.dispatch(AuditPage(asked, AnswerMeaning.ANSWERED, page, size=len(page)))

    def commit(self) -> None:
        if self.process is not None:
            self.process.commit()

    def end(self) -> None:
        """The process is killed, or only its connection lost; what was under way is lost in both cases."""
        if self.process is None or self.chance.random() < 0.4:
            return
        self.dispatches, self.entries = [], []
        if self.chance.random() < 0.7:
            self.process = None
        else:
            self.process.lose_connection()
            self.clock.advance(self.chance.randrange(100, 20_000) / 1000)
            self.process.start_session()

    def begin(self) -> None:
        if self.process is None:
            self.process = Process(self.disk, self.clock)

    # ------------------------------------------------------------------ what is true

    def truth(self) -> Counter[tuple[str, int, int]]:
        """Action, target, and the entry that says so; of a timeout that ran out, its end."""
        done = Counter((entry.action, entry.target_id, entry.entry_id) for entry in self.log)
        for user_id, person in self.people.items():
            done.update(("timeout_expired", user_id, until) for until in person.ends(self.wall))
        return done

    def found(self) -> Counter[tuple[str, int, int]]:
        return Counter(
            (
                row["action"],
                row["target_user_id"],
                row["until"] if row["action"] == "timeout_expired" else row.get("audit_entry_id", 0),
            )
            for row in self.disk.rows.values()
        )
