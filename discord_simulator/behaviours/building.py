"""Owners and moderators rebuild their guild: roles, channels, emoji, stickers and threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.operations import presence, structure, threads

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Scene
    from discord_simulator.guild import Emoji, Guild, Role

_MOST = 8
"""Parts of a kind that are made before the first one has to go."""

_STATUS: tuple[presence.Status, ...] = ("online", "idle", "dnd", "offline")


def change_roles(scene: Scene) -> bool:
    """Somebody makes, renames or deletes a role."""
    guild = scene.guild()
    if guild is None:
        return False
    made = _made_roles(scene, guild)
    name, by = scene.rng.choice(words.ROLE_NAMES), scene.sentence(guild)
    match _choose(scene, len(made)):
        case "make":
            structure.make_role(scene.world, guild, name, by)
        case "rename":
            role = scene.rng.choice(made)
            structure.rename_role(scene.world, guild, role, f"{role.name} 2", by)
        case _:
            structure.delete_role(scene.world, guild, scene.rng.choice(made), by)
    return True


def change_channels(scene: Scene) -> bool:
    """Somebody makes, renames or deletes a channel."""
    guild = scene.guild()
    if guild is None:
        return False
    name, by = scene.rng.choice(words.TEXT_NAMES), scene.sentence(guild)
    match _choose(scene, len(guild.made)):
        case "make":
            structure.make_channel(scene.world, guild, name, by)
        case "rename":
            channel = scene.rng.choice([*guild.text, *guild.made])
            structure.rename_channel(scene.world, guild, channel, f"{channel.name}-2", by)
        case _:
            structure.delete_channel(scene.world, guild, scene.rng.choice(guild.made), by)
    return True


def change_emojis(scene: Scene) -> bool:
    """Somebody uploads, renames or deletes an emoji."""
    guild = scene.guild()
    if guild is None:
        return False
    made = _made_emojis(scene, guild)
    name, by = scene.rng.choice(words.EMOJI_NAMES), scene.sentence(guild)
    match _choose(scene, len(made)):
        case "make":
            structure.make_emoji(scene.world, guild, f"{name}_new", by)
        case "rename":
            emoji = scene.rng.choice(made)
            structure.rename_emoji(scene.world, guild, emoji, f"{emoji.name}_2", by)
        case _:
            structure.delete_emoji(scene.world, guild, scene.rng.choice(made), by)
    return True


def change_stickers(scene: Scene) -> bool:
    """Somebody uploads, renames or deletes a sticker."""
    guild = scene.guild()
    if guild is None:
        return False
    name, by = scene.rng.choice(words.EMOJI_NAMES), scene.sentence(guild)
    match _choose(scene, len(guild.stickers)):
        case "make":
            structure.make_sticker(scene.world, guild, name, by)
        case "rename":
            sticker = scene.rng.choice(guild.stickers)
            structure.rename_sticker(scene.world, guild, sticker, f"{sticker.name} 2", by)
        case _:
            structure.delete_sticker(scene.world, guild, scene.rng.choice(guild.stickers), by)
    return True


def _choose(scene: Scene, there: int) -> str:
    if not there:
        return "make"
    return "delete" if there >= _MOST else scene.rng.choice(("make", "rename", "delete"))


def _made_roles(scene: Scene, guild: Guild) -> list[Role]:
    """Roles made since the start; the ones before are held by too many to go."""
    began = scene.world.began_with
    return [role for role in guild.roles if role.id > began]


def _made_emojis(scene: Scene, guild: Guild) -> list[Emoji]:
    began = scene.world.began_with
    return [emoji for emoji in guild.emojis if emoji.id > began]


def rename_thread(scene: Scene) -> bool:
    """A moderator gives a thread another name."""
    guild = scene.guild()
    if guild is None or not guild.threads:
        return False
    thread = scene.rng.choice(list(guild.threads))
    threads.rename(scene.world, guild, thread, f"{thread.name} 2", scene.sentence(guild))
    return True


def delete_thread(scene: Scene) -> bool:
    """A moderator deletes a thread."""
    guild = scene.guild()
    if guild is None or not guild.threads:
        return False
    threads.delete(scene.world, guild, scene.rng.choice(list(guild.threads)), scene.sentence(guild))
    return True


def show_presence(scene: Scene) -> bool:
    """Somebody comes online, goes idle or leaves."""
    guild = scene.guild()
    if guild is None:
        return False
    presence.show(scene.world, guild, scene.member(guild), scene.rng.choice(_STATUS))
    return True
