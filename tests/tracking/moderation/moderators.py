"""A guild whose moderators act at random, Discord telling of it late, twice or never, and what is true."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from exporter.clock import ManualClock
from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.base import Fact
from exporter.events.facts.counting import Person, Record
from exporter.events.facts.guilds import GuildDeleted, GuildUpserted, SessionStarted
from exporter.events.facts.moderation import Action, AuditEntry, AuditPage, MembershipStarted
from exporter.events.rest_request import RequestKind, RestRequest
from exporter.state.shard_timeline import TOGETHER_MS
from tests import entry_data
from tests.tracking.moderation.stage import Stage

GUILD, TARGET, MODERATOR = 1, 2, 3
EPOCH = 1_420_070_400_000
AT = 1_700_000_000_000
TYPES = (
    "GUILD_BAN_ADD",
    "GUILD_BAN_REMOVE",
    "GUILD_MEMBER_REMOVE",
    "GUILD_AUDIT_LOG_ENTRY_CREATE",
    "AUTO_MODERATION_ACTION_EXECUTION",
)
NUMBERS = {
    "kick": 20,
    "prune": 21,
    "ban": 22,
    "unban": 23,
    "timeout": 24,
    "timeout_removed": 24,
    "nick": 24,
    "role_add": 25,
    "member_move": 26,
    "member_disconnect": 27,
    "message_delete": 72,
    "automod_block": 143,
    "automod_timeout": 145,
}
KINDS = {"ban": "GUILD_BAN_ADD", "unban": "GUILD_BAN_REMOVE", "leave": "GUILD_MEMBER_REMOVE"}


def entry_id(at: int, number: int = 0) -> int:
    return ((at - EPOCH) << 22) + number


def audit(action: str, at: int = AT, number: int = 0, target: int = TARGET, **more: Any) -> AuditEntry:
    fields = {"action": action} | more
    actor = fields.pop("actor_id", MODERATOR)
    reason = fields.pop("reason", "spam")
    return AuditEntry(GUILD, entry_id(at, number), at, NUMBERS[action], actor, target, reason, **fields)


def act(action: str, at: int = AT, target: int = TARGET) -> Action:
    kind = KINDS.get(action, "AUTO_MODERATION_ACTION_EXECUTION")
    return Action(kind, action, GUILD, at, Person(target, "nelly"))


def guild(at: int, joined_at: int = 0) -> GuildUpserted:
    return GuildUpserted(GUILD, at, "Guild", None, 1, (), 0, 0, 0, 10, joined_at, (), ())


def fields_of(record: Record) -> dict[str, Any]:
    """What a record says, as a store keeps it."""
    return {name: value for name, value in entry_data.fields_of(record).items() if value is not None}


class Log:
    """What the components put out: rows as the stores merge them, and counts; time passes if a test wants it.

    While it waits, requests are answered by an empty log, unless ``answering`` is off.
    """

    def __init__(
        self,
        types: tuple[str, ...] = TYPES,
        *,
        blind: bool = False,
        silent: bool = False,
        wall: int = AT,
    ) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.kinds: dict[str, str] = {}
        self.asked: list[RestRequest] = []
        self.answering = True
        self.clock = ManualClock(wall)
        self.stage = Stage(
            self.clock,
            types,
            None if silent else self._submit,
            lambda *_: blind,
            {MODERATOR: "mod"},
        )
        self.streams = self.stage.timeline
        self.behind = self.stage.context.audit.expected
        self.counts = self.stage.outlet.counts
        self.stage.dispatch(guild(AT - 86_400_000))

    def _submit(self, request: RestRequest) -> None:
        self.asked.append(request)

    @property
    def steady(self) -> int:
        return self.stage.dispatcher.now()

    @property
    def wall(self) -> int:
        return self.clock.now_ms()

    def _collect(self) -> None:
        for record in self.stage.outlet.records:
            assert record.amends == (record.key in self.rows), "a row is begun once, and only then amended"
            assert self.kinds.setdefault(record.key, record.type) == record.type
            row = self.rows.setdefault(record.key, {})
            row |= fields_of(record)
        self.stage.outlet.records.clear()

    def take(self, *facts: Fact) -> None:
        for fact in facts:
            if isinstance(fact, Action):
                self.chat(fact.at)
            self.stage.dispatch(fact)
            if isinstance(fact, Action):
                self.chat(fact.at)
            self._collect()

    def recover(self, entry: AuditEntry) -> None:
        """An entry is found that was made in an absence."""
        self.behind.add(GUILD)
        request = RestRequest(RequestKind.AUDIT_LOG, GUILD)
        self.take(AuditPage(request, AnswerMeaning.ANSWERED, (entry,), size=1))
        self.behind.discard(GUILD)

    def chat(self, at: int) -> None:
        """A message is written, by which all can tell what time it is."""
        self.streams.pass_message(0, at, at)
        self.streams.delays.forget(0)  # it came in time, though this clock says another one

    def answer(self, *entries: AuditEntry, meaning: AnswerMeaning = AnswerMeaning.ANSWERED) -> None:
        """Answer the oldest request."""
        self.take(AuditPage(self.asked.pop(0), meaning, entries, size=len(entries)))

    def wait(self, ms: int = 11_000) -> None:
        end = self.steady + ms
        while self.steady < end:
            self.pass_to(min(end, self.steady + 1000))
            self.settle()
            while self.asked and self.answering:
                self.answer()

    def pass_to(self, steady: int) -> None:
        self.clock.advance((steady - self.steady) / 1000)

    def settle(self) -> None:
        self.stage.tick()
        self._collect()

    def hurry(self) -> None:
        """A flush waits."""
        now = self.steady
        self.stage.dispatcher.each(lambda component: component.hurry(now))
        self._collect()

    def undecided(self) -> int:
        return self.stage.undecided(self.steady, self.wall)

    def start_session(self) -> None:
        """A new session begins: what happened since the last message may never be received."""
        self.take(SessionStarted((), self.wall))

    def lose_guild(self) -> None:
        """The bot is removed from the guild."""
        self.take(GuildDeleted(GUILD, self.wall, unavailable=False))

    def restart(self, before: Log) -> None:
        """Go on where another run was when it saved last."""
        behind = set(self.behind)
        self.stage.catch_up.forget_guild(GUILD)
        self.behind.update(behind)
        self.stage.restore(before.stage.save())
        self._collect()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [row for key, row in self.rows.items() if self.kinds[key] == kind]

    def actions(self) -> list[tuple[Any, ...]]:
        """Rows of the moderation log: action, target, actor, reason, entry."""
        names = ("action", "target_user_id", "moderator_id", "reason", "audit_entry_id")
        return [
            tuple(row.get(name) for name in names)
            for key, row in self.rows.items()
            if self.kinds[key] != "GUILD_MEMBER_REMOVE"
        ]


@dataclass
class Standing:
    """The standing of a user, and when the last dispatch named them."""

    member: bool = True
    banned: bool = False
    free_at: int = 0
    gone_at: int = -60_000
    named_at: int = 0
    until: int = 0


@dataclass
class RandomActions:
    """A number of actions in random order and timing; ``play`` lets them happen."""

    seed: int
    actions: int
    people: int = 12
    blind: bool = False
    event_delay: int = 300
    entry_delay: int = 5_000
    never: float = 0.05
    twice: float = 0.1
    prunes: float = 0.0
    pruned_at: list[int] = field(default_factory=list)
    left_at: list[int] = field(default_factory=list)
    truth: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    departures: dict[int, list[tuple[str, int | None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.log = Log(blind=self.blind)
        self.numbers = itertools.count(1)
        self.schedule: list[tuple[int, int, Callable[[], None]]] = []
        self.stored: list[AuditEntry] = []
        self.standing = {100 + number: Standing() for number in range(self.people)}

    def at(self, moment: int, step: Callable[[], None]) -> None:
        heapq.heappush(self.schedule, (moment, next(self.numbers), step))

    def play(self) -> Log:
        moment = 0
        for _ in range(self.actions):
            moment += self.chance.randrange(20, 900)
            self.at(moment, self.decide)
        for second in range(moment // 1000 + 90):
            self.at(second * 1000, self.tick)
        while self.schedule:
            moment, _, step = heapq.heappop(self.schedule)
            self.log.pass_to(max(moment, self.log.steady))
            step()
        return self.log

    def tick(self) -> None:
        self.log.settle()
        while self.log.asked:
            request = self.log.asked.pop()
            self.at(
                self.log.steady + self.chance.randrange(50, 1500), lambda asked=request: self.reply(asked)
            )

    def reply(self, request: RestRequest) -> None:
        found = sorted(
            (
                entry
                for entry in self.stored
                if entry.entry_id > request.after and request.action_type in {0, entry.action_type}
            ),
            key=lambda entry: entry.entry_id,
        )[: request.limit]
        self.log.take(AuditPage(request, AnswerMeaning.ANSWERED, tuple(found), size=len(found)))

    # ------------------------------------------------------------------ what is done

    def decide(self) -> None:
        now = self.log.steady
        if self.chance.random() < self.prunes:
            self.prune()
            return
        target = self.chance.choice(list(self.standing))
        person = self.standing[target]
        if person.free_at > now:
            return
        person.free_at = now + self.chance.randrange(300, 8_000)
        if person.banned:
            self.do("unban", target, person)
        elif person.member:
            self.do(self.chance.choice(("kick", "ban", "leave", "leave", "nick")), target, person)
        elif now - person.gone_at > self.event_delay + 3_000 and self.chance.random() < 0.2:
            self.do("ban", target, person)
        else:
            self.join(target, person)

    def prune(self) -> None:
        """Several go in one go; the entry says how many."""
        now = self.log.steady
        there = [
            target
            for target, person in self.standing.items()
            if person.member and max(person.free_at, person.named_at) < now
        ]
        if not there:
            return
        gone = there[: self.chance.randrange(1, 6)]
        entry = self.enter("prune", 0, amount=len(gone))
        self.pruned_at.append(self.log.wall)
        for target in gone:
            person = self.standing[target]
            person.member, person.gone_at, person.named_at = False, now, now
            person.free_at = now + 3_000
            self.departures.setdefault(target, []).append(("prune", entry.entry_id))
            self.log.take(act("leave", self.log.wall, target))

    def unclear(self) -> set[int]:
        """Moments of prunes at which others left too, as far as moments can be distinguished."""
        found = {
            at
            for at in self.pruned_at
            if any(0 < abs(at - other) <= 2 * TOGETHER_MS for other in (*self.left_at, *self.pruned_at))
        }
        return {at for at in self.pruned_at if any(abs(at - other) <= 2 * TOGETHER_MS for other in found)}

    def tell(self, person: Standing, *steps: Callable[[], None]) -> None:
        """Dispatches about one person, in order, after a while."""
        arrival = max(self.log.steady + self.chance.randrange(0, self.event_delay), person.named_at + 1)
        person.named_at = arrival
        for step in steps:
            self.at(arrival, step)

    def join(self, target: int, person: Standing) -> None:
        person.member = True
        fact = MembershipStarted(GUILD, target, self.log.wall)
        self.tell(person, lambda: self.log.take(fact))

    def do(self, action: str, target: int, person: Standing) -> None:
        entry = None if action == "leave" else self.enter(action, target)
        dispatches: list[Callable[[], None]] = []
        if action in {"ban", "unban"}:
            dispatches.append(lambda: self.log.take(act(action, self.log.wall, target)))
            person.banned = action == "ban"
        if action in {"ban", "kick", "leave"} and person.member:
            dispatches.append(lambda: self.leave(action, target))
            self.chance.shuffle(dispatches)
            reason = "unknown" if self.blind and action != "ban" else action
            known = entry.entry_id if entry and not self.blind else None
            self.departures.setdefault(target, []).append((reason, known))
            person.member, person.gone_at = False, self.log.steady
        self.tell(person, *dispatches)

    def leave(self, action: str, target: int) -> None:
        if action == "leave":
            self.left_at.append(self.log.wall)
        self.log.take(act("leave", self.log.wall, target))

    def enter(self, action: str, target: int, amount: int = 0) -> AuditEntry:
        number = next(self.numbers)
        fields = {"actor_id": number % 7 + 10, "reason": f"r{number}", "amount": amount}
        entry = audit(action, self.log.wall, number % 4096, target, **fields)
        if self.blind:
            if action in {"ban", "unban"}:
                self.truth[action, target, None, None, None] += 1
            return entry
        self.truth[action, target or None, entry.actor_id, entry.reason, entry.entry_id] += 1
        self.stored.append(entry)
        # What has no dispatch and no entry either is not to be known before the next catch-up.
        if action == "nick" or self.chance.random() >= self.never:
            times = 2 if self.chance.random() < self.twice else 1
            for _ in range(times):
                delay = self.chance.randrange(0, self.entry_delay)
                self.at(self.log.steady + delay, lambda: self.log.take(entry))
        return entry
