"""The reason of a departure comes from evidence of that very departure, over a restart too."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exporter.events.facts.moderation import MembershipStarted
from exporter.tracking.membership.component import MembershipTracker
from exporter.tracking.membership.evidence import BESIDE_MS, MAX_EVIDENCE, SKEW_MS, PendingDeparture
from exporter.tracking.membership.prunes import PRUNE_MS
from exporter.tracking.previous_journal import (
    Part,
    SavedDeparture,
    SavedModeration,
    SavedVoice,
    decode_part,
)
from tests.tracking.moderation.moderators import AT, GUILD, MODERATOR, TARGET, TYPES, Log, act, audit

SECOND = 1000


def reasons(log: Log) -> list[str]:
    """Of every departure, in the order they were recorded."""
    return [row["reason"] for row in log.of("GUILD_MEMBER_REMOVE")]


def restart(before: Log, *, blind: bool = False) -> Log:
    """The next process, with the rows of the one before and what it had saved."""
    after = Log(blind=blind, wall=before.wall)
    after.rows, after.kinds = before.rows, before.kinds
    after.restart(before)
    return after


def saved(log: Log) -> list[PendingDeparture]:
    rows = log.stage.saved("membership/departures")
    return [msgspec.msgpack.decode(row.value or b"", type=PendingDeparture) for row in rows]


# ---------------------------------------------------------------------- over a restart


@pytest.mark.parametrize("action", ["kick", "ban"])
@pytest.mark.parametrize("entry_first", [True, False])
def test_an_entry_known_before_a_stop_is_still_the_reason_after_it(
    action: str,
    entry_first: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    before = Log()
    facts = [audit(action), act("leave", AT + 200)]
    before.take(*(facts if entry_first else reversed(facts)))
    after = restart(before)
    after.wait()
    (row,) = after.of("GUILD_MEMBER_REMOVE")
    assert (row["reason"], row["moderator_id"], row["audit_entry_id"]) == (
        action,
        MODERATOR,
        audit(action).entry_id,
    )
    assert after.counts == {action: 1}, "the departure; the action was counted before"


@pytest.mark.parametrize("ban_first", [True, False])
def test_a_ban_known_by_its_dispatch_before_a_stop_is_still_the_reason_after_it(
    ban_first: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    before = Log()
    facts = [act("ban"), act("leave", AT + 1)]
    before.take(*(facts if ban_first else reversed(facts)))
    after = restart(before)
    after.wait()
    (row,) = after.of("GUILD_MEMBER_REMOVE")
    assert row["reason"] == "ban"
    assert "moderator_id" not in row
    assert after.counts == {"ban": 1}


def test_a_ban_known_before_a_stop_gets_its_actor_by_an_entry_that_comes_after_it() -> None:
    before = Log()
    before.take(act("ban"), act("leave", AT + 1))
    after = restart(before, blind=False)
    after.take(audit("ban"))
    after.wait()
    (row,) = after.of("GUILD_MEMBER_REMOVE")
    assert (row["reason"], row["moderator_id"]) == ("ban", MODERATOR)
    assert after.actions() == [("ban", TARGET, MODERATOR, "spam", audit("ban").entry_id)]


def test_a_departure_of_no_known_reason_is_a_leave_over_a_restart_too() -> None:
    before = Log()
    before.take(act("leave"))
    after = restart(before)
    after.wait()
    assert reasons(after) == ["leave"]
    assert after.counts == {"leave": 1}


def test_what_is_saved_of_a_departure_is_the_reason_known_so_far() -> None:
    log = Log()
    log.take(act("leave"))
    (nothing,) = saved(log)
    assert (nothing.entry, nothing.banned) == (None, False)
    log.take(act("ban", AT + 1))
    (banned,) = saved(log)
    assert (banned.entry, banned.banned) == (None, True)
    log.take(audit("ban"))
    (explained,) = saved(log)
    assert (explained.entry, explained.banned) == (audit("ban"), True)


def test_a_ban_of_a_user_who_had_left_is_not_saved_with_the_departure() -> None:
    log = Log()
    log.take(act("leave"), act("ban", AT + BESIDE_MS + 1))
    (departure,) = saved(log)
    assert not departure.banned
    after = restart(log)
    after.wait()
    assert reasons(after) == ["leave"]


def test_a_departure_saved_by_a_version_that_knew_no_reasons_is_taken_up() -> None:
    whole = SavedDeparture("GUILD_MEMBER_REMOVE", GUILD, AT, TARGET, "nelly", False, "k", 0)
    short = msgspec.msgpack.encode(msgspec.to_builtins(whole)[:8])
    assert msgspec.msgpack.decode(short, type=SavedDeparture) == whole


def test_an_entry_is_the_same_after_the_journal_has_been_written_and_read() -> None:
    entry = audit("kick", details={"a": [1, None, "é"]}, reason=None)
    departure = SavedDeparture("T", GUILD, AT, TARGET, "nelly", True, "k", 5, entry, True)
    part = Part([], SavedVoice(), {}, {}, SavedModeration(departures=[departure]))
    assert decode_part(msgspec.msgpack.encode(part)).moderation.departures == [departure]


def test_a_decided_departure_is_not_taken_up_again() -> None:
    before = Log()
    before.take(act("leave"))
    before.wait()
    assert before.counts == {"leave": 1}
    after = restart(before)
    after.wait(30 * SECOND)
    assert not after.counts


def test_a_restored_departure_waits_a_whole_window_for_its_reason() -> None:
    before = Log()
    before.take(act("leave"))
    before.wait(9 * SECOND)
    after = restart(before)
    after.wait(9 * SECOND)
    assert not after.counts
    after.take(audit("kick"))
    after.wait(2 * SECOND)
    assert reasons(after) == ["kick"]


def test_the_membership_before_is_known_after_a_restart() -> None:
    """A kick from before the last join explains the departure before that join only."""
    before = Log()
    before.take(MembershipStarted(GUILD, TARGET, AT + 500), act("leave", AT + 900))
    after = restart(before)
    after.take(audit("kick", AT))
    after.wait()
    assert reasons(after) == ["leave"]


def test_of_two_departures_saved_only_the_banned_one_is_by_ban() -> None:
    before = Log()
    before.take(
        act("ban"),
        act("leave", AT + 1),
        act("unban", AT + 3000),
        MembershipStarted(GUILD, TARGET, AT + 4000),
        act("leave", AT + 6000),
    )
    assert [departure.banned for departure in saved(before)] == [True, False]
    after = restart(before)
    after.wait()
    assert reasons(after) == ["ban", "leave"]
    assert after.counts == {"ban": 1, "leave": 1}


def test_of_two_departures_saved_only_the_later_one_is_by_ban() -> None:
    before = Log()
    before.take(
        act("leave", AT),
        MembershipStarted(GUILD, TARGET, AT + 3000),
        act("ban", AT + 6000),
        act("leave", AT + 6001),
    )
    after = restart(before)
    after.wait()
    assert reasons(after) == ["leave", "ban"]


@pytest.mark.parametrize("kicked", [0, 1])
def test_of_two_departures_saved_each_keeps_its_own_entry(kicked: int) -> None:
    before = Log()
    moments = [AT + 1000, AT + 6000]
    before.take(
        act("leave", moments[0]), MembershipStarted(GUILD, TARGET, AT + 3000), act("leave", moments[1])
    )
    before.take(audit("kick", moments[kicked] - 100))
    after = restart(before)
    after.wait()
    assert reasons(after) == ["kick" if place == kicked else "leave" for place in (0, 1)]


def test_a_second_stop_loses_no_reason_either() -> None:
    before = Log()
    before.take(act("leave"), act("ban", AT + 1), audit("kick", AT - 5, 1, target=70), act("leave", AT, 70))
    after = restart(restart(before))
    after.wait()
    assert sorted(reasons(after)) == ["ban", "kick"]
    assert after.counts == {"ban": 1, "kick": 1}


def test_a_decided_departure_leaves_nothing() -> None:
    log = Log()
    log.take(act("leave"), audit("kick"))
    assert log.undecided() == 1
    log.wait()
    assert reasons(log) == ["kick"]
    assert not saved(log)
    assert log.undecided() == 0


def test_a_flush_waits_for_no_departure_that_came_after_it_was_asked_for() -> None:
    log = Log()
    log.take(act("leave"))
    asked_at = log.steady
    log.wait(5_000)
    log.take(act("leave", AT + 5_000, 70))
    assert (log.stage.undecided(asked_at, log.wall), log.undecided()) == (1, 2)
    log.wait(6_000)
    assert (log.stage.undecided(asked_at, log.wall), log.undecided()) == (0, 1)


# ---------------------------------------------------------------------- bans beside departures


@pytest.mark.parametrize(("late", "reason"), [(0, "ban"), (BESIDE_MS, "ban"), (BESIDE_MS + 1, "leave")])
def test_a_ban_s_own_time_says_whether_it_caused_the_departure(late: int, reason: str) -> None:
    """In a replay both arrive in one burst, whenever they happened."""
    log = Log()
    log.take(act("leave"), act("ban", AT + late))
    log.wait()
    assert reasons(log) == [reason]


def test_a_ban_that_happened_beside_the_departure_but_arrives_late_is_its_reason() -> None:
    log = Log()
    log.take(act("leave"))
    log.wait(5 * SECOND)
    log.take(act("ban", AT + 10))
    log.wait()
    assert reasons(log) == ["ban"]


def test_a_ban_before_the_departure_is_its_reason_however_long_before() -> None:
    log = Log()
    log.take(act("ban", AT - 9 * SECOND), act("leave"))
    log.wait()
    assert reasons(log) == ["ban"]


def test_a_ban_from_before_the_last_join_is_not_the_reason() -> None:
    log = Log()
    log.take(act("ban"), act("unban", AT + 1), MembershipStarted(GUILD, TARGET, AT + 2), act("leave", AT + 3))
    log.wait()
    assert reasons(log) == ["leave"]


def test_a_ban_is_the_reason_of_one_departure_only() -> None:
    log = Log()
    log.take(act("ban"), act("leave", AT + 1), act("leave", AT + 2))
    log.wait()
    assert reasons(log) == ["ban", "leave"]


def test_another_member_s_or_another_guild_s_ban_is_not_the_reason() -> None:
    log = Log()
    elsewhere = msgspec.structs.replace(act("ban"), guild_id=GUILD + 1)
    log.take(act("ban", target=TARGET + 50), elsewhere, act("leave"))
    log.wait()
    assert reasons(log) == ["leave"]


# ---------------------------------------------------------------------- entries and clocks


@pytest.mark.parametrize(
    ("skew", "reason"), [(0, "kick"), (SKEW_MS, "kick"), (SKEW_MS + 1, "leave")], ids=["same", "most", "more"]
)
def test_a_kick_s_entry_may_be_later_than_the_departure_by_a_clock_s_error(skew: int, reason: str) -> None:
    log = Log()
    log.take(act("leave"), audit("kick", AT + skew))
    log.wait()
    assert reasons(log) == [reason]


def test_a_ban_s_entry_may_be_that_late_only_with_its_dispatch_beside() -> None:
    alone, beside = Log(), Log(silent=True)
    alone.take(act("leave"), audit("ban", AT + SKEW_MS))
    beside.take(act("leave"), act("ban"), audit("ban", AT + SKEW_MS))
    for log in (alone, beside):
        log.wait()
    assert (reasons(alone), reasons(beside)) == (["leave"], ["ban"])
    (row,) = beside.of("GUILD_MEMBER_REMOVE")
    assert row["moderator_id"] == MODERATOR


@pytest.mark.parametrize(("before", "reason"), [(40_000, "kick"), (40_001, "leave")])
def test_an_entry_long_before_belongs_to_another_departure(before: int, reason: str) -> None:
    log = Log()
    log.take(act("leave"), audit("kick", AT - before))
    log.wait()
    assert reasons(log) == [reason]


def test_who_was_kicked_and_then_banned_left_by_the_kick() -> None:
    log = Log()
    log.take(audit("ban", AT + 600, 1, reason="again"), act("leave"), audit("kick", AT - 50, 2))
    log.wait()
    (row,) = log.of("GUILD_MEMBER_REMOVE")
    assert (row["reason"], row["audit_entry_id"]) == ("kick", audit("kick", AT - 50, 2).entry_id)


def test_where_a_join_was_missed_an_entry_explains_the_nearest_departure() -> None:
    log = Log()
    log.take(act("leave", AT), act("leave", AT + 8000), audit("kick", AT + 7500))
    log.wait(30 * SECOND)
    assert reasons(log) == ["leave", "kick"]


def test_a_departure_tells_who_it_was_and_not_why_before_that_is_known() -> None:
    log = Log()
    log.take(act("leave"))
    (row,) = log.of("GUILD_MEMBER_REMOVE")
    assert row == {"event": "leave", "user_id": TARGET, "username": "nelly", "bot": False, "reason": "leave"}
    assert not log.counts


def test_more_evidence_than_any_person_makes_is_bounded_and_the_newest_counts() -> None:
    log = Log()
    log.take(*(audit("kick", AT - 30_000 + n, n) for n in range(3 * MAX_EVIDENCE)))
    (case,) = log.stage.find(MembershipTracker)._evidence.members.values()
    assert len(case.entries) == MAX_EVIDENCE
    log.take(act("leave", AT))
    log.wait()
    assert reasons(log) == ["kick"]


def test_a_member_s_case_is_forgotten_once_nothing_can_come_of_it() -> None:
    log = Log()
    log.take(MembershipStarted(GUILD, TARGET, AT))
    assert log.stage.find(MembershipTracker)._evidence.members
    log.wait(41 * SECOND)
    assert not log.stage.find(MembershipTracker)._evidence.members


def test_with_departures_switched_on_only_their_rows_are_written() -> None:
    log = Log(("GUILD_MEMBER_REMOVE",))
    log.take(act("ban"), act("leave", AT + 1))
    log.wait(30 * SECOND)
    assert set(log.kinds.values()) == {"GUILD_MEMBER_REMOVE"}
    assert log.counts == {"ban": 1}


# ---------------------------------------------------------------------- prunes


def prune(amount: int, at: int = AT, number: int = 0) -> Any:
    return audit("prune", at, number, target=0, amount=amount)


def test_a_prune_takes_no_departure_with_a_reason_of_its_own_nor_one_of_another_guild() -> None:
    log = Log()
    log.take(prune(10), act("ban", AT, 6), *(act("leave", AT, user) for user in (5, 6)))
    log.take(msgspec.structs.replace(act("leave", AT, 7), guild_id=GUILD + 1))
    log.wait(25 * SECOND)
    found = {row["user_id"]: row["reason"] for row in log.of("GUILD_MEMBER_REMOVE")}
    assert found == {5: "prune", 6: "ban", 7: "leave"}


@pytest.mark.parametrize(("apart", "reason"), [(0, "prune"), (PRUNE_MS, "prune"), (PRUNE_MS + 1, "leave")])
def test_a_prune_reaches_as_far_as_discord_takes_to_remove_its_members(apart: int, reason: str) -> None:
    log = Log()
    log.take(prune(1, AT + apart), act("leave", AT))
    log.wait(25 * SECOND)
    assert reasons(log) == [reason]


def test_who_joined_after_the_prune_was_not_pruned() -> None:
    log = Log()
    log.take(prune(5), MembershipStarted(GUILD, TARGET, AT + 500), act("leave", AT + 900))
    log.wait(25 * SECOND)
    assert reasons(log) == ["leave"]


def test_a_prune_of_no_member_takes_none_and_makes_none_wait() -> None:
    log = Log()
    log.take(prune(0), act("leave"))
    log.wait(11 * SECOND)
    assert log.counts == {"prune": 1, "leave": 1}


def test_two_prunes_take_their_numbers_and_no_more() -> None:
    log = Log()
    log.take(prune(2, AT, 1), prune(1, AT + SECOND, 2))
    log.take(*(act("leave", AT + apart, 50 + apart) for apart in (0, 1, 500, 1000, 1500)))
    log.wait(25 * SECOND)
    assert reasons(log) == ["prune", "prune", "leave", "prune", "leave"]


def test_a_prune_whose_departures_are_found_leaves_nothing() -> None:
    log = Log()
    log.take(act("leave", AT, 5), act("leave", AT, 6), prune(2))
    assert log.stage.saved("membership/prunes")
    log.wait(25 * SECOND)
    assert reasons(log) == ["prune", "prune"]
    assert not log.stage.saved("membership/prunes")


@pytest.mark.parametrize("types", [TYPES, ("GUILD_MEMBER_REMOVE",)])
def test_a_prune_still_explains_where_its_own_row_is_off(types: tuple[str, ...]) -> None:
    log = Log(types, blind=True)
    log.take(prune(1), act("leave"))
    log.wait(25 * SECOND)
    assert reasons(log) == ["prune"]
