"""PostgreSQL behind a PgBouncer that gives each transaction any of its connections."""

from __future__ import annotations

import asyncio
import itertools

from pydantic import SecretStr
from sqlalchemy import func, select, text

from exporter.model import STORED, Priority
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.migration import migrate
from exporter.sinks.sql.schema import moderation_logs
from tests.servers.pgbouncer import PgBouncer, pgbouncer
from tests.servers.postgres import Postgres
from tests.sinks.sql.conftest import Store, close_store, open_store
from tests.sinks.sql.entries import ban, guild, join, metrics

__all__ = ["pgbouncer"]

SINKS = 4
ROUNDS = 12


def configure(pooler: PgBouncer, database: str) -> SqlConfig:
    return SqlConfig(dsn=SecretStr(pooler.dsn(database)), statement_timeout=7)


async def test_sinks_that_share_few_connections_lose_and_repeat_nothing(
    postgres: Postgres, pgbouncer: PgBouncer
) -> None:
    config = configure(pgbouncer, postgres.create_database())
    stores = [await open_store(config) for _ in range(SINKS)]

    async def deliver(number: int, store: Store) -> None:
        store.source = f"spool-{number}"
        for turn in range(ROUNDS):
            key = f"{number}-{turn}"
            entries = (ban(f"ban:{key}"), join(1000 * number + turn + 1), guild(name=key))
            assert await store.deliver(*entries) == STORED
            assert await store.deliver(metrics(["messages", "human", 5, "", 1]), lane=Priority.SLOW) == STORED

    try:
        await asyncio.gather(*itertools.starmap(deliver, enumerate(stores)))
        async with stores[0].engine.connect() as connection:
            stored = await connection.scalar(select(func.count()).select_from(moderation_logs))
        assert stored == SINKS * ROUNDS
        assert (await stores[0].sink.probe()).ok
        assert (await migrate(config)).is_current
    finally:
        for store in stores:
            await close_store(store)


async def test_time_limits_hold_within_a_transaction_and_stay_with_no_connection(
    postgres: Postgres, pgbouncer: PgBouncer
) -> None:
    database = postgres.create_database()
    engine = make_engine(configure(pgbouncer, database))
    names = ("statement_timeout", "idle_in_transaction_session_timeout")
    try:
        async with engine.begin() as connection:
            found = [await connection.scalar(text(f"SHOW {name}")) for name in names]
            process = await connection.scalar(text("SELECT pg_backend_pid()"))
        assert found == ["7s", "7s"]
        other = make_engine(SqlConfig(dsn=SecretStr(pgbouncer.dsn(database)), statement_timeout=9))
        async with other.begin() as connection:
            assert await connection.scalar(text("SELECT pg_backend_pid()")) == process
            assert await connection.scalar(text("SHOW statement_timeout")) == "9s"
        await other.dispose()
    finally:
        await engine.dispose()
