"""Behaviours that change a guild's structure: roles, channels, emoji, stickers, threads; presence."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

from discord_simulator import vocabulary as words
from discord_simulator.guild import Channel, Emoji, Role, Sticker
from discord_simulator.operations import members, structure, threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from discord_simulator.behaviours.context import Context
    from discord_simulator.guild import Guild
    from discord_simulator.operations.audit import Actor
    from discord_simulator.world import World

    _Create: TypeAlias = Callable[[World, Guild, str, Actor], object]
    _Rename: TypeAlias = Callable[[World, Guild, "_Object", str, Actor], object]
    _Delete: TypeAlias = Callable[[World, Guild, "_Object", Actor], None]

_Object = TypeVar("_Object", Role, Channel, Emoji, Sticker)

_MOST_CREATED = 8
"""Largest number of objects of a kind that are created; above it one is deleted."""

_STATUS: tuple[members.PresenceStatus, ...] = ("online", "idle", "dnd", "offline")


def change_roles(context: Context) -> bool:
    """A moderator creates, renames or deletes a role."""
    guild = context.guild()
    if guild is None:
        return False
    created = _created_later(context, guild.roles)
    by_verb = structure.create_role, structure.rename_role, structure.delete_role
    return _change(context, guild, created, by_verb, words.ROLE_NAMES)


def change_channels(context: Context) -> bool:
    """A moderator creates, renames or deletes a channel; the initial ones are renamed too."""
    guild = context.guild()
    if guild is None:
        return False
    every = [*guild.text, *guild.created_channels]
    by_verb = structure.create_channel, structure.rename_channel, structure.delete_channel
    return _change(context, guild, guild.created_channels, by_verb, words.TEXT_NAMES, "-2", renamed=every)


def change_emojis(context: Context) -> bool:
    """A moderator uploads, renames or deletes an emoji."""
    guild = context.guild()
    if guild is None:
        return False
    created = _created_later(context, guild.emojis)
    by_verb = structure.create_emoji, structure.rename_emoji, structure.delete_emoji
    return _change(context, guild, created, by_verb, [f"{name}_new" for name in words.EMOJI_NAMES], "_2")


def change_stickers(context: Context) -> bool:
    """A moderator uploads, renames or deletes a sticker."""
    guild = context.guild()
    if guild is None:
        return False
    by_verb = structure.create_sticker, structure.rename_sticker, structure.delete_sticker
    return _change(context, guild, guild.stickers, by_verb, words.EMOJI_NAMES)


def _change(
    context: Context,
    guild: Guild,
    created: Sequence[_Object],
    by_verb: tuple[_Create, _Rename[_Object], _Delete[_Object]],
    names: Sequence[str],
    suffix: str = " 2",
    *,
    renamed: Sequence[_Object] = (),
) -> bool:
    """Create, rename or delete one of ``created``; ``renamed`` has those to rename if they are others."""
    create, rename, delete = by_verb
    name, by = context.rng.choice(names), context.acting_moderator(guild)
    match _choose(context, len(created)):
        case "create":
            create(context.world, guild, name, by)
        case "rename":
            target = context.rng.choice(renamed or created)
            rename(context.world, guild, target, f"{target.name}{suffix}", by)
        case _:
            delete(context.world, guild, context.rng.choice(created), by)
    return True


def _choose(context: Context, existing: int) -> str:
    if not existing:
        return "create"
    return "delete" if existing >= _MOST_CREATED else context.rng.choice(("create", "rename", "delete"))


def _created_later(context: Context, objects: Sequence[_Object]) -> list[_Object]:
    """Objects created since the start; the initial ones are never deleted."""
    return [each for each in objects if each.id > context.world.start_id]


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
