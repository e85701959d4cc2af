"""Behaviours with messages and threads, of members, moderators, bots and webhooks."""

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
"""Largest number of conversations at a time, over all guilds."""

_BULK = range(2, 40)
"""Numbers of messages that a bot deletes at once. Discord accepts 2 to 100."""


def post_message(context: Context) -> bool:
    """A member posts in a current conversation or starts a new one."""
    if context.conversations and context.chance(0.75):
        number = context.rng.randrange(len(context.conversations))
        conversation = context.conversations[number]
        conversation.remaining -= 1
        if conversation.remaining <= 0:
            context.conversations[number] = context.conversations[-1]
            context.conversations.pop()
        if _has_ended(conversation):
            return False
        return _post(context, conversation.guild, conversation)
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
    return _post(context, guild, conversation)


def _has_ended(conversation: Conversation) -> bool:
    guild, channel = conversation.guild, conversation.channel
    if not guild.is_visible or (is_thread(channel) and channel not in guild.threads):
        return True
    conversation.participants = [
        user_id
        for user_id in conversation.participants
        if guild.has_member(user_id) and user_id not in guild.timeouts
    ]
    return not conversation.participants


def _post(context: Context, guild: Guild, conversation: Conversation) -> bool:
    channel = conversation.channel
    author_id = context.rng.choice(conversation.participants)
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
    """A bot posts a message."""
    guild = context.guild()
    if guild is None or len(guild.bots) == 1:
        return False
    messages.post(
        context.world, guild, context.channel(guild), context.rng.choice(guild.bots[1:]), Author.BOT
    )
    return True


def post_as_webhook(context: Context) -> bool:
    """A webhook posts in its channel."""
    guild = context.guild()
    if guild is None:
        return False
    webhook = context.rng.choice(guild.webhooks)
    channel = next(channel for channel in guild.text if channel.id == webhook.channel_id)
    messages.post_by_webhook(context.world, guild, channel, webhook)
    return True


def edit_message(context: Context) -> bool:
    """A member or bot edits its message."""
    found = _message_of_member(context)
    if found is None:
        return False
    guild, message = found
    messages.edit(context.world, guild, message)
    if message.embed or context.chance(0.1):
        _resolve_later(context, guild, message)
    return True


def delete_own_message(context: Context) -> bool:
    """A member or bot deletes its message."""
    found = _message_of_member(context)
    if found is None:
        return False
    messages.delete(context.world, *found)
    return True


def _message_of_member(context: Context) -> tuple[Guild, Message] | None:
    guild = context.guild()
    message = context.message(guild) if guild else None
    if guild is None or message is None or message.author not in {Author.HUMAN, Author.BOT}:
        return None
    if message.author is Author.HUMAN and not guild.has_member(message.author_id):
        return None
    return guild, message


def delete_as_moderator(context: Context) -> bool:
    """A moderator deletes a message, and sometimes more of the same author."""
    guild = context.guild()
    message = context.message(guild) if guild else None
    if guild is None or message is None:
        return False
    moderator_id = context.moderator(guild)
    if message.author_id == moderator_id:
        return False
    targets = [message]
    if context.chance(0.3):
        same = [m for m in message.channel.recent if m.author_id == message.author_id and m is not message]
        targets += same[:3]
    for target in targets:
        messages.delete(context.world, guild, target, Actor(moderator_id, delay=context.audit_delay()))
    return True


def delete_bulk(context: Context) -> bool:
    """A bot deletes the newest messages of a channel at once."""
    guild = context.guild()
    if guild is None or len(guild.bots) == 1:
        return False
    channel = context.channel(guild)
    targets = list(channel.recent)[-context.rng.choice(_BULK) :]
    if len(targets) < _BULK.start:
        return False
    messages.delete_bulk(
        context.world, guild, channel, targets, Actor(guild.bots[1], delay=context.audit_delay())
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
    """A member starts a thread: in a forum, on a message, or without one."""
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
