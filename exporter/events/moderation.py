"""Moderation: what is done to people by moderators and by AutoModeration, with actor and reason.

The dispatch of a ban names the target only. Who and why stand in an audit-log entry (``audit``), which
Discord sends before, after or, without the View Audit Log permission, never. The pipeline matches the two.

Which row hangs on which switch:

    GUILD_BAN_ADD                       ban
    GUILD_BAN_REMOVE                    unban
    AUTO_MODERATION_ACTION_EXECUTION    automod_block, automod_flag, automod_timeout
    VOICE_MUTE, UNMUTE, DEAFEN, UNDEAFEN    the action of that name
    GUILD_AUDIT_LOG_ENTRY_CREATE        all others, and actor and reason of the above
    GUILD_MEMBER_ADD, _REMOVE           with one of them on, timeouts are known without the audit log too; by
                                        whom is then unknown
    MESSAGE_DELETE, VOICE_CHANNEL_*     with them on, the count of ``message_delete``, ``member_move`` and
                                        ``member_disconnect`` follows what is counted up afterwards
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from exporter.events.audit import ENTRY_CREATE, EntryPayload, read_answer, read_entry
from exporter.events.facts.counting import Person
from exporter.events.facts.moderation import Action, MessageDeleted
from exporter.events.messages import DELETED, MessageDelete
from exporter.events.payload import Number, Snowflake, UserEvent
from exporter.events.permissions import SEES_BANS
from exporter.events.records.occurrences import (
    AuditedActionRecord,
    AutomodRecord,
    ModerationRecord,
    VoiceOrderRecord,
)
from exporter.events.rest_request import Answer, RequestKind, RestRequest
from exporter.events.spec import EventSpec, Family, Identity, Measure, Reader
from exporter.model import Priority

BAN_ADD = "GUILD_BAN_ADD"
BAN_REMOVE = "GUILD_BAN_REMOVE"
EXECUTION = "AUTO_MODERATION_ACTION_EXECUTION"

ACTIONS = Measure(
    name="moderation_actions",
    help="Actions taken by moderators and by AutoModeration, and timeouts that ran out.",
    label="action",
    values=(
        "ban",
        "unban",
        "kick",
        "prune",
        "timeout",
        "timeout_removed",
        "timeout_expired",
        "role_add",
        "role_remove",
        "nick",
        "voice_mute",
        "voice_unmute",
        "voice_deafen",
        "voice_undeafen",
        "member_move",
        "member_disconnect",
        "message_delete",
        "message_bulk_delete",
        "automod_block",
        "automod_flag",
        "automod_timeout",
        "bot_add",
    ),
)

AUDIT_READS = {
    ENTRY_CREATE: Reader(EntryPayload, read_entry),
    RestRequest(RequestKind.AUDIT_LOG, 0).dispatch: Reader(Answer, read_answer),
}
"""How entries of the audit log come in; every type that needs them reads them by these."""

_EXECUTED = {1: "automod_block", 2: "automod_flag", 3: "automod_timeout"}
"""Discord docs, Resources › Auto Moderation › Action Types; blocked profile changes are no action on a
member's doings."""

VOICE_ORDERS = {
    action: action.upper() for action in ("voice_mute", "voice_unmute", "voice_deafen", "voice_undeafen")
}
"""What moderators do to members in voice, which their voice states show; declared with voice."""

TYPE_OF_ACTION = {
    "ban": BAN_ADD,
    "unban": BAN_REMOVE,
    **dict.fromkeys(_EXECUTED.values(), EXECUTION),
    **VOICE_ORDERS,
}
"""The event type, and so the switch, of an action's row; any other is ``ENTRY_CREATE``."""


RECORDS: Mapping[str, type[ModerationRecord]] = {
    BAN_ADD: ModerationRecord,
    BAN_REMOVE: ModerationRecord,
    ENTRY_CREATE: AuditedActionRecord,
    EXECUTION: AutomodRecord,
    **dict.fromkeys(VOICE_ORDERS.values(), VoiceOrderRecord),
}
"""What the rows of moderation say, by event type."""


