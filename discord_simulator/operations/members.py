"""People join, leave, and are kicked, banned, unbanned and pruned.

Who did it and why is only in the audit log; a departure itself looks the same whatever its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from discord_simulator.operations import audit, messages, voice
from discord_simulator.operations.audit import By
from discord_simulator.vocabulary import AuditAction, Author, Intent, MessageKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from discord_simulator.guild import Guild
    from discord_simulator.world import World


@dataclass(frozen=True, slots=True)
class Why:
    """Why somebody is a member no more: leave, kick, ban or prune, and the audit entry that says so."""

    reason: str
    by: By | None = None
    entry_id: int = 0


def join(world: World, guild: Guild, user_id: int) -> None:
    """Somebody joins; guilds greet them in the system channel."""
    now = world.now()
    guild.admit(user_id, now)
    if user_id in guild.former:
        guild.former.remove(user_id)
    world.render.forget_member(guild, user_id)
    line = world.record("GUILD_MEMBER_ADD", guild, now, user_id=str(user_id), member_count=guild.member_count)
    world.tell(
        "GUILD_MEMBER_ADD",
        guild,
        {**world.render.whole_member(guild, user_id), "guild_id": str(guild.id)},
        Intent.GUILD_MEMBERS,
        line,
    )
    messages.post(world, guild, guild.system_channel, user_id, Author.SYSTEM, kind=MessageKind.JOIN)


def leave(world: World, guild: Guild, user_id: int) -> None:
    """Somebody leaves of their own accord."""
    _depart(world, guild, user_id, Why("leave"))


def kick(world: World, guild: Guild, user_id: int, by: By) -> None:
    """A moderator removes somebody, who may come back."""
    entry = audit.open_entry(world, guild, AuditAction.MEMBER_KICK, by, user_id)
    line = _remove(world, guild, user_id, Why("kick", by, entry.id))
    audit.tell_before(world, guild, entry, line, by)
    _tell_departure(world, guild, user_id, line)
    audit.tell_after(world, guild, entry, line, by)


def prune(world: World, guild: Guild, user_ids: Sequence[int], by: By) -> None:
    """A moderator removes everybody who was not active; one entry for all."""
    entry = audit.open_entry(
        world,
        guild,
        AuditAction.MEMBER_PRUNE,
        by,
        0,
        options={"delete_member_days": "30", "members_removed": str(len(user_ids))},
    )
    why = Why("prune", by, entry.id)
    audit.tell_before(world, guild, entry, 0, by)
    lines = [_depart(world, guild, user_id, why) for user_id in user_ids]
    audit.tell_after(world, guild, entry, lines[0], by)


def ban(world: World, guild: Guild, user_id: int, by: By) -> None:
    """A moderator bans somebody, member or not."""
    entry = audit.open_entry(world, guild, AuditAction.MEMBER_BAN_ADD, by, user_id)
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
    audit.tell_before(world, guild, entry, line, by)
    if guild.has(user_id) and user_id in guild.states:
        voice.leave(world, guild, user_id)
    world.tell(
        "GUILD_BAN_ADD",
        guild,
        {"guild_id": str(guild.id), "user": world.render.user(user_id)},
        Intent.GUILD_MODERATION,
        line,
    )
    if guild.has(user_id):
        _depart(world, guild, user_id, Why("ban", by, entry.id))
    if user_id in guild.former:
        guild.former.remove(user_id)
    audit.tell_after(world, guild, entry, line, by)


def unban(world: World, guild: Guild, user_id: int, by: By) -> None:
    """A moderator lifts a ban."""
    entry = audit.open_entry(world, guild, AuditAction.MEMBER_BAN_REMOVE, by, user_id)
    del guild.bans[user_id]
    guild.former.append(user_id)
    line = world.record(
        "GUILD_BAN_REMOVE",
        guild,
        world.now(),
        target_user_id=str(user_id),
        moderator_id=str(by.moderator_id),
        reason=by.reason,
        audit_entry_id=str(entry.id),
    )
    audit.tell_before(world, guild, entry, line, by)
    world.tell(
        "GUILD_BAN_REMOVE",
        guild,
        {"guild_id": str(guild.id), "user": world.render.user(user_id)},
        Intent.GUILD_MODERATION,
        line,
    )
    audit.tell_after(world, guild, entry, line, by)


def _depart(world: World, guild: Guild, user_id: int, why: Why) -> int:
    line = _remove(world, guild, user_id, why)
    _tell_departure(world, guild, user_id, line)
    return line


def _remove(world: World, guild: Guild, user_id: int, why: Why) -> int:
    if user_id in guild.states:
        voice.leave(world, guild, user_id)
    guild.dismiss(user_id)
    if why.reason != "ban":
        guild.former.append(user_id)
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
    world.tell(
        "GUILD_MEMBER_REMOVE",
        guild,
        {"guild_id": str(guild.id), "user": world.render.user(user_id)},
        Intent.GUILD_MEMBERS,
        line,
    )
