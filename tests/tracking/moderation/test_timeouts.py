"""Timeouts are recorded once each, set, changed, lifted or run out, by whatever way they are learnt."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.counting import Person
from exporter.events.facts.guilds import ShardStateChanged
from exporter.events.facts.moderation import AuditEntry, TimeoutState
from exporter.tracking.moderation.member_timeouts import MAX_CHANGES, MemberTimeouts
from tests.tracking.moderation.moderators import AT, GUILD, MODERATOR, TARGET, Log, act, audit

SECOND = 1000
END = AT + 60 * SECOND


def set_(until: int = END, at: int = AT, number: int = 0) -> AuditEntry:
    return audit("timeout", at, number, until=until)


def lifted(at: int, number: int = 0) -> AuditEntry:
    return audit("timeout_removed", at, number)


def update(until: int, at: int = AT) -> TimeoutState:
    return TimeoutState(GUILD, at, Person(TARGET, "nelly"), until)


def names(log: Log) -> list[tuple[Any, ...]]:
    return sorted((row["action"], row.get("moderator_id")) for row in log.rows.values())


@pytest.mark.parametrize("facts", list(itertools.permutations([set_(), update(END)])))
def test_a_timeout_is_one_row_and_runs_out_at_its_end(facts: tuple[Any, ...]) -> None:
    log = Log()
    log.take(*facts)
    log.wait(69 * SECOND)
    assert names(log) == [("timeout", MODERATOR)]
    log.wait(2 * SECOND)
    row = log.rows[f"timeout_expired:{GUILD}:{TARGET}:{END}"]
    assert (row["target_user_id"], row["until"]) == (TARGET, END)
    assert "moderator_id" not in row
    log.wait(200 * SECOND)
    assert log.counts == {"timeout": 1, "timeout_expired": 1}


CHANGES = [set_(), set_(END + 60 * SECOND, AT + 2000, 1), lifted(AT + 4000, 2)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("with_updates", [True, False])
def test_set_changed_and_lifted_in_any_order_of_arrival_never_runs_out(
    order: tuple[int, ...],
    with_updates: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    log = Log()
    if with_updates:
        log.take(update(END), update(END + 60 * SECOND, AT + 2000), update(0, AT + 4000))
    log.take(*(CHANGES[place] for place in order))
    log.wait(300 * SECOND)
    assert log.counts == {"timeout": 2, "timeout_removed": 1}


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_a_changed_timeout_runs_out_once_at_its_last_end(order: tuple[int, ...]) -> None:
    log = Log()
    log.take(*(CHANGES[place] for place in order))
    log.wait(300 * SECOND)
    assert log.counts == {"timeout": 2, "timeout_expired": 1}
    assert f"timeout_expired:{GUILD}:{TARGET}:{END + 60 * SECOND}" in log.rows


def test_what_is_learnt_late_of_its_lifting_is_still_in_time() -> None:
    log = Log()
    log.take(set_())
    log.wait(64 * SECOND)
    log.take(lifted(END - 500, 1))
    log.wait(60 * SECOND)
    assert log.counts == {"timeout": 1, "timeout_removed": 1}


def test_without_the_audit_log_a_timeout_has_no_actor() -> None:
    log = Log(blind=True)
    log.take(update(END), update(0, AT + 5000))
    log.wait(100 * SECOND)
    assert names(log) == [("timeout", None), ("timeout_removed", None)]


def test_an_old_timeout_seen_for_another_reason_is_no_action_but_runs_out() -> None:
    log = Log()
    log.take(update(END))
    log.wait(100 * SECOND)
    assert log.counts == {"timeout_expired": 1}


def test_an_update_after_the_end_changes_nothing() -> None:
    log = Log(blind=True)
    log.take(update(END))
    log.wait(65 * SECOND)
    log.take(update(END, log.wall), update(0, log.wall))
    log.wait(60 * SECOND)
    assert log.counts == {"timeout": 1, "timeout_expired": 1}


@pytest.mark.parametrize("order", list(itertools.permutations([act("automod_timeout"), update(END)])))
def test_a_timeout_by_automoderation_is_not_recorded_twice(order: tuple[Any, ...]) -> None:
    log = Log(blind=True)
    log.take(*order)
    log.wait(100 * SECOND)
    assert log.counts == {"automod_timeout": 1, "timeout_expired": 1}


def test_a_timeout_runs_out_over_a_restart() -> None:
    before = Log()
    before.take(set_())
    after = Log()
    after.restart(before)
    after.pass_to(500 * SECOND)
    after.settle()
    assert after.counts == {"timeout_expired": 1}
    after.settle()
    assert not after.stage.saved("moderation/timeouts")


def restarted(before: Log, wall_seconds: int) -> Log:
    """The next process, in which the guild's audit log is still to be read."""
    after = Log()
    after.behind.add(GUILD)
    after.restart(before)
    after.pass_to(wall_seconds * SECOND)
    after.settle()
    assert not after.rows, "it may have been lifted"
    return after


