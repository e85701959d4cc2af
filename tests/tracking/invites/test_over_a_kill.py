"""A kill between a join and the answer about the invites loses neither the use nor the invite."""

from __future__ import annotations

import pytest

from exporter.dispatch.component import StateRow
from exporter.events.facts.guilds import GuildDeleted
from exporter.tracking.invites.tracker import GIVE_UP_MS
from tests.tracking.invites.inviting import GUILD, START, Invite, World

Disk = dict[tuple[str, bytes], StateRow]


@pytest.fixture
def disk() -> Disk:
    return {}


def world() -> World:
    return World().begin(a=Invite(3), b=Invite(9))


@pytest.mark.parametrize("kills", [1, 3])
def test_a_join_that_waited_in_a_kill_has_its_invite_and_one_use(disk: Disk, kills: int) -> None:
    guild = world()
    user_id = guild.join("a")
    assert disk == {}
    for _ in range(kills):
        guild.kill(disk)
    assert guild.only() == ("a", "invite", "probable")
    assert guild.counts == {"invite": 1}
    assert guild.rows()[user_id]["inviter_id"] == 5
    guild.kill(disk)
    assert disk == {}
    guild.settle()
    assert guild.counts == {"invite": 1}


def test_a_use_whose_reading_was_answered_before_the_kill_is_not_lost(disk: Disk) -> None:
    guild = world()
    guild.join("a")
    guild.wait(400)  # answered, and not decided yet
    assert not guild.counts
    guild.kill(disk)
    assert guild.only() == ("a", "invite", "probable")
    assert guild.counts == {"invite": 1}


def test_a_use_that_was_decided_before_the_kill_is_not_attributed_again(disk: Disk) -> None:
    guild = world()
    first = guild.join("a")
    guild.settle()
    second = guild.join("b")
    guild.kill(disk)
    guild.settle()
    rows = guild.rows()
    assert (rows[first]["invite_code"], rows[second]["invite_code"]) == ("a", "b")
    assert guild.counts == {"invite": 2}


def test_an_invite_used_up_by_the_join_before_the_kill_is_found(disk: Disk) -> None:
    guild = World().begin(once=Invite(0, 1), b=Invite(9))
    guild.join("once")
    guild.kill(disk)
    assert guild.only()[0] in {"once", None}
    assert guild.counts.total() == 1


def test_whoever_came_unseen_meanwhile_makes_none_certain(disk: Disk) -> None:
    guild = world()
    user_id = guild.join("a")
    guild.use("b")
    guild.kill(disk)
    guild.settle()
    row = guild.rows()[user_id]
    assert (row["invite_code"], row["confidence"], sorted(row["candidates"])) == (
        None,
        "ambiguous",
        ["a", "b"],
    )


def test_who_joins_before_the_first_reading_may_have_used_it(disk: Disk) -> None:
    guild = world()
    user_id = guild.join("a")
    guild.kill(disk)
    guild.join("b")
    guild.settle()
    assert guild.rows()[user_id]["confidence"] in {"ambiguous", "unknown"}
    assert guild.counts.total() == 2


def test_a_guild_that_the_bot_has_left_meanwhile_leaves_no_join_waiting(disk: Disk) -> None:
    guild = world()
    guild.join("a")
    guild.kill(disk)
    guild.stage.delete_guild(GuildDeleted(GUILD, START, unavailable=False), guild.now)
    assert guild.counts == {"unknown": 1}
    guild.kill(disk)
    assert disk == {}


def test_where_the_invites_cannot_be_read_any_more_it_is_unknown_in_time(disk: Disk) -> None:
    guild = world()
    guild.join("a")
    guild.status = 500
    guild.kill(disk)
    guild.wait(GIVE_UP_MS - 5_000)
    assert not guild.counts
    guild.wait(10_000)
    assert guild.counts == {"unknown": 1}


def test_a_stop_keeps_the_join_for_the_next_run(disk: Disk) -> None:
    guild = world()
    guild.join("a")
    guild.stage.stop(guild.now)
    assert not guild.counts
    guild.kill(disk)
    assert guild.only() == ("a", "invite", "probable")


def test_whoever_opted_out_meanwhile_leaves_no_row_and_takes_no_ones_use(disk: Disk) -> None:
    guild = world()
    out = guild.join("a")
    there = guild.join("b")
    guild.kill(disk)
    guild.emitted.clear()
    guild.stage.forget_people(frozenset({out}))
    guild.wait(60_000)
    assert {record.person for record, _ in guild.records if record.type == "INVITE_USE"} == {there}
    assert guild.counts.total() == 1
    guild.kill(disk)
    assert disk == {}


def test_after_an_error_what_waits_is_decided_by_a_reading_anew(disk: Disk) -> None:
    guild = world()
    guild.join("a")
    guild.kill(disk)
    guild.stage._readings._guilds.guilds[GUILD] = object()  # type: ignore[assignment]  # only its id is used
    guild.stage.clear()
    assert not guild.stage.restore(disk.values())
    guild.stage.resume(guild.now, 0)
    assert guild.only() == ("a", "invite", "probable")
