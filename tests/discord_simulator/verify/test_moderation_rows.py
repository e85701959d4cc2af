"""The rows of moderation and structure that a ledger asks for, and what a store may not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from discord_simulator.verify.compare import compare
from discord_simulator.verify.expected import load_expected
from discord_simulator.verify.quantities import Expected, ModerationRow, Observed

G, U, M, E = 1, 100, 200, 900


class Scribe:
    """Writes ledgers by hand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[bytes] = []

    def write(self, kind: str, at: int = 0, **fields: Any) -> int:
        number = len(self._lines) + 1
        self._lines.append(orjson.dumps({"n": number, "at": at, "type": kind, "guild_id": str(G), **fields}))
        return number

    def act(self, action: str, entry: int | None = E, **fields: Any) -> int:
        return self.write(
            "MEMBER_ACTION",
            **{"action": action, "target_user_id": str(U), "moderator_id": str(M), "reason": "spam"}
            | {"audit_entry_id": str(entry) if entry else None}
            | fields,
        )

    def hide(self, entry: int = E) -> int:
        return self.write("AUDIT_LOG_ENTRY", audit_entry_id=str(entry), visible=False)

    def read(self) -> Expected:
        self._path.write_bytes(b"\n".join(self._lines) + b"\n")
        return load_expected(self._path)


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    return Scribe(tmp_path / "ledger.jsonl")


Judge = Callable[..., bool]


@pytest.fixture
def agrees(scribe: Scribe) -> Judge:
    """Whether these rows are right by what was written."""

    def judge(*rows: ModerationRow, actions: frozenset[str] | None = None) -> bool:
        observed = Observed("sql", {}, tuple(rows), actions)
        return all(line.ok for line in compare(scribe.read(), {"sql": observed}))

    return judge


ROW = ModerationRow(G, "nick", U, M, "spam", E)


@pytest.mark.parametrize(
    "action", ["timeout", "timeout_removed", "role_add", "nick", "voice_mute", "bot_add"]
)
def test_an_action_is_one_row_and_every_field_counts(scribe: Scribe, agrees: Judge, action: str) -> None:
    scribe.act(action)
    row = replace(ROW, action=action)
    assert agrees(row)
    assert not agrees()
    assert not agrees(row, row)
    for wrong in (
        {"target_user_id": 7},
        {"moderator_id": 7},
        {"moderator_id": None},
        {"reason": None},
        {"audit_entry_id": None},
    ):
        assert not agrees(replace(row, **wrong))


def test_an_entry_that_counts_on_is_one_row_with_its_last_count(scribe: Scribe, agrees: Judge) -> None:
    for _ in range(3):
        scribe.write("MESSAGE_DELETE", user_id=str(U), moderator_id=str(M), audit_entry_id=str(E))
    scribe.write("MESSAGE_DELETE", user_id=str(U))
    row = ModerationRow(G, "message_delete", U, M, None, E, 3)
    assert agrees(row)
    assert not agrees(replace(row, count=1))
    assert not agrees(replace(row, count=4))


def test_a_target_that_discord_does_not_publish_may_be_missing_but_not_wrong(
    scribe: Scribe, agrees: Judge
) -> None:
    scribe.act("member_move", target_user_id="100")
    scribe.act("member_move", target_user_id="101")
    row = ModerationRow(G, "member_move", 0, M, "spam", E, 2)
    for target in (0, 100, 101):
        assert agrees(replace(row, target_user_id=target))
    assert not agrees(replace(row, target_user_id=102))


def test_a_prune_is_one_row_with_the_number_of_removed_members(scribe: Scribe, agrees: Judge) -> None:
    for number in range(4):
        scribe.write(
            "GUILD_MEMBER_REMOVE",
            user_id=str(U + number),
            reason="prune",
            moderator_id=str(M),
            audit_entry_id=str(E),
            member_count=9,
        )
    row = ModerationRow(G, "prune", 0, M, None, E, 4)
    assert agrees(row)
    assert not agrees(replace(row, count=3))


def test_a_bulk_deletion_counts_its_messages(scribe: Scribe, agrees: Judge) -> None:
    scribe.write("MESSAGE_DELETE_BULK", count=40, moderator_id=str(M), audit_entry_id=str(E))
    assert agrees(ModerationRow(G, "message_bulk_delete", 0, M, None, E, 40))
    assert not agrees(ModerationRow(G, "message_bulk_delete", 0, M, None, E, 1))


def test_an_expired_timeout_is_a_row_without_a_moderator(scribe: Scribe, agrees: Judge) -> None:
    scribe.act("timeout", until=60)
    scribe.write("TIMEOUT_EXPIRED", target_user_id=str(U), until=60)
    timeout = replace(ROW, action="timeout")
    expired = ModerationRow(G, "timeout_expired", U)
    assert agrees(timeout, expired)
    assert not agrees(timeout)
    assert not agrees(timeout, replace(expired, moderator_id=M))


def test_the_timeout_of_a_former_member_is_optional(scribe: Scribe, agrees: Judge) -> None:
    scribe.act("timeout", until=60)
    scribe.write("GUILD_MEMBER_REMOVE", user_id=str(U), reason="leave", member_count=9)
    scribe.write("TIMEOUT_EXPIRED", target_user_id=str(U), until=60)
    timeout, expired = replace(ROW, action="timeout"), ModerationRow(G, "timeout_expired", U)
    assert agrees(timeout)
    assert agrees(timeout, expired)


