"""The reasons of joins and departures that were not dispatched are not those of others."""

from __future__ import annotations

from tests.tracking.membership.test_departures import SECOND, reasons, restart
from tests.tracking.moderation.moderators import AT, Log, act, audit


def start_new_session(log: Log, seconds: int = 20) -> None:
    """A new session begins: what happened since the last message may never be dispatched."""
    log.clock.advance(seconds)
    log.start_session()


def test_an_unseen_kick_is_not_the_reason_of_a_later_ban() -> None:
    log = Log()
    log.chat(AT)
    start_new_session(log)
    back = AT + 20 * SECOND
    log.take(audit("kick", AT + 10 * SECOND, 1))
    log.take(act("ban", back), act("leave", back + 1), audit("ban", back, 2))
    log.wait()
    (row,) = log.of("GUILD_MEMBER_REMOVE")
    assert (row["reason"], row["audit_entry_id"]) == ("ban", audit("ban", back, 2).entry_id)


def test_an_unseen_kick_right_before_a_ban_is_not_its_reason() -> None:
    log = Log()
    log.chat(AT)
    start_new_session(log)
    back = AT + 20 * SECOND
    log.take(audit("kick", back - 2 * SECOND, 1))
    # No message came since, so the departure may have been at either moment.
    log.stage.dispatch(act("ban", back))
    log.stage.dispatch(act("leave", back + 1))
    log.take(audit("ban", back, 2))
    log.wait()
    assert reasons(log) == ["ban"]


def test_whoever_leaves_after_an_unseen_kick_has_left() -> None:
    log = Log()
    log.chat(AT)
    start_new_session(log)
    log.take(audit("kick", AT + 10 * SECOND))
    log.take(act("leave", AT + 20 * SECOND))
    log.wait()
    assert reasons(log) == ["leave"]


def test_a_ban_from_before_the_gap_is_not_the_reason_of_whoever_came_in_during_it() -> None:
    log = Log()
    log.take(act("ban"), audit("ban", AT, 1), act("unban", AT + 50))
    log.chat(AT + 5 * SECOND)
    start_new_session(log)
    back = AT + 20 * SECOND
    log.chat(back - SECOND)
    log.take(audit("kick", back, 2), act("leave", back + 1))
    log.wait()
    assert reasons(log) == ["kick"]


def test_whoever_was_seen_to_go_right_before_a_gap_was_kicked_by_the_entry_found_after_it() -> None:
    before = Log()
    before.take(act("leave", AT + 50))
    after = restart(before)
    start_new_session(after)
    after.take(audit("kick"))
    after.wait()
    assert reasons(after) == ["kick"]


def test_whoever_is_seen_kicked_and_then_banned_was_kicked() -> None:
    log = Log()
    log.take(audit("kick", AT, 1), act("leave", AT + 300))
    log.take(audit("ban", AT + 400, 2), act("ban", AT + 500))
    log.wait()
    assert reasons(log) == ["kick"]
