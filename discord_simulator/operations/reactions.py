"""Operations on reactions: added, removed.

Source: Discord docs, Gateway Events › Message Reaction Add and following.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator.objects import Data, partial_emoji, reaction_colours
from discord_simulator.operations.messages import location
from discord_simulator.vocabulary import Author, Intent

if TYPE_CHECKING:
    from discord_simulator.guild import Emoji, Guild, Message
    from discord_simulator.world import World

_INTENT = Intent.GUILD_MESSAGE_REACTIONS


def _where(guild: Guild, message: Message) -> Data:
    return {"channel_id": str(message.channel.id), "message_id": str(message.id), "guild_id": str(guild.id)}


def add(
    world: World, guild: Guild, message: Message, user_id: int, emoji: Emoji, *, burst: bool = False
) -> None:
    """A user reacts. Only this event names the author of the message, and not for a webhook's message."""
    message.reactions.setdefault(emoji.key, []).append(user_id)
    data = _where(guild, message) | {
        "user_id": str(user_id),
        "member": world.render.whole_member(guild, user_id),
        "emoji": partial_emoji(emoji),
        "burst": burst,
        "type": int(burst),
    }
    if burst:
        data["burst_colors"] = reaction_colours()
    fields = {"emoji": emoji.key, "user_id": str(user_id), "super": burst, **location(message)}
    if message.author is not Author.WEBHOOK:
        data["message_author_id"] = fields["message_author_id"] = str(message.author_id)
        fields["message_author_bot"] = message.author_id in world.population.bots
    line = world.record("MESSAGE_REACTION_ADD", guild, world.now(), **fields)
    world.publish("MESSAGE_REACTION_ADD", guild, data, _INTENT, line)


def remove(world: World, guild: Guild, message: Message, user_id: int, emoji: Emoji) -> None:
    """A user removes their reaction."""
    givers = message.reactions[emoji.key]
    givers.remove(user_id)
    if not givers:
        del message.reactions[emoji.key]
    line = world.record(
        "MESSAGE_REACTION_REMOVE",
        guild,
        world.now(),
        emoji=emoji.key,
        user_id=str(user_id),
        **location(message),
    )
    world.publish(
        "MESSAGE_REACTION_REMOVE",
        guild,
        _where(guild, message)
        | {"user_id": str(user_id), "emoji": partial_emoji(emoji), "burst": False, "type": 0},
        _INTENT,
        line,
    )


def clear(world: World, guild: Guild, message: Message) -> None:
    """A moderator removes every reaction of a message."""
    count = sum(len(givers) for givers in message.reactions.values())
    message.reactions.clear()
    line = world.record("MESSAGE_REACTION_REMOVE_ALL", guild, world.now(), count=count, **location(message))
    world.publish("MESSAGE_REACTION_REMOVE_ALL", guild, _where(guild, message), _INTENT, line)


def clear_emoji(world: World, guild: Guild, message: Message, emoji: Emoji) -> None:
    """A moderator removes every reaction with one emoji."""
    count = len(message.reactions.pop(emoji.key))
    line = world.record(
        "MESSAGE_REACTION_REMOVE_EMOJI", guild, world.now(), emoji=emoji.key, count=count, **location(message)
    )
    world.publish(
        "MESSAGE_REACTION_REMOVE_EMOJI",
        guild,
        _where(guild, message) | {"emoji": partial_emoji(emoji)},
        _INTENT,
        line,
    )
