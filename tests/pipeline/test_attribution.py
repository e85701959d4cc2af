"""Whatever Discord sends first, one action is one row, counted once, with the right reason."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from exporter.events.facts import Action, AuditEntry, Count, Person, Record
from exporter.events.moderation import AUDIT_BAN, AUDIT_KICK, AUDIT_PRUNE, AUDIT_UNBAN
from exporter.pipeline import attribution as module
from exporter.pipeline.attribution import FOR_EVER, WINDOW_MS, Attribution

GUILD, TARGET, MODERATOR = 1, 2, 3
AT = 1_700_000_000_000
TYPES = ("GUILD_BAN_ADD", "GUILD_BAN_REMOVE", "GUILD_MEMBER_REMOVE", "GUILD_AUDIT_LOG_ENTRY_CREATE")
NAMES = {MODERATOR: "mod"}


class Log:
    """What attribution said: rows as the stores merge them, and counts by label value."""

    def __init__(self, types: tuple[str, ...] = TYPES) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.kinds: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.attribution = Attribution(self._record, self._count, NAMES.get, types)
        self.now = 0

    def _record(self, record: Record, amends: bool) -> None:  # noqa: FBT001 - the callback's shape
        assert amends == (record.key in self.rows), "a row is begun once, and only then amended"
        assert self.kinds.setdefault(record.key, record.type) == record.type
        row = self.rows.setdefault(record.key, {})
        row |= {name: value for name, value in record.data.items() if value is not None}

    def _count(self, count: Count) -> None:
        self.counts[count.slot.value] += count.amount

    def take(self, *facts: Action | AuditEntry) -> None:
        for fact in facts:
            self.now += 1
            if isinstance(fact, Action):
                self.attribution.act(fact, self.now)
            else:
                self.attribution.audit(fact, self.now)

    def wait(self, ms: int = WINDOW_MS) -> None:
        self.now += ms
        self.attribution.settle(self.now)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [row for key, row in self.rows.items() if self.kinds[key] == kind]


def act(kind: str, action: str, at: int = AT, target: int = TARGET) -> Action:
    return Action(kind, action, GUILD, at, Person(target, "nelly"))


def leave(at: int = AT, target: int = TARGET) -> Action:
    return act("GUILD_MEMBER_REMOVE", "leave", at, target)


def ban(at: int = AT) -> Action:
    return act("GUILD_BAN_ADD", "ban", at)


def unban(at: int = AT) -> Action:
    return act("GUILD_BAN_REMOVE", "unban", at)


def audit(kind: int, entry_id: int = 77, target: int = TARGET) -> AuditEntry:
    return AuditEntry(GUILD, entry_id, AT, kind, MODERATOR, target, "spam")


@pytest.mark.parametrize("facts", list(itertools.permutations([ban(), leave(), audit(AUDIT_BAN)])))
def test_a_ban_is_one_row_and_a_departure_by_ban_in_any_order(facts: tuple[Any, ...]) -> None:
    log = Log()
    log.take(*facts)
    log.wait()
    (banned,) = log.of("GUILD_BAN_ADD")
    assert banned["moderator_id"] == MODERATOR
    assert banned["moderator_username"] == "mod"
    assert banned["reason"] == "spam"
    assert banned["audit_entry_id"] == 77
    assert banned["target_user_id"] == TARGET
    assert banned["target_username"] == "nelly"
    (left,) = log.of("GUILD_MEMBER_REMOVE")
    assert (left["reason"], left["moderator_id"], left["audit_entry_id"]) == ("ban", MODERATOR, 77)
    assert log.counts == {"ban": 2}, "one action and one departure, both labelled ban"


@pytest.mark.parametrize("facts", list(itertools.permutations([ban(), leave()])))
def test_a_ban_without_the_audit_log_is_counted_and_its_author_unknown(facts: tuple[Any, ...]) -> None:
    log = Log()
    log.take(*facts)
    log.wait()
    (banned,) = log.of("GUILD_BAN_ADD")
    assert "moderator_id" not in banned
    (left,) = log.of("GUILD_MEMBER_REMOVE")
    assert left["reason"] == "ban"
    assert log.counts == {"ban": 2}


@pytest.mark.parametrize("facts", list(itertools.permutations([leave(), audit(AUDIT_KICK)])))
def test_a_kick_is_told_from_a_leave_in_any_order(facts: tuple[Any, ...]) -> None:
    log = Log()
    log.take(*facts)
    log.wait()
    (left,) = log.of("GUILD_MEMBER_REMOVE")
    assert (left["reason"], left["moderator_id"]) == ("kick", MODERATOR)
    (kicked,) = log.of("GUILD_AUDIT_LOG_ENTRY_CREATE")
    assert kicked["action"] == "kick"
    assert log.counts == {"kick": 2}


@pytest.mark.parametrize("facts", list(itertools.permutations([unban(), audit(AUDIT_UNBAN)])))
def test_an_unban_is_one_row(facts: tuple[Any, ...]) -> None:
    log = Log()
    log.take(*facts)
    (lifted,) = log.rows.values()
    assert lifted["moderator_id"] == MODERATOR
    assert log.counts == {"unban": 1}


def test_a_leave_is_counted_once_nothing_else_can_explain_it() -> None:
    log = Log()
    log.take(leave())
    log.wait(WINDOW_MS - 1)
    assert not log.counts
    log.wait(1)
    assert log.counts == {"leave": 1}
    log.wait()
    assert log.counts == {"leave": 1}


def test_an_audit_entry_after_the_window_is_an_action_of_its_own() -> None:
    log = Log()
    log.take(leave())
    log.wait()
    log.take(audit(AUDIT_KICK))
    log.wait()
    assert log.counts == {"leave": 1, "kick": 1}
    (left,) = log.of("GUILD_MEMBER_REMOVE")
    assert left["reason"] == "leave"


@pytest.mark.parametrize("fact", [ban(), unban(), audit(AUDIT_BAN), audit(AUDIT_UNBAN), audit(AUDIT_KICK)])
def test_the_same_dispatch_twice_is_one_action(fact: Any) -> None:
    log = Log()
    log.take(fact, fact)
    assert len(log.rows) == 1
    assert log.counts.total() == 1


def test_a_ban_after_an_unban_is_a_new_one_without_the_audit_log_too() -> None:
    log = Log()
    log.take(ban(), unban(AT + 1), ban(AT + 2), unban(AT + 3))
    assert log.counts == {"ban": 2, "unban": 2}
    assert len(log.rows) == 4


def test_ban_unban_and_ban_again_are_three_actions() -> None:
    log = Log()
    facts = [
        ban(),
        audit(AUDIT_BAN, 1),
        unban(AT + 1),
        audit(AUDIT_UNBAN, 2),
        ban(AT + 2),
        audit(AUDIT_BAN, 3),
    ]
    log.take(*facts)
    log.wait()
    assert log.counts == {"ban": 2, "unban": 1}
    assert sorted(row["audit_entry_id"] for row in log.rows.values()) == [1, 2, 3]


def test_a_late_audit_entry_of_a_lifted_ban_still_belongs_to_it() -> None:
    log = Log()
    log.take(ban(), unban(AT + 1), audit(AUDIT_BAN, 1), audit(AUDIT_UNBAN, 2))
    assert log.counts == {"ban": 1, "unban": 1}
    assert [row["audit_entry_id"] for row in log.of("GUILD_BAN_ADD")] == [1]


def test_somebody_banned_a_while_after_leaving_had_left_by_themselves() -> None:
    log = Log()
    log.take(act("GUILD_MEMBER_REMOVE", "leave"))
    log.wait(3_000)
    log.take(act("GUILD_BAN_ADD", "ban", AT + 3_000))
    log.wait()
    assert log.counts == {"ban": 1, "leave": 1}
    assert [row["reason"] for row in log.of("GUILD_MEMBER_REMOVE")] == ["leave"]


def test_leaving_twice_within_the_window_is_two_departures() -> None:
    log = Log()
    log.take(leave(), leave(AT + 2000))
    log.wait()
    assert log.counts == {"leave": 2}
    assert len(log.rows) == 2


def test_a_second_departure_after_a_kick_is_not_that_kick() -> None:
    log = Log()
    log.take(leave(), audit(AUDIT_KICK), leave(AT + 2000))
    log.wait()
    assert log.counts == {"kick": 2, "leave": 1}


def test_two_kicks_are_two() -> None:
    log = Log()
    log.take(audit(AUDIT_KICK, 1), leave(), leave(AT + 2000), audit(AUDIT_KICK, 2))
    log.wait()
    assert log.counts == {"kick": 4}
    assert sorted(row["audit_entry_id"] for row in log.of("GUILD_MEMBER_REMOVE")) == [1, 2]


def test_others_are_left_alone() -> None:
    log = Log()
    log.take(leave(target=9), audit(AUDIT_KICK))
    log.wait()
    assert log.counts == {"leave": 1, "kick": 1}


@pytest.mark.parametrize("entry", [audit(AUDIT_KICK, target=0), audit(AUDIT_PRUNE), audit(72), audit(10**9)])
def test_an_entry_that_speaks_of_nobody_or_of_something_else_is_passed_over(entry: AuditEntry) -> None:
    log = Log()
    log.take(entry)
    assert not log.rows
    assert not log.counts


def test_a_type_that_is_off_is_neither_recorded_nor_counted_but_still_explains() -> None:
    log = Log(("GUILD_MEMBER_REMOVE", "GUILD_AUDIT_LOG_ENTRY_CREATE"))
    log.take(audit(AUDIT_BAN), leave())
    log.wait()
    assert log.counts == {"ban": 1}, "the departure alone"
    assert log.of("GUILD_MEMBER_REMOVE")[0]["reason"] == "ban"


def test_at_the_end_everything_open_is_decided() -> None:
    log = Log()
    log.take(leave())
    log.attribution.settle(FOR_EVER, patient=False)
    assert log.counts == {"leave": 1}
    assert not log.attribution._departures
    assert not log.attribution._known


def test_memory_is_bounded_and_what_is_pushed_out_is_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 10)
    log = Log()
    log.take(*(leave(AT + n, target=100 + n) for n in range(50)))
    log.take(*(audit(AUDIT_KICK, n, target=500 + n) for n in range(50)))
    assert len(log.attribution._departures) == 10
    assert len(log.attribution._known) == 10
    assert log.counts == {"leave": 40, "kick": 50}
    log.wait()
    assert log.counts == {"leave": 50, "kick": 50}
    assert not log.attribution._departures
    assert not log.attribution._known