class ExecutedAction(msgspec.Struct):
    """Discord docs, Resources › Auto Moderation › Auto Moderation Action Object."""

    type: Number


class ExecutionPayload(msgspec.Struct):
    """Discord docs, Gateway Events › Auto Moderation Action Execution; what was written is not read."""

    guild_id: Snowflake
    action: ExecutedAction
    rule_id: Snowflake
    user_id: Snowflake
    channel_id: Snowflake | None = None
    message_id: Snowflake | None = None
    alert_system_message_id: Snowflake | None = None


def read_ban(ban: UserEvent, received_at: int) -> tuple[Action, ...]:
    """One ban, whose actor is not known yet."""
    return (Action(BAN_ADD, "ban", ban.guild_id, received_at, ban.user.person),)


def read_unban(ban: UserEvent, received_at: int) -> tuple[Action, ...]:
    """One unban, whose actor is not known yet."""
    return (Action(BAN_REMOVE, "unban", ban.guild_id, received_at, ban.user.person),)


def read_execution(done: ExecutionPayload, received_at: int) -> tuple[Action, ...]:
    """What AutoModeration did; a rule with several actions is reported once for each."""
    action = _EXECUTED.get(done.action.type)
    if action is None:
        return ()
    # A blocked message has no id; the time distinguishes it from the same rule's next hit.
    occasion = done.message_id or done.alert_system_message_id or received_at
    return (
        Action(
            EXECUTION,
            action,
            done.guild_id,
            received_at,
            Person(done.user_id, ""),
            {"rule_id": done.rule_id, "channel_id": done.channel_id, "message_id": done.message_id},
            f"{done.rule_id}:{done.user_id}:{occasion}",
        ),
    )


_OCCASION = Identity(
    None, lambda done: ("execution", done.guild_id, done.user_id, done.rule_id, done.action.type)
)


def read_deletion(message: MessageDelete, received_at: int) -> tuple[MessageDeleted, ...]:
    """A message that is gone."""
    return (MessageDeleted(message.guild_id, message.channel_id, received_at),)


def _declare(
    kind: str,
    help_: str,
    reads: Mapping[str, Reader],
    intent: str,
    blind_without_all: Mapping[tuple[str, ...], str] | None = None,
    **blind: str,
) -> EventSpec:
    return EventSpec(
        kind,
        help_,
        priority=Priority.CRITICAL,
        reads=reads,
        intents=(intent,),
        blind_without=blind,
        blind_without_all=blind_without_all or {},
        measures=(ACTIONS,),
        table="moderation_logs",
        record=RECORDS[kind],
    )


_WHO = "who banned and why stays unknown"
_BANS: Mapping[tuple[str, ...], str] = {SEES_BANS: "all of it: Discord does not send it"}
_ALL = "actor and reason of everything; kicks, prunes, changes of roles and names"

FAMILY = Family(
    "moderation",
    "What moderators and AutoModeration do, to whom and why.",
    (
        _declare(
            BAN_ADD,
            "A user was banned.",
            {BAN_ADD: Reader(UserEvent, read_ban)},
            "guild_moderation",
            _BANS,
            view_audit_log=_WHO,
        ),
        _declare(
            BAN_REMOVE,
            "A ban was lifted.",
            {BAN_REMOVE: Reader(UserEvent, read_unban)},
            "guild_moderation",
            _BANS,
            view_audit_log=_WHO,
        ),
        _declare(
            ENTRY_CREATE,
            "An entry of the audit log: actions on members, and actor and reason of bans and unbans.",
            {**AUDIT_READS, "MESSAGE_DELETE": Reader(MessageDelete, read_deletion, DELETED)},
            "guild_moderation",
            view_audit_log=_ALL,
        ),
        _declare(
            EXECUTION,
            "AutoModeration blocked or flagged a message, or timed its author out.",
            {EXECUTION: Reader(ExecutionPayload, read_execution, _OCCASION)},
            "auto_moderation_execution",
            manage_guild="what AutoModeration does",
        ),
    ),
)
