"""One action, one row, one count: which entry belongs to which dispatch is decided by their times."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from exporter.events.facts import Action, AuditEntry, Count, Record
from exporter.tracking.moderation import audit_matcher as actions_module
from exporter.tracking.moderation.audit_matcher import (
    SLACK_MS,
    UNMATCHED_MS,
    WINDOW_MS,
    ActionLog,
    PendingAction,
)
from exporter.tracking.moderation.begun import BegunRows
from tests.tracking.moderation.moderators import AT, GUILD, MODERATOR, TARGET, TYPES, act, audit


class Rows:
    """An action log, and what it has said."""

    def __init__(self, types: tuple[str, ...] = TYPES) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.records: list[tuple[Record, bool]] = []
        self.counts: Counter[str] = Counter()
        self.begun = BegunRows()
        names = {MODERATOR: "mod", TARGET: "known"}
        self.log = ActionLog(self._record, self._count, names.get, types, self.begun)

    def _record(self, record: Record, amends: bool) -> None:  # noqa: FBT001 - the callback's shape
        self.records.append((record, amends))
        self.rows.setdefault(record.key, {}).update(record.data)

    def _count(self, count: Count) -> None:
        self.counts[count.series.value] += count.amount

    def take(self, *facts: Action | AuditEntry, now: int = 0) -> list[PendingAction | None]:
        return [
            self.log.act(fact, now) if isinstance(fact, Action) else self.log.enter(fact, now)
            for fact in facts
        ]


def unnamed(fact: Action) -> Action:
    return msgspec.structs.replace(fact, target=msgspec.structs.replace(fact.target, name=""))


def never(_: int) -> bool:
    return False


def hit(dedup_key: str, at: int = AT) -> Action:
    return msgspec.structs.replace(act("automod_block", at), dedup_key=dedup_key, data={"rule_id": 1})


# ---------------------------------------------------------------------- rows


def test_a_dispatch_s_row_is_named_after_it_and_an_entry_s_after_the_entry() -> None:
    rows = Rows()
    rows.take(act("ban"), audit("kick"))
    assert list(rows.rows) == [f"ban:{GUILD}:{TARGET}:{AT}", f"audit:{audit('kick').entry_id}"]


def test_a_name_the_dispatch_does_not_tell_is_the_one_that_is_known() -> None:
    rows = Rows()
    rows.take(unnamed(act("ban")))
    (row,) = rows.rows.values()
    assert row["target_username"] == "known"


def test_a_dispatch_without_a_name_does_not_wipe_out_the_entry_s() -> None:
    rows = Rows()
    rows.take(audit("ban"), unnamed(act("ban")))
    *_, (amendment, amends) = rows.records
    assert amends
    assert amendment.data["target_username"] is None, "none says nothing to a store"


def test_an_entry_of_nobody_blames_nobody() -> None:
    rows = Rows()
    rows.take(audit("kick", actor_id=0, reason=None))
    (row,) = rows.rows.values()
    assert (row["moderator_id"], row["moderator_username"], row["reason"]) == (None, None, None)


def test_an_amendment_bears_the_time_and_the_person_of_its_row() -> None:
    """A store finds the row by them."""
    rows = Rows()
    rows.take(act("ban", AT + 300), audit("ban", AT))
    (begun, first), (amended, second) = rows.records
    assert (first, second) == (False, True)
    assert (amended.key, amended.at, amended.person, amended.type) == (
        begun.key,
        AT + 300,
        TARGET,
        "GUILD_BAN_ADD",
    )


def test_a_type_that_is_off_has_neither_row_nor_count_and_its_dispatch_is_still_known() -> None:
    rows = Rows(("GUILD_BAN_REMOVE",))
    (told,) = rows.take(act("ban"))
    assert (rows.rows, rows.counts) == ({}, {})
    assert told is not None
    assert rows.take(act("ban")) == [None]


# ---------------------------------------------------------------------- which belongs to which


@pytest.mark.parametrize(
    ("apart", "rows_"), [(-WINDOW_MS, 1), (-WINDOW_MS - 1, 2), (WINDOW_MS, 1), (WINDOW_MS + 1, 2)]
)
def test_an_entry_too_far_from_a_hit_of_automoderation_is_another(apart: int, rows_: int) -> None:
    rows = Rows()
    rows.take(act("automod_block"), audit("automod_block", AT + apart))
    assert len(rows.rows) == rows_
    assert rows.counts == {"automod_block": rows_}


@pytest.mark.parametrize("apart", [-UNMATCHED_MS, WINDOW_MS + 1, UNMATCHED_MS])
def test_an_entry_of_a_ban_is_that_of_the_open_ban_however_far(apart: int) -> None:
    """Nobody is banned twice without an unban between."""
    rows = Rows()
    rows.take(act("ban"), audit("ban", AT + apart))
    assert len(rows.rows) == 1


@pytest.mark.parametrize(("late", "same"), [(SLACK_MS, True), (SLACK_MS + 1, False)])
def test_after_an_unban_an_entry_belongs_to_the_first_ban_only_if_it_is_not_later(
    late: int,
    same: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    rows = Rows()
    rows.take(act("ban"), act("unban", AT + 100), audit("ban", AT + late))
    assert (rows.rows[f"ban:{GUILD}:{TARGET}:{AT}"].get("moderator_id") == MODERATOR) is same
    assert rows.counts == {"ban": 1 if same else 2, "unban": 1}


def test_of_two_open_hits_the_nearer_gets_the_entry() -> None:
    rows = Rows()
    rows.take(hit("a", AT), hit("b", AT + 4000), audit("automod_block", AT + 2500))
    first, second = rows.rows.values()
    assert "audit_entry_id" not in first
    assert second["audit_entry_id"] == audit("automod_block", AT + 2500).entry_id


def test_of_two_entries_before_a_dispatch_the_nearer_gets_it() -> None:
    rows = Rows()
    near, far = audit("automod_block", AT - 100, 1), audit("automod_block", AT - 5000, 2)
    rows.take(far, near, hit("a"))
    assert rows.rows[f"audit:{near.entry_id}"]["rule_id"] == 1
    assert "rule_id" not in rows.rows[f"audit:{far.entry_id}"]
    assert rows.counts == {"automod_block": 2}


def test_a_hit_told_of_twice_is_one_although_its_entry_came_first() -> None:
    rows = Rows()
    rows.take(audit("automod_block"), hit("a"), hit("a"))
    assert rows.counts == {"automod_block": 1}


@pytest.mark.parametrize(
    "other", [act("ban", target=TARGET + 1), msgspec.structs.replace(act("ban"), guild_id=9)]
)
def test_an_entry_is_never_given_to_another_person_or_guild(other: Action) -> None:
    rows = Rows()
    rows.take(other, audit("ban"))
    assert len(rows.rows) == 2


def test_a_timeout_of_unknown_origin_is_given_the_entry_with_its_very_end_only() -> None:
    rows = Rows()
    end = AT + 60_000
    rows.log.begin_unknown("timeout", GUILD, AT, "key", {"until": end}, TARGET, 0)
    rows.take(audit("timeout", AT, 1, until=end + 1))
    assert "audit_entry_id" not in rows.rows["key"]
    rows.take(audit("timeout", AT, 2, until=end))
    assert rows.rows["key"]["audit_entry_id"] == audit("timeout", AT, 2).entry_id
    assert rows.counts == {"timeout": 2}


def test_bans_received_in_one_millisecond_are_rows_of_their_own() -> None:
    rows = Rows()
    rows.take(act("ban"), act("unban"), act("ban"))
    assert [row["action"] for row in rows.rows.values()] == ["ban", "unban", "ban"]
    assert rows.counts == {"ban": 2, "unban": 1}


def test_a_dispatch_waits_for_its_entry_for_as_long_as_the_audit_log_is_to_be_read() -> None:
    rows = Rows()
    rows.take(act("ban"))
    for late in range(1, 5):
        rows.log.settle(late * UNMATCHED_MS, {GUILD}.__contains__)
    rows.take(audit("ban"))
    assert len(rows.rows) == 1
    rows.log.settle(5 * UNMATCHED_MS, never)
    assert not rows.log._open


# ---------------------------------------------------------------------- entries known


def test_an_entry_is_known_from_the_second_time_on() -> None:
    log = Rows().log
    assert not log.is_known(audit("kick"))
    assert log.is_known(audit("kick"))
    assert not log.is_known(audit("kick", AT, 1))


def test_the_oldest_entry_known_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions_module, "MAX_ENTRIES", 3)
    log = Rows().log
    for number in range(4):
        log.is_known(audit("kick", AT, number))
    assert len(log._entries) == 3
    assert log.is_known(audit("kick", AT, 3))
    assert not log.is_known(audit("kick", AT, 0))


@pytest.mark.parametrize(("amount", "told"), [(1, []), (2, []), (3, [3])])
def test_a_count_is_told_only_when_it_has_grown(amount: int, told: list[int]) -> None:
    rows = Rows()
    log = rows.log
    log.is_known(audit("message_delete", amount=2))
    log.recount(audit("message_delete", amount=amount, details={"count": amount}))
    log.recount(audit("message_delete", amount=amount, details={"count": amount}))
    assert [record.data["count"] for record, amends in rows.records if amends] == told
    assert not rows.counts


def test_a_count_of_what_is_no_action_is_not_told() -> None:
    rows = Rows()
    rows.log.recount(msgspec.structs.replace(audit("nick", amount=9), action=""))
    assert not rows.records


# ---------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    ("fact", "patience"),
    [(act("ban"), UNMATCHED_MS), (audit("ban"), WINDOW_MS)],
    ids=["dispatch", "entry"],
)
def test_what_has_waited_long_enough_is_forgotten(fact: Action | AuditEntry, patience: int) -> None:
    rows = Rows()
    rows.take(fact)
    rows.log.settle(patience - 1, never)
    assert rows.log._open
    rows.log.settle(patience, never)
    assert not rows.log._open


def test_an_entry_without_a_dispatch_waits_for_none() -> None:
    rows = Rows()
    rows.take(audit("kick"), audit("nick"), audit("role_add"))
    assert not rows.log._open


def test_unexplained_is_what_has_no_entry_yet() -> None:
    rows = Rows()
    rows.take(act("ban", target=50), act("ban", target=51), audit("ban", target=50))
    assert [told.target_id for _, told in rows.log.unexplained()] == [51]


def test_a_restored_action_is_open_like_any_other_until_its_deadline() -> None:
    rows = Rows()
    told = PendingAction("old", "GUILD_BAN_ADD", GUILD, AT, 500, TARGET, seen=True)
    rows.log.restore((GUILD, "ban", TARGET), told)
    assert rows.take(act("ban", AT + 50)) == [None], "the same ban again"
    assert [one.key for _, one in rows.log.unexplained()] == ["old"]
    rows.take(audit("ban"))
    assert rows.rows["old"]["moderator_id"] == MODERATOR
    assert not list(rows.log.unexplained())
    rows.log.settle(500, never)
    assert not rows.log._open


def test_everything_is_forgotten_at_once_when_told_so() -> None:
    rows = Rows()
    rows.take(act("ban", target=50), audit("ban", target=51), hit("a"))
    rows.log.restore(
        (GUILD, "ban", 52), PendingAction("old", "GUILD_BAN_ADD", GUILD, AT, 10**9, 52, seen=True)
    )
    rows.log.settle(0, never, all_of_them=True)
    assert not rows.log._open
    assert not list(rows.log.unexplained())
