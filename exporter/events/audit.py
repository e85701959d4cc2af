"""The audit log as Discord writes it, from the gateway or on request, and what a moderator did by an entry.

One entry is one action. An entry that changes several things at once is named after the weightiest; the
others stand in its details. Sources: Discord docs, Resources › Audit Log › Audit Log Events, Audit Log Change
Exceptions, Optional Audit Entry Info.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from exporter.events.changes import CHANGES_BY_TYPE, OVERWRITES, describe, read_changes
from exporter.events.facts.base import ElementsRejected
from exporter.events.facts.moderation import AuditEntry, AuditPage
from exporter.events.payload import (
    CLOCK_SPREAD_MS,
    MAX_ID,
    MAX_NUMBER,
    Identified,
    InGuild,
    Number,
    Snowflake,
    User,
    clean,
    clean_or_none,
    moment_of,
    snowflake_ms,
    unix_ms,
)
from exporter.events.reading import PartDecoder, read_body
from exporter.events.rest_request import Answer
from exporter.model import Json

ENTRY_CREATE = "GUILD_AUDIT_LOG_ENTRY_CREATE"

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

_COUNTED = GROUPED | {PRUNE, MESSAGE_BULK_DELETE}
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


_ABSENT = msgspec.Raw(b"null")

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_NUMBER)]


class Options(msgspec.Struct):
    """Optional fields that some types have; numbers come as text.

    Counts are decoded one by one: one that cannot be read must not cost the entry.
    """

    members_removed: msgspec.Raw = _ABSENT
    delete_member_days: msgspec.Raw = _ABSENT
    count: msgspec.Raw = _ABSENT
    channel_id: Snowflake = 0
    auto_moderation_rule_name: str | None = None
    id: Snowflake = 0
    type: str | None = None


class EntryPayload(InGuild):
    """An entry; Discord docs, Resources › Audit Log › Audit Log Entry. On request it is without guild."""

    id: Snowflake
    action_type: Number
    user_id: Snowflake | None = None
    target_id: str | None = None
    reason: str | None = None
    options: Options | None = None
    changes: tuple[Change, ...] | None = None


class LogPayload(msgspec.Struct):
    """Discord docs, Resources › Audit Log › Audit Log Object; its entries are decoded one by one."""

    audit_log_entries: tuple[msgspec.Raw, ...]
    users: tuple[User, ...] = ()


_NO_COUNT = frozenset({b"null", b'""'})
_DETAILS = {"delete_member_days": "days"}

_VALUES: dict[str, Any] = {
    "communication_disabled_until": dt.datetime | None,
    "mute": bool | None,
    "deaf": bool | None,
    "nick": str | None,
    "$add": tuple[Identified, ...] | None,
    "$remove": tuple[Identified, ...] | None,
}
"""The changed fields that are understood of members, with the type of their values."""


class _EntryEffects:
    """The actions and details that the changes of an entry amount to."""

    def __init__(self) -> None:
        self.actions: list[str] = []
        self.details: dict[str, Json] = {}
        self.until = 0

    @property
    def action(self) -> str:
        return self.actions[0] if self.actions else ""


def read_entry(entry: EntryPayload, received_at: int) -> tuple[AuditEntry | ElementsRejected, ...]:
    """One entry of the gateway.

    Raises:
        msgspec.ValidationError: its id is from the future. A mark made of it would close the log for ever.
    """
    if snowflake_ms(entry.id) > received_at + CLOCK_SPREAD_MS:
        msg = "an id from the future - at `$.id`"
        raise msgspec.ValidationError(msg)
    parts = PartDecoder(ENTRY_CREATE)
    fact = to_fact(entry, entry.guild_id, moment_of(entry.id, received_at), parts)
    return (fact, *parts.report())


def to_fact(entry: EntryPayload, guild_id: int, at: int, parts: PartDecoder, path: str = "$") -> AuditEntry:
    """The entry at ``path`` as a fact, without the changes that ``parts`` cannot decode."""
    options = entry.options or Options()
    kind = entry.action_type
    target = _read_target(entry.target_id)
    channel_id = target if kind == MESSAGE_BULK_DELETE else options.channel_id
    actor = entry.user_id or 0
    action = ACTIONS_BY_TYPE.get(kind, "")
    effects = _EntryEffects()
    names = ("members_removed", "delete_member_days") if kind == PRUNE else ("count",)
    counts = _read_counts(options, names, parts, path)
    if action:
        effects.details = _describe(kind, counts, options, channel_id)
    elif kind == MEMBER_UPDATE:
        _read_update(effects, _read_values(entry, parts, path), at, own=actor == target)
    elif kind == MEMBER_ROLE_UPDATE:
        _read_roles(effects, _read_values(entry, parts, path))
    elif kind in CHANGES_BY_TYPE:
        _read_structure(effects, kind, entry.changes or (), options)
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
        counts.get(names[0], 0),
        action or effects.action,
        channel_id,
        effects.until,
        effects.details,
    )


def read_answer(answer: Answer, received_at: int) -> tuple[AuditPage | ElementsRejected, ...]:
    """A page of the audit log, without the entries and users that cannot be read."""
    del received_at  # an entry may be weeks old, so its own time is believed
    request = answer.request
    parts = PartDecoder(request.dispatch)
    meaning, found = read_body(answer, LogPayload, parts)
    log = found or LogPayload(())
    entries = []
    for index, raw in enumerate(log.audit_log_entries):
        with parts.element(f"$.audit_log_entries[{index}]") as path:
            entry = parts.decode(EntryPayload, raw, path)
            entries.append(to_fact(entry, request.guild_id, snowflake_ms(entry.id), parts, path))
    people = tuple(user.person for user in log.users)
    size = len(log.audit_log_entries)
    return (AuditPage(request, meaning, tuple(entries), people, size), *parts.report())


def _read_values(entry: EntryPayload, parts: PartDecoder, path: str) -> dict[str, tuple[Any, Any]]:
    """Old and new value of the changed fields that are understood."""
    found: dict[str, tuple[Any, Any]] = {}
    for index, change in enumerate(entry.changes or ()):
        if (kind := _VALUES.get(change.key)) is not None:
            with parts.element(f"{path}.changes[{index}]") as place:
                old = parts.decode(kind, change.old_value, f"{place}.old_value")
                found[change.key] = old, parts.decode(kind, change.new_value, f"{place}.new_value")
    return found


def _read_counts(options: Options, names: Iterable[str], parts: PartDecoder, path: str) -> dict[str, int]:
    """The counts of those names, 0 where there is none; without those that cannot be read."""
    counts: dict[str, int] = {}
    for name in names:
        with parts.element(f"{path}.options.{name}") as place:
            raw: msgspec.Raw = getattr(options, name)
            counts[name] = 0 if bytes(raw) in _NO_COUNT else parts.decode(_Count, raw, place)
    return counts


def _describe(kind: int, counts: dict[str, int], options: Options, channel_id: int) -> dict[str, Json]:
    details: dict[str, Json] = {}
    if kind in _COUNTED:
        details = {_DETAILS.get(name, name): count for name, count in counts.items()}
    if options.auto_moderation_rule_name is not None:
        details["rule"] = clean(options.auto_moderation_rule_name)
    if channel_id:
        details["channel_id"] = channel_id
    return details


def _read_update(effects: _EntryEffects, values: dict[str, tuple[Any, Any]], at: int, *, own: bool) -> None:
    """What was done to a member. Changing one's own nickname is no moderation."""
    if "communication_disabled_until" in values:
        old, new = (unix_ms(moment) for moment in values["communication_disabled_until"])
        if new > at:
            effects.actions.append("timeout")
            effects.until = new
            effects.details["until"] = new
        elif not old or old > at:
            effects.actions.append("timeout_removed")
    for key, (lifted, laid) in _SWITCHES.items():
        if key in values:
            effects.actions.append(laid if values[key][1] else lifted)
    if "nick" in values and not own:
        effects.actions.append("nick")
        effects.details["old_nick"], effects.details["nick"] = map(clean_or_none, values["nick"])


def _read_roles(effects: _EntryEffects, values: dict[str, tuple[Any, Any]]) -> None:
    for key, action in (("$add", "role_add"), ("$remove", "role_remove")):
        if key in values:
            listed: list[Json] = [role.id for role in (values[key][1] or ())[:MAX_ROLES]]
            effects.details["roles_removed" if effects.actions else "roles"] = listed
            effects.actions.append(action)


def _read_structure(effects: _EntryEffects, kind: int, changes: Iterable[Change], options: Options) -> None:
    """What was done to an object of the guild. Whom a member's own overwrite is about is not kept."""
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
