"""The declaration of the SQL sink. Drivers and schema are imported when a sink is made."""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Iterable, Mapping
from typing import Final

from exporter.events.catalogue import Catalogue
from exporter.events.spec import EventSpec
from exporter.private_files import refuse_link
from exporter.sinks.base import Sink
from exporter.sinks.spec import MigrateOptions, SinkContext, SinkSpec
from exporter.sinks.sql.config import SqlConfig

LOG_FILE: Final = "discord.db"
DELIVERED_FILES: Final = ("discord.delivered", "discord.delivered.new")
"""Of ``LOG_FILE``: what it has confirmed, and a copy being written."""


def _make(section: SqlConfig, context: SinkContext) -> Sink:
    from exporter.sinks.sql.sink import SqlSink

    _refuse_link(section)
    return SqlSink(section, clock=context.clock, catalogue=context.catalogue)


def _refuse_link(section: SqlConfig) -> None:
    if section.url.get_backend_name() == "sqlite" and section.url.database:
        refuse_link(pathlib.Path(section.url.database))


def _migrate(section: SqlConfig, options: MigrateOptions) -> Iterable[str]:
    from exporter.sinks.sql.migration import prepare

    _refuse_link(section)
    return prepare(section, options.reader_role)


def _places(spec: EventSpec) -> tuple[str, ...]:
    from exporter.sinks.sql.reference import tables_of

    return tables_of(spec)


def _pages(_catalogue: Catalogue) -> Mapping[str, str]:
    from exporter.sinks.sql.reference import sql_page

    return {"sql.md": sql_page()}


SINK: Final = SinkSpec(
    name="sql",
    title="SQL",
    help="The exact log: SQLite, or PostgreSQL by its DSN.",
    section=SqlConfig,
    make=_make,
    environment={"DISCORD_EXPORTER_DSN": "dsn"},
    data_dir_defaults=lambda data_dir: {"dsn": f"sqlite:///{data_dir}/{LOG_FILE}"},
    loggers={
        "aiosqlite": logging.INFO,
        "asyncpg": logging.INFO,
        "sqlalchemy": logging.INFO,
        # It logs each step of a migration at INFO; the sink logs the result in one line.
        "alembic": logging.WARNING,
    },
    migrate=_migrate,
    places=_places,
    pages=_pages,
)
