"""What no entry explains is looked up once for a burst; what counts on is read again."""

from __future__ import annotations

import pytest

from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.guilds import PermissionsChanged, VoiceChannelLeft
from exporter.events.facts.moderation import AuditEntry, AuditEntryRecounted, MessageDeleted
from exporter.tracking.moderation import lookups as module
from tests.tracking.moderation.moderators import AT, GUILD, MODERATOR, TARGET, Log, act, audit

SECOND = 1000
CHANNEL = 7


def gone(log: Log, number: int = 1) -> None:
    log.take(*(MessageDeleted(GUILD, CHANNEL, log.wall) for _ in range(number)))


def counted(amount: int, at: int = AT, number: int = 0) -> AuditEntry:
    return audit("message_delete", at, number, amount=amount, channel_id=CHANNEL, details={"count": amount})


def test_a_thousand_leaves_in_a_second_cost_at_most_five_requests() -> None:
    log = Log()
    log.answering = False
    asked = 0
    for user in range(1000):
        log.pass_to(user)
        log.take(act("leave", log.wall, 1000 + user))
    for _ in range(60):
        log.wait(SECOND)
        while log.asked:
            asked += 1
            log.answer()
    assert 1 <= asked <= 5
    assert log.counts == {"leave": 1000}


def test_a_missed_entry_is_found_by_one_question_reaching_back() -> None:
    log = Log()
    log.answering = False
    log.take(act("leave"), act("ban", AT, 9))
    log.wait(6 * SECOND)
    (request,) = log.asked
    assert request.after < audit("kick").entry_id
    assert request.urgent
    log.answer(audit("kick"), audit("ban", AT, 1, target=9))
    log.wait(10 * SECOND)
    assert not log.asked
    assert log.counts == {"kick": 2, "ban": 1}
    assert log.of("GUILD_BAN_ADD")[0]["moderator_id"] == MODERATOR


def test_nothing_is_asked_for_what_is_explained_or_where_it_would_be_refused() -> None:
    explained, blind = Log(), Log(blind=True)
    for log in (explained, blind):
        log.answering = False
        log.take(act("ban"))
    explained.take(audit("ban"))
    for log in (explained, blind):
        log.wait(60 * SECOND)
        assert not log.asked


@pytest.mark.parametrize(
    ("meaning", "reason"), [(AnswerMeaning.REFUSED, "unknown"), (AnswerMeaning.TROUBLE, "leave")]
)
def test_without_an_answer_an_action_waits_for_the_next_one_and_is_decided_in_the_end(
    meaning: AnswerMeaning, reason: str
) -> None:
    log = Log()
    log.answering = False
    log.take(act("leave"))
    log.wait(6 * SECOND)
    asked = 0
    while not log.counts:
        while log.asked:
            asked += 1
            log.answer(meaning=meaning)
        log.wait(SECOND)
        assert log.wall - AT <= 31 * SECOND
    assert log.counts == {reason: 1}
    assert 2 <= asked <= 3


@pytest.mark.parametrize("meaning", [AnswerMeaning.REFUSED, AnswerMeaning.TROUBLE])
def test_what_had_no_answer_at_first_is_found_by_the_next_one(meaning: AnswerMeaning) -> None:
    log = Log()
    log.answering = False
    log.take(act("leave"))
    log.wait(6 * SECOND)
    log.answer(meaning=meaning)
    log.wait(10 * SECOND)
    assert not log.counts
    log.answer(audit("kick"))
    log.wait(SECOND)
    assert log.counts == {"kick": 2}, "of members removed and of members who left"


def test_an_answer_that_never_comes_is_not_waited_for_for_ever() -> None:
    log = Log()
    log.answering = False
    log.take(act("leave"))
    log.wait(31 * SECOND)
    assert log.counts == {"leave": 1}
    assert log.undecided() == 0


def test_a_long_answer_is_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAGES", 3)
    log = Log()
    log.answering = False
    log.take(act("leave", AT, 5))
    log.wait(6 * SECOND)
    for page in range(3):
        after = log.asked[0].after
        log.answer(*(audit("nick", AT, page * 100 + n + 1) for n in range(100)))
        assert not log.asked or log.asked[0].after > after
    assert not log.asked
    assert log.counts["nick"] == 300


