"""What dispatches and answers tell of invites, roles, bans and AutoModeration, whatever they lack."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from exporter.events import invites, moderation, roles
from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.audit import EntryPayload
from exporter.events.catalogue import full_catalogue
from exporter.events.facts.counting import Count, Person, Record
from exporter.events.facts.guilds import BotKnown, MemberRoles, RoleDeleted, RolesListed, RoleUpserted
from exporter.events.facts.invites import (
    InviteCreated,
    InviteDeleted,
    InviteKnown,
    InviteRevoked,
    InvitesRead,
)
from exporter.events.facts.moderation import Action, MessageDeleted
from exporter.events.messages import MessageDelete
from exporter.events.payload import UserEvent
from exporter.events.reading import PayloadReader
from exporter.events.rest_request import Answer, RequestKind, RestRequest
from exporter.events.spec import Reader
from tests.entry_data import fields_of

NOW = 1_700_000_000_000
GUILD = 5
CATALOGUE = full_catalogue()


def read(payload: Any, reader: Any, **fields: Any) -> tuple[Any, ...]:
    return tuple(PayloadReader("TEST", [Reader(payload, reader)]).read(json.dumps(fields).encode(), NOW))


# ---------------------------------------------------------------------- invites made and gone


def made(**fields: Any) -> tuple[Any, ...]:
    return read(invites.InviteCreate, invites.read_create, **fields)


def test_an_invite_made_is_a_row_a_count_and_known_from_then_on() -> None:
    record, count, known = made(
        code="abc",
        guild_id=str(GUILD),
        channel_id="8",
        inviter={"id": "9", "username": "ma\x00son"},
        max_uses=3,
        max_age=60,
        temporary=True,
        created_at="2023-11-14T22:13:00+00:00",
        expires_at="2023-11-14T22:14:00+00:00",
    )
    begun = 1_699_999_980_000
    assert isinstance(record, Record)
    assert (record.key, record.at, record.person) == (f"invite:{GUILD}:abc", begun, 9)
    assert fields_of(record)["expires_at"] == begun + 60_000
    assert count == Count(invites.CREATED.series, GUILD, begun)
    assert known == InviteCreated(GUILD, InviteKnown("abc", 0, 3, 9, "ma son", begun + 60_000))


def test_an_invite_without_a_maker_that_never_ends() -> None:
    record, _, known = made(code="abc", guild_id=str(GUILD))
    assert (record.at, record.person) == (NOW, 0)
    assert (fields_of(record)["expires_at"], fields_of(record)["inviter_username"]) == (None, None)
    assert known.invite == InviteKnown("abc")


def test_a_time_that_cannot_be_true_is_that_of_receipt() -> None:
    record, count, _ = made(code="abc", guild_id=str(GUILD), created_at="1999-01-01T00:00:00+00:00")
    assert (record.at, count.at, fields_of(record)["created_at"]) == (NOW, NOW, NOW)


@pytest.mark.parametrize("fields", [{"code": "abc"}, {"code": "", "guild_id": "5"}])
def test_an_invite_to_no_guild_or_without_code_is_none(fields: dict[str, str]) -> None:
    assert made(**fields) == ()
    assert read(invites.InviteDelete, invites.read_delete, **fields) == ()


def test_an_invite_gone_has_a_row_of_its_own_each_time() -> None:
    """A code may be given anew, a guild's address above all."""
    record, lost = read(invites.InviteDelete, invites.read_delete, code="abc", guild_id="5")
    assert (record.key, fields_of(record), record.person) == (f"invite_gone:5:abc:{NOW}", {"code": "abc"}, 0)
    assert lost == InviteDeleted(5, "abc")


def test_made_lost_and_taken_back_agree_on_an_overlong_code() -> None:
    code = "x" * 500
    (*_, known) = made(code=code, guild_id="5")
    (_, lost) = read(invites.InviteDelete, invites.read_delete, code=code, guild_id="5")
    change = {"key": "code", "old_value": code}
    (taken,) = read(EntryPayload, invites.read_audit, id="1", guild_id="5", action_type=42, changes=[change])
    assert known.invite.code == lost.code == taken.code
    assert len(lost.code) < 100


# ---------------------------------------------------------------------- answers


