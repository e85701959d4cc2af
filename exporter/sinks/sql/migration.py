"""Brings the tables to the version this program knows, from inside an installed package.

An upgrade happens whole or not at all, in one transaction that holds a lock, so processes that start
together do not race. A database that is newer than this program is left alone. The views go before the tables
change and are made again after; where only they differ and may not be changed, the tables stay usable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import SetColumnComment, SetTableComment

from exporter.errors import ExporterError, SchemaError
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import dispose_engine, execute_unlocked, make_engine
from exporter.sinks.sql.error_mapping import describe
from exporter.sinks.sql.schema import metadata
from exporter.sinks.sql.views.sync import drop_views, grant_reader, stale_views, sync_views, view_readers

_LOCK = 0x4449_5343_4F52_4445
"""PostgreSQL's advisory locks share one space of numbers; this one is "DISCORDE" in ASCII."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The version a database has and the one this program needs; ``current`` is None for an empty one.

    ``views_lack`` is the reason why the views are not as declared; empty when they are.
    """

    current: str | None
    needed: str
    known: frozenset[str]
    views_lack: str = ""

    @property
    def is_current(self) -> bool:
        """Whether nothing needs to be done."""
        return self.current == self.needed

    @property
    def is_newer(self) -> bool:
        """Whether the database was made by a later program."""
        return self.current is not None and self.current not in self.known

    def require_known(self) -> None:
        """Refuse a newer database.

        Raises:
            SchemaError: the database is newer than this program.
        """
        if self.is_newer:
            msg = (
                f"the database has schema version {self.current}, this program knows up to {self.needed}: "
                "install the newer version again, or use another database"
            )
            raise SchemaError(msg)


def prepare(config: SqlConfig, reader_role: str | None = None) -> Iterator[str]:
    """What the command ``migrate`` does here; yields what was done. Blocks.

    Raises:
        ExporterError: the database cannot be reached or changed, or is newer than this program.
    """
    address = config.url.render_as_string(hide_password=True)
    try:
        state = asyncio.run(migrate(config, reader_role=reader_role))
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        msg = f"cannot migrate {address}: {reason}; check that the database is there and may be changed"
        raise ExporterError(msg) from error
    if state.views_lack:
        msg = f"the tables of {address} are at version {state.current}, but {state.views_lack}"
        raise ExporterError(msg)
    yield f"{address} is at version {state.current}."
    if reader_role is not None:
        yield f"{reader_role} may read the views."


async def migrate(config: SqlConfig, *, reader_role: str | None = None) -> SchemaState:
    """Create or upgrade the tables and views of ``config``'s database; returns the state afterwards.

    ``reader_role`` is given the views to read, if the views could be made.

    Raises:
        SchemaError: the database is newer than this program, or the role is not fit to read the views.
        sqlalchemy.exc.SQLAlchemyError, OSError: the database cannot be reached or changed.
    """
    engine = make_engine(config)
    try:
        state = await migrate_engine(engine)
        if reader_role is not None and not state.views_lack:
            async with engine.begin() as connection:
                await connection.run_sync(grant_reader, reader_role)
        return state
    finally:
        await dispose_engine(engine)


async def migrate_engine(engine: AsyncEngine) -> SchemaState:
    """Like ``migrate``, over an engine that is there already."""
    if engine.dialect.name == "sqlite":
        await _prepare_file(engine)
    config = _alembic_config()
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        state = await connection.run_sync(read_state)
        state.require_known()
        if state.is_current:
            return await connection.run_sync(_renew_views)
        await connection.run_sync(_upgrade, config)
        return await connection.run_sync(read_state)


async def schema_state(engine: AsyncEngine) -> SchemaState:
    """What version the database has, changing nothing."""
    async with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # A transaction would take the lock to write.
            await connection.execution_options(isolation_level="AUTOCOMMIT")
        return await connection.run_sync(read_state)


def read_state(connection: Connection) -> SchemaState:
    """The state seen by this connection.

    Raises:
        SchemaError: a PostgreSQL database has another encoding than UTF8.
    """
    if connection.dialect.name == "postgresql":
        _require_utf8(connection)
    needed, known = _versions()
    current = MigrationContext.configure(connection).get_current_revision()
    stale = stale_views(connection)
    lack = f"{len(stale)} views differ from those of this program ({stale[0]} first)" if stale else ""
    return SchemaState(current, needed, known, lack)


def _require_utf8(connection: Connection) -> None:
    encoding = connection.scalar(text("SELECT current_setting('server_encoding')"))
    if encoding != "UTF8":
        msg = (
            f"the database has the encoding {encoding}, which cannot hold every name: make another with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and use that"
        )
        raise SchemaError(msg)


@cache
def _versions() -> tuple[str, frozenset[str]]:
    scripts = ScriptDirectory.from_config(_alembic_config())
    needed = scripts.get_current_head()
    if needed is None:
        msg = "the package holds no migrations: it is not installed completely"
        raise SchemaError(msg)
    return needed, frozenset(script.revision for script in scripts.walk_revisions())


async def _prepare_file(engine: AsyncEngine) -> None:
    directory = Path(engine.url.database or "").parent
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    async with engine.connect() as connection:
        # The mode is a property of the file and cannot be changed within a transaction.
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await outside.run_sync(execute_unlocked, "PRAGMA journal_mode=WAL")


def _alembic_config() -> Config:
    config = Config()
    # Alembic interpolates percent signs, which a path may hold.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _renew_views(connection: Connection) -> SchemaState:
    try:
        with connection.begin_nested():
            sync_views(connection)
    except DBAPIError as error:
        # A role without the right to make views, or a view that depends on one: rows can still be written.
        state = read_state(connection)
        return replace(state, views_lack=f"{state.views_lack}, and could not be made: {describe(error)}")
    return read_state(connection)


def _upgrade(connection: Connection, config: Config) -> None:
    readers = view_readers(connection)
    drop_views(connection)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    sync_views(connection, readers)
    if connection.dialect.supports_comments:
        # Comments belong to the program, not to a migration: rewording one needs none.
        for table in metadata.tables.values():
            connection.execute(SetTableComment(table))
            for column in table.columns:
                connection.execute(SetColumnComment(column))
