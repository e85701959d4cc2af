"""A PostgreSQL database that cannot hold every character is refused, not filled in part."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from exporter.errors import SchemaError
from exporter.model import Outcome
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.migration import prepare
from exporter.sinks.sql.sink import SqlSink
from tests.servers.postgres import Postgres
from tests.sinks.sql.conftest import close_store, open_store
from tests.sinks.sql.entries import ban


@pytest.fixture
def config(postgres: Postgres) -> SqlConfig:
    """An empty database in LATIN1."""
    name = f"latin_{postgres.create_database()}"
    postgres.sql(f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    return SqlConfig(dsn=SecretStr(postgres.dsn(name)))


async def test_a_batch_is_kept_for_an_operator_who_is_shown_what_to_do(config: SqlConfig) -> None:
    store = await open_store(config)
    verdict = await store.deliver(ban())
    await close_store(store)
    assert verdict.outcome is Outcome.NEEDS_OPERATOR
    assert "encoding LATIN1" in verdict.detail
    assert "ENCODING 'UTF8'" in verdict.detail


async def test_check_says_so(config: SqlConfig) -> None:
    probe = await SqlSink(config).probe()
    assert not probe.ok
    assert "encoding LATIN1" in probe.detail


def test_migrate_makes_nothing(config: SqlConfig, postgres: Postgres) -> None:
    with pytest.raises(SchemaError, match="encoding LATIN1"):
        list(prepare(config))
    assert (
        postgres.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", str(config.url.database))
        == "0"
    )