def answered(status: int, body: object, kind: RequestKind = RequestKind.INVITES) -> InvitesRead:
    request = RestRequest(kind, GUILD, purpose="p:1")
    reader: Any = invites.read_invites if kind is RequestKind.INVITES else invites.read_vanity
    packed = json.dumps({"request": msgspec.to_builtins(request), "status": status, "body": body}).encode()
    found: InvitesRead
    (found,) = reader(msgspec.json.decode(packed, type=Answer, strict=False), NOW)
    assert (found.request, found.at) == (request, NOW)
    return found


def test_the_invites_of_a_guild_are_read_with_their_uses() -> None:
    body = [
        {"code": "a", "uses": 4, "max_uses": 5, "inviter": {"id": "9", "username": "m"}},
        {"code": "b", "expires_at": "2023-11-14T22:13:20+00:00"},
    ]
    found = answered(200, body)
    assert found.meaning is AnswerMeaning.ANSWERED
    assert found.invites == (InviteKnown("a", 4, 5, 9, "m"), InviteKnown("b", expires_at=NOW))


@pytest.mark.parametrize("kind", [RequestKind.INVITES, RequestKind.VANITY])
@pytest.mark.parametrize("status", [200, 0, 403, 500])
def test_an_answer_without_content_is_none_whatever_its_status_says(kind: RequestKind, status: int) -> None:
    found = answered(status, None, kind)
    assert (found.meaning, found.invites) == (AnswerMeaning.TROUBLE, ())


def test_a_guild_without_invites_is_an_answer() -> None:
    found = answered(200, [])
    assert (found.meaning, found.invites) == (AnswerMeaning.ANSWERED, ())


def test_the_guild_s_own_address_is_marked() -> None:
    assert answered(200, {"code": "place", "uses": 7}, RequestKind.VANITY).invites == (
        InviteKnown("place", 7, vanity=True),
    )


@pytest.mark.parametrize("code", [None, ""])
def test_a_guild_that_has_given_up_its_address_has_none(code: str | None) -> None:
    found = answered(200, {"code": code, "uses": 7}, RequestKind.VANITY)
    assert (found.meaning, found.invites) == (AnswerMeaning.ANSWERED, ())


@pytest.mark.parametrize(
    ("kind", "changes", "codes"),
    [
        (42, [{"key": "code", "old_value": "abc"}], ["abc"]),
        (40, [{"key": "code", "old_value": "abc"}], []),
        (42, [{"key": "uses", "old_value": 1}, {"key": "code", "old_value": "abc"}], ["abc"]),
        (42, [{"key": "code", "old_value": 7}], []),
        (42, [{"key": "code", "new_value": "abc"}], []),
        (42, None, []),
    ],
)
def test_the_code_of_an_invite_taken_back_is_in_its_changes(
    kind: int, changes: list[dict[str, Any]] | None, codes: list[str]
) -> None:
    found = read(EntryPayload, invites.read_audit, id="1", guild_id="5", action_type=kind, changes=changes)
    assert found == tuple(InviteRevoked(5, code) for code in codes)


# ---------------------------------------------------------------------- roles


def guild(**fields: Any) -> tuple[Any, ...]:
    return read(roles.GuildRoles, roles.read_guild, **{"id": "5"} | fields)


def test_a_guild_s_roles_and_those_of_its_bots_are_facts_and_of_people_none() -> None:
    members = [
        {"user": {"id": "1", "bot": True}, "roles": ["2", "3"]},
        {"user": {"id": "4"}, "roles": ["2"]},
        {"roles": ["2"]},
    ]
    found = guild(roles=[{"id": "5", "permissions": "8"}, {"id": "2"}], members=members, owner_id="4")
    assert found == (RolesListed(5, 4, ((5, 8), (2, 0)), ((1, (2, 3)),)),)


@pytest.mark.parametrize("fields", [{}, {"unavailable": True, "roles": [{"id": "5"}]}, {"roles": []}])
def test_a_guild_that_cannot_be_seen_says_nothing_of_roles(fields: dict[str, Any]) -> None:
    assert guild(**fields) == ()


def test_a_guild_of_unknown_owner_has_none() -> None:
    (found,) = guild(roles=[{"id": "5"}], owner_id=None)
    assert found.owner_id == 0


@pytest.mark.parametrize("permissions", ["-1", "x", str(2**63), 1.5])
def test_a_role_whose_permissions_are_no_bits_is_left_out(permissions: object) -> None:
    rejected, listed = guild(roles=[{"id": "5", "permissions": permissions}, {"id": "6"}])
    assert (rejected.path, rejected.number) == ("$.roles[]", 1)
    assert listed.roles == ((6, 0),)


