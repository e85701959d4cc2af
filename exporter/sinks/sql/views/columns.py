"""The columns of views: each with its kind, its meaning and its SQL."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import partial
from typing import Final

from exporter.sinks.sql.views.dialect import Dialect


class ColumnKind(enum.Enum):
    """The kind of value of a column, with PostgreSQL's name of its type."""

    ID = "id", "text"
    """A Discord id in digits."""
    TEXT = "text", "text"
    """Any text."""
    COUNT = "count", "bigint"
    """A whole number."""
    SECONDS = "seconds", "double precision"
    """A duration in seconds."""
    NUMBER = "number", "double precision"
    """A number that is not always whole; a share is 0 to 1."""
    DAY = "day", "date"
    """A day in UTC; text ``2026-01-31`` in SQLite."""
    TIME = "time", "timestamp with time zone"
    """A moment in UTC; text ``2026-01-31T12:00:00.000Z`` in SQLite."""
    FLAG = "flag", "boolean"
    """True or false; 1 or 0 in SQLite."""

    @property
    def type_name(self) -> str:
        """PostgreSQL's name of the type."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """One column of a view; without a ``value`` it is the column of this name of the view's main row."""

    name: str
    kind: ColumnKind
    comment: str
    value: str = ""

    def sql(self, row: str) -> str:
        """The column as it stands in a SELECT over the main row ``row``."""
        value = self.value or f"{row}.{self.name}"
        return value if value.endswith(f".{self.name}") else f"{value} AS {self.name}"


def _column(kind: ColumnKind, name: str, comment: str, value: str = "") -> ViewColumn:
    return ViewColumn(name, kind, comment, value)


text = partial(_column, ColumnKind.TEXT)
count = partial(_column, ColumnKind.COUNT)
seconds = partial(_column, ColumnKind.SECONDS)
number = partial(_column, ColumnKind.NUMBER)
day = partial(_column, ColumnKind.DAY)
time = partial(_column, ColumnKind.TIME)
flag = partial(_column, ColumnKind.FLAG)


def ident(name: str, comment: str, value: str) -> ViewColumn:
    """A column of Discord ids; ``value`` is the number."""
    return ViewColumn(name, ColumnKind.ID, comment, as_text(value))


def total(name: str, comment: str, value: str) -> ViewColumn:
    """A column of sums of whole numbers."""
    return ViewColumn(name, ColumnKind.COUNT, comment, f"CAST({value} AS BIGINT)")


def profile(name: str, whose: str, user_id: str) -> ViewColumn:
    """The address of a user's profile in Discord."""
    return text(name, f"Opens {whose} in Discord.", f"'https://discord.com/users/' || {as_text(user_id)}")


def as_text(snowflake: str) -> str:
    """An id as text."""
    return f"CAST({snowflake} AS TEXT)"


def guild(row: str = "g") -> ViewColumn:
    """The guild, from its own row ``g`` or from that of an event; see ``view`` for which."""
    return ident("guild_id", "The guild.", f"{row}.guild_id")


def here(comment: str) -> ViewColumn:
    """Whether the member of the row ``m`` of ``members`` is in the guild."""
    return flag("here", comment, "(m.left_at IS NULL)")


def stayed(join: str) -> ViewColumn:
    """Whether a join ended in no leave: of who came back the last join is meant, so each member counts once.

    ``join`` is its row; that of ``members`` is ``m``.
    """
    comment = "Whether the member is in the guild since this join; a later return does not count."
    last = f"m.joined_at = {join}.at AND m.left_at IS NULL"
    return flag("here", comment, f"(CASE WHEN m.joined_at IS NOT NULL THEN {last} END)")


def days(sql: Dialect, row: str) -> tuple[ViewColumn, ViewColumn]:
    """The day of a row of a ``*_daily`` table, and its beginning."""
    return (
        day("day", "The UTC day; filter with this.", f"{row}.day"),
        time("time", "Beginning of the day, for the time axis.", sql.midnight(f"{row}.day")),
    )


MESSAGES: Final = (
    count("messages", "Messages by people."),
    count("bot_messages", "Messages by bots."),
    count("webhook_messages", "Messages by webhooks."),
    count("message_edits", "Messages edited by their author."),
    count("message_deletes", "Messages deleted."),
    seconds("voice_seconds", "Time of people in voice without the AFK channel, in seconds."),
)
"""What guilds and channels have in common."""
