"""The audit log as Discord writes it, from the gateway or on request, and what a moderator did by an entry.

One entry is one action. An entry that changes several things at once is named after the weightiest; the
others stand in its details. Sources: Discord docs, Resources › Audit Log › Audit Log Events, Audit Log Change
Exceptions, Optional Audit Entry Info.
"""

from __future__ import annotations

import datetime as dt
from typing import TypeVar

import msgspec
from msgspec.json import Decoder

from exporter.events.changes import CHANGES_BY_TYPE, OVERWRITES, describe, read_changes
from exporter.events.facts import AuditEntry, AuditPage, Person
from exporter.events.payload import (
    MAX_ID,
    Number,
    Snowflake,
    User,
    clean,
    clean_or_none,
    moment_of,
    snowflake_ms,
    unix_ms,
)
from exporter.events.rest_request import Answer
from exporter.model import Json

_T = TypeVar("_T")

KICK = 20
PRUNE = 21
BAN = 22
UNBAN = 23
MEMBER_UPDATE = 24
MEMBER_ROLE_UPDATE = 25
MEMBER_MOVE = 26
MEMBER_DISCONNECT = 27
BOT_ADD = 28
MESSAGE_DELETE = 72
MESSAGE_BULK_DELETE = 73

ACTIONS_BY_TYPE = {
    KICK: "kick",
    PRUNE: "prune",
    BAN: "ban",
    UNBAN: "unban",
    MEMBER_MOVE: "member_move",
    MEMBER_DISCONNECT: "member_disconnect",
    BOT_ADD: "bot_add",
    MESSAGE_DELETE: "message_delete",
    MESSAGE_BULK_DELETE: "message_bulk_delete",
    143: "automod_block",
    144: "automod_flag",
    145: "automod_timeout",
}
"""Actions that follow from the type alone; those of member updates and roles follow from the changes."""

GROUPED = frozenset({MEMBER_MOVE, MEMBER_DISCONNECT, MESSAGE_DELETE})
"""Types of which only the first action is an entry; further ones raise its count. discord-api-docs 5911."""

_SWITCHES = {"mute": ("voice_unmute", "voice_mute"), "deaf": ("voice_undeafen", "voice_deafen")}

_PLACELESS = frozenset({MESSAGE_BULK_DELETE, PRUNE, MEMBER_MOVE, MEMBER_DISCONNECT})
"""Types whose target is no user: a channel, or nothing."""

_OF_A_ROLE = "0"
"""What an entry about an overwrite calls a role; a member is 1."""

MAX_ROLES = 250
"""Roles kept of one entry: as many as a guild can have."""


class Change(msgspec.Struct):
    """One changed field; its values are of the field's own type, and are read only where it is known."""

    key: str = ""
    new_value: msgspec.Raw = msgspec.Raw(b"null")
    old_value: msgspec.Raw = msgspec.Raw(b"null")


class Options(msgspec.Struct):
    """Optional fields that some types have; numbers come as text."""

    members_removed: Number = 0
    delete_member_days: Number = 0
    count: Number = 0
    channel_id: Snowflake = 0
    auto_moderation_rule_name: str | None = None
    id: Snowflake = 0
    type: str | None = None


class EntryPayload(msgspec.Struct):
    """An entry; Discord docs, Resources › Audit Log › Audit Log Entry. On request it is without guild."""

    id: Snowflake
    action_type: Number
    guild_id: Snowflake = 0
    user_id: Snowflake | None = None
    target_id: str | None = None
    reason: str | None = None
    options: Options | None = None
    changes: list[Change] | None = None


class LogPayload(msgspec.Struct):
    """Discord docs, Resources › Audit Log › Audit Log Object; its parts are decoded one by one."""

    audit_log_entries: list[msgspec.Raw] = []
    users: list[msgspec.Raw] = []


class _Role(msgspec.Struct):
    id: Snowflake


class _EntryEffects:
    """The actions and details that the changes of an entry amount to."""

    def __init__(self) -> None:
        self.actions: list[str] = []
        self.details: dict[str, Json] = {}
        self.until = 0

    @property
    def action(self) -> str:
        return self.actions[0] if self.actions else ""


def read_entry(entry: EntryPayload, received_at: int) -> tuple[AuditEntry, ...]:
    """One entry of the gateway."""
    return (to_fact(entry, entry.guild_id, moment_of(entry.id, received_at)),) if entry.guild_id else ()


