"""What a view is: its name, its columns with type and meaning, and its query.

Names and meanings are an interface, like those of the tables. Ids are text, since a browser rounds numbers
above 2**53; times are UTC; sums are cast, since PostgreSQL would widen them.

A filter ``guild_id = '…'`` must use an index. Views over sums join the guild's row (``OF_GUILD``), so that
one index of an expression on ``guilds`` serves all of them and the tables keep their numeric keys; views of
single events have an index of their own, which also gives their order. SQLite moves a condition into one
level of grouping and no further, so no view groups twice.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.sinks.sql.views.dialect import Dialect


class ColumnKind(enum.Enum):
    """The kind of value of a column."""

    ID = enum.auto()
    """A Discord id in digits."""
    TEXT = enum.auto()
    """Any text."""
    COUNT = enum.auto()
    """A whole number."""
    SECONDS = enum.auto()
    """A duration in seconds."""
    NUMBER = enum.auto()
    """A number that is not always whole; a share is 0 to 1."""
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


_TYPES: Final[Mapping[ColumnKind, str]] = {
    ColumnKind.ID: "text",
    ColumnKind.TEXT: "text",
    ColumnKind.COUNT: "bigint",
    ColumnKind.SECONDS: "double precision",
    ColumnKind.NUMBER: "double precision",
    ColumnKind.DAY: "date",
    ColumnKind.TIME: "timestamp with time zone",
    ColumnKind.FLAG: "boolean",
}


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """One column of a view."""

    name: str
    kind: ColumnKind
    comment: str


@dataclass(frozen=True, slots=True)
class View:
    """One view; ``query`` selects ``columns`` in their order."""

    name: str
    comment: str
    columns: tuple[ViewColumn, ...]
    query: Callable[[Dialect], str]


def ident(name: str, comment: str) -> ViewColumn:
    """A column of Discord ids."""
    return ViewColumn(name, ColumnKind.ID, comment)


def text(name: str, comment: str) -> ViewColumn:
    """A column of text."""
    return ViewColumn(name, ColumnKind.TEXT, comment)


def count(name: str, comment: str) -> ViewColumn:
    """A column of whole numbers."""
    return ViewColumn(name, ColumnKind.COUNT, comment)


def seconds(name: str, comment: str) -> ViewColumn:
    """A column of durations."""
    return ViewColumn(name, ColumnKind.SECONDS, comment)


def number(name: str, comment: str) -> ViewColumn:
    """A column of numbers that are not always whole."""
    return ViewColumn(name, ColumnKind.NUMBER, comment)


def day(name: str, comment: str) -> ViewColumn:
    """A column of days."""
    return ViewColumn(name, ColumnKind.DAY, comment)


def time(name: str, comment: str) -> ViewColumn:
    """A column of moments."""
    return ViewColumn(name, ColumnKind.TIME, comment)


def flag(name: str, comment: str) -> ViewColumn:
    """A column of truth values."""
    return ViewColumn(name, ColumnKind.FLAG, comment)


GUILD = ident("guild_id", "The guild.")
DAY = day("day", "The UTC day; filter with this.")
MIDNIGHT = time("time", "Beginning of the day, for the time axis.")

OF_GUILD = "CAST(g.guild_id AS TEXT)"
"""The id of a guild as text, of its row ``g``."""


def was_active(row: str) -> str:
    """Whether a member was active in a row of ``member_daily``; received reactions do not count."""
    return f"({row}.messages > 0 OR {row}.voice_seconds > 0 OR {row}.reactions_given > 0)"


def sum_of_days(sql: Dialect, column: str, first: int, last: int) -> str:
    """The sum of a column of ``d`` from ``first`` to ``last`` days ago."""
    span = f"d.day >= {sql.days_ago(first)} AND d.day <= {sql.days_ago(last)}"
    return f"COALESCE(SUM(CASE WHEN {span} THEN d.{column} END), 0)"
