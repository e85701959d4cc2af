"""Behaviours with reactions, of members and moderators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.guild import Emoji
from discord_simulator.operations import reactions

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Context
    from discord_simulator.guild import Guild, Message

_MOST_EMOJI = 20
"""Largest number of different emoji on one message, as at Discord."""


def add_reaction(context: Context) -> bool:
    """A member reacts, more often with an emoji that is on the message already."""
    guild = context.guild()
    message = context.message(guild) if guild else None
    if guild is None or message is None:
        return False
    user_id = context.member(guild)
    if message.reactions and context.chance(0.6):
        emoji = find_emoji(guild, context.rng.choice(list(message.reactions)))
    else:
        emoji = context.emoji(guild)
    if user_id in message.reactions.get(emoji.key, ()) or len(message.reactions) >= _MOST_EMOJI:
        return False
    reactions.add(context.world, guild, message, user_id, emoji, burst=context.chance(0.03))
    return True


def remove_reaction(context: Context) -> bool:
    """A member removes their reaction."""
    found = _message_with_reactions(context)
    if found is None:
        return False
    guild, message = found
    key = context.rng.choice(list(message.reactions))
    user_id = context.rng.choice(message.reactions[key])
    if not guild.has_member(user_id):
        return False
    reactions.remove(context.world, guild, message, user_id, find_emoji(guild, key))
    return True


def clear_reactions(context: Context) -> bool:
    """A moderator removes all reactions of a message."""
    found = _message_with_reactions(context)
    if found is None:
        return False
    reactions.clear(context.world, *found)
    return True


def clear_emoji(context: Context) -> bool:
    """A moderator removes one emoji from a message."""
    found = _message_with_reactions(context)
    if found is None:
        return False
    guild, message = found
    key = context.rng.choice(list(message.reactions))
    reactions.clear_emoji(context.world, guild, message, find_emoji(guild, key))
    return True


def _message_with_reactions(context: Context) -> tuple[Guild, Message] | None:
    guild = context.guild()
    message = context.message(guild) if guild else None
    if guild is None or message is None or not message.reactions:
        return None
    return guild, message


def find_emoji(guild: Guild, key: str) -> Emoji:
    """The emoji of a reaction's key; a deleted custom emoji has no name."""
    if key in words.UNICODE_EMOJI:
        return Emoji(0, key)
    deleted = Emoji(int(key), "")
    return next((emoji for emoji in guild.emojis if emoji.key == key), deleted)
