"""Messages: created, edited, deleted one by one and in bulk. Content is never read.

Human, bot, webhook and system messages are counted apart, since a leaderboard or a quiet-server alert means
the first kind only. Counting needs no privileged intent: author, channel and type come without
MESSAGE_CONTENT.
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from operator import attrgetter

from exporter.events.facts.counting import BotSeen, Count
from exporter.events.payload import (
    CLOCK_SPREAD_MS,
    Identified,
    InChannel,
    Number,
    Snowflake,
    User,
    clean,
    moment_of,
    unix_ms,
)
from exporter.events.spec import Dimension, EventSpec, Family, Identity, Measure, Reader

WRITTEN_TYPES = frozenset({0, 19, 20, 23})
"""Default, reply, slash command and context-menu command; all other types are announcements Discord
makes itself, such as joins, boosts and pins. Discord docs, Resources › Message › Message Types."""

_measure = partial(Measure, measurement="discord_messages", by=frozenset({Dimension.CHANNEL}))

MESSAGES = _measure(
    name="messages",
    help="Messages created.",
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
EDITS = _measure(
    name="message_edits",
    help="Messages edited by their author; resolved embeds and pins are not edits.",
    field="edits",
    columns={"": "message_edits"},
)
DELETES = _measure(
    name="message_deletes",
    help="Messages deleted, one by one or in bulk.",
    field="deletes",
    label="kind",
    values=("single", "bulk"),
    columns={"single": "message_deletes", "bulk": "message_deletes"},
)


class MessageCreate(InChannel):
    """Discord docs, Gateway Events › Message Create."""

    id: Snowflake
    author: User
    type: Number = 0
    webhook_id: Snowflake | None = None
    application_id: Snowflake | None = None


class MessageUpdate(InChannel):
    """Discord docs, Gateway Events › Message Update."""

    id: Snowflake
    edited_timestamp: dt.datetime | None = None
    author: Identified | None = None


class MessageDelete(InChannel):
    """Ids only, without the author. Discord docs, Gateway Events › Message Delete."""

    id: Snowflake


class MessageDeleteBulk(InChannel):
    """Discord docs, Gateway Events › Message Delete Bulk."""

    ids: tuple[Snowflake, ...]


_HUMAN, _BOT, _WEBHOOK, _SYSTEM = (MESSAGES[kind] for kind in MESSAGES.values)


def read_create(message: MessageCreate, received_at: int) -> tuple[Count | BotSeen, ...]:
    """One message, counted at the time in its id."""
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
    count = Count(series, message.guild_id, at, message.channel_id, person=author.id)
    return (BotSeen(author.id), count) if author.bot or series is _WEBHOOK else (count,)


def read_update(message: MessageUpdate, received_at: int) -> tuple[Count, ...]:
    """One edit, if it is one.

    Discord also sends updates for embeds it resolved and for pins, which carry no time of edit or that of an
    edit long past. An edit is named by message and time, so that it counts once.
    """
    at = unix_ms(message.edited_timestamp)
    if message.edited_timestamp is None or abs(received_at - at) > CLOCK_SPREAD_MS:
        return ()
    author = message.author.id if message.author else 0
    dedup_key = (message.id, at)
    return (
        Count(EDITS.series, message.guild_id, at, message.channel_id, dedup_key=dedup_key, person=author),
    )


def read_delete(message: MessageDelete, received_at: int) -> tuple[Count, ...]:
    """One deletion."""
    return (Count(DELETES["single"], message.guild_id, received_at, message.channel_id),)


def read_delete_bulk(message: MessageDeleteBulk, received_at: int) -> tuple[Count, ...]:
    """As many deletions as there are different ids."""
    if not (amount := len(set(message.ids))):
        return ()
    return (Count(DELETES["bulk"], message.guild_id, received_at, message.channel_id, amount=amount),)


def _declare(kind: str, help_: str, reader: Reader, measure: Measure) -> EventSpec:
    return EventSpec(
        kind,
        help_,
        reads={kind: reader},
        intents=("guild_messages",),
        blind_without={"view_channel": "messages in channels the bot cannot see"},
        measures=(measure,),
    )


CREATED = Identity("created", attrgetter("id"))
DELETED = Identity("deleted", lambda message: ("deleted", message.id))
_DELETED_BULK = Identity("deleted", lambda messages: ("bulk", messages.channel_id, *messages.ids[:1]))

_CREATE = Reader(MessageCreate, read_create, CREATED)
_DELETE = Reader(MessageDelete, read_delete, DELETED)
_DELETE_BULK = Reader(MessageDeleteBulk, read_delete_bulk, _DELETED_BULK)

FAMILY = Family(
    "messages",
    "How much is written, by whom and where.",
    (
        _declare("MESSAGE_CREATE", "A message was sent.", _CREATE, MESSAGES),
        _declare(
            "MESSAGE_UPDATE", "A message was edited by its author.", Reader(MessageUpdate, read_update), EDITS
        ),
        _declare("MESSAGE_DELETE", "A message was deleted.", _DELETE, DELETES),
        _declare("MESSAGE_DELETE_BULK", "Messages were deleted in bulk.", _DELETE_BULK, DELETES),
    ),
)
