"""Owners and moderators rebuild their guild: roles, channels, emoji, stickers and threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.operations import members, structure, threads

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Context
    from discord_simulator.guild import Emoji, Guild, Role

_MOST = 8
"""Parts of a kind that are made before the first one has to go."""

_STATUS: tuple[members.PresenceStatus, ...] = ("online", "idle", "dnd", "offline")


def change_roles(context: Context) -> bool:
    """Somebody makes, renames or deletes a role."""
    guild = context.guild()
    if guild is None:
        return False
    made = _made_roles(context, guild)
    name, by = context.rng.choice(words.ROLE_NAMES), context.acting_moderator(guild)
    match _choose(context, len(made)):
        case "make":
            structure.create_role(context.world, guild, name, by)
        case "rename":
            role = context.rng.choice(made)
            structure.rename_role(context.world, guild, role, f"{role.name} 2", by)
        case _:
            structure.delete_role(context.world, guild, context.rng.choice(made), by)
    return True


def change_channels(context: Context) -> bool:
    """Somebody makes, renames or deletes a channel."""
    guild = context.guild()
    if guild is None:
        return False
    name, by = context.rng.choice(words.TEXT_NAMES), context.acting_moderator(guild)
    match _choose(context, len(guild.created_channels)):
        case "make":
            structure.create_channel(context.world, guild, name, by)
        case "rename":
            channel = context.rng.choice([*guild.text, *guild.created_channels])
            structure.rename_channel(context.world, guild, channel, f"{channel.name}-2", by)
        case _:
            structure.delete_channel(context.world, guild, context.rng.choice(guild.created_channels), by)
    return True


def change_emojis(context: Context) -> bool:
    """Somebody uploads, renames or deletes an emoji."""
    guild = context.guild()
    if guild is None:
        return False
    made = _made_emojis(context, guild)
    name, by = context.rng.choice(words.EMOJI_NAMES), context.acting_moderator(guild)
    match _choose(context, len(made)):
        case "make":
            structure.create_emoji(context.world, guild, f"{name}_new", by)
        case "rename":
            emoji = context.rng.choice(made)
            structure.rename_emoji(context.world, guild, emoji, f"{emoji.name}_2", by)
        case _:
            structure.delete_emoji(context.world, guild, context.rng.choice(made), by)
    return True


def change_stickers(context: Context) -> bool:
    """Somebody uploads, renames or deletes a sticker."""
    guild = context.guild()
    if guild is None:
        return False
    name, by = context.rng.choice(words.EMOJI_NAMES), context.acting_moderator(guild)
    match _choose(context, len(guild.stickers)):
        case "make":
            structure.create_sticker(context.world, guild, name, by)
        case "rename":
            sticker = context.rng.choice(guild.stickers)
            structure.rename_sticker(context.world, guild, sticker, f"{sticker.name} 2", by)
        case _:
            structure.delete_sticker(context.world, guild, context.rng.choice(guild.stickers), by)
    return True


def _choose(context: Context, there: int) -> str:
    if not there:
        return "make"
    return "delete" if there >= _MOST else context.rng.choice(("make", "rename", "delete"))


def _made_roles(context: Context, guild: Guild) -> list[Role]:
    """Roles made since the start; the ones before are held by too many to go."""
    began = context.world.start_id
    return [role for role in guild.roles if role.id > began]


def _made_emojis(context: Context, guild: Guild) -> list[Emoji]:
    began = context.world.start_id
    return [emoji for emoji in guild.emojis if emoji.id > began]


def rename_thread(context: Context) -> bool:
    """A moderator gives a thread another name."""
    guild = context.guild()
    if guild is None or not guild.threads:
        return False
    thread = context.rng.choice(list(guild.threads))
    threads.rename(context.world, guild, thread, f"{thread.name} 2", context.acting_moderator(guild))
    return True


def delete_thread(context: Context) -> bool:
    """A moderator deletes a thread."""
    guild = context.guild()
    if guild is None or not guild.threads:
        return False
    threads.delete(
        context.world, guild, context.rng.choice(list(guild.threads)), context.acting_moderator(guild)
    )
    return True


def update_presence(context: Context) -> bool:
    """Somebody comes online, goes idle or leaves."""
    guild = context.guild()
    if guild is None:
        return False
    members.update_presence(context.world, guild, context.member(guild), context.rng.choice(_STATUS))
    return True
