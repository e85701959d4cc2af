"""Clauses that many questions share."""

from __future__ import annotations

from collections.abc import Callable

from dashboards.dialect import Dialect
from dashboards.names import Relation, view


def of_guild(relation: Relation) -> str:
    """The rows of the chosen guild."""
    return f"{relation.guild_id} = ${{guild:sqlstring}}"


def picked(column: str, variable: str) -> str:
    """The column is among the values picked in a variable; all of them are spelt ``*``."""
    return f"('*' IN (${{{variable}:sqlstring}}) OR {column} IN (${{{variable}:sqlstring}}))"


def before_and_now(before: str, now: str) -> str:
    """Two rows of one value: the period before, then the range; a stat panel shows the change."""
    return (
        "SELECT value FROM (\n"
        f"  SELECT 0 AS position, ({before}) AS value\n"
        "  UNION ALL\n"
        f"  SELECT 1 AS position, ({now}) AS value\n"
        ") AS periods ORDER BY position"
    )


def compared(
    relation: str, moment: str, *, what: str = "count(*)", where: str = ""
) -> Callable[[Dialect], str]:
    """How much there was in the range, and in the period before, by moment."""

    def ask(sql: Dialect) -> str:
        rows = view(relation)
        column = getattr(rows, moment)
        condition = f"{of_guild(rows)}{f' AND {where}' if where else ''}"
        one = f"SELECT {what} FROM {rows} WHERE {condition} AND "
        return before_and_now(one + sql.before(column), one + sql.within(column))

    return ask


def compared_days(relation: str, *, what: str, where: str = "") -> Callable[[Dialect], str]:
    """The same by UTC day."""

    def ask(sql: Dialect) -> str:
        rows = view(relation)
        condition = f"{of_guild(rows)}{f' AND {where}' if where else ''}"
        one = f"SELECT {what} FROM {rows} WHERE {condition} AND "
        return before_and_now(one + sql.days_before(rows.day), one + sql.days_within(rows.day))

    return ask
