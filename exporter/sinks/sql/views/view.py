"""What a view is: its name, its columns with type and meaning, and the query that fills them.

Names and meanings are an interface as the tables are. Ids are text, since a browser rounds numbers above
2**53; times are UTC; sums are cast, since PostgreSQL would widen them.

A filter ``guild_id = '…'`` must reach an index through the view. Queries over sums come to it by the guild's
row (``OF_GUILD``), so that one index of expressions on ``guilds`` serves all of them and the tables keep
their numeric keys; long lists of single occurrences have an index of their own, which also gives their order.
SQLite takes a condition through one level of grouping and no more, so no view groups twice.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.sinks.sql.views.dialect import Dialect


class Kind(enum.Enum):
    """What a column holds."""

    ID = enum.auto()
    """A Discord id in digits."""
    TEXT = enum.auto()
    """Any text."""
    COUNT = enum.auto()
    """A whole number."""
    SECONDS = enum.auto()
    """A length of time in seconds."""
    NUMBER = enum.auto()
    """A number that need not be whole; a share is 0 to 1."""
    DAY = enum.auto()
    """A day in UTC; text ``2026-01-31`` in SQLite."""
    TIME = enum.auto()
    """A moment in UTC; text ``2026-01-31T12:00:00.000Z`` in SQLite."""
    FLAG = enum.auto()
    """True or false; 1 or 0 in SQLite."""

    @property
    def type_name(self) -> str:
        """PostgreSQL's name of the type."""
        return _TYPES[self]


_TYPES: Final[Mapping[Kind, str]] = {
    Kind.ID: "text",
    Kind.TEXT: "text",
    Kind.COUNT: "bigint",
    Kind.SECONDS: "double precision",
    Kind.NUMBER: "double precision",
    Kind.DAY: "date",
    Kind.TIME: "timestamp with time zone",
    Kind.FLAG: "boolean",
}


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """One column of a view."""

    name: str
    kind: Kind
    comment: str


@dataclass(frozen=True, slots=True)
class View:
    """One view; ``query`` selects ``columns`` in their order, in the dialect of the tongue."""

    name: str
    comment: str
    columns: tuple[ViewColumn, ...]
    query: Callable[[Dialect], str]


def ident(name: str, comment: str) -> ViewColumn:
    """A column of Discord ids."""
    return ViewColumn(name, Kind.ID, comment)


def words(name: str, comment: str) -> ViewColumn:
    """A column of text."""
    return ViewColumn(name, Kind.TEXT, comment)


def count(name: str, comment: str) -> ViewColumn:
    """A column of whole numbers."""
    return ViewColumn(name, Kind.COUNT, comment)


def seconds(name: str, comment: str) -> ViewColumn:
    """A column of lengths of time."""
    return ViewColumn(name, Kind.SECONDS, comment)


def number(name: str, comment: str) -> ViewColumn:
    """A column of numbers that need not be whole."""
    return ViewColumn(name, Kind.NUMBER, comment)


def day(name: str, comment: str) -> ViewColumn:
    """A column of days."""
    return ViewColumn(name, Kind.DAY, comment)


def time(name: str, comment: str) -> ViewColumn:
    """A column of moments."""
    return ViewColumn(name, Kind.TIME, comment)


def flag(name: str, comment: str) -> ViewColumn:
    """A column of truth values."""
    return ViewColumn(name, Kind.FLAG, comment)


GUILD = ident("guild_id", "The guild.")
DAY = day("day", "The UTC day; filter with this.")
MIDNIGHT = time("time", "The day's beginning, to draw with.")

OF_GUILD = "CAST(g.guild_id AS TEXT)"
"""The shown id of a guild that was reached by its row ``g``."""


def did_anything(row: str) -> str:
    """Whether a row of ``member_daily`` tells of something done; being reacted to is nothing done."""
    return f"({row}.messages > 0 OR {row}.voice_seconds > 0 OR {row}.reactions_given > 0)"