@pytest.mark.parametrize("change", [lifted(AT + 9 * SECOND, 1), set_(AT + 900 * SECOND, AT + 9 * SECOND, 1)])
def test_one_changed_during_an_absence_never_runs_out_at_its_first_end(change: AuditEntry) -> None:
    before = Log()
    before.take(set_())
    after = restarted(restarted(before, 500), 510)
    after.take(change)
    after.behind.clear()
    after.wait(100 * SECOND)
    assert after.counts == {change.action: 1}


@pytest.mark.parametrize("read", [True, False])
def test_one_not_lifted_during_an_absence_runs_out_when_that_is_known(read: bool) -> None:  # noqa: FBT001 - a table
    before = Log()
    before.take(set_())
    after = restarted(before, 500)
    after.take(lifted(END + SECOND, 1))
    if read:
        after.behind.clear()
        assert after.undecided() == 1
        after.settle()
    else:
        after.lose_guild()
    assert after.counts == {"timeout_removed": 1, "timeout_expired": 1}


def test_one_set_again_before_the_audit_log_was_read_leaves_the_end_of_the_first_open() -> None:
    before = Log()
    before.take(set_())
    after = restarted(before, 500)
    after.take(set_(AT + 600 * SECOND, AT + 501 * SECOND, 2), lifted(AT + 9 * SECOND, 1))
    after.behind.clear()
    after.wait(60 * SECOND)
    assert after.counts == {"timeout": 1, "timeout_removed": 1}


def test_one_lifted_while_the_connection_was_silent_never_runs_out() -> None:
    log = Log()
    log.take(set_())
    log.streams.take(ShardStateChanged(0, "lost"))
    log.wait(100 * SECOND)
    log.take(lifted(END - SECOND, 1))
    log.streams.take(ShardStateChanged(0, "settled"))
    log.wait(100 * SECOND)
    assert log.counts == {"timeout": 1, "timeout_removed": 1}


def test_timeouts_of_a_guild_that_is_gone_are_forgotten() -> None:
    log = Log()
    log.take(set_())
    log.lose_guild()
    log.wait(100 * SECOND)
    assert log.counts == {"timeout": 1}


def test_a_timeout_that_ran_out_right_before_its_guild_was_gone_has_run_out() -> None:
    log = Log()
    log.take(set_())
    log.wait(61 * SECOND)
    log.lose_guild()
    assert log.counts == {"timeout": 1, "timeout_expired": 1}


def test_nothing_is_open_once_a_timeout_has_run_out() -> None:
    log = Log()
    log.take(set_())
    log.wait(61 * SECOND)
    assert log.undecided() == 1
    log.wait(12 * SECOND)
    assert log.undecided() == 0


def test_where_discord_does_not_answer_an_update_alone_is_no_action() -> None:
    log = Log()
    log.answering = False
    log.take(update(END))
    log.wait(6 * SECOND)
    log.answer(meaning=AnswerMeaning.TROUBLE)
    log.wait(20 * SECOND)
    assert not log.rows


@pytest.mark.parametrize("entries", [True, False])
def test_one_that_ran_out_right_before_the_next_is_recorded_too(entries: bool) -> None:  # noqa: FBT001 - a table
    log = Log(blind=not entries)
    log.take(set_(AT + 6000) if entries else update(AT + 6000))
    log.wait(8 * SECOND)
    again = AT + 20 * SECOND
    log.take(set_(again, log.wall, 1) if entries else update(again, log.wall))
    log.wait(60 * SECOND)
    assert log.counts == {"timeout": 2, "timeout_expired": 2}


def test_by_whom_a_timeout_was_is_recorded_once_the_audit_log_may_be_read() -> None:
    log = Log(blind=True)
    log.take(update(END))
    log.wait(12 * SECOND)
    log.take(set_(END + 5000, AT + 1000, 1), set_())
    first, second = log.rows.values()
    assert (first["until"], first["audit_entry_id"]) == (END, set_().entry_id)
    assert second["audit_entry_id"] == set_(END + 5000, AT + 1000, 1).entry_id
    assert log.counts == {"timeout": 2}


