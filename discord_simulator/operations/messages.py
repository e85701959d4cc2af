"""Operations on messages: posted, edited, embed resolved, pinned, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator.guild import Channel, Guild, Message, Webhook
from discord_simulator.operations import audit
from discord_simulator.vocabulary import AuditAction, Author, Intent, MessageKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from discord_simulator.world import World

_INTENT = Intent.GUILD_MESSAGES


def location(message: Message) -> dict[str, object]:
    """The ledger fields that locate a message: its channel, and the channel it is counted on."""
    channel = message.channel
    return {
        "channel_id": str(channel.id),
        "parent_id": str(channel.activity_channel_id),
        "message_id": str(message.id),
    }


def post(
    world: World,
    guild: Guild,
    channel: Channel,
    author_id: int,
    author: Author,
    *,
    kind: MessageKind = MessageKind.DEFAULT,
    reply_to: int = 0,
    content: str = "",
    message_id: int = 0,
) -> Message:
    """A user, or Discord in the name of a user, posts a message."""
    now = world.now()
    message = Message(
        id=message_id or world.ids.make(now),
        channel=channel,
        author_id=author_id,
        author=author,
        kind=kind,
        sent_at=now,
        content=content,
        reply_to=reply_to,
    )
    _publish(world, guild, message)
    return message


def post_by_webhook(world: World, guild: Guild, channel: Channel, webhook: Webhook) -> Message:
    """A webhook posts a message; its author is not a member."""
    now = world.now()
    message = Message(
        id=world.ids.make(now),
        channel=channel,
        author_id=webhook.id,
        author=Author.WEBHOOK,
        kind=MessageKind.DEFAULT,
        sent_at=now,
        webhook_name=webhook.name,
    )
    _publish(world, guild, message)
    return message


def _publish(world: World, guild: Guild, message: Message) -> None:
    line = world.record(
        "MESSAGE_CREATE",
        guild,
        message.sent_at,
        user_id=str(message.author_id),
        author=message.author,
        **location(message),
    )
    world.publish("MESSAGE_CREATE", guild, world.render.message(guild, message), _INTENT, line)
    message.channel.recent.append(message)
    message.channel.sent += 1


def edit(world: World, guild: Guild, message: Message) -> None:
    """The author edits a message; only an edit changes ``edited_timestamp``."""
    # Two edits in the same millisecond would have the same timestamp and could not be distinguished.
    now = max(world.now(), message.edited_at + 1)
    message.edited_at = now
    line = world.record("MESSAGE_UPDATE", guild, now, user_id=str(message.author_id), **location(message))
    world.publish("MESSAGE_UPDATE", guild, world.render.message(guild, message), _INTENT, line)


def resolve_embed(world: World, guild: Guild, message: Message) -> None:
    """Discord adds the preview of a link: an update that is not an edit."""
    if message not in message.channel.recent:
        return
    message.embed = True
    line = world.record(
        "EMBED_RESOLVED", guild, world.now(), user_id=str(message.author_id), **location(message)
    )
    world.publish("MESSAGE_UPDATE", guild, world.render.message(guild, message), _INTENT, line)


def pin(world: World, guild: Guild, message: Message, moderator_id: int) -> None:
    """A moderator pins a message: an update that is not an edit, and a system message."""
    message.pinned = True
    now = world.now()
    world.publish("MESSAGE_UPDATE", guild, world.render.message(guild, message), _INTENT)
    world.publish(
        "CHANNEL_PINS_UPDATE",
        guild,
        {
            "guild_id": str(guild.id),
            "channel_id": str(message.channel.id),
            "last_pin_timestamp": None,
        },
        Intent.GUILDS,
    )
    entry = audit.add_entry(
        world,
        guild,
        AuditAction.MESSAGE_PIN,
        user_id=moderator_id,
        target_id=message.author_id,
        options={"channel_id": str(message.channel.id), "message_id": str(message.id)},
    )
    line = world.record("MESSAGE_PIN", guild, now, moderator_id=str(moderator_id), **location(message))
    audit.publish_entry(world, guild, entry, line)
    post(
        world, guild, message.channel, moderator_id, Author.SYSTEM, kind=MessageKind.PIN, reply_to=message.id
    )


def delete(world: World, guild: Guild, message: Message, by: audit.Actor | None = None) -> None:
    """A message is deleted: by a moderator, with an audit entry, or for None by its author or a bot."""
    message.channel.recent.remove(message)
    fields = {**location(message), "user_id": str(message.author_id)}
    entry, is_new = None, False
    if by is not None:
        entry, is_new = audit.count_into(
            world,
            guild,
            by,
            AuditAction.MESSAGE_DELETE,
            target_id=message.author_id,
            channel_id=message.channel.id,
        )
        fields |= {"moderator_id": str(by.moderator_id), "audit_entry_id": str(entry.id)}
    line = world.record("MESSAGE_DELETE", guild, world.now(), **fields)
    world.publish(
        "MESSAGE_DELETE",
        guild,
        {"id": str(message.id), "channel_id": str(message.channel.id), "guild_id": str(guild.id)},
        _INTENT,
        line,
    )
    if by is not None and entry is not None and is_new:
        audit.publish_entry(world, guild, entry, line, by.delay)


def delete_bulk(
    world: World, guild: Guild, channel: Channel, messages: Sequence[Message], by: audit.Actor
) -> None:
    """A bot deletes several messages at once; users cannot."""
    for message in messages:
        channel.recent.remove(message)
    entry, _ = audit.count_into(
        world,
        guild,
        by,
        AuditAction.MESSAGE_BULK_DELETE,
        target_id=channel.id,
        number=len(messages),
    )
    line = world.record(
        "MESSAGE_DELETE_BULK",
        guild,
        world.now(),
        channel_id=str(channel.id),
        parent_id=str(channel.activity_channel_id),
        count=len(messages),
        moderator_id=str(by.moderator_id),
        audit_entry_id=str(entry.id),
    )
    world.publish(
        "MESSAGE_DELETE_BULK",
        guild,
        {
            "ids": [str(message.id) for message in messages],
            "channel_id": str(channel.id),
            "guild_id": str(guild.id),
        },
        _INTENT,
        line,
    )
    audit.publish_entry(world, guild, entry, line, by.delay)
