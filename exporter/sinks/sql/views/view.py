"""What a view is: its name, its columns with type, meaning and value, and where their rows come from.

Names and meanings are an interface, like those of the tables. Ids are text, since a browser rounds numbers
above 2**53; times are UTC; sums are cast, since PostgreSQL would widen them.

A filter ``guild_id = '…'`` must use an index. Views over sums join the guild's row ``g`` (``GUILD``), so that
one index of an expression on ``guilds`` serves all of them and the tables keep their numeric keys; views of
single events have an index of their own, which also gives their order (``event_guild``). SQLite moves a
condition into one level of grouping and no further, so no view groups twice.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from exporter.sinks.sql.views.dialect import POSTGRESQL, Dialect


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


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT: the alias of its main row, its columns, the rest of the statement from FROM on."""

    row: str
    columns: tuple[ViewColumn, ...]
    source: str

    def __str__(self) -> str:
        columns = ",\n  ".join(column.sql(self.row) for column in self.columns)
        return f"SELECT {columns}\n{self.source}"


@dataclass(frozen=True, slots=True)
class View:
    """One view; ``query`` selects ``columns`` in their order."""

    name: str
    comment: str
    columns: tuple[ViewColumn, ...]
    query: Callable[[Dialect], str]


def view(name: str, comment: str) -> Callable[[Callable[[Dialect], Select]], View]:
    """Declare a view by the function that writes its SELECT in a dialect."""

    def declare(select: Callable[[Dialect], Select]) -> View:
        return View(name, comment, select(POSTGRESQL).columns, lambda sql: str(select(sql)))

    return declare


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


def as_text(snowflake: str) -> str:
    """An id as text."""
    return f"CAST({snowflake} AS TEXT)"


def profile_url(user_id: str) -> str:
    """The address of a user's profile in Discord."""
    return f"'https://discord.com/users/' || {as_text(user_id)}"


HERE: Final = "(m.left_at IS NULL)"
"""Whether the member of the row ``m`` of ``members`` is in the guild."""

GUILD: Final = ident("guild_id", "The guild.", "g.guild_id")


def event_guild(row: str) -> ViewColumn:
    """The guild of an event, from the event's own row."""
    return ident("guild_id", "The guild.", f"{row}.guild_id")


def days_of(sql: Dialect, row: str) -> tuple[ViewColumn, ViewColumn]:
    """The day of a row of a ``*_daily`` table, and its beginning."""
    return (
        day("day", "The UTC day; filter with this.", f"{row}.day"),
        time("time", "Beginning of the day, for the time axis.", sql.midnight(f"{row}.day")),
    )


def union(*others: Select | str) -> str:
    """Further SELECTs whose rows a view has too, to end its source with."""
    return "".join(f"\nUNION ALL\n{other}" for other in others)


def was_active(row: str) -> str:
    """Whether a member was active in a row of ``member_daily``; received reactions do not count."""
    return f"({row}.messages > 0 OR {row}.voice_seconds > 0 OR {row}.reactions_given > 0)"


def sum_of_days(sql: Dialect, column: str, first: int, last: int) -> str:
    """The sum of a column of ``d`` from ``first`` to ``last`` days ago."""
    span = f"d.day >= {sql.days_ago(first)} AND d.day <= {sql.days_ago(last)}"
    return f"COALESCE(SUM(CASE WHEN {span} THEN d.{column} END), 0)"
