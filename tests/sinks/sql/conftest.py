"""Stores of both kinds, and the means to look into them as a person would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from exporter.clock import ManualClock
from exporter.model import Batch, Entry, Priority, Row, Verdict
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.schema import metadata
from exporter.sinks.sql.sink import SqlSink
from tests.servers.postgres import Postgres, postgres

__all__ = ["postgres"]

GUILD = 81_384_788_765_712_384
NOON = 1_769_860_800_000  # 2026-01-31T12:00:00Z


@dataclass
class Store:
    """A database with the sink that writes to it and an engine of its own to look with."""

    config: SqlConfig
    sink: SqlSink
    engine: AsyncEngine
    clock: ManualClock
    position: int = 0
    source: str = "spool-a"
    sent: list[Row] = field(default_factory=list)

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
        keys = [table.columns["event_key"]] if "event_key" in table.columns else list(table.primary_key.columns)
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
def dsn(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'discord.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.dsn(server.create_database())


@pytest.fixture
def make_config(dsn: str) -> Callable[..., SqlConfig]:
    def make(**options: Any) -> SqlConfig:
        return SqlConfig(dsn=SecretStr(dsn), **options)

    return make


async def open_store(config: SqlConfig) -> Store:
    clock = ManualClock(NOON)
    sink = SqlSink(config, clock=clock)
    await sink.open()
    return Store(config, sink, make_engine(config), clock)


async def close_store(store: Store) -> None:
    await store.sink.close()
    await store.engine.dispose()


@pytest.fixture
async def store(make_config: Callable[..., SqlConfig]) -> AsyncIterator[Store]:
    opened = await open_store(make_config())
    yield opened
    await close_store(opened)