def test_automoderation_excuses_one_update_and_not_what_a_moderator_does_right_after() -> None:
    log = Log(blind=True)
    log.take(act("automod_timeout"), update(END), update(END + 30 * SECOND, AT + 400))
    log.wait(100 * SECOND)
    assert log.counts == {"automod_timeout": 1, "timeout": 1, "timeout_expired": 1}


@pytest.mark.parametrize("kill", [True, False])
def test_one_set_in_an_absence_and_lifted_live_never_runs_out(kill: bool) -> None:  # noqa: FBT001 - a table
    """The lifting comes live; the older entry is read back long afterwards, perhaps after a kill."""
    log = Log()
    log.behind.add(GUILD)
    log.take(lifted(AT + 5 * SECOND, 1))
    log.wait(30 * SECOND)
    if kill:
        log = restarted(log, 30)
    log.take(set_())
    log.behind.clear()
    log.wait(300 * SECOND)
    assert log.counts["timeout_expired"] == 0


def test_one_that_ran_out_before_the_next_was_set_is_recorded_although_it_is_read_after_that() -> None:
    log = Log()
    log.behind.add(GUILD)
    log.take(set_(AT + 900 * SECOND, AT + 100 * SECOND, 1))
    log.wait(200 * SECOND)
    log.take(set_())
    log.behind.clear()
    log.wait(SECOND)
    assert log.counts == {"timeout": 2, "timeout_expired": 1}
    assert f"timeout_expired:{GUILD}:{TARGET}:{END}" in log.rows


def test_one_that_was_changed_and_has_run_out_since_does_not_run_out_at_its_first_end() -> None:
    log = Log()
    log.take(set_(END - 20 * SECOND, AT + 2 * SECOND, 1))
    log.wait(55 * SECOND)
    log.take(set_())
    log.wait(300 * SECOND)
    assert log.counts == {"timeout": 2, "timeout_expired": 1}
    assert f"timeout_expired:{GUILD}:{TARGET}:{END - 20 * SECOND}" in log.rows


def test_an_end_that_is_recorded_is_not_counted_again_after_a_restart() -> None:
    before = Log()
    before.take(set_())
    before.wait(75 * SECOND)
    after = Log()
    after.restart(before)
    after.wait(300 * SECOND)
    assert before.counts == {"timeout": 1, "timeout_expired": 1}
    assert not after.counts
    assert not after.stage.saved("moderation/timeouts")


def test_updates_show_changes_in_order_whenever_their_entries_come() -> None:
    """Of no timeout, shown once the next one was entered, it is known that it was before that one."""
    log = Log()
    log.take(set_(), update(0, AT + 100), update(END, AT + 200))
    log.wait(300 * SECOND)
    assert log.counts == {"timeout": 1, "timeout_expired": 1}
    log = Log()
    log.take(update(END), update(0, AT + 3000), update(END + 60 * SECOND, AT + 3000))
    log.take(set_(END + 60 * SECOND, AT + 2000, 2), lifted(AT + 1000, 1), set_())
    log.wait(300 * SECOND)
    assert log.counts == {"timeout": 2, "timeout_removed": 1, "timeout_expired": 1}


def test_an_update_that_comes_when_the_timeout_it_shows_has_run_out_shows_no_lifting() -> None:
    """The entries of a timeout, its lifting and a short one come; the updates of the last two are late."""
    log = Log()
    first, lifting, short = set_(), lifted(AT + 300, 1), set_(AT + 3_700, AT + 700, 2)
    log.take(first, update(END), update(0, AT + 900), short)
    log.wait(4 * SECOND)
    log.take(update(AT + 3_700, AT + 3_800), lifting)
    log.wait(200 * SECOND)
    assert log.counts == {"timeout": 2, "timeout_removed": 1, "timeout_expired": 1}
    assert f"timeout_expired:{GUILD}:{TARGET}:{AT + 3_700}" in log.rows


def test_memory_of_one_member_is_bounded() -> None:
    log = Log()
    log.behind.add(GUILD)
    log.take(*(set_(END + number, AT + number, number) for number in range(3 * MAX_CHANGES)))
    (row,) = log.stage.saved("moderation/timeouts")
    assert row.value is not None
    assert len(msgspec.msgpack.decode(row.value, type=MemberTimeouts).changes) == MAX_CHANGES
