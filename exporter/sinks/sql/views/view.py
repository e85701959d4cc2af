"""What a view is: its name, its columns with type, meaning and value, and where their rows come from.

Names and meanings are an interface, like those of the tables. Ids are text, since a browser rounds numbers
above 2**53; times are UTC; sums are cast, since PostgreSQL would widen them.

A filter ``guild_id = '…'`` must use an index. Views over sums join the guild's row ``g``, so that one index
of an expression on ``guilds`` serves all of them and the tables keep their numeric keys; views of single
events have an index of their own, which also gives their order. SQLite moves a condition into one level of
grouping and no further, so no view groups twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exporter.sinks.sql.views.columns import ViewColumn
from exporter.sinks.sql.views.dialect import POSTGRESQL, Dialect


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT: the alias of its main row, its columns, the rest of the statement from FROM on."""

    row: str
    columns: tuple[ViewColumn, ...]
    source: str

    def __str__(self) -> str:
        columns = ",\n  ".join(column.sql(self.row) for column in self.columns)
        return f"SELECT {columns}\n{self.source}"


def select(row: str, source: str, *columns: ViewColumn) -> Select:
    """A SELECT of ``columns`` over the main row ``row``; ``source`` is the rest of it, from FROM on."""
    return Select(row, columns, source)


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


def union(*others: Select | str) -> str:
    """Further SELECTs whose rows a view has too, to end its source with."""
    return "".join(f"\nUNION ALL\n{other}" for other in others)


def number_where(condition: str) -> str:
    """The number of rows that meet a condition."""
    return f"SUM(CASE WHEN {condition} THEN 1 ELSE 0 END)"


def was_active(row: str) -> str:
    """Whether a member was active in a row of ``member_daily``; received reactions do not count."""
    return f"({row}.messages > 0 OR {row}.voice_seconds > 0 OR {row}.reactions_given > 0)"


def sum_of_days(sql: Dialect, column: str, first: int, last: int) -> str:
    """The sum of a column of ``d`` from ``first`` to ``last`` days ago."""
    span = f"d.day >= {sql.days_ago(first)} AND d.day <= {sql.days_ago(last)}"
    return f"COALESCE(SUM(CASE WHEN {span} THEN d.{column} END), 0)"
