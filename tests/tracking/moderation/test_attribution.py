"""Whatever Discord sends first, late, twice or never: one action is one row, counted once, rightly."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.events.facts.moderation import MembershipStarted
from exporter.tracking.membership import departures as departures_module
from exporter.tracking.membership import evidence
from exporter.tracking.membership.component import MembershipTracker
from exporter.tracking.moderation import audit_matcher
from tests.scale import scaled
from tests.tracking.moderation.moderators import (
    AT,
    GUILD,
    MODERATOR,
    TARGET,
    Log,
    RandomActions,
    act,
    audit,
    entry_id,
)

SECOND = 1000


def check(simulation: RandomActions) -> None:
    log = simulation.play()
    assert Counter(log.actions()) == simulation.truth
    found: dict[int, list[tuple[str, int | None]]] = {}
    for row in log.of("GUILD_MEMBER_REMOVE"):
        found.setdefault(row["user_id"], []).append((row["reason"], row.get("audit_entry_id")))
    assert found == simulation.departures
    departed = Counter(reason for departures in simulation.departures.values() for reason, _ in departures)
    counted = departed + Counter(action for action, *_ in simulation.truth.elements())
    assert log.counts == counted


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_actions_with_late_double_and_missing_entries_are_all_recorded_right(seed: int) -> None:
    check(RandomActions(seed, 5_000))


@pytest.mark.parametrize("seed", range(2))
def test_entries_long_before_their_dispatches_are_recorded_right_too(seed: int) -> None:
    check(RandomActions(seed, 4_000, event_delay=5_000))


@pytest.mark.parametrize("seed", range(2))
def test_without_the_audit_log_all_is_counted_and_no_actor_named(seed: int) -> None:
    simulation = RandomActions(seed, 3_000, blind=True)
    check(simulation)
    assert not simulation.log.asked


@pytest.mark.parametrize("event_delay", [300, 5_000])
def test_with_prunes_nothing_is_wrong_and_unknown_only_what_cannot_be_known(event_delay: int) -> None:
    simulation = RandomActions(11, scaled(1_000), people=40, event_delay=event_delay, never=0.1, prunes=0.03)
    log = simulation.play()
    assert Counter(log.actions()) == simulation.truth
    found: dict[int, list[tuple[str, int | None]]] = {}
    for row in log.of("GUILD_MEMBER_REMOVE"):
        found.setdefault(row["user_id"], []).append((row["reason"], row.get("audit_entry_id")))
    assert {target: len(departures) for target, departures in found.items()} == {
        target: len(departures) for target, departures in simulation.departures.items()
    }
    unclear = {entry_id(at) >> 22 for at in simulation.unclear()}
    unknown = 0
    for target, departures in simulation.departures.items():
        for is_said, truth in zip(found[target], departures, strict=True):
            if is_said[0] == "unknown":
                unknown += 1
                assert truth[0] == "leave" or (truth[1] or 0) >> 22 in unclear
            else:
                assert is_said == truth
    assert unknown <= 10 * len(unclear)
    assert log.counts["prune"] > len(simulation.pruned_at)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(10, 120), st.integers(1, 6), st.integers(1, 5_000), st.floats(0, 1))
def test_any_drama_is_recorded_right(seed: int, number: int, people: int, late: int, never: float) -> None:
    check(RandomActions(seed, number, people=people, entry_delay=late, never=never))


@pytest.mark.parametrize("facts", list(itertools.permutations([act("ban"), act("leave"), audit("ban")])))
def test_a_ban_is_one_row_and_a_departure_by_ban_in_any_order(facts: tuple[Any, ...]) -> None:
    log = Log()
    log.take(*facts)
    log.wait()
    (banned,) = log.of("GUILD_BAN_ADD")
    assert banned["moderator_username"] == "mod"
    assert banned["target_username"] == "nelly"
    assert log.actions() == [("ban", TARGET, MODERATOR, "spam", audit("ban").entry_id)]
    (left,) = log.of("GUILD_MEMBER_REMOVE")
    assert (left["reason"], left["moderator_id"]) == ("ban", MODERATOR)
    assert log.counts == {"ban": 2}, "one action and one departure, both labelled ban"


def test_who_bans_a_user_who_has_left_did_not_make_them_leave() -> None:
    log = Log()
    log.take(act("leave"))
    log.wait(3 * SECOND)
    log.take(act("ban", log.wall), audit("ban", log.wall))
    log.wait()
    assert log.counts == {"leave": 1, "ban": 1}


@pytest.mark.parametrize("place", range(4))
def test_kick_rejoin_and_leave_are_distinguished_by_discord_s_own_time(place: int) -> None:
    """The dispatches keep their order; the entry comes anywhere among them."""
    log = Log()
    facts: list[Any] = [
        act("leave", AT + 100),
        MembershipStarted(GUILD, TARGET, AT + 800),
        act("leave", AT + 1500),
    ]
    facts.insert(place, audit("kick", AT))
    log.take(*facts)
    log.wait()
    first, second = log.of("GUILD_MEMBER_REMOVE")
    assert (first["reason"], second["reason"]) == ("kick", "leave")
    assert log.counts == {"kick": 2, "leave": 1}


def test_a_leave_is_counted_once_nothing_else_can_explain_it() -> None:
    log = Log()
    log.take(act("leave"))
    log.wait(9 * SECOND)
    assert not log.counts
    log.wait(1 * SECOND)
    assert log.counts == {"leave": 1}


@pytest.mark.parametrize("fact", [act("ban"), act("unban"), audit("ban"), audit("unban"), audit("kick")])
def test_the_same_dispatch_twice_is_one_action(fact: Any) -> None:
    log = Log()
    log.take(fact, fact)
    assert len(log.rows) == 1
    assert log.counts.total() == 1


def test_a_ban_after_an_unban_is_a_new_one_without_the_audit_log_too() -> None:
    log = Log(blind=True)
    log.take(act("ban"), act("unban", AT + 1), act("ban", AT + 2), act("unban", AT + 3))
    assert log.counts == {"ban": 2, "unban": 2}
    assert len(log.rows) == 4


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_ban_unban_and_ban_again_get_their_own_entries(order: tuple[int, ...]) -> None:
    log = Log()
    log.take(act("ban", AT), act("unban", AT + 2000), act("ban", AT + 4000))
    entries = [audit("ban", AT, 1), audit("unban", AT + 2000, 2), audit("ban", AT + 4000, 3)]
    log.take(*(entries[place] for place in order))
    rows = [log.rows[f"{action}:{GUILD}:{TARGET}:{at}"] for action, at in (("ban", AT), ("ban", AT + 4000))]
    assert [row["audit_entry_id"] for row in rows] == [entries[0].entry_id, entries[2].entry_id]
    assert log.counts == {"ban": 2, "unban": 1}


def test_an_entry_that_never_comes_is_not_replaced_by_the_next_one() -> None:
    log = Log(silent=True)
    log.take(act("ban", AT), act("unban", AT + 2000), act("ban", AT + 4000), audit("ban", AT + 4000, 3))
    assert "moderator_id" not in log.rows[f"ban:{GUILD}:{TARGET}:{AT}"]
    assert log.rows[f"ban:{GUILD}:{TARGET}:{AT + 4000}"]["moderator_id"] == MODERATOR


def test_an_entry_before_its_dispatch_is_not_taken_for_the_ban_before() -> None:
    log = Log(silent=True)
    log.take(act("ban", AT), act("unban", AT + 2000), audit("ban", AT + 4000, 3), act("ban", AT + 4100))
    assert "moderator_id" not in log.rows[f"ban:{GUILD}:{TARGET}:{AT}"]
    assert log.counts == {"ban": 2, "unban": 1}


def test_of_two_hits_of_automoderation_each_gets_its_own_entry() -> None:
    log = Log()
    first, second = (
        msgspec.structs.replace(act("automod_block", at), dedup_key=f"hit {at}") for at in (AT, AT + 3000)
    )
    log.take(first, second, audit("automod_block", AT + 3000, 1, details={"rule": "second"}))
    assert [row.get("rule") for row in log.rows.values()] == [None, "second"]
    log.take(first, second)
    assert log.counts == {"automod_block": 2}


def test_a_prune_known_long_before_takes_the_departures_that_come_together() -> None:
    log = Log()
    log.take(audit("prune", target=0, amount=3))
    log.wait(1 * SECOND)
    log.take(act("leave", log.wall, 50))
    log.wait(4 * SECOND)
    log.take(*(act("leave", log.wall, user) for user in (61, 62, 63)))
    log.wait(25 * SECOND)
    pruned = {row["user_id"] for row in log.of("GUILD_MEMBER_REMOVE") if row["reason"] == "prune"}
    assert pruned == {61, 62, 63}


# ---------------------------------------------------------------------- prunes


@pytest.mark.parametrize("late", [-3000, 0, 4000])
def test_a_prune_is_one_row_and_takes_the_departures_next_to_it(late: int) -> None:
    log = Log()
    entry = audit("prune", AT + 3000, target=0, amount=5, details={"members_removed": 5, "days": 7})
    log.take(act("leave", AT, 99))
    log.pass_to(3000 + min(0, late))
    if late <= 0:
        log.take(entry)
    log.pass_to(3000)
    log.take(*(act("leave", AT + 3000, 200 + number) for number in range(5)))
    log.wait(max(0, late))
    if late > 0:
        log.take(entry)
    log.take(act("leave", log.wall + 1500, 98))
    log.wait(25 * SECOND)
    assert log.counts == {"prune": 6, "leave": 2}
    (row,) = log.of("GUILD_AUDIT_LOG_ENTRY_CREATE")
    assert "target_user_id" not in row
    assert (row["members_removed"], row["days"]) == (5, 7)
    pruned = {row["user_id"] for row in log.of("GUILD_MEMBER_REMOVE") if row["reason"] == "prune"}
    assert pruned == {200, 201, 202, 203, 204}


def test_who_is_kicked_during_a_prune_was_kicked() -> None:
    log = Log()
    log.take(audit("prune", target=0, amount=2))
    log.take(*(act("leave", AT, user) for user in (5, 6, 7)), audit("kick", AT, 1, target=6))
    log.wait(25 * SECOND)
    reasons = {row["user_id"]: row["reason"] for row in log.of("GUILD_MEMBER_REMOVE")}
    assert reasons == {5: "prune", 6: "kick", 7: "prune"}


# ---------------------------------------------------------------------- other actions


@pytest.mark.parametrize(
    "facts", list(itertools.permutations([act("automod_block"), audit("automod_block")]))
)
def test_what_automoderation_does_is_one_row_by_either_way(facts: tuple[Any, ...]) -> None:
    log = Log()
    log.take(*facts)
    (row,) = log.of("AUTO_MODERATION_ACTION_EXECUTION")
    assert row["action"] == "automod_block"
    assert log.counts == {"automod_block": 1}


@pytest.mark.parametrize(
    "entry", [audit("kick", target=0), msgspec.structs.replace(audit("nick"), action="")]
)
def test_an_entry_without_a_person_or_of_another_kind_is_passed_over(entry: Any) -> None:
    log = Log()
    log.take(entry)
    assert not log.rows


def test_a_type_that_is_off_is_neither_recorded_nor_counted_but_still_explains() -> None:
    log = Log(("GUILD_MEMBER_REMOVE", "GUILD_AUDIT_LOG_ENTRY_CREATE"))
    log.take(audit("ban"), act("leave"))
    log.wait()
    assert log.counts == {"ban": 1}, "the departure alone"
    assert log.of("GUILD_MEMBER_REMOVE")[0]["reason"] == "ban"


def test_what_is_recovered_is_marked() -> None:
    log = Log()
    log.recover(audit("kick"))
    assert log.of("GUILD_AUDIT_LOG_ENTRY_CREATE")[0]["recovered"] is True


def test_an_action_of_the_previous_run_still_gets_its_entry() -> None:
    before = Log()
    before.take(act("ban"))
    after = Log()
    after.rows, after.kinds = before.rows, before.kinds
    after.restart(before)
    after.wait(60 * SECOND)
    after.take(audit("ban"))
    assert after.actions() == [("ban", TARGET, MODERATOR, "spam", audit("ban").entry_id)]
    assert not after.counts, "it was counted when it was first learnt"


def test_memory_is_bounded_and_what_is_pushed_out_is_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_matcher, "MAX_WAITING", 10)
    monkeypatch.setattr(departures_module, "MAX_DEPARTURES", 10)
    monkeypatch.setattr(evidence, "MAX_MEMBERS", 10)
    log = Log()
    log.take(*(act("leave", AT + n, target=100 + n) for n in range(50)))
    log.take(*(act("ban", AT + n, target=500 + n) for n in range(50)))
    membership = log.stage.find(MembershipTracker)
    assert len(membership._departures.table.rows) == 10
    assert len(membership._evidence.members) == 10
    assert len(log.stage.saved("moderation/actions")) == 10
    assert log.counts == {"leave": 40, "ban": 50}
    log.wait(200 * SECOND)
    assert log.counts == {"leave": 50, "ban": 50}
    assert not log.stage.saved("moderation/actions")
    assert not log.stage.saved("membership/departures")
