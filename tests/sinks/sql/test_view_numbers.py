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
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboards.cookbook.page import GUILD
from dashboards.cookbook.sql import RECIPES
from exporter.clock import SystemClock
from exporter.model import STORED, Priority
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.types import EPOCH, MILLISECOND
from exporter.sinks.sql.views import VIEWS
from exporter.sinks.sql.views.columns import ColumnKind
from exporter.sinks.sql.views.dialect import DIALECTS
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
    engine = make_engine(config)
    try:
        async with engine.connect() as connection:
            rows = (await connection.execute(text(f"SELECT * FROM {view.name} {where}"))).all()
    finally:
        await engine.dispose()
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


PAIRS = {
    "still here, by invite": (
        "SELECT guild_id, code, still_here FROM v_invites WHERE joined > 0",
        (
            "SELECT guild_id, invite_code, COUNT(CASE WHEN here THEN 1 END) FROM v_invite_uses "
            "WHERE invite_code IS NOT NULL GROUP BY guild_id, invite_code"
        ),
    ),
    "still here, by invite, of those who joined": (
        "SELECT guild_id, code, still_here FROM v_invites WHERE joined > 0",
        (
            "SELECT guild_id, invite_code, COUNT(CASE WHEN here THEN 1 END) FROM v_joiners "
            "WHERE invite_code IS NOT NULL GROUP BY guild_id, invite_code"
        ),
    ),
    "still here, by inviter": (
        "SELECT guild_id, inviter_id, still_here FROM v_inviters",
        (
            "SELECT guild_id, inviter_id, COUNT(CASE WHEN here THEN 1 END) FROM v_invite_uses "
            "WHERE inviter_id IS NOT NULL GROUP BY guild_id, inviter_id"
        ),
    ),
    "still here, of all who joined": (
        (
            "SELECT guild_id, COUNT(CASE WHEN here THEN 1 END) FROM v_members "
            "WHERE joined_at IS NOT NULL GROUP BY guild_id"
        ),
        "SELECT guild_id, COUNT(CASE WHEN here THEN 1 END) FROM v_joiners GROUP BY guild_id",
    ),
    "joined, by invite": (
        "SELECT guild_id, code, joined FROM v_invites WHERE joined > 0",
        (
            "SELECT guild_id, invite_code, COUNT(*) FROM v_invite_uses "
            "WHERE invite_code IS NOT NULL GROUP BY guild_id, invite_code"
        ),
    ),
    "active in 14 days, by invite": (
        "SELECT guild_id, code, active FROM v_invites WHERE active > 0",
        (
            "SELECT u.guild_id, u.invite_code, COUNT(DISTINCT d.user_id) FROM v_invite_uses u "
            "JOIN v_guilds g ON g.guild_id = u.guild_id "
            "JOIN v_member_daily d ON d.guild_id = u.guild_id AND d.user_id = u.user_id "
            "AND (d.messages > 0 OR d.voice_seconds > 0 OR d.reactions_given > 0) "
            "AND d.day > {two_weeks_ago} "
            "WHERE u.here AND u.invite_code IS NOT NULL GROUP BY u.guild_id, u.invite_code"
        ),
    ),
    "active today": (
        "SELECT guild_id, active_today FROM v_guilds WHERE active_today > 0",
        (
            "SELECT d.guild_id, d.active_members FROM v_guild_daily d "
            "JOIN v_guilds g ON g.guild_id = d.guild_id AND g.day = d.day WHERE d.active_members > 0"
        ),
    ),
    "messages of a day": (
        "SELECT guild_id, messages_today FROM v_guilds",
        (
            "SELECT d.guild_id, SUM(d.messages) FROM v_channel_daily d "
            "JOIN v_guilds g ON g.guild_id = d.guild_id AND g.day = d.day GROUP BY d.guild_id"
        ),
    ),
    "messages in 30 days": (
        "SELECT guild_id, channel_id, messages_30d FROM v_channels WHERE messages_30d > 0",
        (
            "SELECT d.guild_id, d.channel_id, SUM(d.messages) FROM v_channel_daily d "
            "WHERE d.day > {a_month_ago} GROUP BY d.guild_id, d.channel_id HAVING SUM(d.messages) > 0"
        ),
    ),
    "moderation actions of a day": (
        "SELECT guild_id, actions_24h FROM v_guilds",
        "SELECT guild_id, SUM(actions_24h) FROM v_moderators GROUP BY guild_id",
    ),
}
"""The same number by two ways: a word that two views have means one thing."""


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
async def test_a_word_means_the_same_in_two_views(
    communities: tuple[SqlConfig, World], pair: tuple[str, str]
) -> None:
    config, world = communities
    quoted = {"two_weeks_ago": f"'{world.ago(14)}'", "a_month_ago": f"'{world.ago(30)}'"}
    store = await open_store(config)
    try:
        async with store.engine.connect() as connection:
            one, other = [
                sorted(tuple(row) for row in await connection.execute(text(query.format(**quoted))))
                for query in pair
            ]
    finally:
        await close_store(store)
    assert one
    assert one == other


async def test_the_cookbook_counts_who_stayed_as_the_view_of_invites_does(
    communities: tuple[SqlConfig, World],
) -> None:
    config, _ = communities
    store = await open_store(config)
    name = store.engine.dialect.name
    (recipe,) = [each for each in RECIPES if each.question == "Which invites bring members who stay?"]
    query = recipe.text(DIALECTS[name]).replace(GUILD, str(FIRST))
    try:
        async with store.engine.connect() as connection:
            found = {code: (joined, percent) for code, _, joined, percent in await _rows(connection, query)}
            shown = await _rows(
                connection, f"SELECT code, joined, still_here FROM v_invites WHERE guild_id = '{FIRST}'"
            )
    finally:
        await close_store(store)
    expected = {code: (joined, round(100 * here / joined)) for code, joined, here in shown if joined}
    assert {code: found[code] for code in expected} == expected


async def _rows(connection: AsyncConnection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.execute(text(query))]


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
