"""Who came by which invite: exact is never wrong, a burst is cheap, and what cannot be told is unknown."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.events.facts import (
    Count,
    InviteKnown,
    InviteLost,
    InviteMade,
    InvitesRead,
    InviteTaken,
    Joined,
    Person,
    Record,
)
from exporter.events.inquiry import Inquiry, Kind
from exporter.pipeline.invites import MOST_PRIMED, RETRIES, InviteTracker

GUILD = 7
START = 1_700_000_000_000


@dataclass
class Invite:
    uses: int = 0
    max_uses: int = 0
    inviter: int = 5
    expires_at: int = 0


class World:
    """A guild, its invites, and a stage that watches it; ``lag`` is how late Discord answers, in ms."""

    def __init__(self) -> None:
        self.now = 0
        self.invites: dict[str, Invite] = {}
        self.vanity: Invite | None = None
        self.lacking: set[str] = set()
        self.status = 200
        self.lag = 100
        self.asked: list[tuple[int, Inquiry]] = []
        self.calls = 0
        self.records: list[tuple[Record, bool]] = []
        self.counts: Counter[str] = Counter()
        self.people = 0
        self.stage = InviteTracker(
            lambda record, amends: self.records.append((record, amends)),
            self.count,
            self.ask,
            lambda _, permission: permission not in self.lacking,
            lambda _: self.vanity is not None,
            opted_out={666},
        )

    def ask(self, inquiry: Inquiry) -> None:
        self.calls += 1
        self.asked.append((self.now + self.lag, inquiry))

    def count(self, count: Count) -> None:
        self.counts[count.slot.value] += 1

    def begin(self, **invites: Invite) -> World:
        self.invites |= invites
        self.stage.see_guild(GUILD)
        self.wait(3_000)
        self.calls = 0
        return self

    def wait(self, ms: int) -> None:
        until = self.now + ms
        while self.now < until:
            self.now += 50
            for due, inquiry in [item for item in self.asked if item[0] <= self.now]:
                self.asked.remove((due, inquiry))
                self.stage.answer(self.read(inquiry), self.now)
            if self.now % 1000 == 0:
                self.stage.tick(self.now)

    def read(self, inquiry: Inquiry) -> InvitesRead:
        at = START + self.now
        if self.status != 200:
            return InvitesRead(inquiry, at, self.status)
        if inquiry.kind is Kind.VANITY:
            own = self.vanity
            found = (InviteKnown("vanity", own.uses, vanity=True),) if own else ()
            return InvitesRead(inquiry, at, 200, found)
        return InvitesRead(
            inquiry,
            at,
            200,
            tuple(
                InviteKnown(code, one.uses, one.max_uses, one.inviter, "ann", one.expires_at)
                for code, one in self.invites.items()
            ),
        )

    def use(self, code: str, *, told: bool = True) -> None:
        """An invite is used; used up, it goes, and Discord tells of it."""
        invite = self.vanity if code == "vanity" else self.invites[code]
        assert invite is not None
        invite.uses += 1
        if invite.uses == invite.max_uses:
            del self.invites[code]
            if told:
                self.stage.lose(InviteLost(GUILD, code), self.now)

    def join(self, code: str | None = None, *, bot: bool = False, user_id: int = 0) -> int:
        if code is not None:
            self.use(code)
        self.people += 1
        person = Person(user_id or 1_000 + self.people, f"p{self.people}", bot)
        self.stage.join(Joined(GUILD, START + self.now, person), self.now)
        return person.user_id

    def take_back(self, code: str) -> None:
        del self.invites[code]
        self.stage.lose(InviteLost(GUILD, code), self.now)
        self.stage.take_back(InviteTaken(GUILD, code))

    def settle(self) -> None:
        for _ in range(200):
            if not self.stage.undecided:
                return
            self.wait(1_000)
        raise AssertionError(self.stage.undecided)

    def told(self) -> dict[int, dict[str, Any]]:
        """The rows by who joined; each once."""
        found: dict[int, dict[str, Any]] = {}
        keys = set()
        for record, amends in self.records:
            if record.type == "INVITE_USE":
                assert amends is (record.key in keys)
                keys.add(record.key)
                found[record.person] = dict(record.data)
        assert len(found) == len(keys)
        return found

    def only(self) -> tuple[str | None, str, str]:
        self.settle()
        (row,) = self.told().values()
        return row["invite_code"], row["method"], row["confidence"]


async def test_a_single_join_is_told_exactly_at_the_cost_of_one_request() -> None:
    world = World().begin(a=Invite(3), b=Invite(9))
    user_id = world.join("a")
    assert world.only() == ("a", "invite", "exact")
    assert world.calls == 1
    assert world.told()[user_id] | {"invitee_username": ""} == {
        "invitee_id": user_id,
        "invitee_username": "",
        "invite_code": "a",
        "inviter_id": 5,
        "inviter_username": "ann",
        "method": "invite",
        "confidence": "exact",
        "candidates": None,
    }


async def test_a_join_has_its_row_before_its_invite_is_known() -> None:
    world = World().begin(a=Invite())
    user_id = world.join("a")
    assert world.told()[user_id]["confidence"] == "unknown"
    assert not world.counts
    world.settle()
    assert world.told()[user_id]["confidence"] == "exact"
    assert world.counts == {"invite": 1}


async def test_the_row_of_the_join_learns_of_invite_and_inviter() -> None:
    world = World().begin(a=Invite())
    at = START + world.now
    user_id = world.join("a")
    world.settle()
    (amended,) = (record for record, _ in world.records if record.type == "GUILD_MEMBER_ADD")
    assert (amended.type, amended.key) == ("GUILD_MEMBER_ADD", f"join:{GUILD}:{user_id}:{at}")
    assert amended.data == {"invite_code": "a", "inviter_id": 5}


async def test_a_single_use_invite_that_vanished_was_used() -> None:
    world = World().begin(once=Invite(0, 1), b=Invite(9))
    world.join("once")
    assert world.only() == ("once", "invite", "exact")


@pytest.mark.parametrize("permission", ["view_audit_log", "manage_channels"])
async def test_where_a_removal_would_not_be_told_of_a_vanished_invite_is_only_probable(
    permission: str,
) -> None:
    world = World().begin(once=Invite(0, 1))
    world.lacking = {permission}
    world.join("once")
    assert world.only() == ("once", "invite", "probable")


async def test_where_no_audit_log_is_received_a_vanished_invite_is_only_probable() -> None:
    world = World()
    world.stage._audited = False
    world.begin(once=Invite(0, 1))
    world.join("once")
    assert world.only() == ("once", "invite", "probable")


async def test_a_single_use_invite_taken_back_while_somebody_joined_otherwise_is_not_exact() -> None:
    world = World().begin(once=Invite(0, 1))
    world.join()
    world.take_back("once")
    assert world.only() == ("once", "invite", "probable")


async def test_an_invite_removed_long_before_a_join_has_no_part_in_it() -> None:
    world = World().begin(once=Invite(0, 1), other=Invite(4))
    world.take_back("once")
    world.wait(60_000)
    world.join()
    assert world.only() == (None, "unknown", "unknown")


async def test_an_invite_that_expired_long_before_a_join_has_no_part_in_it() -> None:
    world = World().begin(old=Invite(0, 0, 5, START + 10_000))
    world.wait(60_000)
    del world.invites["old"]
    world.join()
    assert world.only() == (None, "unknown", "unknown")


async def test_the_guilds_own_address_is_told_from_invites() -> None:
    world = World()
    world.vanity = Invite(100)
    world.begin(a=Invite(3))
    world.join("vanity")
    assert world.only() == ("vanity", "vanity", "exact")
    assert world.calls == 2


async def test_an_address_given_anew_does_not_claim_its_old_uses() -> None:
    world = World().begin(a=Invite(3))
    world.vanity = Invite(1)
    world.join()
    assert world.only() == (None, "unknown", "unknown")


async def test_a_bot_comes_by_oauth_and_costs_nothing() -> None:
    world = World().begin(a=Invite(3))
    world.join(bot=True)
    assert world.only() == (None, "oauth", "exact")
    assert world.calls == 0


async def test_a_join_that_no_use_explains_is_unknown_and_never_a_guess() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    world.join()
    assert world.only() == (None, "unknown", "unknown")
    assert world.calls == 2


async def test_an_invite_made_meanwhile_is_known() -> None:
    world = World().begin(a=Invite(3))
    world.invites["new"] = Invite(0, 0, 8)
    world.stage.make(InviteMade(GUILD, InviteKnown("new", 0, 0, 8, "bob")))
    world.wait(30_000)
    world.join("new")
    assert world.only() == ("new", "invite", "exact")


async def test_an_invite_nobody_told_of_is_found_by_reading() -> None:
    world = World().begin(a=Invite(3))
    world.invites["silent"] = Invite(0, 0, 8)
    world.join("silent")
    assert world.only() == ("silent", "invite", "exact")


async def test_two_at_once_by_different_invites_are_ambiguous_and_name_both() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    users = [world.join("a"), world.join("b")]
    world.settle()
    for user_id in users:
        row = world.told()[user_id]
        assert (row["confidence"], row["invite_code"], row["method"]) == ("ambiguous", None, "invite")
        assert sorted(row["candidates"]) == ["a", "b"]
    assert "GUILD_MEMBER_ADD" not in {record.type for record, _ in world.records}


async def test_a_burst_by_one_invite_is_exact_and_cheap() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    for _ in range(200):
        world.join("a")
        world.wait(300)
    world.settle()
    assert {row["confidence"] for row in world.told().values()} == {"exact"}
    assert world.calls <= 0.1 * 200


async def test_a_read_that_fails_changes_nothing_and_is_tried_again() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    world.status = 0
    world.join("a")
    world.wait(1_000)
    world.status = 200
    assert world.only() == ("a", "invite", "exact")


@pytest.mark.parametrize(("status", "calls"), [(0, RETRIES), (503, RETRIES), (403, 1)])
async def test_without_an_answer_a_join_is_unknown_and_no_later_one_is_blamed_for_it(
    status: int, calls: int
) -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    world.status = status
    first = world.join("a")
    for _ in range(60):
        world.wait(1_000)
        if world.counts:
            break
    assert world.told()[first]["confidence"] == "unknown"
    assert world.calls == calls
    world.status = 200
    world.stage.permit(GUILD)
    world.wait(60_000)
    second = world.join()
    world.settle()
    assert world.told()[second]["confidence"] == "unknown"


async def test_an_answer_that_comes_after_it_was_given_up_is_ignored() -> None:
    world = World().begin(a=Invite(3))
    world.lag = 70_000
    world.join("a")
    world.wait(65_000)
    world.lag = 100
    world.settle()
    assert len(world.told()) == 1


async def test_who_joins_before_the_first_reading_or_after_a_gap_is_unknown() -> None:
    world = World()
    world.invites["a"] = Invite()
    world.stage.see_guild(GUILD)
    world.join("a")
    assert world.only() == (None, "unknown", "unknown")
    world.wait(3_000)
    world.join("a")
    world.stage.see_guild(GUILD)
    assert [row["confidence"] for row in world.told().values()] == ["unknown", "unknown"]
    assert world.counts == {"unknown": 2}


async def test_without_the_permission_nothing_is_asked() -> None:
    world = World()
    world.lacking = {"manage_guild"}
    world.begin(a=Invite())
    world.join("a")
    assert world.only() == (None, "unknown", "unknown")
    assert world.calls == 0
    world.lacking.clear()
    world.stage.permit(GUILD)
    world.wait(3_000)
    user_id = world.join("a")
    world.settle()
    assert world.told()[user_id]["confidence"] == "exact"


async def test_an_inviter_who_opted_out_is_not_named() -> None:
    world = World().begin(a=Invite(0, 0, 666))
    user_id = world.join("a")
    world.settle()
    row = world.told()[user_id]
    assert (row["invite_code"], row["inviter_id"], row["inviter_username"]) == ("a", None, None)


async def test_many_guilds_are_read_a_few_at_a_time() -> None:
    world = World()
    for guild_id in range(1, 4 * MOST_PRIMED):
        world.stage.see_guild(guild_id)
    for _ in range(8):
        world.stage.tick(world.now)
        assert len(world.asked) <= MOST_PRIMED
        world.wait(1_000)
    assert world.calls == 4 * MOST_PRIMED - 1


async def test_a_quiet_guild_keeps_nothing_but_its_packed_invites() -> None:
    world = World().begin(a=Invite(3))
    world.join("a")
    world.settle()
    world.wait(30_000)
    assert not world.stage._visits
    assert len(world.stage._packed[GUILD]) < 40


async def test_ten_thousand_joins_with_bursts_are_never_told_wrong_and_nearly_always_told() -> None:  # noqa: C901, PLR0915 - one long story
    rng = random.Random(11)
    world = World()
    world.vanity = Invite(50)
    world.begin(**{f"c{number}": Invite(rng.randrange(50)) for number in range(8)})
    truth: dict[int, str | None] = {}
    possible: set[int] = set()
    burst_joins = burst_calls = made = 0
    while len(truth) < 10_000:
        world.lag = rng.choice([50, 100, 400, 1_500])
        kind = rng.random()
        code: str | None = rng.choice([*world.invites, "vanity"])
        if kind < 0.3:
            made += 1
            code = f"once{made}"
            world.invites[code] = Invite(0, 1, 9)
            world.stage.make(InviteMade(GUILD, InviteKnown(code, 0, 1, 9, "bob")))
            world.wait(rng.choice([1_000, 15_000]))
            user_id = world.join(code)
            truth[user_id] = code
            possible.add(user_id)
        elif kind < 0.4:
            truth[world.join()] = None
        elif kind < 0.45 and (spare := [one for one in world.invites if one.startswith("once")]):
            world.take_back(rng.choice(spare))
            truth[world.join()] = None
        elif kind < 0.5:
            codes = [rng.choice([*world.invites, None]) for _ in range(rng.randrange(2, 6))]
            for code in codes:
                truth[world.join(code)] = code
                world.wait(rng.choice([0, 50, 200]))
        elif kind < 0.56:
            calls, size = world.calls, rng.randrange(60, 200)
            for _ in range(size):
                user_id = world.join(code)
                truth[user_id] = code
                possible.add(user_id)
                world.wait(rng.choice([50, 100, 300]))
            world.settle()
            burst_calls += world.calls - calls
            burst_joins += size
        else:
            user_id = world.join(code)
            truth[user_id] = code
            possible.add(user_id)
        world.settle()
        world.wait(rng.choice([0, 2_000, 30_000]))
    rows = world.told()
    assert rows.keys() == truth.keys()
    exact = {user_id for user_id, row in rows.items() if row["confidence"] == "exact"}
    wrong = [user_id for user_id in exact if rows[user_id]["invite_code"] != truth[user_id]]
    assert not wrong
    assert len(exact & possible) >= 0.99 * len(possible)
    assert burst_calls <= 0.1 * burst_joins
    for user_id, row in rows.items():
        if row["confidence"] == "ambiguous" and row["method"] != "unknown":
            assert truth[user_id] in row["candidates"]
    assert world.counts.total() == len(truth)


_CODES = st.sampled_from(["a", "b", "vanity", None])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_CODES, st.sampled_from([0, 50, 400, 2_000, 20_000])), max_size=25))
def test_an_exact_finding_is_right_however_joins_fall(plan: list[tuple[str | None, int]]) -> None:
    world = World()
    world.vanity = Invite(5)
    world.begin(a=Invite(2), b=Invite(3))
    truth = {}
    for code, pause in plan:
        truth[world.join(code)] = code
        world.wait(pause)
    world.settle()
    rows = world.told()
    assert rows.keys() == truth.keys()
    for user_id, row in rows.items():
        if row["confidence"] == "exact":
            assert row["invite_code"] == truth[user_id]
        if row["confidence"] == "ambiguous" and truth[user_id] is not None:
            assert truth[user_id] in row["candidates"]
