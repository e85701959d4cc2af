"""Stores of both kinds, and the means to read them as an operator would."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from exporter.clock import ManualClock
from exporter.events.catalogue import Catalogue, families, full_catalogue
from exporter.events.spec import EventSpec, Family
from exporter.model import Batch, Entry, Priority, Row, Verdict
from exporter.sinks.sql import migration
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.migration import migrate
from exporter.sinks.sql.schema import metadata
from exporter.sinks.sql.sink import SqlSink
from tests.servers.postgres import Postgres, postgres
from tests.sinks.sql.entries import NOON

__all__ = ["postgres"]

_VERSIONS = Path(migration.__file__).parent / "migrations" / "versions"
HEAD = max(path.name[1:5] for path in _VERSIONS.glob("v*.py"))
"""The newest version of the schema."""


def _declare(kind: str, table: str) -> EventSpec:
    return EventSpec(type=kind, help="", priority=Priority.CRITICAL, table=table)


_DECLARED = full_catalogue().events
_TABLES = {"INVITE_CREATE": "invites", "INVITE_DELETE": "invites", "INVITE_USE": "invite_tracking"}
CATALOGUE = Catalogue(
    (
        *families(),
        Family("test", "", tuple(_declare(*item) for item in _TABLES.items() if item[0] not in _DECLARED)),
    )
)
"""Every declared event, and those whose tables are here before their declaration."""


@dataclass
class Store:
    """A database with the sink that writes to it and an engine of its own to look with."""

    config: SqlConfig
    sink: SqlSink
    engine: AsyncEngine
    clock: ManualClock
    position: int = 0
    source: str = "spool-a"

    def rows(self, *entries: Entry) -> tuple[Row, ...]:
        """The entries at the next positions."""
        rows = []
        for entry in entries:
            self.position += 1
            rows.append(Row(self.position, entry))
        return tuple(rows)

    def batch(self, *entries: Entry, lane: Priority = Priority.CRITICAL) -> Batch:
        return Batch(self.source, lane, self.rows(*entries))

    async def deliver(self, *entries: Entry, lane: Priority = Priority.CRITICAL) -> Verdict:
        return await self.sink.deliver(self.batch(*entries, lane=lane))

    async def read(self, table: Table, *, without: tuple[str, ...] = ("id",)) -> list[dict[str, Any]]:
        """All rows, ordered by their keys."""
        known = "event_key" in table.columns
        keys = [table.columns["event_key"]] if known else list(table.primary_key.columns)
        async with self.engine.connect() as connection:
            found = await connection.execute(select(table).order_by(*keys))
            return [
                {name: value for name, value in row.items() if name not in without}
                for row in found.mappings().all()
            ]

    async def only(self, table: Table) -> dict[str, Any]:
        """The one row there is."""
        rows = await self.read(table)
        assert len(rows) == 1, rows
        return rows[0]

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        return {name: await self.read(table) for name, table in metadata.tables.items()}

    async def insert(self, table: Table, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(insert(table).values(**values))

    async def wipe(self) -> None:
        async with self.engine.begin() as connection:
            for table in metadata.tables.values():
                await connection.execute(delete(table))


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each dialect in turn: whatever is promised is promised for both."""
    return str(request.param)


@pytest.fixture
def dsn(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'discord.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.dsn(server.create_database())


@pytest.fixture
def make_config(dsn: str) -> Callable[..., SqlConfig]:
    """A configuration for the empty database."""

    def make(**options: Any) -> SqlConfig:
        return SqlConfig(dsn=SecretStr(dsn), **options)

    return make


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, to be copied: quicker than migrating for each test."""
    file = tmp_path_factory.mktemp("template") / "discord.db"
    migrate_apart(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_database(postgres: Postgres) -> str:
    """A PostgreSQL database with all tables, emptied by who uses it: quicker than making one."""
    name = postgres.create_database()
    migrate_apart(postgres.dsn(name))
    return name


def migrate_apart(dsn: str) -> None:
    """Migrate on a thread of its own, since the test's event loop cannot be entered from a fixture."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate(SqlConfig(dsn=SecretStr(dsn))))).result()


@pytest.fixture
def ready_dsn(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that has its tables; in PostgreSQL with what the last test left there."""
    if kind == "sqlite":
        file = tmp_path / "discord.db"
        shutil.copy(request.getfixturevalue("migrated_file"), file)
        return f"sqlite:///{file}"
    migrated: str = request.getfixturevalue("migrated_database")
    server: Postgres = request.getfixturevalue("postgres")
    return server.dsn(migrated)


async def open_store(config: SqlConfig) -> Store:
    """A sink over the configuration's database."""
    clock = ManualClock(NOON)
    sink = SqlSink(config, clock=clock, catalogue=CATALOGUE)
    await sink.open()
    return Store(config, sink, make_engine(config), clock)


async def close_store(store: Store) -> None:
    """Let go of everything."""
    await store.sink.close()
    await store.engine.dispose()


@pytest.fixture
async def store(ready_dsn: str) -> AsyncIterator[Store]:
    """A store with its tables."""
    opened = await open_store(SqlConfig(dsn=SecretStr(ready_dsn)))
    await opened.wipe()
    yield opened
    await close_store(opened)


@pytest.fixture
async def snapshot_store(ready_dsn: str) -> AsyncIterator[Store]:
    """A store that keeps snapshots too."""
    opened = await open_store(SqlConfig(dsn=SecretStr(ready_dsn), store_snapshots=True))
    await opened.wipe()
    yield opened
    await close_store(opened)
