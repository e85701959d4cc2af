"""People react to messages, change their minds, and moderators clear what got out of hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.guild import Emoji
from discord_simulator.operations import reactions

if TYPE_CHECKING:
    from discord_simulator.behaviours.context import Scene
    from discord_simulator.guild import Guild, Message

_KINDS = 20
"""Different emoji Discord allows on one message."""


def react(scene: Scene) -> bool:
    """Somebody reacts, more often with what is already there."""
    guild = scene.guild()
    message = scene.message(guild) if guild else None
    if guild is None or message is None:
        return False
    user_id = scene.member(guild)
    if message.reactions and scene.chance(0.6):
        emoji = _known(guild, scene.rng.choice(list(message.reactions)))
    else:
        emoji = scene.emoji(guild)
    if user_id in message.reactions.get(emoji.key, ()) or len(message.reactions) >= _KINDS:
        return False
    reactions.add(scene.world, guild, message, user_id, emoji, burst=scene.chance(0.03))
    return True


def unreact(scene: Scene) -> bool:
    """Somebody takes a reaction back."""
    found = _reacted(scene)
    if found is None:
        return False
    guild, message = found
    key = scene.rng.choice(list(message.reactions))
    user_id = scene.rng.choice(message.reactions[key])
    if not guild.has(user_id):
        return False
    reactions.remove(scene.world, guild, message, user_id, _known(guild, key))
    return True


def clear(scene: Scene) -> bool:
    """A moderator removes all reactions of a message."""
    found = _reacted(scene)
    if found is None:
        return False
    reactions.clear(scene.world, *found)
    return True


def clear_emoji(scene: Scene) -> bool:
    """A moderator removes one emoji from a message."""
    found = _reacted(scene)
    if found is None:
        return False
    guild, message = found
    key = scene.rng.choice(list(message.reactions))
    reactions.clear_emoji(scene.world, guild, message, _known(guild, key))
    return True


def _reacted(scene: Scene) -> tuple[Guild, Message] | None:
    guild = scene.guild()
    message = scene.message(guild) if guild else None
    if guild is None or message is None or not message.reactions:
        return None
    return guild, message


def _known(guild: Guild, key: str) -> Emoji:
    if key in words.UNICODE_EMOJI:
        return Emoji(0, key)
    deleted = Emoji(int(key), "")
    return next((emoji for emoji in guild.emojis if emoji.key == key), deleted)
