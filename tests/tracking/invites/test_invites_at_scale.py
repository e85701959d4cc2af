"""Thousands of joins in a simulated world, with bursts and raids: what can be known is, and a burst is cheap.

What can be known is decided by the comparison of ``verify``, from the ledger alone. ``make invites`` runs it
in full and shows the figures.
"""

from __future__ import annotations

import random
from collections import defaultdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import orjson

from discord_simulator import rest_routes
from discord_simulator.behaviours import joins as join_behaviours
from discord_simulator.behaviours import membership, moderation
from discord_simulator.behaviours.context import BehaviourSettings, Context
from discord_simulator.ledger import Ledger
from discord_simulator.operations import invites
from discord_simulator.operations.audit import Actor
from discord_simulator.ports import Dispatch
from discord_simulator.seed import Shape
from discord_simulator.traffic import Traffic
from discord_simulator.verify.expected import load_expected
from discord_simulator.verify.invite_uses import compare_uses
from discord_simulator.verify.quantities import InviteRow, InviteUse, Observed
from discord_simulator.world import World
from exporter.clock import ManualClock
from exporter.events import catalogue
from exporter.events.facts.base import Fact
from exporter.events.facts.counting import Count, Record
from exporter.events.facts.invites import (
    InviteCreated,
    InviteDeleted,
    InviteRevoked,
    InvitesRead,
    MemberJoined,
)
from exporter.events.rest_request import Answer, RequestKind, RestRequest
from exporter.tracking.invites.tracker import LOOK_MS, InviteTracker
from tests.entry_data import fields_of
from tests.scale import scaled

JOINS = scaled(1_000)
RATE = 20.0
"""Steps of simulated traffic a second; in most of them nothing happens."""

BURST = 50
APART_MS = 3_000