def test_further_deletions_raise_the_count_of_the_first_entry() -> None:
    log = Log()
    log.answering = False
    gone(log)
    log.take(counted(1))
    log.wait(30 * SECOND)
    assert not log.asked, "what the count explains is not asked about"
    gone(log, 4)
    log.wait(4 * SECOND)
    (request,) = log.asked
    assert (request.action_type, request.after) == (72, audit("message_delete").entry_id - 1)
    log.answer(counted(5))
    (row,) = log.rows.values()
    assert row["count"] == 5
    assert log.counts == {"message_delete": 1}


def test_deletions_before_a_late_entry_are_counted_in() -> None:
    log = Log()
    log.answering = False
    gone(log, 3)
    log.wait(4 * SECOND)
    log.take(counted(1))
    log.wait(4 * SECOND)
    assert len(log.asked) == 1
    log.answer(counted(3))
    assert [row["count"] for row in log.rows.values()] == [3]


def test_people_deleting_their_own_messages_are_no_action_and_cost_less_and_less() -> None:
    log = Log()
    gone(log)
    log.wait(60 * SECOND)
    assert not log.rows
    entry = counted(1, log.wall)
    log.take(entry)
    asked = 0
    log.answering = False
    for _ in range(300):
        gone(log)
        log.wait(SECOND)
        while log.asked:
            asked += 1
            log.answer(entry)
    assert 2 <= asked <= 10
    assert log.counts == {"message_delete": 1}


def test_a_caller_that_waits_for_true_numbers_has_them_read_at_once() -> None:
    log = Log()
    log.answering = False
    log.take(counted(1))
    gone(log, 2)
    assert log.undecided()
    log.hurry()
    log.answer(counted(2))
    assert not log.undecided()
    assert [row["count"] for row in log.rows.values()] == [2]


@pytest.mark.parametrize(("action", "channel"), [("member_move", CHANNEL), ("member_disconnect", 0)])
def test_moves_and_disconnections_count_on_too(action: str, channel: int) -> None:
    log = Log()
    log.answering = False
    entry = audit(action, target=0, amount=1, channel_id=channel, details={"count": 1})
    log.take(entry)
    for _ in range(3):
        log.take(VoiceChannelLeft(GUILD, channel, log.wall))
    log.wait(4 * SECOND)
    (request,) = log.asked
    assert request.action_type == entry.action_type


def test_what_counts_on_is_read_again_after_a_restart() -> None:
    before = Log()
    before.take(counted(1))
    after = Log()
    after.answering = False
    after.rows, after.kinds = before.rows, before.kinds
    after.restart(before)
    after.wait(4 * SECOND)
    page = counted(6)
    (request,) = after.asked
    assert request.after < audit("message_delete").entry_id
    after.take(AuditEntryRecounted(page))
    assert [row["count"] for row in after.rows.values()] == [6]
    assert not after.counts


def test_an_undecided_departure_is_decided_by_the_next_process() -> None:
    before = Log()
    before.take(act("leave"))
    after = Log()
    after.rows, after.kinds = before.rows, before.kinds
    after.restart(before)
    after.take(audit("kick"))
    after.wait()
    assert after.counts == {"kick": 2}
    (row,) = after.of("GUILD_MEMBER_REMOVE")
    assert (row["reason"], row["user_id"]) == ("kick", TARGET)


def test_a_guild_that_refused_is_asked_again_as_soon_as_the_bot_may_do_more() -> None:
    log = Log()
    log.answering = False
    log.take(act("leave"))
    log.wait(6 * SECOND)
    log.answer(meaning=AnswerMeaning.REFUSED)
    log.wait(2 * SECOND)
    assert not log.asked
    log.take(PermissionsChanged(GUILD))
    log.wait(SECOND)
    log.answer()
    log.wait(5 * SECOND)
    assert log.counts == {"leave": 1}


def test_whoever_waits_for_decisions_has_what_is_unexplained_asked_at_once() -> None:
    log = Log()
    log.answering = False
    log.take(act("leave"))
    log.hurry()
    assert len(log.asked) == 1
    log.hurry()
    assert len(log.asked) == 1, "an answer is awaited"
