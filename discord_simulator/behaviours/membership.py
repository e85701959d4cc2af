"""People come and go, by themselves or because a moderator shows them the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.operations import members
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import AuditAction

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Context
    from discord_simulator.guild import Guild

_PRUNED = 5
"""Members removed by one prune."""

_TOO_FEW = 6
"""Guilds this small lose nobody, or soon nobody would be left to talk."""


def newcomer(context: Context, guild: Guild) -> int | None:
    """Somebody who may join: a former member or a stranger; None if who was thought of may not."""
    if not guild.is_visible:
        return None
    user_id = context.rng.choice(guild.former_members) if guild.former_members and context.chance(0.3) else 0
    user_id = user_id or context.world.population.newcomer(context.rng)
    return None if guild.has_member(user_id) or user_id in guild.bans or user_id in guild.bots else user_id


def leave(context: Context) -> bool:
    """Somebody leaves of their own accord."""
    found = _somebody_to_go(context)
    if found is None:
        return False
    members.leave(context.world, *found)
    return True


def kick(context: Context) -> bool:
    """A moderator kicks somebody."""
    found = _somebody_to_go(context)
    if found is None:
        return False
    guild, user_id = found
    context.moderate(
        guild, user_id, AuditAction.MEMBER_KICK, lambda by: members.kick(context.world, guild, user_id, by)
    )
    return True


def ban(context: Context) -> bool:
    """A moderator bans a member, or somebody who left, or somebody who was never there."""
    found = _somebody_to_go(context)
    if found is None:
        return False
    guild, user_id = found
    if context.chance(0.2):
        user_id = context.world.population.newcomer(context.rng)
    if user_id in guild.bans or guild.is_protected(user_id) or user_id in guild.bots:
        return False
    context.moderate(
        guild, user_id, AuditAction.MEMBER_BAN_ADD, lambda by: members.ban(context.world, guild, user_id, by)
    )
    return True


def unban(context: Context) -> bool:
    """A moderator forgives."""
    guild = context.guild()
    if guild is None or not guild.bans:
        return False
    user_id = context.rng.choice(list(guild.bans))
    if user_id in guild.announced_targets:
        return False
    context.moderate(
        guild,
        user_id,
        AuditAction.MEMBER_BAN_REMOVE,
        lambda by: members.unban(context.world, guild, user_id, by),
    )
    return True


def prune(context: Context) -> bool:
    """A moderator removes a few members who did not say anything."""
    guild = context.guild()
    if guild is None or len(guild.members) < 4 * _PRUNED:
        return False
    idle = [user_id for user_id in guild.members[-2 * _PRUNED :] if not guild.is_protected(user_id)][:_PRUNED]
    if not idle:
        return False
    members.prune(context.world, guild, idle, Actor(guild.owner_id))
    return True


def prune_large(context: Context) -> bool:
    """A moderator removes up to a third of the members at once."""
    guild = context.guild()
    if guild is None or len(guild.members) < 4 * _PRUNED:
        return False
    most = max(_PRUNED, len(guild.members) // 3)
    idle = [user_id for user_id in guild.members[-most:] if not guild.is_protected(user_id)]
    if not idle:
        return False
    # The entry says how many were removed, so it is written when that is done.
    by = Actor(context.moderator(guild), context.rng.choice(words.REASONS))
    members.prune(context.world, guild, idle[: context.rng.randint(1, len(idle))], by)
    return True


def _somebody_to_go(context: Context) -> tuple[Guild, int] | None:
    guild = context.guild()
    if guild is None or len(guild.members) < _TOO_FEW:
        return None
    user_id = context.removable_member(guild)
    return None if user_id is None else (guild, user_id)
