"""The views as declared, as made, as kept, and who may read them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.community import Communities
from benchmarks.views import QUESTIONS, statement
from exporter.clock import SystemClock
from exporter.errors import SchemaError
from exporter.model import STORED
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.migration import migrate, schema_state
from exporter.sinks.sql.schema import metadata
from exporter.sinks.sql.types import EPOCH, MILLISECOND
from exporter.sinks.sql.views import VIEWS, sync
from exporter.sinks.sql.views.columns import ColumnKind
from exporter.sinks.sql.views.sync import drop_views
from exporter.sinks.sql.views.view import View
from tests.servers.postgres import Postgres
from tests.sinks.sql.conftest import close_store, open_store
from tests.sinks.sql.entries import ban

NAMES = [view.name for view in VIEWS]
MakeConfig = Callable[..., SqlConfig]


@pytest.fixture
async def config(make_config: MakeConfig) -> SqlConfig:
    """A database with tables and views of its own."""
    made = make_config()
    assert not (await migrate(made)).views_lack
    return made


@pytest.fixture
async def engine(config: SqlConfig) -> AsyncIterator[AsyncEngine]:
    """To look into it as its owner."""
    made = make_engine(config)
    yield made
    await made.dispose()


async def run(engine: AsyncEngine, *statements: str) -> list[Any]:
    """The rows of the last statement."""
    async with engine.begin() as connection:
        for each in statements:
            found = await connection.execute(text(each))
        return list(found.all()) if found.returns_rows else []


async def identities(engine: AsyncEngine) -> dict[str, object]:
    """Something of each view that changes when it is made again."""
    if engine.dialect.name == "sqlite":
        rows = await run(engine, "SELECT name, rowid FROM sqlite_master WHERE type = 'view'")
    else:
        rows = await run(
            engine, "SELECT relname, oid FROM pg_class WHERE relkind = 'v' AND relname LIKE 'v\\_%'"
        )
    return {row[0]: row[1] for row in rows}


def changed(*names: str) -> tuple[View, ...]:
    """The declarations with other queries for these views."""

    def other(view: View) -> View:
        return replace(view, query=lambda sql: f"SELECT * FROM ({view.query(sql)}) again")

    return tuple(other(view) if view.name in names else view for view in VIEWS)


class TestDeclarations:
    def test_names_are_declared_once(self) -> None:
        assert len(set(NAMES)) == len(NAMES)
        assert not set(NAMES) & set(metadata.tables)
        assert all(name.startswith("v_") for name in NAMES)

    @pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
    def test_a_mark_depends_on_all_but_white_space(
        self, monkeypatch: pytest.MonkeyPatch, dialect: str
    ) -> None:
        marks = {each.name: each.mark for each in sync.definitions(dialect)}
        spaced = tuple(
            replace(view, query=lambda sql, view=view: view.query(sql).replace("\n", "\n  "))
            for view in VIEWS
        )
        monkeypatch.setattr(sync, "VIEWS", spaced)
        assert {each.name: each.mark for each in sync.definitions(dialect)} == marks
        monkeypatch.setattr(sync, "VIEWS", changed(*NAMES))
        assert not {each.mark for each in sync.definitions(dialect)} & set(marks.values())

    @pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
    def test_everything_says_what_it_is(self, view: View) -> None:
        assert view.comment.endswith((".", "`."))
        names = [column.name for column in view.columns]
        assert len(set(names)) == len(names)
        for column in view.columns:
            assert column.comment.endswith("."), column.name

    @pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
    def test_ids_are_text_and_times_are_times(self, view: View) -> None:
        assert view.columns[0].name == "guild_id"
        for column in view.columns:
            assert (column.kind is ColumnKind.ID) == column.name.endswith("_id"), column.name
            assert (column.kind is ColumnKind.TIME) == (
                column.name in ("at", "time", "until") or column.name.endswith("_at")
            )
            assert (column.kind is ColumnKind.SECONDS) == ("_seconds" in column.name)

    async def test_the_database_has_the_columns_that_are_declared(self, engine: AsyncEngine) -> None:
        for view in VIEWS:
            async with engine.connect() as connection:
                found = await connection.execute(text(f"SELECT * FROM {view.name}"))
                assert list(found.keys()) == [column.name for column in view.columns], view.name

    async def test_postgresql_has_their_types_and_comments(self, engine: AsyncEngine, kind: str) -> None:
        if kind == "sqlite":
            return
        rows = await run(
            engine,
            "SELECT c.relname, a.attname, format_type(a.atttypid, NULL), col_description(c.oid, a.attnum)"
            " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relkind = 'v'",
        )
        found = {(view, column): (kind, comment) for view, column, kind, comment in rows}
        for view in VIEWS:
            for column in view.columns:
                assert found[view.name, column.name] == (column.kind.type_name, column.comment), column


class TestMaking:
    async def test_migrating_again_leaves_them(self, config: SqlConfig, engine: AsyncEngine) -> None:
        before = await identities(engine)
        await migrate(config)
        assert await identities(engine) == before
        assert set(before) == set(NAMES)

    async def test_processes_that_start_together_make_them_once(self, make_config: MakeConfig) -> None:
        states = await asyncio.gather(*(migrate(make_config()) for _ in range(4)))
        assert {state.views_lack for state in states} == {""}

    async def test_only_what_is_declared_otherwise_is_made_again(
        self, config: SqlConfig, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = await identities(engine)
        monkeypatch.setattr(sync, "VIEWS", changed("v_invites"))
        lack = (await schema_state(engine)).views_lack
        assert lack == "1 views differ from those of this program (v_invites first)"
        assert not (await migrate(config)).views_lack
        after = await identities(engine)
        assert {name for name in NAMES if before[name] != after[name]} == {"v_invites"}

    async def test_one_that_is_declared_no_more_goes(
        self, config: SqlConfig, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sync, "VIEWS", VIEWS[1:])
        assert not (await migrate(config)).views_lack
        assert set(await identities(engine)) == set(NAMES[1:])

    async def test_one_that_was_dropped_is_made_again(self, config: SqlConfig, engine: AsyncEngine) -> None:
        await run(engine, "DROP VIEW v_invites")
        await migrate(config)
        assert set(await identities(engine)) == set(NAMES)

    async def test_a_persons_own_view_is_left_alone(self, config: SqlConfig, engine: AsyncEngine) -> None:
        await run(engine, "CREATE VIEW v_mine AS SELECT name FROM guilds")
        async with engine.begin() as connection:
            await connection.run_sync(drop_views)
        assert set(await identities(engine)) == {"v_mine"}
        await migrate(config)
        assert set(await identities(engine)) == {"v_mine", *NAMES}

    async def test_an_upgrade_may_change_what_lies_below(
        self, config: SqlConfig, engine: AsyncEngine
    ) -> None:
        def outdate(connection: Connection) -> None:
            for table in metadata.tables.values():
                for index in table.indexes:
                    if "shown" in str(index.name):
                        index.drop(connection)

        before = await identities(engine)
        async with engine.begin() as connection:
            await connection.run_sync(drop_views)
            await connection.run_sync(outdate)
        for name in (
            "ix_members_guild_id_joined_at",
            "ix_invite_tracking_guild_id_invite_code",
            "ix_metrics_snapshots_sums",
        ):
            await run(engine, f"DROP INDEX {name}")
        await run(engine, "ALTER TABLE channels DROP COLUMN deleted_at")
        await run(engine, "UPDATE alembic_version SET version_num = '0004'")
        mark = sync.definitions(engine.dialect.name)[0].mark
        if engine.dialect.name == "sqlite":
            await run(engine, f"CREATE VIEW v_guilds AS /* {mark} */ SELECT 1 AS old")
        else:
            await run(
                engine, "CREATE VIEW v_guilds AS SELECT 1 AS old", f"COMMENT ON VIEW v_guilds IS '({mark})'"
            )
        state = await migrate(config)
        assert state.is_current
        assert not state.views_lack
        assert set(await identities(engine)) == set(before)
        await run(engine, "SELECT guild_name FROM v_guilds")


class TestReaders:
    @pytest.fixture
    def role(self, postgres: Postgres, request: pytest.FixtureRequest) -> str:
        """A role that owns nothing; its name would be SQL if it were not quoted."""
        name = f'reader"; DROP VIEW v_guilds; -- {abs(hash(request.node.name))}'
        quoted = name.replace('"', '""')
        postgres.sql(f"""CREATE ROLE "{quoted}" LOGIN PASSWORD 'x'""")
        return name

    @staticmethod
    async def _as(engine: AsyncEngine, role: str, statement: str) -> list[Any]:
        quoted = role.replace('"', '""')
        async with engine.connect() as connection:
            await connection.exec_driver_sql(f'SET ROLE "{quoted}"')
            try:
                return list((await connection.exec_driver_sql(statement)).all())
            finally:
                await connection.rollback()

    async def test_it_reads_every_view_and_nothing_else(
        self, kind: str, config: SqlConfig, engine: AsyncEngine, role: str
    ) -> None:
        if kind == "sqlite":
            with pytest.raises(SchemaError, match="mode=ro"):
                await migrate(config, reader_role=role)
            return
        await migrate(config, reader_role=role)
        for name in NAMES:
            await self._as(engine, role, f"SELECT * FROM {name}")
        for table in (*metadata.tables, "alembic_version"):
            with pytest.raises(DBAPIError, match="permission denied"):
                await self._as(engine, role, f"SELECT * FROM {table}")
        with pytest.raises(DBAPIError, match=r"permission denied|cannot update"):
            await self._as(engine, role, "UPDATE v_members SET username = 'x'")
        assert set(await identities(engine)) == set(NAMES)

    async def test_it_still_reads_them_when_they_are_made_again(
        self, kind: str, config: SqlConfig, engine: AsyncEngine, role: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if kind == "sqlite":
            return
        monkeypatch.setattr(sync, "VIEWS", VIEWS[1:])
        await migrate(config)
        quoted = role.replace('"', '""')
        await run(engine, "CREATE ROLE partial_reader", "GRANT SELECT ON v_invites TO partial_reader")
        for view in VIEWS[1:]:
            async with engine.begin() as connection:
                await connection.exec_driver_sql(f'GRANT SELECT ON {view.name} TO "{quoted}"')
        monkeypatch.setattr(sync, "VIEWS", changed("v_invites"))
        assert not (await migrate(config)).views_lack
        for name in NAMES:
            await self._as(engine, role, f"SELECT * FROM {name}")
        await self._as(engine, "partial_reader", "SELECT * FROM v_invites")
        with pytest.raises(DBAPIError, match="permission denied"):
            await self._as(engine, "partial_reader", "SELECT * FROM v_guilds")

    async def test_a_role_that_is_not_there_is_reported(self, kind: str, config: SqlConfig) -> None:
        if kind == "postgresql":
            with pytest.raises(SchemaError, match='CREATE ROLE "another reader" LOGIN PASSWORD'):
                await migrate(config, reader_role="another reader")

    async def test_a_role_that_can_do_more_is_refused(self, kind: str, config: SqlConfig) -> None:
        if kind == "postgresql":
            with pytest.raises(SchemaError, match="can use the tables themselves"):
                await migrate(config, reader_role=str(config.url.username))


class TestWithoutRights:
    async def test_a_role_that_may_not_make_views_stores_rows_and_says_so(
        self,
        kind: str,
        config: SqlConfig,
        engine: AsyncEngine,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        if kind == "sqlite":
            return
        name = str(config.url.database)
        await run(
            engine,
            f"CREATE ROLE writer_{name} LOGIN PASSWORD 'w'",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO writer_{name}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO writer_{name}",
        )
        monkeypatch.setattr(sync, "VIEWS", changed("v_invites"))
        url = config.url.set(username=f"writer_{name}", password="w", drivername="postgresql")
        store = await open_store(SqlConfig(dsn=SecretStr(url.render_as_string(hide_password=False))))
        try:
            with caplog.at_level(logging.WARNING):
                assert await store.deliver(ban()) == STORED
        finally:
            await close_store(store)
        assert "1 views differ" in caplog.text
        assert "must be owner of view v_invites" in caplog.text
        assert "discord-exporter migrate" in caplog.text


def _plan(connection: Connection, sql: str) -> list[str]:
    if connection.dialect.name == "sqlite":
        return [row[-1] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}"))]
    # Over few rows reading all of them is right; the question is whether it could be avoided.
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    return [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {sql}")]


ALIASES = {"g", "d", "m", "s", "l", "e", "t", "c", "p", "i", "j", "n", "a", "b"}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_question_about_one_guild_reads_no_whole_table(question: str, ready_dsn: str) -> None:
    now = EPOCH + SystemClock().now_ms() * MILLISECOND
    sql = statement(question, Communities(1, now).guild_id(0), now)
    store = await open_store(SqlConfig(dsn=SecretStr(ready_dsn)))
    try:
        async with store.engine.connect() as connection:
            plan = await connection.run_sync(_plan, sql)
            naive = await connection.run_sync(_plan, "SELECT * FROM member_events e WHERE details IS NULL")
    finally:
        await close_store(store)

    def scans(lines: list[str]) -> list[str]:
        return [
            line
            for line in lines
            if "Seq Scan on" in line or (line.startswith("SCAN ") and line.split()[1] in ALIASES)
        ]

    assert scans(naive)
    assert not scans(plan), "\n".join(plan)


def test_every_view_is_among_the_questions() -> None:
    assert {question.partition(" ")[0] for question in QUESTIONS} == set(NAMES)
