"""Joins, invites and readings that get in each other's way: dispatches late, replayed, missing; no pause."""

from __future__ import annotations

import pytest

from exporter.events.facts.guilds import GuildDeleted
from exporter.events.facts.invites import InviteDeleted, InviteRevoked
from exporter.tracking.invites.inference import SETTLE_MS
from tests.tracking.invites.inviting import GUILD, START, Invite, World


async def test_who_come_seconds_apart_by_different_invites_are_each_attributed_exactly() -> None:
    world = World().begin(a=Invite(3), b=Invite(1), c=Invite())
    users = {}
    for code in "abcab":
        users[world.join(code)] = code
        world.wait(2_000)
    world.settle()
    attributed = {user_id: row["invite_code"] for user_id, row in world.rows().items()}
    assert attributed == users
    assert {row["confidence"] for row in world.rows().values()} == {"exact"}


@pytest.mark.parametrize("phase", range(0, 1_000, 150))
async def test_who_comes_three_seconds_after_one_whom_no_count_shows_is_attributed_exactly(
    phase: int,
) -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    world.lag = 400
    world.wait(phase)
    world.join("a")
    world.wait(350)
    world.join()
    world.wait(3_000)
    user_id = world.join("b")
    world.settle()
    row = world.rows()[user_id]
    assert (row["invite_code"], row["confidence"]) == ("b", "exact")


@pytest.mark.parametrize("phase", range(0, 1_000, 150))
async def test_who_comes_four_seconds_after_a_crowd_is_attributed_exactly(phase: int) -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    world.lag = 400
    world.wait(phase)
    for code in (*"ab" * 6, None):
        world.wait(300)
        world.join(code)
    calls = world.calls
    world.wait(4_000)
    user_id = world.join("b")
    assert world.calls - calls == 1
    world.settle()
    row = world.rows()[user_id]
    assert (row["invite_code"], row["confidence"]) == ("b", "exact")


@pytest.mark.parametrize(("after", "confidence"), [(1_800, "exact"), (1_400, "unknown")])
async def test_who_came_before_the_bot_was_removed_is_attributed_if_all_others_were(
    after: int, confidence: str
) -> None:
    world = World().begin(a=Invite(3))
    user_id = world.join("a")
    world.wait(after)
    world.stage.delete_guild(GuildDeleted(GUILD, START + world.now, unavailable=False), world.now)
    assert world.rows()[user_id]["confidence"] == confidence
    assert world.counts.total() == 1
    assert not world.stage.undecided(world.now, 0)


async def test_a_late_use_of_who_came_before_the_first_reading_is_not_taken_for_that_of_another() -> None:
    world = World()
    world.invites |= {"a": Invite(3), "b": Invite(1)}
    world.stage.reset_guild(GUILD)
    world.tell_join()
    world.wait(1_200)
    user_id = world.tell_join()
    world.use("a")
    world.wait(1_500)
    world.use("b")
    world.settle()
    row = world.rows()[user_id]
    assert (row["invite_code"], row["confidence"]) in {(None, "ambiguous"), ("b", "exact")}


async def test_a_reading_that_explains_every_join_is_not_used_again() -> None:
    world = World().begin(a=Invite(3))
    world.join("a")
    world.wait(30_000)
    assert world.calls == 1
    world.join()
    world.wait(60_000)
    assert world.calls == 3


async def test_a_reading_that_was_quicker_than_the_invites_own_dispatch_counts_nothing_twice() -> None:
    world = World().begin(a=Invite(3))
    world.invites["new"] = Invite(0, 0, 8)
    world.join("new")
    world.wait(1_000)
    world.tell_made("new", Invite(0, 0, 8))
    world.wait(20_000)
    user_id = world.join()
    world.settle()
    assert world.rows()[user_id]["confidence"] == "unknown"


async def test_an_invite_made_and_used_up_between_two_readings_is_attributed_exactly() -> None:
    world = World().begin(a=Invite(3))
    world.wait(20_000)
    world.make("once", Invite(0, 1, 8))
    world.join("once")
    assert world.only() == ("once", "invite", "exact")


async def test_an_invite_made_during_an_absence_is_known_with_its_maker_when_it_is_used() -> None:
    world = World().begin(a=Invite(3))
    world.invites["silent"] = Invite(4, 0, 8)
    world.join("silent")
    world.settle()
    assert world.noted()["silent"] | {"inviter_username": ""} == {
        "code": "silent",
        "inviter_id": 8,
        "inviter_username": "",
        "max_uses": 0,
        "uses": 5,
    }


async def test_uses_are_what_was_read_even_if_it_is_unknown_who_came_by_what() -> None:
    world = World().begin(a=Invite(3), b=Invite(1), c=Invite(7))
    for code in "abaab":
        world.join(code)
    world.settle()
    assert {code: row["uses"] for code, row in world.noted().items()} == {"a": 6, "b": 3}


async def test_who_made_an_invite_and_opted_out_is_not_noted() -> None:
    world = World().begin(a=Invite(0, 0, 666))
    world.join("a")
    world.settle()
    assert not world.noted()["a"].keys() & {"inviter_id", "inviter_username"}


