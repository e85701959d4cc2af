"""People join, leave, and are kicked, banned, unbanned and pruned.

Who did it and why is only in the audit log; a departure itself looks the same whatever its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from discord_simulator.operations import audit, messages, voice
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import AuditAction, Author, Intent, MessageKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from discord_simulator.guild import Guild
    from discord_simulator.world import World


PresenceStatus: TypeAlias = Literal["online", "idle", "dnd", "offline"]


@dataclass(frozen=True, slots=True)
class Removal:
    """Why somebody is a member no more: leave, kick, ban or prune, and the audit entry that says so."""

    reason: str
    by: Actor | None = None
    entry_id: int = 0


def join(world: World, guild: Guild, user_id: int) -> None:
    """Somebody joins; guilds greet them in the system channel."""
    now = world.now()
    guild.add_member(user_id, now)
    if user_id in guild.former_members:
        guild.former_members.remove(user_id)
    world.render.forget_member(guild, user_id)
    line = world.record("GUILD_MEMBER_ADD", guild, now, user_id=str(user_id), member_count=guild.member_count)
    world.publish(
        "GUILD_MEMBER_ADD",
        guild,
        {**world.render.whole_member(guild, user_id), "guild_id": str(guild.id)},
        Intent.GUILD_MEMBERS,
        line,
    )
    messages.post(world, guild, guild.system_channel, user_id, Author.SYSTEM, kind=MessageKind.JOIN)


def leave(world: World, guild: Guild, user_id: int) -> None:
    """Somebody leaves of their own accord."""
    _depart(world, guild, user_id, Removal("leave"))


def kick(world: World, guild: Guild, user_id: int, by: Actor) -> None:
    """A moderator removes somebody, who may come back."""
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_KICK, by, user_id)
    line = _remove(world, guild, user_id, Removal("kick", by, entry.id))
    audit.publish_before(world, guild, entry, line, by)
    _tell_departure(world, guild, user_id, line)
    audit.publish_after(world, guild, entry, line, by)


def prune(world: World, guild: Guild, user_ids: Sequence[int], by: Actor) -> None:
    """A moderator removes everybody who was not active; one entry for all."""
    entry = audit.entry_for(
        world,
        guild,
        AuditAction.MEMBER_PRUNE,
        by,
        0,
        options={"delete_member_days": "30", "members_removed": str(len(user_ids))},
    )
    why = Removal("prune", by, entry.id)
    audit.publish_before(world, guild, entry, 0, by)
    lines = [_depart(world, guild, user_id, why) for user_id in user_ids]
    audit.publish_after(world, guild, entry, lines[0], by)


def ban(world: World, guild: Guild, user_id: int, by: Actor) -> None:
    """A moderator bans somebody, member or not."""
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_BAN_ADD, by, user_id)
    guild.bans[user_id] = by.reason
    line = world.record(
        "GUILD_BAN_ADD",
        guild,
        world.now(),
        target_user_id=str(user_id),
        moderator_id=str(by.moderator_id),
        reason=by.reason,
        audit_entry_id=str(entry.id),
    )
    audit.publish_before(world, guild, entry, line, by)
    if guild.has_member(user_id) and user_id in guild.states:
        voice.leave(world, guild, user_id)
    world.publish(
        "GUILD_BAN_ADD",
        guild,
        {"guild_id": str(guild.id), "user": world.render.user(user_id)},
        Intent.GUILD_MODERATION,
        line,
    )
    if guild.has_member(user_id):
        _depart(world, guild, user_id, Removal("ban", by, entry.id))
    if user_id in guild.former_members:
        guild.former_members.remove(user_id)
    audit.publish_after(world, guild, entry, line, by)


def unban(world: World, guild: Guild, user_id: int, by: Actor) -> None:
    """A moderator lifts a ban."""
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_BAN_REMOVE, by, user_id)
    del guild.bans[user_id]
    guild.former_members.append(user_id)
    line = world.record(
        "GUILD_BAN_REMOVE",
        guild,
        world.now(),
        target_user_id=str(user_id),
        moderator_id=str(by.moderator_id),
        reason=by.reason,
        audit_entry_id=str(entry.id),
    )
    audit.publish_before(world, guild, entry, line, by)
    world.publish(
        "GUILD_BAN_REMOVE",
        guild,
        {"guild_id": str(guild.id), "user": world.render.user(user_id)},
        Intent.GUILD_MODERATION,
        line,
    )
    audit.publish_after(world, guild, entry, line, by)


def update_presence(world: World, guild: Guild, user_id: int, status: PresenceStatus) -> None:
    """A member's status changes; only sessions with the privileged intent are told."""
    line = world.record("PRESENCE_UPDATE", guild, world.now(), user_id=str(user_id), status=status)
    world.publish(
        "PRESENCE_UPDATE",
        guild,
        {
            # Only the id of the user is promised.
            "user": {"id": str(user_id)},
            "guild_id": str(guild.id),
            "status": status,
            "activities": [],
            "client_status": {} if status == "offline" else {"desktop": status},
        },
        Intent.GUILD_PRESENCES,
        line,
    )


def _depart(world: World, guild: Guild, user_id: int, why: Removal) -> int:
    line = _remove(world, guild, user_id, why)
    _tell_departure(world, guild, user_id, line)
    return line


def _remove(world: World, guild: Guild, user_id: int, why: Removal) -> int:
    if user_id in guild.states:
        voice.leave(world, guild, user_id)
    guild.remove_member(user_id)
    if why.reason != "ban":
        guild.former_members.append(user_id)
    return world.record(
        "GUILD_MEMBER_REMOVE",
        guild,
        world.now(),
        user_id=str(user_id),
        reason=why.reason,
        moderator_id=str(why.by.moderator_id) if why.by else None,
        audit_reason=why.by.reason if why.by else None,
        audit_entry_id=str(why.entry_id) if why.entry_id else None,
        member_count=guild.member_count,
    )


def _tell_departure(world: World, guild: Guild, user_id: int, line: int) -> None:
    world.publish(
        "GUILD_MEMBER_REMOVE",
        guild,
        {"guild_id": str(guild.id), "user": world.render.user(user_id)},
        Intent.GUILD_MEMBERS,
        line,
    )