def to_fact(entry: EntryPayload, guild_id: int, at: int) -> AuditEntry:
    """The entry as a fact.

    Raises:
        msgspec.ValidationError: a changed field that is known has a value of another type.
    """
    options = entry.options or Options()
    kind = entry.action_type
    target = _read_target(entry.target_id)
    channel_id = target if kind == MESSAGE_BULK_DELETE else options.channel_id
    actor = entry.user_id or 0
    action = ACTIONS_BY_TYPE.get(kind, "")
    effects = _EntryEffects()
    if action:
        effects.details = _describe(kind, options, channel_id)
    elif kind == MEMBER_UPDATE:
        _read_update(effects, entry.changes or [], at, own=actor == target)
    elif kind == MEMBER_ROLE_UPDATE:
        _read_roles(effects, entry.changes or [])
    elif kind in CHANGES_BY_TYPE:
        _read_structure(effects, kind, entry.changes or [], options)
    if len(effects.actions) > 1:
        effects.details["also"] = list(effects.actions[1:])
    return AuditEntry(
        guild_id,
        entry.id,
        at,
        kind,
        # An entry of AutoModeration names the offender where others name the moderator.
        0 if action.startswith("automod_") else actor,
        0 if kind in _PLACELESS else target,
        clean_or_none(entry.reason),
        options.members_removed if kind == PRUNE else options.count,
        action or effects.action,
        channel_id,
        effects.until,
        effects.details,
    )


def read_answer(answer: Answer, received_at: int) -> tuple[AuditPage, ...]:
    """A page of the audit log; what cannot be read of it is passed over."""
    del received_at  # an entry may be weeks old, so its own time is believed
    log = _decode(answer.body, LogPayload) or LogPayload()
    found = (_read_listed(raw, answer.request.guild_id) for raw in log.audit_log_entries)
    people = (_decode(raw, User) for raw in log.users)
    return (
        AuditPage(
            answer.request,
            answer.status,
            tuple(entry for entry in found if entry is not None),
            tuple(Person(user.id, clean(user.username), user.bot) for user in people if user is not None),
            len(log.audit_log_entries),
        ),
    )


def _read_listed(raw: msgspec.Raw, guild_id: int) -> AuditEntry | None:
    payload = _decode(raw, EntryPayload)
    try:
        return to_fact(payload, guild_id, snowflake_ms(payload.id)) if payload is not None else None
    except msgspec.ValidationError:
        return None


def _describe(kind: int, options: Options, channel_id: int) -> dict[str, Json]:
    details: dict[str, Json] = {}
    if kind == PRUNE:
        details = {"members_removed": options.members_removed, "days": options.delete_member_days}
    elif kind in GROUPED or kind == MESSAGE_BULK_DELETE:
        details = {"count": options.count}
    if options.auto_moderation_rule_name is not None:
        details["rule"] = clean(options.auto_moderation_rule_name)
    if channel_id:
        details["channel_id"] = channel_id
    return details


def _read_update(effects: _EntryEffects, changes: list[Change], at: int, *, own: bool) -> None:
    """What was done to a member. Changing one's own nickname is no moderation."""
    by_key = {change.key: change for change in changes}
    if (change := by_key.get("communication_disabled_until")) is not None:
        old, new = (unix_ms(_MOMENT.decode(raw)) for raw in (change.old_value, change.new_value))
        if new > at:
            effects.actions.append("timeout")
            effects.until = new
            effects.details["until"] = new
        elif not old or old > at:
            effects.actions.append("timeout_removed")
    for key, (lifted, laid) in _SWITCHES.items():
        if (change := by_key.get(key)) is not None:
            effects.actions.append(laid if _FLAG.decode(change.new_value) else lifted)
    if (change := by_key.get("nick")) is not None and not own:
        effects.actions.append("nick")
        effects.details["nick"] = clean_or_none(_TEXT.decode(change.new_value))
        effects.details["old_nick"] = clean_or_none(_TEXT.decode(change.old_value))


def _read_roles(effects: _EntryEffects, changes: list[Change]) -> None:
    by_key = {change.key: change for change in changes}
    for key, action in (("$add", "role_add"), ("$remove", "role_remove")):
        if (change := by_key.get(key)) is not None:
            roles = _ROLES.decode(change.new_value) or []
            listed: list[Json] = [role.id for role in roles[:MAX_ROLES]]
            effects.details["roles_removed" if effects.actions else "roles"] = listed
            effects.actions.append(action)


def _read_structure(effects: _EntryEffects, kind: int, changes: list[Change], options: Options) -> None:
    """What was done to a part of the guild. Whom a member's own overwrite is about is not kept."""
    action = CHANGES_BY_TYPE[kind]
    effects.actions.append(action)
    effects.details = describe(
        action, read_changes((each.key, each.old_value, each.new_value) for each in changes)
    )
    if kind in OVERWRITES and options.type == _OF_A_ROLE:
        effects.details["role_id"] = options.id


def _read_target(text: str | None) -> int:
    if not text or not text.isascii() or not text.isdigit() or len(text) > len(str(MAX_ID)):
        return 0
    number = int(text)
    return number if number <= MAX_ID else 0


_MOMENT: Decoder[dt.datetime | None] = Decoder(dt.datetime | None, strict=False)
_FLAG: Decoder[bool | None] = Decoder(bool | None, strict=False)
_TEXT: Decoder[str | None] = Decoder(str | None)
_ROLES: Decoder[list[_Role] | None] = Decoder(list[_Role] | None, strict=False)


def _decode(raw: msgspec.Raw, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(raw, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
