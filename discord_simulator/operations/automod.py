"""AutoMod: each action of a rule is an event and an audit entry of its own.

A blocked message never exists. The entry names its author both as user and as target; a timeout by AutoMod
has no other entry. Sources: Discord docs, Gateway Events › Auto Moderation Action Execution; Resources › Auto
Moderation, Audit Log.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from discord_simulator.operations import audit, messages, moderation
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import MANAGE_GUILD, AuditAction, Author, Intent, MessageKind

if TYPE_CHECKING:
    from discord_simulator.guild import AuditEntry, Channel, Guild
    from discord_simulator.objects import Data
    from discord_simulator.world import World

_PERMISSIONS = frozenset({MANAGE_GUILD})


class RuleAction(enum.IntEnum):
    """Actions of a rule. Discord docs, Auto Moderation › Action Types."""

    BLOCK = 1
    FLAG = 2
    TIMEOUT = 3


_NAMES = {
    RuleAction.BLOCK: ("automod_block", AuditAction.AUTOMOD_BLOCK),
    RuleAction.FLAG: ("automod_flag", AuditAction.AUTOMOD_FLAG),
    RuleAction.TIMEOUT: ("automod_timeout", AuditAction.AUTOMOD_TIMEOUT),
}


@dataclass(frozen=True, slots=True)
class AutoModRule:
    """An AutoMod rule; ``trigger`` is Discord's number of the trigger type."""

    id: int
    name: str
    trigger: int
    actions: tuple[RuleAction, ...]
    timeout_seconds: int = 60


def apply_rule(
    world: World,
    guild: Guild,
    channel: Channel,
    user_id: int,
    rule: AutoModRule,
    *,
    delay: float | None = 0.0,
) -> None:
    """A user writes a message that a rule matches; the actions of the rule are executed in order."""
    for rule_action in rule.actions:
        _execute(world, guild, channel, user_id, rule, rule_action, Actor(user_id, delay=delay))


def _execute(
    world: World,
    guild: Guild,
    channel: Channel,
    user_id: int,
    rule: AutoModRule,
    rule_action: RuleAction,
    by: Actor,
) -> None:
    name, action = _NAMES[rule_action]
    options = {
        "auto_moderation_rule_name": rule.name,
        "auto_moderation_rule_trigger_type": str(rule.trigger),
        "channel_id": str(channel.id),
    }
    entry = audit.entry_for(world, guild, action, by, user_id, options=options)
    until = world.now() + rule.timeout_seconds * 1000
    line = world.record(
        "MEMBER_ACTION",
        guild,
        world.now(),
        action=name,
        target_user_id=str(user_id),
        moderator_id=None,
        reason=None,
        audit_entry_id=str(entry.id),
        rule=rule.name,
        channel_id=str(channel.id),
        visible=MANAGE_GUILD in guild.permissions,
        **({"until": until} if rule_action is RuleAction.TIMEOUT else {}),
    )
    audit.publish_before(world, guild, entry, line, by)
    data = _execution(guild, channel, user_id, rule, rule_action)
    if rule_action is RuleAction.FLAG:
        data["alert_system_message_id"] = str(_alert(world, guild, user_id))
        data["action"] = {"type": int(rule_action), "metadata": {"channel_id": str(guild.system_channel.id)}}
    world.publish(
        "AUTO_MODERATION_ACTION_EXECUTION",
        guild,
        data,
        Intent.AUTO_MODERATION_EXECUTION,
        line,
        permissions=_PERMISSIONS,
    )
    if rule_action is RuleAction.TIMEOUT:
        _time_out(world, guild, user_id, until, entry)
    audit.publish_after(world, guild, entry, line, by)


def _execution(
    guild: Guild, channel: Channel, user_id: int, rule: AutoModRule, rule_action: RuleAction
) -> Data:
    metadata = {"duration_seconds": rule.timeout_seconds} if rule_action is RuleAction.TIMEOUT else {}
    return {
        "guild_id": str(guild.id),
        "action": {"type": int(rule_action), "metadata": metadata},
        "rule_id": str(rule.id),
        "rule_trigger_type": rule.trigger,
        "user_id": str(user_id),
        "channel_id": str(channel.id),
        "content": "",
        "matched_keyword": None,
        "matched_content": "",
    }


def _alert(world: World, guild: Guild, user_id: int) -> int:
    place = guild.system_channel
    return messages.post(world, guild, place, user_id, Author.SYSTEM, kind=MessageKind.AUTOMOD_ALERT).id


def _time_out(world: World, guild: Guild, user_id: int, until: int, entry: AuditEntry) -> None:
    moderation.set_timeout(world, guild, user_id, until, entry)
    data = {**world.render.whole_member(guild, user_id), "guild_id": str(guild.id)}
    world.publish("GUILD_MEMBER_UPDATE", guild, data, Intent.GUILD_MEMBERS)
