"""A guild with invites, by which people come, and the stage that watches it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from exporter.dispatch.component import StateRow
from exporter.events.answer_meaning import AnswerMeaning, meaning_of
from exporter.events.facts.counting import Count, Person, Record
from exporter.events.facts.guilds import SessionStarted
from exporter.events.facts.invites import (
    InviteCreated,
    InviteDeleted,
    InviteKnown,
    InviteRevoked,
    InvitesRead,
    MemberJoined,
)
from exporter.events.rest_request import RequestKind, RestRequest
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.invites.tracker import LOOK_MS, InviteTracker
from tests.emitted import Emitted
from tests.entry_data import fields_of

GUILD = 7
START = 1_700_000_000_000
OPTED_OUT = frozenset({666})


@dataclass
class Invite:
    uses: int = 0
    max_uses: int = 0
    inviter: int = 5
    expires_at: int = 0


class _Permissions:
    def __init__(self, world: World) -> None:
        self.world = world

    def lacks(self, _: int, permission: str) -> bool:
        return permission in self.world.lacking


class _Guilds:
    def __init__(self, world: World) -> None:
        self.world = world
        self.guilds: dict[int, object] = {}

    def has_vanity(self, _: int) -> bool:
        return self.world.vanity is not None


class _Timeline:
    """Up to when every dispatch was received: until now, unless a test says otherwise."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def heard(self) -> int:
        return self.world.now if self.world.heard is None else self.world.heard

    def earliest(self, _: int) -> int:
        return self.heard

    def tick(self, now: int, wall: int) -> None:
        """There is nothing to note."""


