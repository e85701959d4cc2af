"""SQL clauses that many queries share: the guild, the dashboard's choices and its time range.

Grafana fills in the range: its PostgreSQL data source by macros, the SQLite plugin, which has none, by
``$__from`` and ``$__to`` in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dashboards.names import Relation, view
from exporter.sinks.sql.views.dialect import POSTGRESQL, SQLITE, Dialect

_INTERVAL: Final = "($__interval_ms / 1000)"
"""The panel's interval in whole seconds; panels that use it have a least interval of a minute or more."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The ends of the range as moments, and where the period of the same length before it begins."""

    before: str
    start: str
    end: str


_START, _END = "$__timeFrom()::timestamptz", "$__timeTo()::timestamptz"
_RANGES: Final = {
    POSTGRESQL.name: TimeRange(f"{_START} - ({_END} - {_START})", _START, _END),
    SQLITE.name: TimeRange(*(SQLITE.moment(at) for at in ("(2 * $__from - $__to)", "$__from", "$__to"))),
}


def within(sql: Dialect, moment: str) -> str:
    """The moment lies in the range of the dashboard."""
    found = _RANGES[sql.name]
    return f"{moment} BETWEEN {found.start} AND {found.end}"


def before(sql: Dialect, moment: str) -> str:
    """The moment lies in the period of the same length just before the range."""
    found = _RANGES[sql.name]
    return f"{moment} >= {found.before} AND {moment} < {found.start}"


def days_within(sql: Dialect, day: str) -> str:
    """The UTC day touches the range of the dashboard."""
    first, last = _days(sql)
    return f"{day} BETWEEN {first} AND {last}"


def days_before(sql: Dialect, day: str) -> str:
    """The UTC day lies in as many days just before the range."""
    first, last = _days(sql)
    start = sql.days_later(first, f"-({sql.days_between(last, first)} + 1)")
    return f"{day} >= {start} AND {day} < {first}"


def elapsed(sql: Dialect, day: str, days: int) -> str:
    """``days`` have wholly passed since the beginning of the UTC day."""
    return f"{day} <= {sql.days_ago(days)}"


def days_since(sql: Dialect, day: str, days: int) -> str:
    """The UTC day is one of the last ``days``, today among them."""
    return f"{day} > {sql.days_ago(days)}"


def interval(sql: Dialect, moment: str) -> str:
    """The beginning of the panel's interval that holds the moment, for the time axis."""
    return sql.slot(moment, _INTERVAL)


def percent(part: str, whole: str) -> str:
    """``part`` of ``whole`` in percent; null where there is no whole."""
    return f"100.0 * {part} / nullif({whole}, 0)"


def of_guild(relation: Relation) -> str:
    """The rows of the chosen guild."""
    return f"{relation.guild_id} = ${{guild:sqlstring}}"


def selected(column: str, variable: str) -> str:
    """The column is among the values selected in a variable; ``*`` stands for all."""
    return f"('*' IN (${{{variable}:sqlstring}}) OR {column} IN (${{{variable}:sqlstring}}))"


def before_and_now(earlier: str, now: str) -> str:
    """Two rows of one value: the previous period, then the range; a stat panel shows the change."""
    return (
        "SELECT value FROM (\n"
        f"  SELECT 0 AS position, ({earlier}) AS value\n"
        "  UNION ALL\n"
        f"  SELECT 1 AS position, ({now}) AS value\n"
        ") AS periods ORDER BY position"
    )


def compared(
    relation: str, moment: str, *, what: str = "count(*)", where: str = ""
) -> Callable[[Dialect], str]:
    """An amount in the range and in the period before, of a view with moments."""
    rows = view(relation)
    column = getattr(rows, moment)
    one = f"SELECT {what} FROM {rows} WHERE {of_guild(rows)}{f' AND {where}' if where else ''} AND "
    return lambda sql: before_and_now(one + before(sql, column), one + within(sql, column))


def compared_days(relation: str, *, what: str, where: str = "") -> Callable[[Dialect], str]:
    """An amount in the range and in the period before, of a view with UTC days."""
    rows = view(relation)
    one = f"SELECT {what} FROM {rows} WHERE {of_guild(rows)}{f' AND {where}' if where else ''} AND "
    return lambda sql: before_and_now(one + days_before(sql, rows.day), one + days_within(sql, rows.day))


def _days(sql: Dialect) -> tuple[str, str]:
    found = _RANGES[sql.name]
    return sql.day_of(found.start), sql.day_of(found.end)
