"""Moderation: bans and unbans, with actor and reason from the audit log.

The dispatch of a ban names the target only. Who and why stand in an audit-log entry, which Discord sends
before, after or, without the View Audit Log permission, never. The pipeline matches the two.
"""

from __future__ import annotations

import msgspec

from exporter.events.facts import Action, AuditEntry, Person
from exporter.events.payload import MAX_ID, Number, Snowflake, User, clean, clean_or_none, moment_of
from exporter.events.spec import EventSpec, Family, Field, Measure, Reader
from exporter.model import Priority

ACTIONS = Measure(
    name="moderation_actions",
    help="Actions taken by moderators.",
    metric="discord_moderation_actions",
    measurement="discord_guild",
    field="moderation_actions",
    label="action",
    values=("ban", "unban", "kick"),
)

AUDIT_KICK = 20
AUDIT_PRUNE = 21
AUDIT_BAN = 22
AUDIT_UNBAN = 23
"""Discord docs, Resources › Audit Log › Audit Log Events."""


class BanPayload(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Ban Add, Guild Ban Remove."""

    guild_id: Snowflake
    user: User


class AuditOptions(msgspec.Struct):
    """Discord docs, Resources › Audit Log › Optional Audit Entry Info; numbers come as text."""

    members_removed: Number = 0


class AuditPayload(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Audit Log Entry Create."""

    guild_id: Snowflake
    id: Snowflake
    action_type: Number
    user_id: Snowflake | None = None
    target_id: str | None = None
    reason: str | None = None
    options: AuditOptions | None = None


def _read_action(kind: str, action: str, ban: BanPayload, received_at: int) -> tuple[Action, ...]:
    user = ban.user
    return (Action(kind, action, ban.guild_id, received_at, Person(user.id, clean(user.username), user.bot)),)


def read_ban(ban: BanPayload, received_at: int) -> tuple[Action, ...]:
    """One ban, by nobody known yet."""
    return _read_action("GUILD_BAN_ADD", "ban", ban, received_at)


def read_unban(ban: BanPayload, received_at: int) -> tuple[Action, ...]:
    """One unban, by nobody known yet."""
    return _read_action("GUILD_BAN_REMOVE", "unban", ban, received_at)


def _read_target(text: str | None) -> int:
    if not text or not text.isascii() or not text.isdigit() or len(text) > len(str(MAX_ID)):
        return 0
    number = int(text)
    return number if number <= MAX_ID else 0


def read_audit(entry: AuditPayload, received_at: int) -> tuple[AuditEntry, ...]:
    """One entry; some targets are not ids (an invite's code), and then stand as 0."""
    return (
        AuditEntry(
            entry.guild_id,
            entry.id,
            moment_of(entry.id, received_at),
            entry.action_type,
            entry.user_id or 0,
            _read_target(entry.target_id),
            clean_or_none(entry.reason),
            entry.options.members_removed if entry.options else 0,
            received_at,
        ),
    )


_FIELDS = (
    Field("target_user_id", "Whom it was done to.", personal=True),
    Field("target_username", "Name at that moment.", personal=True),
    Field("moderator_id", "Who did it; null while or where unknown.", personal=True),
    Field("moderator_username", "That person's name, where known.", personal=True),
    Field("reason", "The reason given, if any.", personal=True),
    Field("audit_entry_id", "The audit-log entry that says so."),
)
_BLIND = {"view_audit_log": "who banned and why stays unknown"}

FAMILY = Family(
    "moderation",
    "Who was removed, by whom and why.",
    (
        EventSpec(
            type="GUILD_BAN_ADD",
            family="moderation",
            help="Somebody was banned.",
            priority=Priority.CRITICAL,
            reads={"GUILD_BAN_ADD": Reader(BanPayload, read_ban)},
            intents=("guild_moderation",),
            permissions=("view_audit_log",),
            blind_without=_BLIND,
            measures=(ACTIONS,),
            table="moderation_logs",
            fields=_FIELDS,
        ),
        EventSpec(
            type="GUILD_BAN_REMOVE",
            family="moderation",
            help="A ban was lifted.",
            priority=Priority.CRITICAL,
            reads={"GUILD_BAN_REMOVE": Reader(BanPayload, read_unban)},
            intents=("guild_moderation",),
            permissions=("view_audit_log",),
            blind_without=_BLIND,
            measures=(ACTIONS,),
            table="moderation_logs",
            fields=_FIELDS,
        ),
        EventSpec(
            type="GUILD_AUDIT_LOG_ENTRY_CREATE",
            family="moderation",
            help="An entry of the audit log: gives bans, unbans and kicks their actor and reason.",
            priority=Priority.CRITICAL,
            reads={"GUILD_AUDIT_LOG_ENTRY_CREATE": Reader(AuditPayload, read_audit)},
            intents=("guild_moderation",),
            permissions=("view_audit_log",),
            blind_without={"view_audit_log": "actor and reason of every action"},
            table="moderation_logs",
            fields=_FIELDS,
            measures=(ACTIONS,),
        ),
    ),
)
