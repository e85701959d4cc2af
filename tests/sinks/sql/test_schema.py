"""The schema against the declarations, the migrations against the schema, and databases of other versions."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, inspect, text

from exporter.errors import SchemaError
from exporter.events.catalogue import full_catalogue
from exporter.events.spec import Dimension, Measure, Unit
from exporter.model import STORED, Outcome
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.migration import migrate, schema_state
from exporter.sinks.sql.migrations import versions
from exporter.sinks.sql.records import record_table
from exporter.sinks.sql.reference import type_name
from exporter.sinks.sql.schema import (
    channel_daily,
    channels,
    guild_daily,
    guilds,
    invites,
    member_daily,
    member_stats,
    metadata,
    metrics_snapshots,
)
from exporter.sinks.sql.types import UtcMilliseconds
from exporter.sinks.sql.views.sync import drop_views
from tests.sinks.sql.conftest import CATALOGUE, close_store, open_store
from tests.sinks.sql.entries import ban

MakeConfig = Callable[..., SqlConfig]
NEWEST = max(file.name[1:5] for file in Path(versions.__path__[0]).glob("v*.py"))
MEASURES = tuple(full_catalogue().measures.values())


SHOWN_INDEXES = 8


async def read_indexes(config: SqlConfig) -> set[str]:
    """Every index as the database tells it; SQLite keeps the statement, whose blanks mean nothing."""
    listing = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "postgresql": (
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        ),
    }
    engine = make_engine(config)
    async with engine.connect() as connection:
        found = (await connection.scalars(text(listing[engine.dialect.name]))).all()
    await engine.dispose()
    return {" ".join(each.split()) for each in found}


async def set_version(config: SqlConfig, version: str) -> None:
    engine = make_engine(config)
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE alembic_version SET version_num = :version"), {"version": version}
        )
    await engine.dispose()


class TestDeclarations:
    @pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
    def test_every_column_a_measure_names_is_there(self, measure: Measure) -> None:
        assert set(measure.columns.values()) <= set(guild_daily.columns.keys())
        assert set(measure.member_columns.values()) <= set(member_daily.columns.keys())
        assert {f"total_{name}" for name in measure.member_columns.values()} <= set(
            member_stats.columns.keys()
        )
        if Dimension.CHANNEL in measure.by:
            assert set(measure.columns.values()) <= set(channel_daily.columns.keys())

    def test_daily_tables_have_no_other_columns(self) -> None:
        named = {
            guild_daily: {name for each in MEASURES for name in each.columns.values()},
            channel_daily: {
                name for each in MEASURES if Dimension.CHANNEL in each.by for name in each.columns.values()
            },
            member_daily: {name for each in MEASURES for name in each.member_columns.values()},
        }
        for table, names in named.items():
            assert {column.name for column in table.columns if not column.primary_key} == names

    @pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
    def test_time_is_kept_in_seconds_and_counts_are_whole(self, measure: Measure) -> None:
        for name in (*measure.columns.values(), *measure.member_columns.values()):
            table = guild_daily if name in guild_daily.columns else member_daily
            whole = table.columns[name].type.python_type is int
            assert whole == (measure.unit is Unit.COUNT)
            assert name.endswith("_seconds") != whole

    def test_every_declared_table_is_one_that_is_written(self) -> None:
        for spec in CATALOGUE.events.values():
            known = {None, guilds.name, channels.name, invites.name, member_daily.name}
            known.add(metrics_snapshots.name)
            assert spec.table in known or record_table(spec.table) is not None, spec.type


class TestReference:
    def test_everything_has_a_comment(self) -> None:
        for table in metadata.tables.values():
            assert (table.comment or "").endswith((".", "`."))
            for column in table.columns:
                assert (column.comment or "").endswith("."), (table.name, column.name)

    def test_types_are_those_people_know(self) -> None:
        columns = {
            (table.name, column.name): column
            for table in metadata.tables.values()
            for column in table.columns
        }
        assert type_name(columns["moderation_logs", "at"]) == "timestamp with time zone"
        assert type_name(columns["moderation_logs", "details"]) == "jsonb"
        assert type_name(columns["moderation_logs", "target_user_id"]) == "bigint"
        assert type_name(columns["guild_daily", "voice_seconds"]) == "double precision"
        assert columns["guild_daily", "day"].primary_key
        assert columns["guilds", "left_at"].nullable
        assert not columns["moderation_logs", "at"].nullable

    def test_ids_fit_and_moments_have_their_zone(self) -> None:
        for table in metadata.tables.values():
            for column in table.columns:
                if column.name.endswith("_id") and column.name != "id":
                    assert column.type.compile() == "BIGINT", column
                if column.name.endswith("_at") or column.name == "at":
                    assert isinstance(column.type, UtcMilliseconds), column


@pytest.mark.filterwarnings(
    # Indexes of expressions: compared by their own text, below.
    "ignore:Skipped unsupported reflection of expression-based index",
    "ignore:autogenerate skipping metadata-specified expression-based index",
)
class TestMigrations:
    async def test_they_end_where_the_schema_is(self, make_config: MakeConfig) -> None:
        def differences(connection: Connection) -> list[object]:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )
            return list(compare_metadata(context, metadata))

        config = make_config()
        await migrate(config)
        engine = make_engine(config)
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
        await engine.dispose()

    async def test_they_leave_the_indexes_that_are_declared(
        self, make_config: MakeConfig, tmp_path: Path, request: pytest.FixtureRequest, kind: str
    ) -> None:
        migrated = make_config()
        await migrate(migrated)
        if kind == "sqlite":
            dsn = f"sqlite:///{tmp_path / 'declared.db'}"
        else:
            server = request.getfixturevalue("postgres")
            dsn = server.dsn(server.create_database())
        declared = SqlConfig(dsn=SecretStr(dsn))
        engine = make_engine(declared)
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        await engine.dispose()
        found = await read_indexes(migrated)
        assert found == await read_indexes(declared)
        assert sum("CAST(" in each or "::text" in each for each in found) == SHOWN_INDEXES

    async def test_a_difference_would_be_seen(self, make_config: MakeConfig) -> None:
        config = make_config()
        await migrate(config)
        engine = make_engine(config)
        async with engine.begin() as connection:
            await connection.run_sync(drop_views)
            await connection.execute(text("DROP INDEX ix_guild_daily_day"))
            await connection.execute(text("ALTER TABLE guild_daily DROP COLUMN joins"))
            context = await connection.run_sync(
                lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
            )
        await engine.dispose()
        assert {difference[0] for difference in context} == {"add_index", "add_column"}

    async def test_migrating_again_changes_nothing(self, make_config: MakeConfig) -> None:
        first = await migrate(make_config())
        again = await migrate(make_config())
        assert first == again
        assert again.is_current

    async def test_processes_that_start_together_do_not_race(self, make_config: MakeConfig) -> None:
        states = await asyncio.gather(*(migrate(make_config()) for _ in range(4)))
        assert all(state.is_current for state in states)

    async def test_an_empty_database_has_no_version_and_stays_empty(self, make_config: MakeConfig) -> None:
        engine = make_engine(make_config())
        state = await schema_state(engine)
        async with engine.connect() as connection:
            assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == []
        await engine.dispose()
        assert (state.current, state.is_current, state.is_newer) == (None, False, False)

    async def test_a_newer_database_is_refused_and_left_alone(self, make_config: MakeConfig) -> None:
        config = make_config()
        await migrate(config)
        await set_version(config, "9999")
        with pytest.raises(SchemaError, match=f"schema version 9999, this program knows up to {NEWEST}"):
            await migrate(config)
        store = await open_store(config)
        try:
            verdict = await store.deliver(ban())
            assert (verdict.outcome, verdict.reason) == (Outcome.NEEDS_OPERATOR, "schema")
            assert not (await store.sink.probe()).ok
            assert await store.everything() == {name: [] for name in metadata.tables}
        finally:
            await close_store(store)

    async def test_a_failed_upgrade_leaves_nothing(
        self, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError

        monkeypatch.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", fail)
        with pytest.raises(OSError):  # noqa: PT011 - the one raised above
            await migrate(make_config())
        monkeypatch.undo()
        engine = make_engine(make_config())
        async with engine.connect() as connection:
            tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        await engine.dispose()
        assert "guilds" not in tables
        assert (await migrate(make_config())).is_current

    async def test_comments_are_in_the_database_where_it_can_hold_them(
        self, make_config: MakeConfig, kind: str
    ) -> None:
        config = make_config()
        await migrate(config)
        engine = make_engine(config)
        async with engine.connect() as connection:
            columns = await connection.run_sync(lambda sync: inspect(sync).get_columns("guilds"))
        await engine.dispose()
        expected = None if kind == "sqlite" else "Boosts."
        comments = {column["name"]: column.get("comment") for column in columns}
        assert comments["premium_subscription_count"] == expected


class TestStart:
    async def test_the_tables_are_made_at_the_first_delivery(self, make_config: MakeConfig) -> None:
        store = await open_store(make_config())
        try:
            assert await store.deliver(ban()) == STORED
            assert (await schema_state(store.engine)).is_current
        finally:
            await close_store(store)

    async def test_without_migrate_on_start_a_person_is_asked(self, make_config: MakeConfig) -> None:
        store = await open_store(make_config(migrate_on_start=False))
        try:
            verdict = await store.deliver(ban())
            assert (verdict.outcome, verdict.reason) == (Outcome.NEEDS_OPERATOR, "schema")
            assert "discord-exporter migrate" in verdict.detail
            await migrate(store.config)
            assert await store.deliver(ban()) == STORED
        finally:
            await close_store(store)

    async def test_tables_that_vanish_are_made_again(self, make_config: MakeConfig, kind: str) -> None:
        store = await open_store(make_config())
        try:
            assert await store.deliver(ban("ban:1")) == STORED
            async with store.engine.begin() as connection:
                for table in (*metadata.tables, "alembic_version"):
                    cascade = " CASCADE" if kind == "postgresql" else ""
                    await connection.execute(text(f"DROP TABLE {table}{cascade}"))
            verdict = await store.deliver(ban("ban:2"))
            assert (verdict.outcome, verdict.reason) == (Outcome.NEEDS_OPERATOR, "schema")
            assert await store.deliver(ban("ban:2")) == STORED
        finally:
            await close_store(store)

    async def test_a_path_with_percent_signs_works(self, tmp_path: Path) -> None:
        config = SqlConfig.model_validate({"dsn": f"sqlite:///{tmp_path}/100%25 new/%25s.db"})
        assert (await migrate(config)).is_current

    async def test_sqlite_commits_are_durable_and_readers_do_not_wait(self, tmp_path: Path) -> None:
        file = tmp_path / "new" / "discord.db"
        config = SqlConfig.model_validate({"dsn": f"sqlite:///{file}"})
        state = await migrate(config)
        engine = make_engine(config)
        async with engine.connect() as connection:
            found = {
                name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            }
        await engine.dispose()
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        with sqlite3.connect(os.fspath(file)) as plain:
            assert plain.execute("SELECT version_num FROM alembic_version").fetchall() == [(state.needed,)]
        plain.close()
