"""Messages: created, edited, deleted one by one and in bulk. Content is never read.

Human, bot, webhook and system messages are counted apart, since a leaderboard or a quiet-server alert means
the first kind only. Counting needs no privileged intent: author, channel and type come without
MESSAGE_CONTENT.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from exporter.events.facts import Count
from exporter.events.payload import CLOCK_SPREAD_MS, Number, Snowflake, User, clean, moment_of, unix_ms
from exporter.events.spec import Dimension, EventSpec, Family, Measure, Reader
from exporter.model import Priority

WRITTEN_TYPES = frozenset({0, 19, 20, 23})
"""Default, reply, slash command and context-menu command; all other types are announcements Discord
makes itself, such as joins, boosts and pins. Discord docs, Resources › Message › Message Types."""

MESSAGES = Measure(
    name="messages",
    help="Messages created.",
    metric="discord_messages",
    measurement="discord_messages",
    field="messages",
    label="author",
    values=("human", "bot", "webhook", "system"),
    by=frozenset({Dimension.CHANNEL, Dimension.MEMBER}),
    columns={
        "human": "messages",
        "bot": "bot_messages",
        "webhook": "webhook_messages",
        "system": "system_messages",
    },
    member_columns={"human": "messages"},
)
EDITS = Measure(
    name="message_edits",
    help="Messages edited by their author; resolved embeds and pins are not edits.",
    metric="discord_message_edits",
    measurement="discord_messages",
    field="edits",
    by=frozenset({Dimension.CHANNEL}),
    columns={"": "message_edits"},
)
DELETES = Measure(
    name="message_deletes",
    help="Messages deleted, one by one or in bulk.",
    metric="discord_message_deletes",
    measurement="discord_messages",
    field="deletes",
    label="kind",
    values=("single", "bulk"),
    by=frozenset({Dimension.CHANNEL}),
    columns={"single": "message_deletes", "bulk": "message_deletes"},
)


class MessageCreate(msgspec.Struct):
    """Discord docs, Gateway Events › Message Create."""

    id: Snowflake
    channel_id: Snowflake
    author: User
    guild_id: Snowflake = 0
    type: Number = 0
    webhook_id: Snowflake | None = None
    application_id: Snowflake | None = None


class Author(msgspec.Struct):
    """Who wrote a message. Discord docs, Resources › User."""

    id: Snowflake


class MessageUpdate(msgspec.Struct):
    """Discord docs, Gateway Events › Message Update."""

    id: Snowflake
    channel_id: Snowflake
    guild_id: Snowflake = 0
    edited_timestamp: dt.datetime | None = None
    author: Author | None = None


class MessageDelete(msgspec.Struct):
    """Ids only, without the author. Discord docs, Gateway Events › Message Delete."""

    id: Snowflake
    channel_id: Snowflake
    guild_id: Snowflake = 0


class MessageDeleteBulk(msgspec.Struct):
    """Discord docs, Gateway Events › Message Delete Bulk."""

    ids: list[Snowflake]
    channel_id: Snowflake
    guild_id: Snowflake = 0


_HUMAN, _BOT, _WEBHOOK, _SYSTEM = (MESSAGES[kind] for kind in MESSAGES.values)


def read_create(message: MessageCreate, received_at: int) -> tuple[Count, ...]:
    """One message, counted at the time in its id."""
    if not message.guild_id:
        return ()
    at = moment_of(message.id, received_at)
    author = message.author
    if message.type not in WRITTEN_TYPES:
        series = _SYSTEM
    # What a bot says in answer to an interaction is posted through a webhook with the application's own id.
    elif message.webhook_id and message.webhook_id != message.application_id and message.type != 20:  # noqa: PLR2004 - slash command, see WRITTEN_TYPES
        series = _WEBHOOK
    elif author.bot:
        series = _BOT
    else:
        name = clean(author.username)
        return (Count(_HUMAN, message.guild_id, at, message.channel_id, author.id, name=name),)
    return (Count(series, message.guild_id, at, message.channel_id, person=author.id),)


def read_update(message: MessageUpdate, received_at: int) -> tuple[Count, ...]:
    """One edit, if it is one.

    Discord also sends updates for embeds it resolved and for pins, which carry no time of edit or that of an
    edit long past. An edit is named by message and time, so that it counts once.
    """
    if not message.guild_id or message.edited_timestamp is None:
        return ()
    at = unix_ms(message.edited_timestamp)
    if abs(received_at - at) > CLOCK_SPREAD_MS:
        return ()
    author = message.author.id if message.author else 0
    dedup_key = (message.id, at)
    return (
        Count(EDITS.series, message.guild_id, at, message.channel_id, dedup_key=dedup_key, person=author),
    )


def read_delete(message: MessageDelete, received_at: int) -> tuple[Count, ...]:
    """One deletion."""
    if not message.guild_id:
        return ()
    return (Count(DELETES["single"], message.guild_id, received_at, message.channel_id),)


def read_delete_bulk(message: MessageDeleteBulk, received_at: int) -> tuple[Count, ...]:
    """As many deletions as there are ids."""
    if not message.guild_id or not message.ids:
        return ()
    return (
        Count(DELETES["bulk"], message.guild_id, received_at, message.channel_id, amount=len(message.ids)),
    )


_PERMISSIONS = ("view_channel",)
_BLIND = {"view_channel": "messages in channels the bot cannot see"}

FAMILY = Family(
    "messages",
    "How much is written, by whom and where.",
    (
        EventSpec(
            type="MESSAGE_CREATE",
            family="messages",
            help="A message was sent.",
            priority=Priority.SLOW,
            reads={"MESSAGE_CREATE": Reader(MessageCreate, read_create)},
            intents=("guild_messages",),
            permissions=_PERMISSIONS,
            blind_without=_BLIND,
            measures=(MESSAGES,),
        ),
        EventSpec(
            type="MESSAGE_UPDATE",
            family="messages",
            help="A message was edited by its author.",
            priority=Priority.SLOW,
            reads={"MESSAGE_UPDATE": Reader(MessageUpdate, read_update)},
            intents=("guild_messages",),
            permissions=_PERMISSIONS,
            blind_without=_BLIND,
            measures=(EDITS,),
        ),
        EventSpec(
            type="MESSAGE_DELETE",
            family="messages",
            help="A message was deleted.",
            priority=Priority.SLOW,
            reads={"MESSAGE_DELETE": Reader(MessageDelete, read_delete)},
            intents=("guild_messages",),
            permissions=_PERMISSIONS,
            blind_without=_BLIND,
            measures=(DELETES,),
        ),
        EventSpec(
            type="MESSAGE_DELETE_BULK",
            family="messages",
            help="Messages were deleted in bulk.",
            priority=Priority.SLOW,
            reads={"MESSAGE_DELETE_BULK": Reader(MessageDeleteBulk, read_delete_bulk)},
            intents=("guild_messages",),
            permissions=_PERMISSIONS,
            blind_without=_BLIND,
            measures=(DELETES,),
        ),
    ),
)