def test_a_timeout_in_force_may_have_expired_when_a_store_is_read(scribe: Scribe, agrees: Judge) -> None:
    scribe.act("timeout", until=60)
    timeout, expired = replace(ROW, action="timeout"), ModerationRow(G, "timeout_expired", U)
    assert agrees(timeout)
    assert agrees(timeout, expired)
    assert not agrees(timeout, expired, expired)


def test_a_removed_timeout_does_not_expire_unless_the_removal_was_not_visible(
    scribe: Scribe, agrees: Judge
) -> None:
    scribe.act("timeout", until=60)
    scribe.act("timeout_removed", 901)
    rows = (replace(ROW, action="timeout"), replace(ROW, action="timeout_removed", audit_entry_id=901))
    expired = ModerationRow(G, "timeout_expired", U)
    assert agrees(*rows)
    assert not agrees(*rows, expired)
    scribe.hide(901)
    assert agrees(rows[0], expired)


def test_without_the_entry_a_timeout_is_still_seen_and_a_nickname_is_not(
    scribe: Scribe, agrees: Judge
) -> None:
    scribe.act("timeout", until=60)
    scribe.act("nick", 901)
    scribe.hide()
    scribe.hide(901)
    unknown = ModerationRow(G, "timeout", U)
    assert agrees(unknown)
    assert agrees(replace(ROW, action="timeout"), replace(ROW, audit_entry_id=901))
    assert not agrees()
    assert not agrees(replace(unknown, moderator_id=7))


def test_an_automod_row_needs_no_entry_and_has_no_moderator(scribe: Scribe, agrees: Judge) -> None:
    scribe.act("automod_block", moderator_id=None, reason=None, visible=True)
    row = ModerationRow(G, "automod_block", U, None, None, E)
    assert agrees(row)
    assert agrees(replace(row, audit_entry_id=None))
    assert not agrees(replace(row, moderator_id=U))


def test_the_end_of_a_timeout_by_automod_is_in_the_member_update_only(scribe: Scribe, agrees: Judge) -> None:
    written = scribe.act("automod_timeout", moderator_id=None, reason=None, visible=True, until=60)
    scribe.write("TIMEOUT_EXPIRED", target_user_id=str(U), until=60, member=True)
    row = ModerationRow(G, "automod_timeout", U, None, None, E)
    expired = ModerationRow(G, "timeout_expired", U)
    assert agrees(row, expired)
    assert not agrees(row)
    scribe.write("LOST", refs=[written])
    assert agrees(row)
    assert agrees(row, expired)
    assert not agrees(expired)


def test_ones_own_nickname_is_no_row(scribe: Scribe, agrees: Judge) -> None:
    scribe.write("OWN_NICK", user_id=str(U), nick="x", audit_entry_id=str(E))
    assert agrees()
    assert not agrees(ModerationRow(G, "nick", U, U, None, E))


def test_a_change_of_structure_is_a_row_by_its_type(scribe: Scribe, agrees: Judge) -> None:
    scribe.write("ROLE_CREATE", target_id="5", name="x", moderator_id=str(M), audit_entry_id=str(E))
    row = ModerationRow(G, "ROLE_CREATE", 5, M, None, E)
    assert agrees(row)
    unattributed = replace(row, moderator_id=None, audit_entry_id=None)
    assert not agrees(unattributed)
    assert not agrees()
    scribe.hide()
    assert agrees(unattributed)


def test_of_an_update_every_changed_field_counts(scribe: Scribe, agrees: Judge) -> None:
    scribe.write(
        "CHANNEL_UPDATE",
        target_id="5",
        moderator_id=str(M),
        audit_entry_id=str(E),
        reason="typo",
        changes={"name": {"old": "a", "new": "b"}, "nsfw": {"old": False, "new": True}},
    )
    changes = frozenset({("name", '"a"', '"b"'), ("nsfw", "false", "true")})
    row = ModerationRow(G, "CHANNEL_UPDATE", 5, M, "typo", E, changes=changes)
    assert agrees(row)
    for wrong in (
        {"reason": None},
        {"target_user_id": 6},
        {"changes": frozenset()},
        {"changes": changes - {("nsfw", "false", "true")}},
        {"changes": changes | {("topic", "null", '"x"')}},
        {"changes": frozenset({("name", '"b"', '"a"'), ("nsfw", "false", "true")})},
    ):
        assert not agrees(replace(row, **wrong))
    scribe.hide()
    assert agrees(replace(row, moderator_id=None, audit_entry_id=None, reason=None))
    assert not agrees(ModerationRow(G, "CHANNEL_UPDATE", 5))


def test_the_owner_of_a_thread_is_known_without_its_entry(scribe: Scribe, agrees: Judge) -> None:
    scribe.write("THREAD_CREATE", target_id="5", moderator_id=str(M), audit_entry_id=str(E))
    row = ModerationRow(G, "THREAD_CREATE", 5, M)
    assert not agrees(row)
    scribe.hide()
    assert agrees(row)
    assert not agrees(replace(row, moderator_id=7))


def test_a_row_that_a_store_is_not_configured_to_keep_is_not_required(scribe: Scribe, agrees: Judge) -> None:
    scribe.act("nick")
    scribe.write("ROLE_CREATE", target_id="5", moderator_id=str(M), audit_entry_id="901")
    assert agrees(actions=frozenset({"ban"}))
    assert not agrees(actions=frozenset({"ban", "nick"}))
    assert not agrees(actions=frozenset({"ROLE_CREATE"}))
