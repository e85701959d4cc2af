"""The committed dashboards, and stores filled by the real writer for them to read."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from influxdb_client import InfluxDBClient
from pydantic import SecretStr

from exporter.clock import SystemClock
from exporter.events.catalogue import full_catalogue
from exporter.model import STORED, Batch, Entry, Priority, Row
from exporter.sinks.base import Sink
from exporter.sinks.influx.config import InfluxConfig
from exporter.sinks.influx.sink import InfluxSink
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.migration import migrate
from exporter.sinks.sql.sink import SqlSink
from tests.dashboards.asking import Databases, Points
from tests.dashboards.curves import curves, own_curves, worked
from tests.dashboards.past import DAY, HOUR, MINUTE, Past, pasts
from tests.servers.postgres import Postgres, postgres
from tests.servers.prometheus import Prometheus, remembering_prometheus, store

__all__ = ["postgres"]

ROWS = 500
"""Rows of a batch, as the runner delivers them by default."""


@pytest.fixture(scope="session")
def now() -> int:
    """One moment for all, so that ranges and data agree."""
    return int(time.time() * 1000)


@pytest.fixture(scope="session")
def past(now: int) -> tuple[Past, Past]:
    found = pasts(now)
    for guild in found:
        list(guild.tell())
    return found


@pytest.fixture(scope="session")
def databases(
    past: tuple[Past, Past], postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Databases:
    """The same past in SQLite and PostgreSQL."""
    file = tmp_path_factory.mktemp("dashboards") / "discord.db"
    dsn = postgres.dsn(postgres.create_database())
    entries = [entry for guild in past for entry in guild.entries]
    with ThreadPoolExecutor(1) as thread:
        for each in (f"sqlite:///{file}", dsn):
            thread.submit(lambda each=each: asyncio.run(_fill(each, entries))).result()
    return Databases(Path(file), dsn)


SELDOM, OFTEN = 2 * MINUTE, MINUTE // 2
"""Between two scrapes of guilds, whose panels look at five minutes or more, and of the exporter, at one."""
PHASE = 41_000
"""Scrapes fall between the moments of the entries."""


@pytest.fixture(scope="session")
def scraped(past: tuple[Past, Past], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scraped an exporter through the last two weeks of the same past."""
    # A range of a week is compared with the week before it; of the exporter itself nothing is.
    guilds = [curve for guild in past for curve in curves(guild, days=15)]
    own = own_curves(worked(), [past[0].end - hour * HOUR for hour in reversed(range(26))])
    directory = tmp_path_factory.mktemp("prometheus")
    lines = [curve.samples(SELDOM, PHASE) for curve in guilds] + [curve.samples(OFTEN) for curve in own]
    store(itertools.chain.from_iterable(lines), directory)
    with remembering_prometheus(directory) as server:
        yield server


@pytest.fixture(scope="session")
def influx(past: tuple[Past, Past]) -> Iterator[Points]:
    """The last two weeks of the same past in a bucket of its own, written by the real sink."""
    url = os.environ.get("INFLUXDB_URL")
    if not url:
        pytest.skip("no InfluxDB: set INFLUXDB_URL, INFLUXDB_TOKEN and INFLUXDB_ORG to test against one")
    bucket, token = f"exporter_{uuid.uuid4().hex[:8]}", os.environ["INFLUXDB_TOKEN"]
    with InfluxDBClient(url, token, org=os.environ["INFLUXDB_ORG"]) as client:
        made = client.buckets_api().create_bucket(bucket_name=bucket)
        config = InfluxConfig(url=url, org=client.org, token=SecretStr(token), bucket=bucket)
        # Members have a bucket of their own, which no dashboard reads.
        entries = [
            entry
            for guild in past
            for entry in guild.entries
            if entry.at >= guild.end - 15 * DAY and entry.type != "MEMBER_ACTIVITY_SNAPSHOT"
        ]
        sink = InfluxSink(config, full_catalogue(), SystemClock())
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(_deliver(sink, entries))).result()
        yield Points(client, bucket)
        client.buckets_api().delete_bucket(made)


async def _fill(dsn: str, entries: list[Entry]) -> None:
    config = SqlConfig(dsn=SecretStr(dsn))
    await migrate(config)
    await _deliver(SqlSink(config, clock=SystemClock(), catalogue=full_catalogue()), entries)


async def _deliver(sink: Sink, entries: list[Entry]) -> None:
    await sink.open()
    rows = [Row(position, entry) for position, entry in enumerate(entries, 1)]
    for lane in Priority:
        waiting = [row for row in rows if row.entry.priority is lane]
        for start in range(0, len(waiting), ROWS):
            verdict = await sink.deliver(Batch("past", lane, tuple(waiting[start : start + ROWS])))
            assert verdict == STORED
    await sink.close()
