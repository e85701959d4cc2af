"""Which DSNs are taken, what becomes of them, and that a password stays where it is."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.sink import SqlSink

SECRET = "hunter2-and-more"


def configure(dsn: str) -> SqlConfig:
    return SqlConfig.model_validate({"dsn": dsn})


@pytest.mark.parametrize(
    ("dsn", "driver", "database"),
    [
        ("sqlite:///data/discord.db", "sqlite+aiosqlite", "data/discord.db"),
        ("sqlite:////var/lib/discord.db", "sqlite+aiosqlite", "/var/lib/discord.db"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite", "x.db"),
        ("  sqlite:///x.db\n", "sqlite+aiosqlite", "x.db"),
        ("postgresql://u:p@host:5433/discord", "postgresql+asyncpg", "discord"),
        ("postgres://u:p@host/discord", "postgresql+asyncpg", "discord"),
        ("postgresql+asyncpg://u@host/discord", "postgresql+asyncpg", "discord"),
    ],
)
def test_plain_dsns_get_the_driver_that_is_installed(dsn: str, driver: str, database: str) -> None:
    url = configure(dsn).url
    assert (url.drivername, url.database) == (driver, database)


def test_options_of_libpq_are_kept_apart_from_the_address() -> None:
    options = f"sslmode=require&sslpassword={SECRET}&channel_binding=prefer"
    config = configure(f"postgresql://u:p@/discord?host=/run/postgresql&port=5433&{options}")
    assert dict(config.url.query) == {"host": "/run/postgresql", "port": "5433"}
    assert config.libpq_options == {"sslmode": "require", "sslpassword": SECRET}
    assert SECRET not in config.url.render_as_string(hide_password=True)
    assert configure("postgresql://u@host/d?ssl=require").libpq_options == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("dsn", "problem"),
    [
        ("", "the DSN cannot be read; write sqlite:///"),
        (f"{SECRET}", "the DSN cannot be read; write sqlite:///"),
        (f"postgresql://u:{SECRET}@host:port/d", "the DSN cannot be read"),
        (f"mysql://u:{SECRET}@host/d", "'mysql' is not supported; write"),
        (f"postgresql+psycopg2://u:{SECRET}@host/d", "is not supported"),
        (f"postgresql://u:{SECRET}@host", "names no database"),
        (
            f"postgresql://u:{SECRET}@host/d?sslmod=require",
            "unknown DSN option sslmod; known are channel_binding",
        ),
        (f"postgresql://u:{SECRET}@host/d?channel_binding=require", "the driver cannot do; leave it out"),
        (f"postgresql://u:{SECRET}@host/d?connect_timeout=10", "set sinks.sql.connect_timeout"),
        (f"postgresql://u:p@{SECRET}@host/d", "percent-encode @ as %40"),
        (f"postgresql://u:{SECRET}@p@host:port/d", "percent-encode @ as %40"),
        ("sqlite://", "SQLite needs a file"),
        ("sqlite:///:memory:", "SQLite needs a file"),
        ("sqlite://host/file.db", "a path and nothing else"),
        ("sqlite:///file.db?mode=ro", "a path and nothing else"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_write(dsn: str, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        configure(dsn)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


def test_defaults_need_nothing_but_a_disk() -> None:
    config = SqlConfig()
    assert config.enabled
    assert config.url.drivername == "sqlite+aiosqlite"
    assert config.migrate_on_start
    assert not config.store_snapshots


@pytest.mark.parametrize("name", ["connect_timeout", "statement_timeout"])
def test_timeouts_are_durations_above_zero(name: str) -> None:
    assert getattr(SqlConfig.model_validate({name: "1m30s"}), name) == 90.0
    with pytest.raises(ValidationError):
        SqlConfig.model_validate({name: 0})


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError):
        SqlConfig.model_validate({"url": "sqlite:///x.db"})


async def test_errors_of_the_database_do_not_show_parameters(tmp_path: Path) -> None:
    engine = make_engine(configure(f"sqlite:///{tmp_path}/x.db"))
    async with engine.connect() as connection:
        with pytest.raises(OperationalError) as caught:
            await connection.execute(text("SELECT :name FROM nowhere"), {"name": SECRET})
    await engine.dispose()
    assert "nowhere" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_password_is_in_no_text_about_the_configuration(caplog: pytest.LogCaptureFixture) -> None:
    config = configure(f"postgresql://user:{SECRET}@host/discord")
    with caplog.at_level(logging.DEBUG):
        engine = make_engine(config)
        sink = SqlSink(config)
        texts = [repr(config), str(config), config.model_dump_json(), str(config.url), repr(config.url)]
        texts += [repr(engine), str(engine.url), repr(sink), caplog.text]
    assert not [each for each in texts if SECRET in each]
    assert config.url.password == SECRET
