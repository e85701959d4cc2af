"""Behaviours that change a guild's structure: roles, channels, emoji, stickers, threads; presence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.operations import members, structure, threads

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Context
    from discord_simulator.guild import Emoji, Guild, Role

_MOST_CREATED = 8
"""Largest number of objects of a kind that are created; above it one is deleted."""

_STATUS: tuple[members.PresenceStatus, ...] = ("online", "idle", "dnd", "offline")


def change_roles(context: Context) -> bool:
    """A moderator creates, renames or deletes a role."""
    guild = context.guild()
    if guild is None:
        return False
    created = _created_roles(context, guild)
    name, by = context.rng.choice(words.ROLE_NAMES), context.acting_moderator(guild)
    match _choose(context, len(created)):
        case "create":
            structure.create_role(context.world, guild, name, by)
        case "rename":
            role = context.rng.choice(created)
            structure.rename_role(context.world, guild, role, f"{role.name} 2", by)
        case _:
            structure.delete_role(context.world, guild, context.rng.choice(created), by)
    return True


def change_channels(context: Context) -> bool:
    """A moderator creates, renames or deletes a channel."""
    guild = context.guild()
    if guild is None:
        return False
    name, by = context.rng.choice(words.TEXT_NAMES), context.acting_moderator(guild)
    match _choose(context, len(guild.created_channels)):
        case "create":
            structure.create_channel(context.world, guild, name, by)
        case "rename":
            channel = context.rng.choice([*guild.text, *guild.created_channels])
            structure.rename_channel(context.world, guild, channel, f"{channel.name}-2", by)
        case _:
            structure.delete_channel(context.world, guild, context.rng.choice(guild.created_channels), by)
    return True


def change_emojis(context: Context) -> bool:
    """A moderator uploads, renames or deletes an emoji."""
    guild = context.guild()
    if guild is None:
        return False
    created = _created_emojis(context, guild)
    name, by = context.rng.choice(words.EMOJI_NAMES), context.acting_moderator(guild)
    match _choose(context, len(created)):
        case "create":
            structure.create_emoji(context.world, guild, f"{name}_new", by)
        case "rename":
            emoji = context.rng.choice(created)
            structure.rename_emoji(context.world, guild, emoji, f"{emoji.name}_2", by)
        case _:
            structure.delete_emoji(context.world, guild, context.rng.choice(created), by)
    return True


def change_stickers(context: Context) -> bool:
    """A moderator uploads, renames or deletes a sticker."""
    guild = context.guild()
    if guild is None:
        return False
    name, by = context.rng.choice(words.EMOJI_NAMES), context.acting_moderator(guild)
    match _choose(context, len(guild.stickers)):
        case "create":
            structure.create_sticker(context.world, guild, name, by)
        case "rename":
            sticker = context.rng.choice(guild.stickers)
            structure.rename_sticker(context.world, guild, sticker, f"{sticker.name} 2", by)
        case _:
            structure.delete_sticker(context.world, guild, context.rng.choice(guild.stickers), by)
    return True


def _choose(context: Context, existing: int) -> str:
    if not existing:
        return "create"
    return "delete" if existing >= _MOST_CREATED else context.rng.choice(("create", "rename", "delete"))


def _created_roles(context: Context, guild: Guild) -> list[Role]:
    """Roles created since the start; the initial ones are never deleted."""
    start = context.world.start_id
    return [role for role in guild.roles if role.id > start]


def _created_emojis(context: Context, guild: Guild) -> list[Emoji]:
    start = context.world.start_id
    return [emoji for emoji in guild.emojis if emoji.id > start]


def rename_thread(context: Context) -> bool:
    """A moderator renames a thread."""
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
    """A member changes their status."""
    guild = context.guild()
    if guild is None:
        return False
    members.update_presence(context.world, guild, context.member(guild), context.rng.choice(_STATUS))
    return True
