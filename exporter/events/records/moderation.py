"""Rows of the moderation log."""

from __future__ import annotations

from typing import Annotated

from exporter.events.records.values import Doc, Id, Int64, Milliseconds
from exporter.model import EntryData


class ModerationRecord(EntryData, frozen=True, kw_only=True):
    """An action of a moderator or of AutoModeration on a member; bans and unbans have no more fields.

    The first entry of an action has ``action``; one that amends it repeats only what it adds.
    """

    action: Annotated[str | None, Doc("The action, as in `discord_moderation_actions_total`.")] = None
    target_user_id: Annotated[Id | None, Doc("The member it was done to.", personal=True)] = None
    target_username: Annotated[str | None, Doc("Name at that moment.", personal=True)] = None
    moderator_id: Annotated[Id | None, Doc("Who did it; null while or where unknown.", personal=True)] = None
    moderator_username: Annotated[str | None, Doc("That person's name, where known.", personal=True)] = None
    reason: Annotated[str | None, Doc("The reason given, if any.", personal=True)] = None
    audit_entry_id: Annotated[Id | None, Doc("The audit-log entry that says so.")] = None
    recovered: Annotated[bool | None, Doc("Found in the audit log afterwards, not seen live.")] = None


class VoiceOrderRecord(ModerationRecord, frozen=True, kw_only=True):
    """A member in voice was muted, unmuted, deafened or undeafened by a moderator."""

    nick: Annotated[str | None, Doc("The new nickname, where the same action set one.", personal=True)] = None
    old_nick: Annotated[str | None, Doc("The nickname before.", personal=True)] = None
    also: Annotated[list[str] | None, Doc("Further actions by the same audit-log entry.")] = None


class AutomodRecord(ModerationRecord, frozen=True, kw_only=True):
    """AutoModeration applied a rule."""

    rule_id: Annotated[Id | None, Doc("The rule that applied.")] = None
    rule: Annotated[str | None, Doc("Its name, from the audit log.")] = None
    channel_id: Annotated[Id | None, Doc("Where it applied.")] = None
    message_id: Annotated[Id | None, Doc("The message, where it was not blocked.")] = None


class AuditedActionRecord(ModerationRecord, frozen=True, kw_only=True):
    """An action known from the audit log, or from the state of a member."""

    until: Annotated[Milliseconds | None, Doc("Of a timeout: its end, ms since the epoch.")] = None
    roles: Annotated[list[Id] | None, Doc("Of role changes: the roles.")] = None
    roles_removed: Annotated[
        list[Id] | None, Doc("The roles taken where others were given by the same action.")
    ] = None
    nick: Annotated[str | None, Doc("Of a renaming: the new nickname.", personal=True)] = None
    old_nick: Annotated[str | None, Doc("The nickname before.", personal=True)] = None
    members_removed: Annotated[Int64 | None, Doc("Of a prune: the number of members removed.")] = None
    days: Annotated[Int64 | None, Doc("Of a prune: the days of inactivity it asked for.")] = None
    count: Annotated[Int64 | None, Doc("Of messages, moves and disconnections: how many, as last read.")] = (
        None
    )
    channel_id: Annotated[Id | None, Doc("Where; of moves, the destination.")] = None
    also: Annotated[list[str] | None, Doc("Further actions by the same audit-log entry.")] = None
