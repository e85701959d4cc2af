"""People talk, correct themselves and take things back; bots and webhooks post."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator import vocabulary as words
from discord_simulator.behaviours.context import Context, Conversation, is_thread
from discord_simulator.operations import messages, threads
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import Author, MessageKind

if TYPE_CHECKING:
    from discord_simulator.guild import Guild, Message

_CONVERSATIONS = 64
"""Conversations going on at a time over all guilds."""

_BULK = range(2, 40)
"""Messages a bot deletes at once. Discord accepts 2 to 100."""


def post_message(context: Context) -> bool:
    """Go on with a conversation, or start one."""
    if context.conversations and context.chance(0.75):
        number = context.rng.randrange(len(context.conversations))
        conversation = context.conversations[number]
        conversation.left -= 1
        if conversation.left <= 0:
            context.conversations[number] = context.conversations[-1]
            context.conversations.pop()
        if _is_over(conversation):
            return False
        return _say(context, conversation.guild, conversation)
    guild = context.guild()
    if guild is None:
        return False
    conversation = Conversation(
        guild,
        context.channel(guild),
        list(dict.fromkeys(context.member(guild) for _ in range(context.rng.randint(1, 6)))),
        context.rng.randint(1, 30),
    )
    if len(context.conversations) < _CONVERSATIONS:
        context.conversations.append(conversation)
    return _say(context, guild, conversation)


def _is_over(conversation: Conversation) -> bool:
    guild, channel = conversation.guild, conversation.channel
    if not guild.is_visible or (is_thread(channel) and channel not in guild.threads):
        return True
    conversation.people = [
        user_id
        for user_id in conversation.people
        if guild.has_member(user_id) and user_id not in guild.timeouts
    ]
    return not conversation.people


def _say(context: Context, guild: Guild, conversation: Conversation) -> bool:
    channel = conversation.channel
    author_id = context.rng.choice(conversation.people)
    replies = bool(channel.recent) and context.chance(0.2)
    reply_to = channel.recent[-1 - context.rank(len(channel.recent))] if replies else None
    content = ""
    if context.chance(0.01):
        content = f"<@{context.world.population.bot_id}> {context.rng.choice(words.PHRASES)}"
    message = messages.post(
        context.world,
        guild,
        channel,
        author_id,
        Author.HUMAN,
        kind=MessageKind.REPLY if reply_to else MessageKind.DEFAULT,
        reply_to=reply_to.id if reply_to else 0,
        content=content,
    )
    if context.chance(0.04):
        _resolve_later(context, guild, message)
    return True


def _resolve_later(context: Context, guild: Guild, message: Message) -> None:
    def resolve() -> None:
        if guild.is_visible:
            messages.resolve_embed(context.world, guild, message)

    context.scheduler.after(context.rng.uniform(0.1, 3.0), resolve)


def post_as_bot(context: Context) -> bool:
    """A bot answers somewhere."""
    guild = context.guild()
    if guild is None or len(guild.bots) == 1:
        return False
    messages.post(
        context.world, guild, context.channel(guild), context.rng.choice(guild.bots[1:]), Author.BOT
    )
    return True


def post_as_webhook(context: Context) -> bool:
    """A webhook posts to its channel."""
    guild = context.guild()
    if guild is None:
        return False
    webhook = context.rng.choice(guild.webhooks)
    channel = next(channel for channel in guild.text if channel.id == webhook.channel_id)
    messages.post_by_webhook(context.world, guild, channel, webhook)
    return True


def edit_message(context: Context) -> bool:
    """Somebody corrects what they wrote."""
    found = _written_by_somebody(context)
    if found is None:
        return False
    guild, message = found
    messages.edit(context.world, guild, message)
    if message.embed or context.chance(0.1):
        _resolve_later(context, guild, message)
    return True


def delete_own_message(context: Context) -> bool:
    """An author deletes their own message."""
    found = _written_by_somebody(context)
    if found is None:
        return False
    messages.delete(context.world, *found)
    return True


def _written_by_somebody(context: Context) -> tuple[Guild, Message] | None:
    guild = context.guild()
    message = context.message(guild) if guild else None
    if guild is None or message is None or message.author not in {Author.HUMAN, Author.BOT}:
        return None
    if message.author is Author.HUMAN and not guild.has_member(message.author_id):
        return None
    return guild, message


def delete_as_moderator(context: Context) -> bool:
    """A moderator deletes a message, and sometimes goes on with the same person's."""
    guild = context.guild()
    message = context.message(guild) if guild else None
    if guild is None or message is None:
        return False
    moderator_id = context.moderator(guild)
    if message.author_id == moderator_id:
        return False
    victims = [message]
    if context.chance(0.3):
        same = [m for m in message.channel.recent if m.author_id == message.author_id and m is not message]
        victims += same[:3]
    for victim in victims:
        messages.delete(context.world, guild, victim, Actor(moderator_id, delay=context.audit_delay()))
    return True


def delete_bulk(context: Context) -> bool:
    """A moderation bot deletes the newest messages of a channel at once."""
    guild = context.guild()
    if guild is None or len(guild.bots) == 1:
        return False
    channel = context.channel(guild)
    victims = list(channel.recent)[-context.rng.choice(_BULK) :]
    if len(victims) < _BULK.start:
        return False
    messages.delete_bulk(
        context.world, guild, channel, victims, Actor(guild.bots[1], delay=context.audit_delay())
    )
    return True


def pin_message(context: Context) -> bool:
    """A moderator pins a message."""
    guild = context.guild()
    message = context.message(guild) if guild else None
    if guild is None or message is None or message.pinned:
        return False
    messages.pin(context.world, guild, message, context.moderator(guild))
    return True


def start_thread(context: Context) -> bool:
    """Somebody opens a thread: in a forum, on a message, or by itself."""
    guild = context.guild()
    if guild is None:
        return False
    name, owner_id = context.rng.choice(words.THREAD_NAMES), context.member(guild)
    if guild.forum and context.chance(0.5):
        threads.start(context.world, guild, guild.forum, owner_id, name=name)
        return True
    parent = guild.text[context.rank(len(guild.text))]
    on = parent.recent[-1] if parent.recent and context.chance(0.7) else None
    if on is not None and on.has_thread:
        return False
    threads.start(context.world, guild, parent, owner_id, name=name, on=on)
    return True