class Site:
    """A world, a stage that watches it through delays, and what the stage says."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = ManualClock()
        self.path = directory / "ledger.jsonl"
        self.ledger = Ledger(self.path, self.clock)
        self.world = World(Shape(seed=seed, guilds=12, members=60), self.ledger, self.clock)
        self.world.on_dispatch = self.send
        self.due: list[tuple[int, Any]] = []
        self.sent_until: defaultdict[int, int] = defaultdict(int)
        self.calls: list[tuple[int, int]] = []
        self.rows: dict[str, dict[str, Any]] = {}
        self.counted = 0
        spec = catalogue.full_catalogue().events["INVITE_USE"]
        self.readers = spec.reads
        self.stage = InviteTracker(
            self.take_fact,
            self.submit,
            self,  # type: ignore[arg-type]  # permissions, guilds and timeline in all that is used
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
        )
        self.routes = {
            InviteCreated: self.stage.create,
            InviteDeleted: lambda fact: self.stage.delete(fact, self.now()),
            InviteRevoked: self.stage.revoke,
            InvitesRead: lambda fact: self.stage.answer(fact, self.now()),
            MemberJoined: lambda fact: self.stage.join(fact, self.now()),
        }

    # what the tracker reads of permissions, of guilds, and of shards

    def lacks(self, _guild_id: int, _permission: str) -> bool:
        return False

    def has_vanity(self, guild_id: int) -> bool:
        return self.guild(guild_id).vanity is not None

    @property
    def heard(self) -> int:
        return self.now()

    def earliest(self, _guild_id: int) -> int:
        return self.now()

    def take_fact(self, fact: Fact) -> None:
        if isinstance(fact, Record):
            self.record(fact, fact.amends)
        elif isinstance(fact, Count):
            self.count(fact)

    def guild(self, guild_id: int) -> Any:
        return self.world.guilds[guild_id]

    def now(self) -> int:
        return round(self.clock.monotonic() * 1000)

    # what Discord does: dispatches come in the order of a guild, each a little late; so do answers

    def send(self, dispatch: Dispatch) -> None:
        if dispatch.type in self.readers:
            at = max(self.sent_until[dispatch.guild_id], self.now() + round(self.rng.expovariate(1 / 80)))
            at = self.sent_until[dispatch.guild_id] = min(at, self.now() + 1_400)
            self.due.append((at, partial(self.take, dispatch.type, dispatch.data)))

    def submit(self, request: RestRequest) -> None:
        self.calls.append((request.guild_id, self.clock.now_ms()))
        there = self.rng.uniform(20, 250)
        self.due.append((self.now() + round(there), partial(self.read, request)))

    def read(self, request: RestRequest) -> None:
        path = {RequestKind.INVITES: "invites", RequestKind.VANITY: "vanity-url"}[request.kind]
        found = rest_routes.answer(self.world, "GET", f"/guilds/{request.guild_id}/{path}", {})
        assert found is not None
        body = msgspec.Raw(orjson.dumps(found.body))
        data = msgspec.json.encode(Answer(request, found.status, body))
        back = self.now() + round(self.rng.uniform(20, 250))
        self.due.append((back, partial(self.take, request.dispatch, data)))

    def take(self, kind: str, data: bytes) -> None:
        reader = self.readers[kind]
        for fact in reader.read(
            msgspec.json.decode(data, type=reader.payload, strict=False), self.clock.now_ms()
        ):
            if type(fact) in self.routes:
                self.routes[type(fact)](fact)

    # what the stage says

    def record(self, record: Record, amends: bool) -> None:  # noqa: FBT001 - as the stage calls it
        if record.type == "INVITE_USE":
            assert amends is (record.key in self.rows)
            self.rows[record.key] = {"guild_id": record.guild_id, **fields_of(record)}

    def count(self, _: Count) -> None:
        self.counted += 1

    def observed(self) -> tuple[InviteRow, ...]:
        return tuple(
            InviteRow(
                guild_id=row["guild_id"],
                invitee_id=row["invitee_id"],
                invite_code=row.get("invite_code"),
                inviter_id=row.get("inviter_id"),
                method=row["method"],
                confidence=row["confidence"],
                candidates=frozenset(row.get("candidates") or ()),
            )
            for row in self.rows.values()
        )

    # time

    def play(self) -> None:
        for guild_id in self.world.guilds:
            self.stage.reset_guild(guild_id)
        self.pass_time(20_000)
        traffic = Traffic(
            self.world,
            rate=RATE,
            behaviours=BEHAVIOURS,
            settings=BehaviourSettings(invite_ages=(60.0, 1800.0)),
        )
        while len(self.rows) < JOINS:
            traffic.step()
            self.pass_time(round(1000 / RATE))
        self.pass_time(300_000)
        self.ledger.close()

    def pass_time(self, ms: int) -> None:
        for _ in range(0, ms, 50):
            self.clock.advance(0.05)
            ready = sorted((item for item in self.due if item[0] <= self.now()), key=lambda item: item[0])
            if ready:
                self.due = [item for item in self.due if item[0] > self.now()]
            for _, happen in ready:
                happen()
            if self.now() % 1000 == 0:
                self.stage.tick(self.now(), 0)
            elif self.now() % LOOK_MS == 0:
                self.stage.look(self.now())


def nothing(_: Context) -> bool:
    """No member does anything."""
    return True


def raid(context: Context) -> bool:
    """Many come by one invite, in a guild in which little else happens meanwhile."""
    guild = context.guild()
    if guild is None:
        return False
    link = invites.create(context.world, guild, guild.text[0], Actor(context.member(guild)))
    seconds = context.rng.uniform(5, 45)

    def come() -> None:
        user_id = membership.newcomer(context, guild)
        if user_id is not None and link.code in guild.invites:
            invites.join(context.world, guild, user_id, link)

    for _ in range(context.rng.randrange(80, 200)):
        context.scheduler.after(context.rng.uniform(0, seconds), come)
    return True


BEHAVIOURS = {
    nothing: 20_000,
    join_behaviours.join: 120,
    join_behaviours.create_invite: 30,
    join_behaviours.create_personal_invite: 60,
    join_behaviours.delete_invite: 12,
    moderation.add_bot: 2,
    membership.leave: 100,
    raid: 1.5,
}


def bursts(uses: tuple[InviteUse, ...]) -> list[list[InviteUse]]:
    """Runs of at least ``BURST`` joins of a guild that follow each other closely."""
    by_guild: defaultdict[int, list[InviteUse]] = defaultdict(list)
    for use in uses:
        by_guild[use.guild_id].append(use)
    found: list[list[InviteUse]] = []
    for joins in by_guild.values():
        runs = [[joins[0]]]
        for before, use in pairwise(joins):
            if use.at - before.at > APART_MS:
                runs.append([])
            runs[-1].append(use)
        found += [run for run in runs if len(run) >= BURST]
    return found


async def test_thousands_of_joins_are_attributed_as_well_as_they_can_be(tmp_path: Path) -> None:
    site = Site(tmp_path, seed=scaled(3))
    site.play()
    expected = load_expected(site.path)
    rows = site.observed()
    line, exact = compare_uses(expected, Observed("rows", {}, uses=rows))
    assert line.differences == ()
    assert exact.differences == ()
    certain = sum(row.confidence == "exact" for row in rows)
    found = bursts(expected.uses)
    assert found, "no burst, nothing shown"
    spent = sum(
        guild_id == run[0].guild_id and run[0].at <= at <= run[-1].at + 10_000
        for run in found
        for guild_id, at in site.calls
    )
    size = sum(map(len, found))
    print(
        f"\n{len(rows)} joins: {certain} exact, all of them right; {exact.stores['rows']} of {exact.ledger}"
        f" that can be ({exact.stores['rows'] / exact.ledger:.2%}); {len(found)} bursts of {size} joins,"
        f" {spent / size:.3f} requests a join; {len(site.calls) / len(rows):.2f} over everything"
    )
    assert exact.stores["rows"] >= 0.99 * exact.ledger
    assert exact.ledger >= 0.3 * len(rows)
    assert spent <= 0.1 * size
    assert site.counted == len(rows) == len(expected.uses)
    assert not site.stage.undecided(site.now(), 0)
