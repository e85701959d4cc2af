"""Behaviours on whole guilds: renamed, boosted, transferred, added, removed, unavailable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.operations import guilds

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Context

_FEWEST_GUILDS = 3
"""Smallest number of available guilds for one of them to be removed or to fail."""


def change_name_or_icon(context: Context) -> bool:
    """An owner changes the guild's name or icon."""
    guild = context.guild()
    if guild is None:
        return False
    if context.chance(0.5):
        name = context.rng.choice(words.GUILD_NAMES)
        if name == guild.name:
            return False
        guilds.rename(context.world, guild, name, guild.owner_id)
    else:
        icon = f"{context.rng.getrandbits(128):032x}" if context.chance(0.8) else None
        if icon == guild.icon:
            return False
        guilds.change_icon(context.world, guild, icon, guild.owner_id)
    return True


def boost(context: Context) -> bool:
    """A member boosts a guild."""
    guild = context.guild()
    if guild is None:
        return False
    user_id = context.member(guild)
    if user_id in guild.boosting:
        return False
    guilds.boost(context.world, guild, user_id)
    return True


def transfer_ownership(context: Context) -> bool:
    """An owner transfers the ownership to another member."""
    guild = context.guild()
    if guild is None:
        return False
    user_id = context.member(guild)
    if user_id == guild.owner_id:
        return False
    guilds.transfer_ownership(context.world, guild, user_id)
    return True


def add_guild(context: Context) -> bool:
    """The bot is added to a new guild."""
    guilds.add(context.world)
    return True


def remove_guild(context: Context) -> bool:
    """The bot is removed from one of the smaller guilds."""
    if len(context.guilds()) < _FEWEST_GUILDS:
        return False
    guild = context.rng.choice(context.guilds()[1:])
    guilds.remove(context.world, guild)
    return True


def begin_outage(context: Context) -> bool:
    """A guild becomes unavailable for a few seconds."""
    if len(context.guilds()) < _FEWEST_GUILDS:
        return False
    guild = context.rng.choice(context.guilds())
    guilds.begin_outage(context.world, guild)

    def end_outage() -> None:
        if not guild.removed:
            guilds.end_outage(context.world, guild)

    context.scheduler.after(context.rng.uniform(1.0, 8.0), end_outage)
    return True
