"""The reasons of joins and departures that were not dispatched are not those of others."""

from __future__ import annotations

import pytest

from exporter.events.facts.guilds import ShardStateChanged
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


# ---------------------------------------------------------------------- when a session began


def identify(log: Log) -> None:
    """A session is asked for, and is there a second later."""
    log.chat(AT)
    log.clock.advance(20)
    log.stage.dispatch(ShardStateChanged(0, "identifying"))
    log.clock.advance(1)
    log.start_session()


def leave(log: Log) -> None:
    """A member leaves three seconds later; no message shows that it was not before."""
    log.clock.advance(3)
    log.stage.dispatch(act("leave", log.wall))


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        pytest.param(19.5, "leave", id="before the session was asked for"),
        pytest.param(20.5, "unknown", id="when it may have begun already, or not"),
        pytest.param(21.0, "kick", id="when it had begun"),
    ],
)
def test_a_kick_from_before_the_session_is_not_the_reason_of_a_departure_in_it(
    seconds: float, reason: str
) -> None:
    log = Log()
    identify(log)
    log.take(audit("kick", AT + round(seconds * SECOND)))
    leave(log)
    log.clock.advance(1)
    log.chat(log.wall)
    log.wait()
    assert reasons(log) == [reason]


def test_a_doubtful_kick_is_doubtful_after_a_restart() -> None:
    log = Log()
    identify(log)
    log.take(audit("kick", AT + 20_500))
    leave(log)
    log.chat(log.wall)
    log.wait(1_000)
    log = restart(log)
    log.wait()
    assert reasons(log) == ["unknown"]


def test_a_ban_that_was_dispatched_is_a_reason_when_its_session_had_just_begun() -> None:
    log = Log()
    identify(log)
    log.take(audit("ban", AT + 20_900))
    log.stage.dispatch(act("ban", log.wall))
    log.stage.dispatch(act("leave", log.wall + 1))
    log.wait()
    assert reasons(log) == ["ban"]