async def test_the_use_of_an_unnamed_member_is_not_taken_for_that_of_who_came_with_them() -> None:
    world = World().begin(a=Invite(3))
    world.use("a")
    world.tell_join(known=False)
    user_id = world.join()
    world.settle()
    assert world.rows().keys() == {user_id}
    assert world.rows()[user_id]["confidence"] == "ambiguous"
    assert world.counts.total() == 1
    world.wait(20_000)
    world.use("a")
    world.tell_join(known=False)
    world.wait(30_000)
    assert world.rows().keys() == {user_id}
    assert not world.stage._sessions


async def test_an_unlimited_invite_deleted_as_a_member_joined_by_it_is_no_certainty() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    world.use("a")
    world.take_back("a")
    world.tell_join()
    code, _, confidence = world.only()
    assert (code, confidence) == ("a", "probable")


async def test_an_invite_taken_back_is_not_used_up_though_the_audit_log_says_so_late() -> None:
    world = World().begin(once=Invite(0, 1), b=Invite(1))
    world.tell_join()
    del world.invites["once"]
    world.stage.delete(InviteDeleted(GUILD, "once"), world.now)
    world.wait(4_000)
    world.stage.revoke(InviteRevoked(GUILD, "once"))
    assert world.only() == ("once", "invite", "probable")


async def test_an_invite_taken_back_before_anybody_came_has_no_part_in_who_used_another_up() -> None:
    world = World().begin(gone=Invite(0, 5), once=Invite(0, 1))
    world.take_back("gone")
    world.wait(4_000)
    world.join("once")
    assert world.only() == ("once", "invite", "exact")


@pytest.mark.parametrize(("before", "confidence"), [(3_000, "exact"), (1_000, "probable")])
async def test_an_invite_that_expired_has_a_part_only_in_joins_of_that_moment(
    before: int, confidence: str
) -> None:
    world = World().begin(once=Invite(0, 1))
    world.make("old", Invite(0, 0, 5, START + world.now + 60_000 - before))
    world.wait(60_000)
    del world.invites["old"]
    world.join("once")
    assert world.only() == ("once", "invite", confidence)


async def test_a_join_during_a_failure_is_explained_by_the_reading_after_it() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    world.status = 503
    users = [world.join("a")]
    world.wait(3_000)
    users.append(world.join("a"))
    world.wait(1_000)
    world.status = 200
    world.settle()
    assert [world.rows()[user_id]["confidence"] for user_id in users] == ["exact", "exact"]


async def test_nothing_is_decided_while_the_connection_is_silent() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    world.heard = world.now
    first = world.join()
    # The reading after it has the use of a member whose join was not dispatched yet.
    world.use("b")
    world.wait(15_000)
    assert world.rows()[first]["confidence"] == "unknown"
    assert not world.counts
    second = world.tell_join(ago=15_500)
    world.heard = None
    world.settle()
    for user_id in (first, second):
        row = world.rows()[user_id]
        assert (row["confidence"], row["candidates"]) == ("ambiguous", ["b"])


async def test_joins_of_a_replay_by_one_invite_are_exact() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    world.heard = world.now
    for _ in range(5):
        world.use("a")
        world.wait(1_000)
    for _ in range(5):
        world.tell_join(ago=6_000)
    world.heard = None
    world.settle()
    assert [row["confidence"] for row in world.rows().values()] == ["exact"] * 5


async def test_where_joins_never_stop_each_is_recorded_in_time_and_with_the_truth_among_few() -> None:
    world = World().begin(**{f"c{number}": Invite() for number in range(30)})
    truth = {}
    longest = 0
    for number in range(2_000):
        code = None if number % 10 == 9 else f"c{number * 7 % 30}"
        truth[world.join(code)] = code
        world.wait(200)
        longest = max(longest, world.stage.undecided(world.now, 0))
    assert longest <= 130 * 5, "two minutes of them"
    assert len(world.stage._sessions) == 1
    assert len(next(iter(world.stage._sessions.values())).joins) <= longest + 100
    world.settle()
    rows = world.rows()
    assert rows.keys() == truth.keys()
    for user_id, row in rows.items():
        assert row["confidence"] in {"ambiguous", "unknown"}
        if row["confidence"] == "ambiguous" and truth[user_id]:
            assert truth[user_id] in row["candidates"]
    assert world.calls <= 0.1 * len(truth)


async def test_too_many_at_once_are_recorded_sooner() -> None:
    world = World().begin(a=Invite(3))
    for _ in range(110):
        for _ in range(50):
            world.join("a")
        world.wait(100)
    world.wait(10_000)
    assert world.counts.total() > 0


async def test_where_it_may_have_been_any_of_very_many_nothing_is_known() -> None:
    world = World().begin(**{f"c{number}": Invite() for number in range(101)})
    for code in list(world.invites):
        world.join(code)
    world.settle()
    rows = world.rows().values()
    assert {(row["confidence"], row["candidates"]) for row in rows} == {("unknown", None)}


async def test_a_use_whose_join_is_on_its_way_is_not_taken_for_that_of_who_came_before() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    users = [world.join()]
    world.wait(1_200)
    world.use("b")
    world.wait(SETTLE_MS - 100)
    users.append(world.tell_join())
    world.settle()
    assert {world.rows()[user_id]["confidence"] for user_id in users} == {"ambiguous"}
