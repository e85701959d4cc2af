"""The kinds of columns there are, each with its comment."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Boolean, Column, Date, Double, Index, Text, text
from sqlalchemy.types import TypeEngine

from exporter.sinks.sql.types import Document, RowId, UtcMilliseconds

_Value = TypeVar("_Value")


def _column(kind: type[TypeEngine[_Value]], name: str, comment: str, **options: Any) -> Column[_Value]:
    return Column(name, kind, comment=comment, **options)


integer = partial(_column, BigInteger)
"""A whole number, such as a Discord id."""
words = partial(_column, Text)
"""Text."""
flag = partial(_column, Boolean)
"""True or false."""
moment = partial(_column, UtcMilliseconds)
"""A moment in UTC."""
key = partial(_column, BigInteger, primary_key=True, autoincrement=False)
"""A Discord id that is part of the key."""
count = partial(_column, BigInteger, nullable=False, server_default=text("0"))
"""A sum of a whole number of things."""
seconds = partial(_column, Double, nullable=False, server_default=text("0"))
"""A sum of time in seconds."""


def day_key() -> Column[Any]:
    """The UTC day, part of the key."""
    return Column("day", Date, primary_key=True, comment="The UTC day the activity's window began in.")


def row() -> tuple[Column[Any], ...]:
    """What each row of a log begins with."""
    return (
        Column("id", RowId, primary_key=True, comment="Number of the row; says nothing about time."),
        words("event_key", "Identity of the occurrence; never changes.", nullable=False, unique=True),
        integer("guild_id", "The guild.", nullable=False),
    )


def at() -> Column[int]:
    """When it happened."""
    return moment("at", "When it happened.", nullable=False)


def details() -> Column[Any]:
    """Everything without a column of its own."""
    return Column("details", Document, nullable=False, comment="What else is known.")


def created() -> Column[int]:
    """When the row was made."""
    return moment("created_at", "When the row was made.", nullable=False)


def shown(name: str, *columns: str, unique: bool = False) -> Index:
    """An index over ids as the views show them, ``guild_id`` first: a filter on those finds it."""
    others = (text(f"CAST({each} AS TEXT)") if each.endswith("_id") else each for each in columns)
    return Index(name, text("CAST(guild_id AS TEXT)"), *others, unique=unique)


def recovered(**default: Any) -> Column[bool]:
    """Whether it was found afterwards."""
    comment = "Found in the audit log afterwards, not seen live."
    return Column("recovered", Boolean, nullable=False, comment=comment, **default)


def activity() -> tuple[Column[Any], ...]:
    """What is counted of a guild and of its channels."""
    return (
        count("messages", "Messages by people."),
        count("bot_messages", "Messages by bots."),
        count("webhook_messages", "Messages by webhooks."),
        count("system_messages", "Messages by Discord itself."),
        count("message_edits", "Messages edited by their author."),
        count("message_deletes", "Messages deleted."),
        seconds("voice_seconds", "Time people spent in voice, the AFK channel apart."),
        seconds("bot_voice_seconds", "Time bots spent in voice."),
    )


def member_activity(prefix: str = "") -> tuple[Column[Any], ...]:
    """What is counted of a member."""
    return (
        count(f"{prefix}messages", "Messages written."),
        seconds(f"{prefix}voice_seconds", "Time spent in voice, the AFK channel apart."),
        count(f"{prefix}voice_sessions", "Voice sessions that ended."),
        count(f"{prefix}reactions_given", "Reactions added to messages."),
        count(f"{prefix}reactions_received", "Reactions others added to the member's messages."),
    )
