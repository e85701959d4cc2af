"""Tables and views, for the reference pages."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

from exporter.events.spec import EventSpec
from exporter.markdown import page, table
from exporter.sinks.sql.schema import metadata
from exporter.sinks.sql.views import VIEWS

_POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # left untyped by SQLAlchemy
_SQL: Final = """
One schema for SQLite and PostgreSQL, made and upgraded by the program (`discord-exporter migrate`, or
at start). Discord ids are 64-bit integers, times are UTC.
"""
_VIEWS: Final = """
What dashboards and ad-hoc queries read. The program makes the views beside the tables and makes them again
when a newer version declares them otherwise; names and columns are an interface, the tables below are free to
change. Ids are text, because a browser rounds numbers that long. Times are UTC: `timestamp with time zone` in
PostgreSQL, RFC 3339 text such as `2026-01-31T12:00:00.000Z` in SQLite, where days are text such as
`2026-01-31` and truth values 1 or 0. A guild's sums appear once an event about the guild itself was stored.

Always filter by guild, `WHERE guild_id = '81384788765712384'`, and where there is a `day` or an `at` by that
too: both find an index. To filter `at` in SQLite compare it with text of the same form.
"""
_READER: Final = """
Give Grafana a database role that reads the views and nothing else. In PostgreSQL make the role, then let the
program grant what it needs; it refuses a role that can do more, and keeps the grants when it makes views
again:

```sql
CREATE ROLE grafana LOGIN PASSWORD '…';
```

```sh
discord-exporter migrate --reader-role grafana
```

SQLite knows no roles: open the file with `mode=ro`. A database in WAL mode is read through a file of shared
memory beside it, so the reader still needs write access to the directory.
"""


def tables_of(spec: EventSpec) -> tuple[str, ...]:
    """The tables that the events of a type are stored in."""
    tables = [spec.table] if spec.table else []
    for measure in spec.measures:
        if measure.columns:
            tables.append("guild_daily")
            if "channel" in measure.by:
                tables.append("channel_daily")
        if measure.member_columns:
            tables.append("member_daily")
    return tuple(dict.fromkeys(tables))


def sql_page() -> str:
    """The page on views and tables."""
    parts = [_SQL, "## Views", _VIEWS, "### Reading them", _READER]
    for view in VIEWS:
        shown = ((f"`{column.name}`", column.kind.type_name, column.comment) for column in view.columns)
        parts += [f"### {view.name}", view.comment, table(("column", "type", "what"), shown)]
    parts.append("## Tables")
    for found in metadata.tables.values():
        rows = (
            (f"`{column.name}`", type_name(column), _presence(column), column.comment or "")
            for column in found.columns
        )
        parts += [f"### {found.name}", found.comment or "", table(("column", "type", "set", "what"), rows)]
    return page("SQL", *parts)


def type_name(column: Column[Any]) -> str:
    """PostgreSQL's name of a column's type."""
    return column.type.compile(dialect=_POSTGRESQL).lower()


def _presence(column: Column[Any]) -> str:
    if column.primary_key:
        return "key"
    return "" if column.nullable else "always"
