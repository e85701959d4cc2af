"""People talk, correct themselves and take things back; bots and webhooks post."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.behaviours.context import Conversation, Scene, is_thread
from discord_simulator.operations import messages, threads
from discord_simulator.operations.audit import By
from discord_simulator.vocabulary import Author, MessageKind

if TYPE_CHECKING:
    from discord_simulator.guild import Guild, Message

_CONVERSATIONS = 64
"""Conversations going on at a time over all guilds."""

_BULK = range(2, 40)
"""Messages a bot deletes at once. Discord accepts 2 to 100."""


def talk(scene: Scene) -> bool:
    """Go on with a conversation, or start one."""
    if scene.conversations and scene.chance(0.75):
        number = scene.rng.randrange(len(scene.conversations))
        conversation = scene.conversations[number]
        conversation.left -= 1
        if conversation.left <= 0:
            scene.conversations[number] = scene.conversations[-1]
            scene.conversations.pop()
        if _is_over(conversation):
            return False
        return _say(scene, conversation.guild, conversation)
    guild = scene.guild()
    if guild is None:
        return False
    conversation = Conversation(
        guild,
        scene.channel(guild),
        list(dict.fromkeys(scene.member(guild) for _ in range(scene.rng.randint(1, 6)))),
        scene.rng.randint(1, 30),
    )
    if len(scene.conversations) < _CONVERSATIONS:
        scene.conversations.append(conversation)
    return _say(scene, guild, conversation)


def _is_over(conversation: Conversation) -> bool:
    guild, channel = conversation.guild, conversation.channel
    if not guild.open or (is_thread(channel) and channel not in guild.threads):
        return True
    conversation.people = [
        user_id for user_id in conversation.people if guild.has(user_id) and user_id not in guild.timeouts
    ]
    return not conversation.people


def _say(scene: Scene, guild: Guild, conversation: Conversation) -> bool:
    channel = conversation.channel
    author_id = scene.rng.choice(conversation.people)
    replies = bool(channel.recent) and scene.chance(0.2)
    reply_to = channel.recent[-1 - scene.rank(len(channel.recent))] if replies else None
    content = ""
    if scene.chance(0.01):
        content = f"<@{scene.world.population.bot_id}> {scene.rng.choice(words.PHRASES)}"
    message = messages.post(
        scene.world,
        guild,
        channel,
        author_id,
        Author.HUMAN,
        kind=MessageKind.REPLY if reply_to else MessageKind.DEFAULT,
        reply_to=reply_to.id if reply_to else 0,
        content=content,
    )
    if scene.chance(0.04):
        _resolve_later(scene, guild, message)
    return True


def _resolve_later(scene: Scene, guild: Guild, message: Message) -> None:
    def resolve() -> None:
        if guild.open:
            messages.resolve_embed(scene.world, guild, message)

    scene.agenda.after(scene.rng.uniform(0.1, 3.0), resolve)


def bot_speaks(scene: Scene) -> bool:
    """A bot answers somewhere."""
    guild = scene.guild()
    if guild is None or len(guild.bots) == 1:
        return False
    messages.post(scene.world, guild, scene.channel(guild), scene.rng.choice(guild.bots[1:]), Author.BOT)
    return True


def webhook_posts(scene: Scene) -> bool:
    """A webhook posts to its channel."""
    guild = scene.guild()
    if guild is None:
        return False
    webhook = scene.rng.choice(guild.webhooks)
    channel = next(channel for channel in guild.text if channel.id == webhook.channel_id)
    messages.post_by_webhook(scene.world, guild, channel, webhook)
    return True


def edit(scene: Scene) -> bool:
    """Somebody corrects what they wrote."""
    found = _written_by_somebody(scene)
    if found is None:
        return False
    guild, message = found
    messages.edit(scene.world, guild, message)
    if message.embed or scene.chance(0.1):
        _resolve_later(scene, guild, message)
    return True


def take_back(scene: Scene) -> bool:
    """An author deletes their own message."""
    found = _written_by_somebody(scene)
    if found is None:
        return False
    messages.delete(scene.world, *found)
    return True


def _written_by_somebody(scene: Scene) -> tuple[Guild, Message] | None:
    guild = scene.guild()
    message = scene.message(guild) if guild else None
    if guild is None or message is None or message.author not in {Author.HUMAN, Author.BOT}:
        return None
    if message.author is Author.HUMAN and not guild.has(message.author_id):
        return None
    return guild, message


def clean_up(scene: Scene) -> bool:
    """A moderator deletes a message, and sometimes goes on with the same person's."""
    guild = scene.guild()
    message = scene.message(guild) if guild else None
    if guild is None or message is None:
        return False
    moderator_id = scene.moderator(guild)
    if message.author_id == moderator_id:
        return False
    victims = [message]
    if scene.chance(0.3):
        same = [m for m in message.channel.recent if m.author_id == message.author_id and m is not message]
        victims += same[:3]
    for victim in victims:
        messages.delete(scene.world, guild, victim, By(moderator_id, delay=scene.echo_delay()))
    return True


def sweep(scene: Scene) -> bool:
    """A moderation bot deletes the newest messages of a channel at once."""
    guild = scene.guild()
    if guild is None or len(guild.bots) == 1:
        return False
    channel = scene.channel(guild)
    victims = list(channel.recent)[-scene.rng.choice(_BULK) :]
    if len(victims) < _BULK.start:
        return False
    messages.delete_bulk(scene.world, guild, channel, victims, By(guild.bots[1], delay=scene.echo_delay()))
    return True


def pin(scene: Scene) -> bool:
    """A moderator pins a message."""
    guild = scene.guild()
    message = scene.message(guild) if guild else None
    if guild is None or message is None or message.pinned:
        return False
    messages.pin(scene.world, guild, message, scene.moderator(guild))
    return True


def open_thread(scene: Scene) -> bool:
    """Somebody opens a thread: in a forum, on a message, or by itself."""
    guild = scene.guild()
    if guild is None:
        return False
    name, owner_id = scene.rng.choice(words.THREAD_NAMES), scene.member(guild)
    if guild.forum and scene.chance(0.5):
        threads.start(scene.world, guild, guild.forum, owner_id, name=name)
        return True
    parent = guild.text[scene.rank(len(guild.text))]
    on = parent.recent[-1] if parent.recent and scene.chance(0.7) else None
    if on is not None and on.has_thread:
        return False
    threads.start(scene.world, guild, parent, owner_id, name=name, on=on)
    return True
