"""The far ends the contract suite runs over: every kind that a built-in sink writes to.

``SINK_HARNESS=module:Class`` names one of another distribution in their place.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import re
import shutil
import sqlite3
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from exporter.model import Entry
from exporter.sinks.influx.declaration import SINK as INFLUX
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.declaration import SINK as SQL
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.schema import guild_daily, metadata, moderation_logs
from tests.servers.postgres import PASSWORD, Postgres
from tests.servers.victoria import Victoria, running_victoria
from tests.sinks.contract.harness import Harness
from tests.sinks.contract.proxy import Proxy
from tests.sinks.influx.buckets import InfluxStore, influx_buckets
from tests.sinks.sql.entries import ban, metrics

INFLUX_TOKEN = "a-token-of-nowhere"


class SqlHarness(Harness):
    """Reads tables over an engine of its own."""

    spec = SQL

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def records(self, guild: int) -> list[int]:
        columns = moderation_logs.columns
        query = select(columns.at).where(columns.guild_id == guild).order_by(columns.id)
        async with self._engine.connect() as connection:
            return [at // 1000 for at in (await connection.scalars(query)).all()]

    async def messages(self, guild: int) -> int:
        query = select(func.sum(guild_daily.columns.messages)).where(guild_daily.columns.guild_id == guild)
        async with self._engine.connect() as connection:
            return int(await connection.scalar(query) or 0)

    async def texts(self, guild: int) -> set[str]:
        query = select(moderation_logs.columns.reason).where(moderation_logs.columns.guild_id == guild)
        async with self._engine.connect() as connection:
            return {reason for reason in (await connection.scalars(query)).all() if reason is not None}

    async def contents(self) -> object:
        async with self._engine.connect() as connection:
            names = await connection.run_sync(lambda sync: sync.dialect.get_table_names(sync))
            return {
                name: (await connection.execute(text(f"SELECT * FROM {name}"))).all()
                for name in sorted(names)
            }

    def bad_entry(self, guild: int) -> Entry:
        return ban("ban:bad", reason="a\0b", guild=guild)


class SqliteHarness(SqlHarness):
    """A file; it is away while another process holds its lock, which holds up writers only."""

    probe_notices_absence = False

    def __init__(self, file: Path) -> None:
        super().__init__(make_engine(SqlConfig.model_validate({"dsn": f"sqlite:///{file}"})))
        self._file = file
        self._holder: sqlite3.Connection | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Self]:
        file = tmp_path / "discord.db"
        shutil.copy(request.getfixturevalue("migrated_file"), file)
        harness = cls(file)
        yield harness
        await harness.come_back()
        await harness._engine.dispose()

    def settings(self) -> dict[str, Any]:
        return {"dsn": f"sqlite:///{self._file}", "statement_timeout": "50ms"}

    def unusable_settings(self) -> dict[str, Any]:
        return {"dsn": f"sqlite:///{self._file}/discord.db"}

    async def go_away(self) -> None:
        self._holder = sqlite3.connect(self._file, isolation_level=None, timeout=20)
        self._holder.execute("BEGIN EXCLUSIVE")

    async def come_back(self) -> None:
        if self._holder is not None:
            self._holder.close()


class PostgresHarness(SqlHarness):
    """A database behind a proxy."""

    secrets: ClassVar[tuple[str, ...]] = (PASSWORD, "n0t-the-passw0rd")

    def __init__(self, dsn: str, proxy: Proxy) -> None:
        super().__init__(make_engine(SqlConfig.model_validate({"dsn": dsn})))
        self._dsn = dsn
        self._proxy = proxy

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Self]:  # noqa: ARG003
        server: Postgres = request.getfixturevalue("postgres")
        dsn = server.dsn(request.getfixturevalue("migrated_database"))
        harness = cls(dsn, Proxy(server.port))
        async with harness._engine.begin() as connection:
            for table in metadata.tables.values():
                await connection.execute(table.delete())
        await harness.come_back()
        yield harness
        await harness.go_away()
        await harness._engine.dispose()

    def settings(self) -> dict[str, Any]:
        return {"dsn": _with_port(self._dsn, self._proxy.port)}

    def unusable_settings(self) -> dict[str, Any]:
        return {"dsn": self._dsn.replace(PASSWORD, self.secrets[1])}

    async def go_away(self) -> None:
        await self._proxy.down()

    async def come_back(self) -> None:
        await self._proxy.up()


class LineProtocolHarness(Harness):
    """What a server of line protocol has in common with another."""

    spec = INFLUX
    secrets: ClassVar[tuple[str, ...]] = (INFLUX_TOKEN,)

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def holds(self, text: str) -> bool:
        # A tag holds neither control characters nor every backslash.
        return not re.search(r"[\x00-\x1f\\]", text)

    def bad_entry(self, guild: int) -> Entry:
        return metrics(["unheard_of", "", 0, "", 1], guild=guild)

    async def go_away(self) -> None:
        await self._proxy.down()

    async def come_back(self) -> None:
        await self._proxy.up()


class VictoriaHarness(LineProtocolHarness):
    """VictoriaMetrics. It keeps every sample, where InfluxDB keeps one for each series and time: so do we."""

    def __init__(self, server: Victoria, proxy: Proxy, guarded: Victoria) -> None:
        super().__init__(proxy)
        self._server = server
        self._guarded = guarded

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Self]:  # noqa: ARG003
        server: Victoria = request.getfixturevalue("victoria")
        harness = cls(
            server, Proxy(urlsplit(server.url).port or 0), request.getfixturevalue("guarded_victoria")
        )
        await harness.come_back()
        yield harness
        await harness.go_away()

    def settings(self) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{self._proxy.port}", "token": INFLUX_TOKEN}

    def unusable_settings(self) -> dict[str, Any]:
        return {"url": self._guarded.url, "token": INFLUX_TOKEN}

    def _samples(self, name: str, guild: int) -> set[tuple[frozenset[tuple[str, str]], int, float]]:
        series: list[Any] = self._server.export(f'{{__name__="{name}", guild_id="{guild}"}}')
        return {
            (frozenset(one["metric"].items()), at, value)
            for one in series
            for at, value in zip(one["timestamps"], one["values"], strict=True)
        }

    async def records(self, guild: int) -> list[int]:
        return sorted(at // 1000 for _, at, _ in self._samples("discord_events_count", guild))

    async def messages(self, guild: int) -> int:
        return round(sum(value for _, _, value in self._samples("discord_messages_messages", guild)))

    async def texts(self, guild: int) -> set[str]:
        return {dict(tags)["emoji"] for tags, _, _ in self._samples("discord_reactions_added", guild)}

    async def contents(self) -> object:
        return {json.dumps(series, sort_keys=True) for series in self._server.export()}


class InfluxHarness(LineProtocolHarness):
    """An InfluxDB that ``INFLUXDB_URL``, ``INFLUXDB_TOKEN`` and ``INFLUXDB_ORG`` name; buckets of its own."""

    def __init__(self, store: InfluxStore, proxy: Proxy) -> None:
        super().__init__(proxy)
        self._store = store

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Self]:  # noqa: ARG003
        url = os.environ.get("INFLUXDB_URL")
        if not url:
            pytest.skip("no InfluxDB: set INFLUXDB_URL, INFLUXDB_TOKEN and INFLUXDB_ORG to test against one")
        store = InfluxStore(
            url, os.environ["INFLUXDB_TOKEN"], os.environ["INFLUXDB_ORG"], f"exporter_{uuid.uuid4().hex[:8]}"
        )
        harness = cls(store, Proxy(urlsplit(url).port or 80))
        async with influx_buckets(store):
            await harness.come_back()
            yield harness
            await harness.go_away()

    def settings(self) -> dict[str, Any]:
        config = self._store.config
        return {
            "url": _with_port(config.url or "", self._proxy.port),
            "token": config.token.get_secret_value(),
            "org": config.org,
            "bucket": config.bucket,
            "bucket_members": config.bucket_members,
        }

    def unusable_settings(self) -> dict[str, Any]:
        return {**self.settings(), "token": INFLUX_TOKEN}

    async def records(self, guild: int) -> list[int]:
        rows = await self._store.rows("discord_events", "count", guild)
        return sorted(int(row["_time"].timestamp()) for row in rows)

    async def messages(self, guild: int) -> int:
        return sum(
            int(row["_value"]) for row in await self._store.rows("discord_messages", "messages", guild)
        )

    async def texts(self, guild: int) -> set[str]:
        return {str(row["emoji"]) for row in await self._store.rows("discord_reactions", "added", guild)}

    async def contents(self) -> object:
        return await self._store.rows()


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}" if user else f"127.0.0.1:{port}"))


@contextlib.contextmanager
def running_guarded_victoria():
    """A server that asks for a password which no sink has."""
    password = f"{random.SystemRandom().randrange(10**12)}"
    with running_victoria("-httpAuth.username=operator", f"-httpAuth.password={password}") as server:
        yield server


def harnesses() -> list[type[Harness]]:
    """The harnesses the suite runs over."""
    if named := os.environ.get("SINK_HARNESS"):
        module, _, name = named.partition(":")
        return [getattr(importlib.import_module(module), name)]
    return [SqliteHarness, PostgresHarness, VictoriaHarness, InfluxHarness]
