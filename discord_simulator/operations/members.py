"""Operations on members: join, leave, kick, ban, unban, prune; presence.

The actor and the reason are in the audit log only: GUILD_MEMBER_REMOVE is the same for every reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from discord_simulator.operations import audit, messages, voice
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import AuditAction, Author, Intent, MessageKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from discord_simulator.guild import AuditEntry, Guild
    from discord_simulator.objects import Data
    from discord_simulator.world import World


PresenceStatus: TypeAlias = Literal["online", "idle", "dnd", "offline"]


@dataclass(frozen=True, slots=True)
class Removal:
    """Reason of a removal (leave, kick, ban or prune), with its actor and audit entry if there is one."""

    reason: str
    by: Actor | None = None
    entry_id: int = 0


def join(world: World, guild: Guild, user_id: int) -> None:
    """A user joins; Discord posts a message in the system channel."""
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
    """A member leaves."""
    _remove_and_publish(world, guild, user_id, Removal("leave"))


def kick(world: World, guild: Guild, user_id: int, by: Actor) -> None:
    """A moderator removes a member, who may join again."""
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_KICK, by, user_id)
    line = _remove(world, guild, user_id, Removal("kick", by, entry.id))
    audit.publish_before(world, guild, entry, line, by)
    _publish_removal(world, guild, user_id, line)
    audit.publish_after(world, guild, entry, line, by)


def prune(world: World, guild: Guild, user_ids: Sequence[int], by: Actor) -> None:
    """A moderator removes several members at once; one audit entry for all."""
    entry = audit.entry_for(
        world,
        guild,
        AuditAction.MEMBER_PRUNE,
        by,
        0,
        options={"delete_member_days": "30", "members_removed": str(len(user_ids))},
    )
    removal = Removal("prune", by, entry.id)
    audit.publish_before(world, guild, entry, 0, by)
    lines = [_remove_and_publish(world, guild, user_id, removal) for user_id in user_ids]
    audit.publish_after(world, guild, entry, lines[0], by)


def ban(world: World, guild: Guild, user_id: int, by: Actor) -> None:
    """A moderator bans a user, who need not be a member."""
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_BAN_ADD, by, user_id)
    guild.bans[user_id] = by.reason
    line = _record_ban(world, guild, "GUILD_BAN_ADD", user_id, entry, by)
    if guild.has_member(user_id) and user_id in guild.states:
        voice.leave(world, guild, user_id)
    _publish_ban(world, guild, "GUILD_BAN_ADD", user_id, line)
    if guild.has_member(user_id):
        _remove_and_publish(world, guild, user_id, Removal("ban", by, entry.id))
    if user_id in guild.former_members:
        guild.former_members.remove(user_id)
    audit.publish_after(world, guild, entry, line, by)


def unban(world: World, guild: Guild, user_id: int, by: Actor) -> None:
    """A moderator lifts a ban."""
    entry = audit.entry_for(world, guild, AuditAction.MEMBER_BAN_REMOVE, by, user_id)
    del guild.bans[user_id]
    guild.former_members.append(user_id)
    line = _record_ban(world, guild, "GUILD_BAN_REMOVE", user_id, entry, by)
    _publish_ban(world, guild, "GUILD_BAN_REMOVE", user_id, line)
    audit.publish_after(world, guild, entry, line, by)


def _record_ban(world: World, guild: Guild, kind: str, user_id: int, entry: AuditEntry, by: Actor) -> int:
    """Record a ban or its end, and publish its entry if that comes first; the number of the line."""
    line = world.record(
        kind,
        guild,
        world.now(),
        target_user_id=str(user_id),
        moderator_id=str(by.moderator_id),
        reason=by.reason,
        audit_entry_id=str(entry.id),
    )
    audit.publish_before(world, guild, entry, line, by)
    return line


def _publish_ban(world: World, guild: Guild, kind: str, user_id: int, line: int) -> None:
    data: Data = {"guild_id": str(guild.id), "user": world.render.user(user_id)}
    world.publish(kind, guild, data, Intent.GUILD_MODERATION, line)


def update_presence(world: World, guild: Guild, user_id: int, status: PresenceStatus) -> None:
    """A member's status changes; published to sessions with the privileged intent only."""
    line = world.record("PRESENCE_UPDATE", guild, world.now(), user_id=str(user_id), status=status)
    world.publish(
        "PRESENCE_UPDATE",
        guild,
        {
            # Discord guarantees the id of the user only.
            "user": {"id": str(user_id)},
            "guild_id": str(guild.id),
            "status": status,
            "activities": [],
            "client_status": {} if status == "offline" else {"desktop": status},
        },
        Intent.GUILD_PRESENCES,
        line,
    )


def _remove_and_publish(world: World, guild: Guild, user_id: int, removal: Removal) -> int:
    line = _remove(world, guild, user_id, removal)
    _publish_removal(world, guild, user_id, line)
    return line


def _remove(world: World, guild: Guild, user_id: int, removal: Removal) -> int:
    if user_id in guild.states:
        voice.leave(world, guild, user_id)
    guild.remove_member(user_id)
    if removal.reason != "ban":
        guild.former_members.append(user_id)
    return world.record(
        "GUILD_MEMBER_REMOVE",
        guild,
        world.now(),
        user_id=str(user_id),
        reason=removal.reason,
        moderator_id=str(removal.by.moderator_id) if removal.by else None,
        audit_reason=removal.by.reason if removal.by else None,
        audit_entry_id=str(removal.entry_id) if removal.entry_id else None,
        member_count=guild.member_count,
    )


def _publish_removal(world: World, guild: Guild, user_id: int, line: int) -> None:
    world.publish(
        "GUILD_MEMBER_REMOVE",
        guild,
        {"guild_id": str(guild.id), "user": world.render.user(user_id)},
        Intent.GUILD_MEMBERS,
        line,
    )
