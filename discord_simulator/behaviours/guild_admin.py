"""Guilds are renamed, redecorated, boosted and handed over; some appear, some go, some fail for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.operations import guilds

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Scene

_FEWEST = 3
"""Guilds that must be left for one of them to go or to fail."""


def redecorate(scene: Scene) -> bool:
    """An owner changes the guild's name or icon."""
    guild = scene.guild()
    if guild is None:
        return False
    if scene.chance(0.5):
        name = scene.rng.choice(words.GUILD_NAMES)
        if name == guild.name:
            return False
        guilds.rename(scene.world, guild, name, guild.owner_id)
    else:
        icon = f"{scene.rng.getrandbits(128):032x}" if scene.chance(0.8) else None
        if icon == guild.icon:
            return False
        guilds.change_icon(scene.world, guild, icon, guild.owner_id)
    return True


def boost(scene: Scene) -> bool:
    """Somebody boosts a guild."""
    guild = scene.guild()
    if guild is None:
        return False
    user_id = scene.member(guild)
    if user_id in guild.boosting:
        return False
    guilds.boost(scene.world, guild, user_id)
    return True


def hand_over(scene: Scene) -> bool:
    """An owner makes another member the owner."""
    guild = scene.guild()
    if guild is None:
        return False
    user_id = scene.member(guild)
    if user_id == guild.owner_id:
        return False
    guilds.hand_over(scene.world, guild, user_id)
    return True


def appear(scene: Scene) -> bool:
    """The bot is added to a guild."""
    guilds.appear(scene.world)
    return True


def disappear(scene: Scene) -> bool:
    """The bot is removed from one of the smaller guilds."""
    if len(scene.guilds()) < _FEWEST:
        return False
    guild = scene.rng.choice(scene.guilds()[1:])
    guilds.disappear(scene.world, guild)
    return True


def fail(scene: Scene) -> bool:
    """A guild becomes unavailable and comes back within seconds."""
    if len(scene.guilds()) < _FEWEST:
        return False
    guild = scene.rng.choice(scene.guilds())
    guilds.begin_outage(scene.world, guild)

    def come_back() -> None:
        if not guild.gone:
            guilds.end_outage(scene.world, guild)

    scene.agenda.after(scene.rng.uniform(1.0, 8.0), come_back)
    return True
