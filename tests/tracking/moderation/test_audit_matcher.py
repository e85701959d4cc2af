"""One action, one row, one count: which entry belongs to which dispatch is decided by their times."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from exporter.events.facts.base import Fact
from exporter.events.facts.counting import Count, Record
from exporter.events.facts.moderation import Action, ActionExplained, ActionUnexplained, AuditEntry
from exporter.tracking.moderation.action_rows import ActionPolicy, ActionRows
from exporter.tracking.moderation.audit_matcher import (
    SLACK_MS,
    UNMATCHED_MS,
    AuditMatcher,
    PendingAction,
)
from exporter.tracking.moderation.waiting_table import WINDOW_MS
from tests.entry_data import Fields, fields_of
from tests.tracking.moderation.moderators import AT, GUILD, MODERATOR, TARGET, TYPES, act, audit


class Rows:
    """The rows of actions, and what was put out of them."""

    def __init__(self, types: tuple[str, ...] = TYPES) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.records: list[Record] = []
        self.counts: Counter[str] = Counter()
        self.unread: set[int] = set()
        self.given_up: list[str] = []
        self.looked_up: list[str] = []
        self.matcher = AuditMatcher(self._put_out, ActionPolicy(), self.unread.__contains__)
        names = {MODERATOR: "mod", TARGET: "known"}
        self.log = ActionRows(self._put_out, self.matcher, names.get, types, lambda _, at: at)

    def _put_out(self, fact: Fact) -> None:
        if isinstance(fact, Record):
            self.records.append(fact)
            self.rows.setdefault(fact.key, Fields()).update(fields_of(fact))
        elif isinstance(fact, Count):
            self.counts[fact.series.value] += fact.amount
        elif isinstance(fact, ActionUnexplained):
            self.looked_up.append(fact.key)
        elif isinstance(fact, ActionExplained):
            self.given_up.append(fact.key)

    def take(self, *facts: Action | AuditEntry, now: int = 0) -> list[bool | None]:
        return [
            self.log.act(fact, now) if isinstance(fact, Action) else self.log.enter(fact, now)
            for fact in facts
        ]

    def saved(self) -> list[PendingAction]:
        """What is to be saved of what has changed."""
        rows = [row.value for row in self.matcher.table.save("x") if row.value is not None]
        self.matcher.table.confirm()
        return [msgspec.msgpack.decode(value, type=PendingAction) for value in rows]


def unnamed(fact: Action) -> Action:
    return msgspec.structs.replace(fact, target=msgspec.structs.replace(fact.target, name=""))


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
    *_, amendment = rows.records
    assert amendment.amends
    assert "target_username" not in fields_of(amendment)


def test_an_entry_without_an_actor_names_none() -> None:
    rows = Rows()
    rows.take(audit("kick", actor_id=0, reason=None))
    (row,) = rows.rows.values()
    assert (row["moderator_id"], row["moderator_username"], row["reason"]) == (None, None, None)


def test_an_amendment_bears_the_time_and_the_person_of_its_row() -> None:
    """A store finds the row by them."""
    rows = Rows()
    rows.take(act("ban", AT + 300), audit("ban", AT))
    begun, amended = rows.records
    assert (begun.amends, amended.amends) == (False, True)
    assert (amended.key, amended.at, amended.person, amended.type) == (
        begun.key,
        AT + 300,
        TARGET,
        "GUILD_BAN_ADD",
    )


def test_a_row_is_saved_when_it_is_begun_if_something_more_will_tell_of_it() -> None:
    rows = Rows()
    rows.take(audit("kick"))
    assert not rows.saved(), "its dispatch is that of the departure"
    rows.take(audit("ban"))
    assert [pending.shown for pending in rows.saved()] == [False]
    rows.take(act("ban"))
    assert not rows.saved(), "it has its entry"
    rows.take(act("unban", AT + 1))
    assert [pending.explained for pending in rows.saved()] == [False]


def test_a_type_that_is_off_has_neither_row_nor_count_and_its_dispatch_is_still_known() -> None:
    rows = Rows(("GUILD_BAN_REMOVE",))
    assert rows.take(act("ban")) == [True]
    assert (rows.rows, rows.counts) == ({}, {})
    assert rows.take(act("ban")) == [False]


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
    """No user is banned twice without an unban between."""
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


def test_a_hit_reported_twice_is_one_although_its_entry_came_first() -> None:
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
    kind = "GUILD_AUDIT_LOG_ENTRY_CREATE"
    shown = PendingAction("key", kind, GUILD, "timeout", TARGET, AT, str(end), shown=True)
    rows.log.begin(shown, {"target_user_id": TARGET})
    rows.matcher.keep(shown, 0, look_up=False)
    assert rows.looked_up == []
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
    rows.unread.add(GUILD)
    rows.take(act("ban"))
    for late in range(1, 5):
        rows.matcher.settle(late * UNMATCHED_MS)
    rows.unread.clear()
    rows.take(audit("ban"))
    assert len(rows.rows) == 1
    rows.matcher.settle(5 * UNMATCHED_MS)
    assert not rows.matcher.table.rows


@pytest.mark.parametrize(("apart", "rows_"), [(WINDOW_MS, 1), (WINDOW_MS + 1, 2)])
@pytest.mark.parametrize("entry_first", [True, False])
def test_an_entry_from_an_absence_is_not_that_of_a_dispatch_from_another_time(
    apart: int,
    rows_: int,
    entry_first: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    rows = Rows()
    if entry_first:
        rows.log.enter(audit("ban", AT - apart), 0, recovered=True)
        rows.take(act("ban"))
    else:
        rows.take(act("ban"))
        rows.log.enter(audit("ban", AT - apart), 0, recovered=True)
    assert len(rows.rows) == rows_
    assert rows.counts == {"ban": rows_}


# ---------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    ("fact", "patience", "given_up"),
    [(act("ban"), UNMATCHED_MS, 1), (audit("ban"), WINDOW_MS, 0)],
    ids=["dispatch", "entry"],
)
def test_what_has_waited_long_enough_is_forgotten(
    fact: Action | AuditEntry, patience: int, given_up: int
) -> None:
    rows = Rows()
    rows.take(fact)
    rows.matcher.settle(patience - 1)
    assert len(rows.matcher.table.rows) == 1
    rows.matcher.settle(patience)
    assert not rows.matcher.table.rows
    assert not rows.saved()
    assert len(rows.given_up) == given_up


def test_an_entry_without_a_dispatch_waits_for_none() -> None:
    rows = Rows()
    rows.take(audit("kick"), audit("nick"), audit("role_add"))
    assert not rows.matcher.table.rows


def test_while_the_log_is_to_be_read_an_entry_is_not_that_of_an_action_long_before_it() -> None:
    """The unban of before the gap has its entry in the log; its ban and another unban came since."""
    rows = Rows()
    rows.take(act("unban"))
    rows.unread.add(GUILD)
    later = AT + 2 * WINDOW_MS
    rows.take(audit("unban", later, 2), act("ban", later), act("unban", later))
    rows.log.enter(audit("unban", AT, 1), 0, recovered=True)
    unbans = [row for row in rows.rows.values() if row["action"] == "unban"]
    assert [row["audit_entry_id"] for row in unbans] == [
        audit("unban", AT, 1).entry_id,
        audit("unban", later, 2).entry_id,
    ]


def test_saved_is_what_has_no_entry_yet() -> None:
    rows = Rows()
    rows.take(act("ban", target=50), act("ban", target=51), audit("ban", target=50))
    assert [pending.target_id for pending in rows.saved()] == [51]


def test_a_restored_action_is_open_like_any_other_until_its_deadline() -> None:
    before = Rows()
    before.take(act("ban"))
    (key,) = before.rows
    rows = Rows()
    for row in before.matcher.table.save("x"):
        assert row.value is not None
        rows.matcher.table.restore(row.key, row.value)
    rows.matcher.resume(100)
    assert rows.looked_up == [key]
    rows.take(audit("ban"))
    assert rows.rows[key]["moderator_id"] == MODERATOR
    assert not rows.counts
    rows.matcher.settle(100 + UNMATCHED_MS)
    assert not rows.matcher.table.rows


def test_after_a_restart_the_same_dispatch_is_a_new_action() -> None:
    """Its opposite may have been done in the absence."""
    before = Rows()
    before.take(act("ban"))
    rows = Rows()
    for row in before.matcher.table.save("x"):
        assert row.value is not None
        rows.matcher.table.restore(row.key, row.value)
    rows.matcher.resume(0)
    rows.take(act("ban", AT + 5000))
    assert rows.counts == {"ban": 1}


def test_everything_is_forgotten_at_once() -> None:
    rows = Rows()
    rows.take(act("ban", target=50), audit("ban", target=51), hit("a"))
    rows.matcher.clear()
    assert not rows.matcher.table.rows
    assert not rows.matcher.at((GUILD, "ban", 50))


def test_what_was_done_to_people_who_opted_out_is_forgotten_and_deleted() -> None:
    rows = Rows()
    rows.take(act("ban", target=50), audit("ban", target=51), act("ban", target=52))
    assert len(rows.saved()) == 3
    rows.matcher.forget_people({50, 51})
    deleted = [row.key for row in rows.matcher.table.save("x") if row.value is None]
    assert len(deleted) == 2
    assert len(rows.matcher.table.rows) == 1
