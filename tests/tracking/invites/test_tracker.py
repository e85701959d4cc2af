"""Who came by which invite: exact is never wrong, a burst is cheap, and what is uncertain is unknown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.events.answer_meaning import LONGEST_RETRY_MS
from exporter.events.facts.counting import Person
from exporter.events.facts.invites import InviteCreated, InviteKnown, InvitesRead, MemberJoined
from exporter.tracking.invites.inference import LATE_MS
from exporter.tracking.invites.invite_session import MOST_OPEN, REVOKED_MS
from exporter.tracking.invites.readings import MOST_PRIMED
from exporter.tracking.invites.tracker import GIVE_UP_MS
from tests.entry_data import fields_of
from tests.tracking.invites.inviting import GUILD, START, Invite, World


async def test_a_single_join_is_attributed_exactly_at_the_cost_of_one_request() -> None:
    world = World().begin(a=Invite(3), b=Invite(9))
    user_id = world.join("a")
    assert world.only() == ("a", "invite", "exact")
    assert world.calls == 1
    assert world.rows()[user_id] | {"invitee_username": ""} == {
        "invitee_id": user_id,
        "invitee_username": "",
        "invite_code": "a",
        "inviter_id": 5,
        "inviter_username": "ann",
        "method": "invite",
        "confidence": "exact",
    }


async def test_a_join_has_its_row_before_its_invite_is_known() -> None:
    world = World().begin(a=Invite())
    user_id = world.join("a")
    assert world.rows()[user_id]["confidence"] == "unknown"
    assert not world.counts
    world.settle()
    assert world.rows()[user_id]["confidence"] == "exact"
    assert world.counts == {"invite": 1}


async def test_the_row_of_the_join_learns_of_invite_and_inviter() -> None:
    world = World().begin(a=Invite())
    at = START + world.now
    user_id = world.join("a")
    world.settle()
    (amended,) = (record for record, _ in world.records if record.type == "GUILD_MEMBER_ADD")
    assert (amended.type, amended.key) == ("GUILD_MEMBER_ADD", f"join:{GUILD}:{user_id}:{at}")
    assert fields_of(amended) == {"invite_code": "a", "inviter_id": 5}


async def test_a_single_use_invite_that_vanished_was_used() -> None:
    world = World().begin(once=Invite(0, 1), b=Invite(9))
    world.join("once")
    assert world.only() == ("once", "invite", "exact")


@pytest.mark.parametrize("permission", ["view_audit_log", "manage_channels"])
async def test_where_a_removal_would_not_be_dispatched_a_vanished_invite_is_only_probable(
    permission: str,
) -> None:
    world = World().begin(once=Invite(0, 1))
    world.lacking = {permission}
    world.join("once")
    assert world.only() == ("once", "invite", "probable")


async def test_where_no_audit_log_is_received_a_vanished_invite_is_only_probable() -> None:
    world = World()
    world.stage._decisions.audited = False
    world.begin(once=Invite(0, 1))
    world.join("once")
    assert world.only() == ("once", "invite", "probable")


async def test_a_single_use_invite_taken_back_while_a_member_joined_otherwise_is_not_exact() -> None:
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


async def test_the_guilds_own_address_is_distinguished_from_invites() -> None:
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
    world.stage.create(InviteCreated(GUILD, InviteKnown("new", 0, 0, 8, "bob")))
    world.wait(30_000)
    world.join("new")
    assert world.only() == ("new", "invite", "exact")


async def test_an_invite_without_a_dispatch_is_found_by_reading() -> None:
    world = World().begin(a=Invite(3))
    world.invites["silent"] = Invite(0, 0, 8)
    world.join("silent")
    assert world.only() == ("silent", "invite", "exact")


async def test_two_at_once_by_different_invites_are_ambiguous_and_name_both() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    users = [world.join("a"), world.join("b")]
    world.settle()
    for user_id in users:
        row = world.rows()[user_id]
        assert (row["confidence"], row["invite_code"], row["method"]) == ("ambiguous", None, "invite")
        assert sorted(row["candidates"]) == ["a", "b"]
    assert "GUILD_MEMBER_ADD" not in {record.type for record, _ in world.records}


async def test_a_burst_by_one_invite_is_exact_and_cheap() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    for _ in range(200):
        world.join("a")
        world.wait(300)
    world.settle()
    assert {row["confidence"] for row in world.rows().values()} == {"exact"}
    assert world.calls <= 0.1 * 200


async def test_a_read_that_fails_changes_nothing_and_is_tried_again() -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    world.status = 0
    world.join("a")
    world.wait(1_000)
    world.status = 200
    assert world.only() == ("a", "invite", "exact")


TROUBLES = [
    (0, None),
    (401, 0),
    (403, 0),
    (403, None),
    (403, 40333),
    (403, 50001),
    (403, 50013),
    (404, None),
    (404, 10004),
    (408, None),
    (429, None),
    (429, 0),
    (500, 0),
    (503, None),
    (521, None),
]
"""Status and Discord's code, None without JSON; the bot's roles say that it may read, so none is for good."""


@pytest.mark.parametrize(("status", "code"), TROUBLES)
async def test_what_failed_once_is_put_again_and_costs_no_join(status: int, code: int | None) -> None:
    world = World().begin(aaa=Invite(3), b=Invite(1))
    world.status, world.code = status, code
    first = world.join("aaa")
    world.wait(1_000)
    assert world.calls == 1
    world.status = 200
    world.settle()
    world.wait(3_600_000)
    assert world.calls == 2
    second = world.join("aaa")
    world.settle()
    for user_id in (first, second):
        row = world.rows()[user_id]
        assert (row["invite_code"], row["method"], row["confidence"]) == ("aaa", "invite", "exact")


@pytest.mark.parametrize(("status", "code"), TROUBLES)
async def test_a_first_reading_that_fails_is_put_again_until_it_succeeds(
    status: int, code: int | None
) -> None:
    world = World()
    world.status, world.code = status, code
    world.begin(a=Invite(3))
    world.wait(1_800_000)
    world.status, world.calls = 200, 0
    world.wait(LONGEST_RETRY_MS + 2_000)
    assert world.calls == 1
    world.join("a")
    assert world.only() == ("a", "invite", "exact")


@pytest.mark.parametrize(("status", "code"), TROUBLES)
async def test_after_minutes_without_an_answer_a_join_is_unknown_and_its_use_is_attributed_to_no_later_one(
    status: int, code: int | None
) -> None:
    world = World().begin(a=Invite(3), b=Invite(1))
    world.status, world.code = status, code
    first = world.join("a")
    world.wait(GIVE_UP_MS - 60_000)
    assert not world.counts
    world.wait(200_000)
    assert world.counts == {"unknown": 1}
    assert world.rows()[first]["confidence"] == "unknown"
    assert world.calls <= 5 + (GIVE_UP_MS + 140_000) // LONGEST_RETRY_MS
    world.status = 200
    world.wait(LONGEST_RETRY_MS + 2_000)
    second = world.join()
    world.settle()
    assert world.rows()[second]["confidence"] == "unknown"
    third = world.join("a")
    world.settle()
    assert world.rows()[third]["confidence"] == "exact"


async def test_while_readings_fail_a_bounded_number_of_joins_waits() -> None:
    world = World().begin(a=Invite(3))
    world.status = 429
    for _ in range(MOST_OPEN + 1):
        world.join("a")
    assert world.stage.undecided(world.now, 0) == MOST_OPEN + 1
    world.wait(30_000)
    assert world.stage.undecided(world.now, 0) == 0
    assert world.counts == {"unknown": MOST_OPEN + 1}


async def test_where_the_bot_may_not_read_any_more_nothing_is_put_again() -> None:
    world = World().begin(a=Invite(3))
    world.status, world.code = 403, 50013
    world.lacking = {"manage_guild"}
    first = world.join("a")
    world.wait(600_000)
    assert world.calls == 1
    assert world.rows()[first]["confidence"] == "unknown"
    world.status, world.lacking = 200, set()
    world.stage.update_permissions(GUILD)
    world.wait(5_000)
    world.join("a")
    world.settle()
    assert [row["confidence"] for row in world.rows().values()] == ["unknown", "exact"]


async def test_an_address_that_is_not_there_keeps_no_invite_from_being_read() -> None:
    world = World()
    world.vanity = Invite(3)
    world.no_vanity = True
    world.begin(a=Invite(3))
    world.join("a")
    assert world.only() == ("a", "invite", "exact")


async def test_an_answer_that_comes_after_it_was_given_up_is_ignored() -> None:
    world = World().begin(a=Invite(3))
    world.lag = 70_000
    world.join("a")
    world.wait(65_000)
    world.lag = 100
    world.settle()
    assert len(world.rows()) == 1


async def test_who_joins_before_the_first_reading_or_after_a_gap_is_unknown() -> None:
    world = World()
    world.invites["a"] = Invite()
    world.stage.reset_guild(GUILD)
    world.join("a")
    assert world.only() == (None, "unknown", "unknown")
    world.wait(3_000)
    world.join("a")
    world.stage.reset_guild(GUILD)
    assert [row["confidence"] for row in world.rows().values()] == ["unknown", "unknown"]
    assert world.counts == {"unknown": 2}


async def test_without_the_permission_nothing_is_asked() -> None:
    world = World()
    world.lacking = {"manage_guild"}
    world.begin(a=Invite())
    world.join("a")
    assert world.only() == (None, "unknown", "unknown")
    assert world.calls == 0
    world.lacking.clear()
    world.stage.update_permissions(GUILD)
    world.wait(3_000)
    user_id = world.join("a")
    world.settle()
    assert world.rows()[user_id]["confidence"] == "exact"


async def test_an_inviter_who_opted_out_is_not_named() -> None:
    world = World().begin(a=Invite(0, 0, 666))
    user_id = world.join("a")
    world.settle()
    row = world.rows()[user_id]
    assert (row["invite_code"], row["inviter_id"], row["inviter_username"]) == ("a", None, None)


async def test_many_guilds_are_read_a_few_at_a_time() -> None:
    world = World()
    for guild_id in range(1, 4 * MOST_PRIMED):
        world.stage.reset_guild(guild_id)
    for _ in range(8):
        world.stage.tick(world.now, 0)
        assert len(world.asked) <= MOST_PRIMED
        world.wait(1_000)
    assert world.calls == 4 * MOST_PRIMED - 1


async def test_a_quiet_guild_keeps_nothing_but_its_packed_invites() -> None:
    world = World().begin(a=Invite(3))
    world.join("a")
    world.settle()
    world.wait(30_000)
    assert not world.stage._sessions
    assert len(world.stage._known._packed[GUILD]) < 40


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
    rows = world.rows()
    assert rows.keys() == truth.keys()
    for user_id, row in rows.items():
        if row["confidence"] == "exact":
            assert row["invite_code"] == truth[user_id]
        if row["confidence"] == "ambiguous" and truth[user_id] is not None:
            assert truth[user_id] in row["candidates"]


async def test_an_error_in_one_guild_keeps_no_join_of_another_from_its_finding() -> None:
    world = World()
    errors: list[Exception] = []
    world.stage.report = errors.append
    world.begin(a=Invite())
    stage, other = world.stage, GUILD - 1
    stage._known.put(other, ())
    stage.join(MemberJoined(other, 0, Person(7, "early")), world.now)
    stage._sessions[GUILD] = stage._sessions.pop(GUILD)  # behind the other guild
    world.wait(300)
    stage._sessions[other].readings = None  # type: ignore[assignment]  # a defect
    user_id = world.join("a")
    world.wait(20_000)
    assert world.rows()[user_id]["invite_code"] == "a"
    assert len(errors) == 1, "what was held of the guild is read anew"
    assert world.counts == {"invite": 1, "unknown": 1}
    assert not stage._lookups.joins.rows


async def test_an_error_in_an_answer_has_the_invites_of_its_guild_read_anew() -> None:
    world = World()
    errors: list[Exception] = []
    world.stage.report = errors.append
    world.begin(a=Invite())
    world.join("a")
    (session,) = world.stage._sessions.values()
    session.readings = None  # type: ignore[assignment]  # a defect
    (request,) = (request for _, request in world.asked)
    world.stage.handles[InvitesRead](world.read(request), world.now)
    assert len(errors) == 1
    assert world.counts == {"unknown": 1}
    world.asked.clear()
    world.wait(5_000)
    user_id = world.join("a")
    world.wait(20_000)
    assert world.rows()[user_id]["invite_code"] == "a"


async def test_a_flush_does_not_wait_for_what_later_joins_keep_open() -> None:
    world = World().begin(a=Invite(3))
    world.join()
    asked_at = world.now
    for _ in range(15):
        world.wait(1_500)
        world.join("a")
    assert world.stage.undecided(world.now, 0) == 16, "the first one, and all after it for its sake"
    assert world.stage.undecided(asked_at, 0) == 0


async def test_a_flush_waits_for_the_reading_of_a_join_and_for_entries_that_may_explain_it() -> None:
    world = World().begin(a=Invite(3))
    world.join()
    asked_at = world.now
    while world.now - asked_at < REVOKED_MS:
        assert world.stage.undecided(asked_at, 0) == 1, "an entry may still say that an invite was revoked"
        world.wait(1_500)
        world.join("a")


async def test_a_flush_waits_for_the_last_join_as_long_as_it_takes() -> None:
    world = World().begin(a=Invite(3))
    world.join()
    world.wait(LATE_MS)
    assert world.stage.undecided(world.now, 0) == 1
    world.settle()
    assert world.only() == (None, "unknown", "unknown")
