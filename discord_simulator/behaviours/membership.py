"""Behaviours by which members leave or are removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.operations import members
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import AuditAction

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Context
    from discord_simulator.guild import Guild

_FEW_PRUNED = 5
"""Members removed by one prune."""

_FEWEST_MEMBERS = 6
"""In a guild with fewer members none leaves or is removed."""


def newcomer(context: Context, guild: Guild) -> int | None:
    """A random user who may join: a former member or another user; None if the drawn one may not."""
    if not guild.is_visible:
        return None
    user_id = context.rng.choice(guild.former_members) if guild.former_members and context.chance(0.3) else 0
    user_id = user_id or context.world.population.newcomer(context.rng)
    return None if guild.has_member(user_id) or user_id in guild.bans or user_id in guild.bots else user_id


def leave(context: Context) -> bool:
    """A member leaves."""
    found = _removable_member(context)
    if found is None:
        return False
    members.leave(context.world, *found)
    return True


def kick(context: Context) -> bool:
    """A moderator kicks a member."""
    found = _removable_member(context)
    if found is None:
        return False
    guild, user_id = found
    context.moderate(
        guild, user_id, AuditAction.MEMBER_KICK, lambda by: members.kick(context.world, guild, user_id, by)
    )
    return True


def ban(context: Context) -> bool:
    """A moderator bans a member or, sometimes, a user who is none."""
    found = _removable_member(context)
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
    """A moderator lifts a ban."""
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
    """An owner prunes a few inactive members."""
    guild = context.guild()
    if guild is None or len(guild.members) < 4 * _FEW_PRUNED:
        return False
    idle = [user_id for user_id in guild.members[-2 * _FEW_PRUNED :] if not guild.is_protected(user_id)][
        :_FEW_PRUNED
    ]
    if not idle:
        return False
    members.prune(context.world, guild, idle, Actor(guild.owner_id))
    return True


def prune_large(context: Context) -> bool:
    """A moderator prunes up to a third of the members."""
    guild = context.guild()
    if guild is None or len(guild.members) < 4 * _FEW_PRUNED:
        return False
    most = max(_FEW_PRUNED, len(guild.members) // 3)
    idle = [user_id for user_id in guild.members[-most:] if not guild.is_protected(user_id)]
    if not idle:
        return False
    # The entry contains the number of removed members, so it is never published early.
    by = Actor(context.moderator(guild), context.rng.choice(words.REASONS))
    members.prune(context.world, guild, idle[: context.rng.randint(1, len(idle))], by)
    return True


def _removable_member(context: Context) -> tuple[Guild, int] | None:
    guild = context.guild()
    if guild is None or len(guild.members) < _FEWEST_MEMBERS:
        return None
    user_id = context.removable_member(guild)
    return None if user_id is None else (guild, user_id)