def test_changes_of_roles_are_facts_one_by_one() -> None:
    role = {"id": "2", "permissions": str(1 << 52)}
    assert read(roles.RoleChange, roles.read_role, guild_id="5", role=role) == (RoleUpserted(5, 2, 1 << 52),)
    assert read(roles.RoleDelete, roles.read_role_deleted, guild_id="5", role_id="2") == (RoleDeleted(5, 2),)


@pytest.mark.parametrize(("bot", "expected"), [(True, (MemberRoles(5, 1, (2,)),)), (False, ())])
def test_only_a_bot_s_own_roles_are_followed(bot: bool, expected: tuple[Any, ...]) -> None:  # noqa: FBT001 - a table
    user = {"id": "1", "bot": bot}
    assert read(roles.MemberRolesUpdate, roles.read_member, guild_id="5", user=user, roles=["2"]) == expected


@pytest.mark.parametrize("fields", [{}, {"roles": None}])
def test_an_update_of_a_bot_that_says_nothing_of_roles_takes_none_away(fields: dict[str, Any]) -> None:
    user = {"id": "1", "bot": True}
    assert read(roles.MemberRolesUpdate, roles.read_member, guild_id="5", user=user, **fields) == ()


def test_ready_says_who_the_bot_is_or_nothing() -> None:
    assert read(roles.ReadyUser, roles.read_ready, user={"id": "1"}) == (BotKnown(1),)
    assert read(roles.ReadyUser, roles.read_ready) == ()


def test_roles_are_followed_whatever_is_switched_off() -> None:
    everything_off = CATALOGUE.switched(dict.fromkeys(CATALOGUE.events, False))
    assert roles.FAMILY.core.keys() <= everything_off.readers.keys()


# ---------------------------------------------------------------------- bans, AutoModeration, deletions


@pytest.mark.parametrize(
    ("reader", "kind", "action"),
    [(moderation.read_ban, "GUILD_BAN_ADD", "ban"), (moderation.read_unban, "GUILD_BAN_REMOVE", "unban")],
)
def test_a_ban_is_dated_by_its_receipt_and_names_its_target_clean(
    reader: Any, kind: str, action: str
) -> None:
    user = {"id": "9", "username": "a\nb", "bot": True}
    found = read(UserEvent, reader, guild_id="5", user=user)
    assert found == (Action(kind, action, 5, NOW, Person(9, "a b", bot=True)),)


def executed(kind: int, **fields: Any) -> tuple[Any, ...]:
    execution = {"guild_id": "5", "action": {"type": kind}, "rule_id": "6", "user_id": "9"}
    return read(moderation.ExecutionPayload, moderation.read_execution, **execution | fields)


@pytest.mark.parametrize(
    ("kind", "action"), [(1, "automod_block"), (2, "automod_flag"), (3, "automod_timeout")]
)
def test_what_automoderation_did_is_named(kind: int, action: str) -> None:
    (found,) = executed(kind, channel_id="8", message_id="77")
    assert (found.action, found.type, found.target) == (action, moderation.EXECUTION, Person(9, ""))
    assert found.data == {"rule_id": 6, "channel_id": 8, "message_id": 77}
    assert moderation.TYPE_OF_ACTION[action] == found.type


@pytest.mark.parametrize("kind", [0, 4, 99, -1])
def test_what_else_automoderation_does_is_no_action_on_a_member(kind: int) -> None:
    assert executed(kind) == ()


def test_one_hit_with_several_actions_bears_one_name_and_the_next_hit_another() -> None:
    (block,), (flag,) = executed(1, message_id="77"), executed(2, message_id="77")
    (other,), (rule,) = executed(1, message_id="78"), executed(1, message_id="77", rule_id="7")
    assert block.dedup_key == flag.dedup_key
    assert len({block.dedup_key, other.dedup_key, rule.dedup_key}) == 3


def test_a_blocked_message_is_identified_by_its_alert_or_by_the_time() -> None:
    (alerted,), (silent,) = executed(1, alert_system_message_id="80"), executed(1)
    assert (alerted.dedup_key, silent.dedup_key) == ("6:9:80", f"6:9:{NOW}")


def test_a_message_gone_from_a_guild_is_a_fact_with_its_channel_and_from_elsewhere_none() -> None:
    gone = {"id": "1", "channel_id": "8"}
    payload, reader = MessageDelete, moderation.read_deletion
    assert read(payload, reader, **gone, guild_id="5") == (MessageDeleted(5, 8, NOW),)
    assert read(payload, reader, **gone) == ()
