"""Rows of saved state whose layout has grown since are read as they were written."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exporter.dispatch.component import StateRow
from exporter.events.audit import MESSAGE_DELETE
from tests.tracking.moderation.moderators import AT, GUILD, MODERATOR, TARGET, Log, act, audit

SECOND = 1_000
KICK = audit("kick")
PRUNE = audit("prune", AT, 1, target=0, amount=2)
END = AT + 5 * SECOND


def restored(table: str, key: Any, row: list[Any], wall: int = AT) -> Log:
    """A run that was begun with a row as the layout before wrote it."""
    log = Log(wall=wall)
    encode = msgspec.msgpack.encode
    log.stage.catch_up.forget_guild(GUILD)
    log.stage.restore([StateRow(table, encode(key), encode(row))])
    return log


@pytest.mark.parametrize("moment", [[AT, AT], None])
def test_a_departure_keeps_its_evidence(moment: list[int] | None) -> None:
    key = f"leave:{GUILD}:{TARGET}:{AT}"
    row = ["GUILD_MEMBER_REMOVE", GUILD, AT, TARGET, "nelly", False, 0, KICK, False, None, moment]
    log = restored("membership/departures", key, row)
    log.rows[key] = {}
    log.kinds[key] = "GUILD_MEMBER_REMOVE"
    log.wait(11 * SECOND)
    assert (log.rows[key]["reason"], log.rows[key]["moderator_id"]) == ("kick", MODERATOR)


def test_a_prune_finds_the_rest_of_its_departures() -> None:
    log = restored("membership/prunes", (GUILD, PRUNE.entry_id), [PRUNE, 1])
    log.take(act("leave", AT, 51))
    log.wait(25 * SECOND)
    assert log.counts == {"prune": 1}


def test_an_aggregated_entry_is_read_again() -> None:
    entry = audit("message_delete", amount=3, channel_id=30)
    log = restored("moderation/aggregated", (GUILD, MESSAGE_DELETE, entry.entry_id), [30, 2])
    log.answering = False
    log.wait(4 * SECOND)
    (request,) = log.asked
    assert (request.after, request.action_type) == (entry.entry_id - 1, MESSAGE_DELETE)


def test_an_update_held_back_waits_for_its_entry() -> None:
    key = f"timeout:{GUILD}:{TARGET}:{END}"
    log = restored("moderation/timeout_updates", key, [GUILD, TARGET, END, AT, "nelly", 7, 17])
    assert log.undecided() == 1
    log.take(audit("timeout", until=END))
    assert log.undecided() == 0
    assert not log.stage.saved("moderation/timeout_updates")


def test_an_audit_log_goes_on_from_its_floor() -> None:
    log = restored("catch_up/floors", GUILD, [audit("ban", AT, 5).entry_id])
    log.take(audit("nick", AT, 4), audit("nick", AT, 6))
    assert [entry for *_, entry in log.actions() if entry] == [audit("nick", AT, 6).entry_id]
