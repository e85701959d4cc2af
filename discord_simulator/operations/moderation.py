"""Operations of moderators on members who stay: timeouts, roles, nicknames, voice.

Each has an audit entry. Discord sends no event when a timeout expires, no second entry for members moved or
disconnected one after the other, and no target in the entry of a move or disconnect.
Sources: Discord docs, Gateway Events › Guild Member Update; Resources › Audit Log › Audit Log Events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from discord_simulator.guild import Timeout
from discord_simulator.operations import audit, messages, voice
from discord_simulator.operations.audit import Actor
from discord_simulator.payload import roles_of
from discord_simulator.snowflake import iso
from discord_simulator.vocabulary import AuditAction, Author, Intent, MessageKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from discord_simulator.guild import AuditEntry, Channel, Guild
    from discord_simulator.objects import Data
    from discord_simulator.world import World

VoiceRestriction: TypeAlias = Literal["mute", "deaf"]

_ACTIONS = {
    ("mute", True): "voice_mute",
    ("mute", False): "voice_unmute",
    ("deaf", True): "voice_deafen",
    ("deaf", False): "voice_undeafen",
}

_RETRY_MS = 1000
"""Retry interval of an expiry that is due in an outage; it is recorded after the outage."""


def time_out(world: World, guild: Guild, user_id: int, until: int, by: Actor) -> None:
    """A moderator times a member out until a time in ms, or changes that time."""
    old = guild.timeouts.get(user_id)
    changed = audit.change("communication_disabled_until", iso(old.until) if old else None, iso(until))
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_UPDATE, by, user_id, changes=(changed,))
    set_timeout(world, guild, user_id, until, entry)
    _record_action(world, guild, user_id, "timeout", by, entry, _publish_member, until=until)


def set_timeout(world: World, guild: Guild, user_id: int, until: int, entry: AuditEntry) -> None:
    """Set the timeout of a member and schedule its expiry, which is recorded and not published."""
    timeout = guild.timeouts[user_id] = Timeout(until, entry.id)
    world.render.forget_member(guild, user_id)

    def expire() -> None:
        if guild.removed or guild.timeouts.get(user_id) is not timeout:
            return
        if guild.unavailable:
            world.deadlines.at(world.now() + _RETRY_MS, expire)
            return
        del guild.timeouts[user_id]
        world.render.forget_member(guild, user_id)
        world.record(
            "TIMEOUT_EXPIRED",
            guild,
            world.now(),
            target_user_id=str(user_id),
            until=until,
            member=guild.has_member(user_id),
        )

    world.deadlines.at(until, expire)


def lift_timeout(world: World, guild: Guild, user_id: int, by: Actor) -> None:
    """A moderator removes the timeout of a member."""
    old = guild.timeouts.pop(user_id)
    world.render.forget_member(guild, user_id)
    changed = audit.change("communication_disabled_until", iso(old.until), None)
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_UPDATE, by, user_id, changes=(changed,))
    _record_action(world, guild, user_id, "timeout_removed", by, entry, _publish_member)


def give_roles(world: World, guild: Guild, user_id: int, role_ids: Sequence[int], by: Actor) -> None:
    """A moderator or a bot adds roles to a member."""
    _set_roles(world, guild, user_id, [*roles_of(guild, user_id), *role_ids], role_ids, "role_add", by)


def take_roles(world: World, guild: Guild, user_id: int, role_ids: Sequence[int], by: Actor) -> None:
    """A moderator or a bot removes roles from a member."""
    left = [role_id for role_id in roles_of(guild, user_id) if role_id not in role_ids]
    _set_roles(world, guild, user_id, left, role_ids, "role_remove", by)


def _set_roles(
    world: World,
    guild: Guild,
    user_id: int,
    roles: list[int],
    changed: Sequence[int],
    action: Literal["role_add", "role_remove"],
    by: Actor,
) -> None:
    guild.given_roles[user_id] = roles
    world.render.forget_member(guild, user_id)
    named = [{"id": str(role.id), "name": role.name} for role in guild.roles if role.id in changed]
    changes: Data = {"key": "$add" if action == "role_add" else "$remove", "new_value": named}
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_ROLE_UPDATE, by, user_id, changes=(changes,))
    ids = [str(role_id) for role_id in changed]
    _record_action(world, guild, user_id, action, by, entry, _publish_member, role_ids=ids)


def set_nickname(world: World, guild: Guild, user_id: int, nick: str | None, by: Actor) -> None:
    """A moderator changes or removes the nickname of a member."""
    entry = _set_nickname(world, guild, user_id, nick, by)
    _record_action(world, guild, user_id, "nick", by, entry, _publish_member, nick=nick)


def set_own_nickname(world: World, guild: Guild, user_id: int, nick: str | None) -> None:
    """A member changes their own nickname: it has an audit entry and is not a moderation action."""
    by = Actor(user_id)
    entry = _set_nickname(world, guild, user_id, nick, by)
    line = world.record(
        "OWN_NICK", guild, world.now(), user_id=str(user_id), nick=nick, audit_entry_id=str(entry.id)
    )
    _publish_member(world, guild, user_id, line)
    audit.publish_after(world, guild, entry, line, by)


def _set_nickname(world: World, guild: Guild, user_id: int, nick: str | None, by: Actor) -> AuditEntry:
    changed = audit.change("nick", world.render.nickname(guild, user_id), nick)
    guild.nicknames[user_id] = nick
    world.render.forget_member(guild, user_id)
    return audit.entry_for(world, guild, AuditAction.MEMBER_UPDATE, by, user_id, changes=(changed,))


def toggle_restriction(world: World, guild: Guild, user_id: int, what: VoiceRestriction, by: Actor) -> None:
    """A moderator mutes or deafens a member in voice, or lifts it."""
    value = not getattr(guild.states[user_id], what)
    changed: Data = {"key": what, "old_value": not value, "new_value": value}
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_UPDATE, by, user_id, changes=(changed,))

    def publish_effect(world: World, guild: Guild, user_id: int, _line: int) -> None:
        voice.toggle(world, guild, user_id, what)

    _record_action(world, guild, user_id, _ACTIONS[what, value], by, entry, publish_effect)


def move(world: World, guild: Guild, user_id: int, channel: Channel, by: Actor) -> None:
    """A moderator moves a member to another voice channel."""

    def publish_effect(world: World, guild: Guild, user_id: int, _line: int) -> None:
        voice.move(world, guild, user_id, channel)

    _record_grouped_action(world, guild, user_id, "member_move", by, publish_effect, channel.id)


def disconnect(world: World, guild: Guild, user_id: int, by: Actor) -> None:
    """A moderator disconnects a member from voice."""

    def publish_effect(world: World, guild: Guild, user_id: int, _line: int) -> None:
        voice.leave(world, guild, user_id)

    _record_grouped_action(world, guild, user_id, "member_disconnect", by, publish_effect)


def _record_grouped_action(
    world: World,
    guild: Guild,
    user_id: int,
    name: Literal["member_move", "member_disconnect"],
    by: Actor,
    publish_effect: Callable[[World, Guild, int, int], None],
    channel_id: int = 0,
) -> None:
    moved = name == "member_move"
    action = AuditAction.MEMBER_MOVE if moved else AuditAction.MEMBER_DISCONNECT
    entry, is_new = audit.count_into(world, guild, by, action, channel_id=channel_id)
    channel_field = {"channel_id": str(channel_id)} if moved else {}
    _record_action(
        world, guild, user_id, name, by, entry, publish_effect, is_new_entry=is_new, **channel_field
    )


def add_bot(world: World, guild: Guild, bot_id: int, by: Actor) -> None:
    """A user adds a bot through OAuth, without an invite."""
    entry = audit.entry_for(world, guild, AuditAction.BOT_ADD, by, bot_id)
    now = world.now()
    guild.bots.append(bot_id)
    guild.joined[bot_id] = now
    world.render.forget_member(guild, bot_id)

    def publish_effect(world: World, guild: Guild, bot_id: int, _line: int) -> None:
        line = world.record(
            "GUILD_MEMBER_ADD", guild, now, user_id=str(bot_id), member_count=guild.member_count
        )
        data = {**world.render.whole_member(guild, bot_id), "guild_id": str(guild.id)}
        world.publish("GUILD_MEMBER_ADD", guild, data, Intent.GUILD_MEMBERS, line)

    _record_action(world, guild, bot_id, "bot_add", by, entry, publish_effect)
    world.record(
        "INVITE_USE",
        guild,
        now,
        user_id=str(bot_id),
        code=None,
        method="oauth",
        inviter_id=str(by.moderator_id),
        knowable=True,
    )
    messages.post(world, guild, guild.system_channel, bot_id, Author.SYSTEM, kind=MessageKind.JOIN)


def _record_action(
    world: World,
    guild: Guild,
    user_id: int,
    action: str,
    by: Actor,
    entry: AuditEntry,
    publish_effect: Callable[[World, Guild, int, int], None],
    *,
    is_new_entry: bool = True,
    **fields: object,
) -> None:
    """Record an action and publish its effect, and its audit entry if ``is_new_entry``."""
    line = world.record(
        "MEMBER_ACTION",
        guild,
        world.now(),
        action=action,
        target_user_id=str(user_id),
        moderator_id=str(by.moderator_id),
        reason=by.reason,
        audit_entry_id=str(entry.id),
        **fields,
    )
    if is_new_entry:
        audit.publish_before(world, guild, entry, line, by)
    publish_effect(world, guild, user_id, line)
    if is_new_entry:
        audit.publish_after(world, guild, entry, line, by)


def _publish_member(world: World, guild: Guild, user_id: int, line: int) -> None:
    data = {**world.render.whole_member(guild, user_id), "guild_id": str(guild.id)}
    world.publish("GUILD_MEMBER_UPDATE", guild, data, Intent.GUILD_MEMBERS, line)
