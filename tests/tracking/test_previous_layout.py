"""What the previous layout left open of moderation goes on under this one."""

from __future__ import annotations

import msgspec

from exporter.dispatch.component import StateRow
from exporter.events.audit import MESSAGE_DELETE
from exporter.tracking.previous_journal import (
    SavedAction,
    SavedDeparture,
    SavedGroup,
    SavedModeration,
    SavedPrune,
    SavedTimeout,
)
from exporter.tracking.previous_layout import convert_marks, convert_moderation
from tests.tracking.moderation.moderators import AT, GUILD, MODERATOR, Log, act, audit

SECOND = 1000
KINDS = ("GUILD_BAN_ADD", "GUILD_MEMBER_REMOVE", "GUILD_AUDIT_LOG_ENTRY_CREATE", "ROLE_DELETE")

PRUNE = audit("prune", AT, 7, target=0, amount=3)
LEFT = SavedModeration(
    timeouts=[SavedTimeout(GUILD, 50, AT + 5 * SECOND, AT - SECOND, "nelly")],
    groups=[SavedGroup(GUILD, MESSAGE_DELETE, audit("message_delete").entry_id, 9, 4)],
    actions=[
        SavedAction(GUILD, "ban", 51, AT, "ban:open", "GUILD_BAN_ADD", ""),
        SavedAction(GUILD, "ban", 52, AT, "audit:1", "GUILD_BAN_ADD", "", audit("ban", target=52)),
        SavedAction(GUILD, "role_delete", 77, AT, "role_delete:1:77", "ROLE_DELETE", ""),
    ],
    departures=[
        SavedDeparture("GUILD_MEMBER_REMOVE", GUILD, AT, 53, "ann", False, "leave:53", 0),
        SavedDeparture(
            *("GUILD_MEMBER_REMOVE", GUILD, AT, 54, "bo", False, "leave:54", 0),
            entry=audit("kick", AT, 3, target=54),
        ),
    ],
    prunes=[SavedPrune(PRUNE, 1)],
)


def rows() -> list[StateRow]:
    encode = msgspec.msgpack.encode
    return [StateRow(table, encode(key), encode(value)) for (table, key), value in left_open().items()]


def left_open() -> dict[tuple[str, object], msgspec.Struct]:
    return {place: value for place, value in convert_moderation(LEFT).items() if value is not None}


def test_everything_has_its_row_in_the_table_of_its_component() -> None:
    assert sorted(table for table, _ in left_open()) == [
        "membership/departures",
        "membership/departures",
        "membership/prunes",
        "moderation/actions",
        "moderation/actions",
        "moderation/aggregated",
        "moderation/timeouts",
        "structure/actions",
    ]


def test_what_was_open_gets_its_entries_its_reasons_and_its_end() -> None:
    log = Log(KINDS)
    for open_row in ("ban:open", "audit:1", "role_delete:1:77", "leave:53", "leave:54"):
        log.rows[open_row] = {}
    log.stage.restore(rows())
    assert set(log.stage.saved("moderation/actions")) <= set(rows())
    log.take(act("ban", AT + SECOND, target=52), audit("ban", AT, 5, target=51, reason="raid"))
    log.answering = False
    log.wait(4 * SECOND)
    (request,) = log.asked
    assert (request.action_type, request.purpose) == (MESSAGE_DELETE, "count"), "the count is read again"
    log.answering = True
    log.wait(30 * SECOND)
    assert log.rows["ban:open"]["reason"] == "raid"
    assert log.rows["audit:1"]["target_username"] == "nelly"
    assert (log.rows["leave:53"]["reason"], log.rows["leave:53"]["moderator_id"]) == ("prune", MODERATOR)
    assert log.rows["leave:54"]["reason"] == "kick"
    assert log.rows[f"timeout_expired:{GUILD}:50:{AT + 5 * SECOND}"]["target_username"] == "nelly"
    assert log.counts == {"timeout_expired": 1, "prune": 1, "kick": 1}


def test_nothing_left_is_nothing_to_convert() -> None:
    assert convert_moderation(SavedModeration()) == {}


def test_how_far_audit_logs_were_taken_is_kept() -> None:
    log = Log()
    log.stage.catch_up.forget_guild(GUILD)
    taken, new = audit("nick", AT + 2, 1), audit("nick", AT + 1, 2)
    encode = msgspec.msgpack.encode
    marks = convert_marks({GUILD: (audit("nick").entry_id, (taken.entry_id,))})
    log.stage.restore([StateRow(table, encode(key), encode(value)) for (table, key), value in marks.items()])
    log.take(audit("nick"), taken, new)
    assert log.counts == {"nick": 1}
