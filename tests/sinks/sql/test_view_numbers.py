"""What the views show over rows that the real writer wrote: what Python reckons from the tables."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from exporter.clock import SystemClock
from exporter.model import STORED, Priority
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.types import EPOCH, MILLISECOND
from exporter.sinks.sql.views import VIEWS
from exporter.sinks.sql.views.columns import ColumnKind
from exporter.sinks.sql.views.view import View
from tests.servers.postgres import Postgres
from tests.sinks.sql.communities import DAY, FIRST, HOUR, SECOND, tell
from tests.sinks.sql.conftest import close_store, open_store
from tests.sinks.sql.judgements import RECKONED
from tests.sinks.sql.reckoning import Row, World

FLOATS = (ColumnKind.SECONDS, ColumnKind.NUMBER)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def communities(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SqlConfig, World]]:
    """A database with two communities in it, and its tables as read back."""
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("views") / "discord.db"
        shutil.copy(request.getfixturevalue("migrated_file"), file)
        dsn = f"sqlite:///{file}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        dsn = server.dsn(server.create_database(request.getfixturevalue("migrated_database")))
    config = SqlConfig(dsn=SecretStr(dsn), store_snapshots=True)
    with ThreadPoolExecutor(1) as thread:
        yield config, thread.submit(lambda: asyncio.run(_fill(config))).result()


async def _fill(config: SqlConfig) -> World:
    now = SystemClock().now_ms()
    now -= now % HOUR
    store = await open_store(config)
    store.clock.advance((now - store.clock.now_ms()) / 1000)
    await store.wipe()
    for entry in tell(now):
        assert await store.deliver(entry, lane=Priority.CRITICAL) == STORED
    tables = await store.everything()
    await close_store(store)
    return World(tables, now)


def read(value: Any, kind: ColumnKind) -> Any:
    """A cell as the drivers give it, as a value that both dialects share."""
    if value is None:
        return None
    if kind is ColumnKind.DAY:
        return dt.date.fromisoformat(value) if isinstance(value, str) else value
    if kind is ColumnKind.TIME:
        moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
        return (moment - EPOCH) // MILLISECOND
    return bool(value) if kind is ColumnKind.FLAG else value


def order(row: Row) -> str:
    """Rows have no order of their own; floats may differ in their last digit."""
    return repr([(name, value) for name, value in sorted(row.items()) if not isinstance(value, float)])


async def ask(config: SqlConfig, view: View, where: str = "") -> list[Row]:
    store = await open_store(config)
    try:
        async with store.engine.connect() as connection:
            rows = (await connection.execute(text(f"SELECT * FROM {view.name} {where}"))).all()
    finally:
        await close_store(store)
    return [
        {column.name: read(value, column.kind) for column, value in zip(view.columns, row, strict=True)}
        for row in rows
    ]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
async def test_it_shows_what_the_tables_say(communities: tuple[SqlConfig, World], view: View) -> None:
    config, world = communities
    found = await ask(config, view)
    if any(column.name == "details" for column in view.columns):
        found = [row | {"details": json.loads(row["details"])} for row in found]
    # Rows lie half an hour off the limits of every period, so reckoning from the full hour is exact.
    expected = list(RECKONED[view.name](world))
    assert expected
    assert len(found) == len(expected)
    for row, wanted in zip(sorted(found, key=order), sorted(expected, key=order), strict=True):
        assert row.keys() == wanted.keys()
        assert row == {
            name: pytest.approx(value, abs=2e-3) if isinstance(value, float) else value
            for name, value in wanted.items()
        }


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
async def test_asked_for_one_guild_it_shows_that_guild(
    communities: tuple[SqlConfig, World], view: View
) -> None:
    config, _ = communities
    everything = await ask(config, view)
    for guild in (FIRST, SECOND):
        one = await ask(config, view, f"WHERE guild_id = '{guild}'")
        assert sorted(map(order, one)) == sorted(
            order(row) for row in everything if row["guild_id"] == str(guild)
        )
        assert one


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
async def test_cells_are_of_the_kind_declared(communities: tuple[SqlConfig, World], view: View) -> None:
    config, _ = communities
    store = await open_store(config)
    async with store.engine.connect() as connection:
        rows = (await connection.execute(text(f"SELECT * FROM {view.name}"))).all()
    sqlite = store.engine.dialect.name == "sqlite"
    await close_store(store)
    kinds: dict[ColumnKind, type | tuple[type, ...]] = {
        ColumnKind.ID: str,
        ColumnKind.TEXT: str,
        ColumnKind.COUNT: int,
        ColumnKind.SECONDS: (int, float) if sqlite else float,
        ColumnKind.NUMBER: (int, float) if sqlite else float,
        ColumnKind.DAY: str if sqlite else dt.date,
        ColumnKind.TIME: str if sqlite else dt.datetime,
        ColumnKind.FLAG: int if sqlite else bool,
    }
    for row in rows:
        for column, value in zip(view.columns, row, strict=True):
            assert value is None or isinstance(value, kinds[column.kind]), (column.name, value)
            if column.kind is ColumnKind.ID:
                assert value is None or value.isdecimal()
            if sqlite and value is not None and column.kind is ColumnKind.TIME:
                # Grafana's SQLite plugin reads RFC 3339, and text of one width sorts as time does.
                assert len(value) == len("2026-01-31T12:00:00.000Z")
                assert value.endswith("Z")


def test_the_day_of_the_test_holds_every_case(communities: tuple[SqlConfig, World]) -> None:
    _, world = communities
    assert world.now % DAY % HOUR == 0
    assert not [name for name, rows in world.tables.items() if not rows]
    assert any(row["afk_voice_seconds"] for row in world.tables["channel_daily"])
    assert any(row["audit_entry_id"] and row["actor_id"] for row in world.tables["guild_events"])
    actions = {row["action"] for row in world.tables["moderation_logs"]}
    assert {"ban", "kick", "timeout", "message_delete", "automod_block"} <= actions


def test_every_view_is_reckoned() -> None:
    assert set(RECKONED) == {view.name for view in VIEWS}