class World:
    """A guild, its invites, and a stage that watches it; ``lag`` is how late Discord answers, in ms."""

    def __init__(self, timeline: ShardTimeline | None = None) -> None:
        self.now = 0
        self.heard: int | None = None
        self.invites: dict[str, Invite] = {}
        self.vanity: Invite | None = None
        self.no_vanity = False
        self.lacking: set[str] = set()
        self.status = 200
        self.code: int | None = None
        self.lag = 100
        self.asked: list[tuple[int, RestRequest]] = []
        self.calls = 0
        self.emitted = Emitted()
        self.people = 0
        self.timeline: Any = timeline or _Timeline(self)
        self.stage = self._run()

    def _run(self) -> InviteTracker:
        return InviteTracker(
            self.emitted,
            self._submit,
            _Permissions(self),  # type: ignore[arg-type]  # a port in all that is used
            _Guilds(self),  # type: ignore[arg-type]  # as above
            self.timeline,
        )

    @property
    def records(self) -> list[tuple[Record, bool]]:
        return [(record, record.amends) for record in self.emitted.of(Record)]

    @property
    def counts(self) -> Counter[str]:
        return Counter(count.series.value for count in self.emitted.of(Count))

    def kill(self, disk: dict[tuple[str, bytes], StateRow], down: int = 5_000) -> None:
        """The process is killed right after a commit, and another one begins a new session a while later."""
        for row in self.stage.save():
            disk.pop((row.table, row.key), None)
            if row.value is not None:
                disk[row.table, row.key] = row
        self.stage.confirm()
        self.asked.clear()
        self.now += down
        self.stage = self._run()
        assert not self.stage.restore(disk.values())
        self.stage.resume(self.now, 0)
        self.stage.start_session(SessionStarted((GUILD,), START + self.now))
        self.stage.reset_guild(GUILD)

    def _submit(self, request: RestRequest) -> None:
        self.calls += 1
        self.asked.append((self.now + self.lag, request))

    def begin(self, **invites: Invite) -> World:
        self.invites |= invites
        self.stage.reset_guild(GUILD)
        self.wait(3_000)
        self.calls = 0
        return self

    def wait(self, ms: int) -> None:
        until = self.now + ms
        while self.now < until:
            self.now += 50
            self.step()
            for due, request in [item for item in self.asked if item[0] <= self.now]:
                self.asked.remove((due, request))
                self.stage.answer(self.read(request).without(OPTED_OUT), self.now)
            if self.now % 1000 == 0:
                self.timeline.tick(self.now, 0)
                self.stage.tick(self.now, 0)
            elif self.now % LOOK_MS == 0:
                self.stage.look(self.now)

    def step(self) -> None:
        """Time has passed."""

    def read(self, request: RestRequest) -> InvitesRead:
        at = START + self.now
        meaning = meaning_of(self.status, self.code)
        if meaning is not AnswerMeaning.ANSWERED:
            return InvitesRead(request, at, meaning)
        if request.kind is RequestKind.VANITY and self.no_vanity:
            return InvitesRead(request, at, AnswerMeaning.ABSENT)
        if request.kind is RequestKind.VANITY:
            own = self.vanity
            found = (InviteKnown("vanity", own.uses, vanity=True),) if own else ()
            return InvitesRead(request, at, meaning, found)
        return InvitesRead(
            request,
            at,
            meaning,
            tuple(
                InviteKnown(code, one.uses, one.max_uses, one.inviter, "ann", one.expires_at)
                for code, one in self.invites.items()
            ),
        )

    def use(self, code: str, *, dispatched: bool = True) -> None:
        """An invite is used; at its last use Discord deletes it and dispatches that."""
        invite = self.vanity if code == "vanity" else self.invites[code]
        assert invite is not None
        invite.uses += 1
        if invite.uses == invite.max_uses:
            del self.invites[code]
            if dispatched:
                self.stage.delete(InviteDeleted(GUILD, code), self.now)

    def join(self, code: str | None = None, *, bot: bool = False) -> int:
        if code is not None:
            self.use(code)
        return self.tell_join(bot=bot)

    def tell_join(self, *, bot: bool = False, ago: int = 0, known: bool = True) -> int:
        """A member joined, by a dispatch in a replay of what happened up to so long ago."""
        self.people += 1
        person = Person(1_000 + self.people, f"p{self.people}", bot) if known else Person(0, "")
        self.stage.join(
            MemberJoined(GUILD, START + self.now - ago, person), self.now, self.now - ago if ago else None
        )
        return person.user_id

    def make(self, code: str, invite: Invite) -> None:
        """An invite is made, and Discord dispatches that."""
        self.invites[code] = invite
        self.tell_made(code, invite)

    def tell_made(self, code: str, invite: Invite) -> None:
        known = InviteKnown(code, 0, invite.max_uses, invite.inviter, "bob", invite.expires_at)
        self.stage.create(InviteCreated(GUILD, known).without(OPTED_OUT))

    def take_back(self, code: str) -> None:
        del self.invites[code]
        self.stage.delete(InviteDeleted(GUILD, code), self.now)
        self.stage.revoke(InviteRevoked(GUILD, code))

    def settle(self) -> None:
        for _ in range(200):
            if not self.stage.undecided(self.now, 0):
                return
            self.wait(1_000)
        raise AssertionError(self.stage.undecided(self.now, 0))

    def rows(self) -> dict[int, dict[str, Any]]:
        """The rows by who joined; each once."""
        found: dict[int, dict[str, Any]] = {}
        keys = set()
        for record, amends in self.records:
            if record.type == "INVITE_USE":
                assert amends is (record.key in keys)
                keys.add(record.key)
                found[record.person] = fields_of(record)
        assert len(found) == len(keys)
        return found

    def noted(self) -> dict[str, dict[str, Any]]:
        """What the invites' own rows learnt, by code."""
        found: dict[str, dict[str, Any]] = {}
        for record, amends in self.records:
            if record.type == "INVITE_CREATE":
                assert amends
                found.setdefault(str(fields_of(record)["code"]), {}).update(fields_of(record))
        return found

    def only(self) -> tuple[str | None, str, str]:
        self.settle()
        (row,) = self.rows().values()
        return row["invite_code"], row["method"], row["confidence"]
