"""People come and go, by themselves or because a moderator shows them the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.operations import members
from discord_simulator.operations.audit import By
from discord_simulator.vocabulary import AuditAction

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Scene
    from discord_simulator.guild import Guild

_PRUNED = 5
"""Members removed by one prune."""

_TOO_FEW = 6
"""Guilds this small lose nobody, or soon nobody would be left to talk."""


def newcomer(scene: Scene, guild: Guild) -> int | None:
    """Somebody who may join: a former member or a stranger; None if who was thought of may not."""
    if not guild.open:
        return None
    user_id = scene.rng.choice(guild.former) if guild.former and scene.chance(0.3) else 0
    user_id = user_id or scene.world.population.newcomer(scene.rng)
    return None if guild.has(user_id) or user_id in guild.bans or user_id in guild.bots else user_id


def depart(scene: Scene) -> bool:
    """Somebody leaves of their own accord."""
    found = _somebody_to_go(scene)
    if found is None:
        return False
    members.leave(scene.world, *found)
    return True


def kick(scene: Scene) -> bool:
    """A moderator kicks somebody."""
    found = _somebody_to_go(scene)
    if found is None:
        return False
    guild, user_id = found
    scene.carry_out(
        guild, user_id, AuditAction.MEMBER_KICK, lambda by: members.kick(scene.world, guild, user_id, by)
    )
    return True


def ban(scene: Scene) -> bool:
    """A moderator bans a member, or somebody who left, or somebody who was never there."""
    found = _somebody_to_go(scene)
    if found is None:
        return False
    guild, user_id = found
    if scene.chance(0.2):
        user_id = scene.world.population.newcomer(scene.rng)
    if user_id in guild.bans or guild.stays(user_id) or user_id in guild.bots:
        return False
    scene.carry_out(
        guild, user_id, AuditAction.MEMBER_BAN_ADD, lambda by: members.ban(scene.world, guild, user_id, by)
    )
    return True


def unban(scene: Scene) -> bool:
    """A moderator forgives."""
    guild = scene.guild()
    if guild is None or not guild.bans:
        return False
    user_id = scene.rng.choice(list(guild.bans))
    if user_id in guild.doomed:
        return False
    scene.carry_out(
        guild,
        user_id,
        AuditAction.MEMBER_BAN_REMOVE,
        lambda by: members.unban(scene.world, guild, user_id, by),
    )
    return True


def prune(scene: Scene) -> bool:
    """A moderator removes a few members who did not say anything."""
    guild = scene.guild()
    if guild is None or len(guild.members) < 4 * _PRUNED:
        return False
    idle = [user_id for user_id in guild.members[-2 * _PRUNED :] if not guild.stays(user_id)][:_PRUNED]
    if not idle:
        return False
    members.prune(scene.world, guild, idle, By(guild.owner_id))
    return True


def prune_many(scene: Scene) -> bool:
    """A moderator removes up to a third of the members at once."""
    guild = scene.guild()
    if guild is None or len(guild.members) < 4 * _PRUNED:
        return False
    most = max(_PRUNED, len(guild.members) // 3)
    idle = [user_id for user_id in guild.members[-most:] if not guild.stays(user_id)]
    if not idle:
        return False
    # The entry says how many were removed, so it is written when that is done.
    by = By(scene.moderator(guild), scene.rng.choice(words.REASONS))
    members.prune(scene.world, guild, idle[: scene.rng.randint(1, len(idle))], by)
    return True


def _somebody_to_go(scene: Scene) -> tuple[Guild, int] | None:
    guild = scene.guild()
    if guild is None or len(guild.members) < _TOO_FEW:
        return None
    user_id = scene.bystander(guild)
    return None if user_id is None else (guild, user_id)
