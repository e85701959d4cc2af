"""Queries filled in as Grafana does before it sends them, and sent to real databases."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from influxdb_client import InfluxDBClient
from influxdb_client.client.flux_table import TableList

HOUR = 3600


@dataclass(frozen=True)
class Range:
    """What the dashboard's time picker says, in ms, and the slot of a panel in seconds."""

    start: int
    end: int
    slot: int = HOUR

    @property
    def texts(self) -> tuple[str, str]:
        return tuple(
            dt.datetime.fromtimestamp(at / 1000, dt.UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
            for at in (self.start, self.end)
        )


@dataclass(frozen=True)
class Databases:
    """The same rows in both."""

    file: Path
    dsn: str

    def ask_sqlite(self, text: str) -> list[dict]:
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)
        try:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(text)]
        finally:
            connection.close()

    def ask_postgres(self, text: str) -> list[dict]:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(self._fetch(text))).result()

    async def _fetch(self, text: str) -> list[dict]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return [dict(row) for row in await connection.fetch(text)]
        finally:
            await connection.close()


@dataclass(frozen=True)
class Points:
    """The same past in a bucket of InfluxDB."""

    client: InfluxDBClient
    bucket: str

    def ask(self, text: str, start: str, stop: str, window: str, guild: int) -> TableList:
        """The answer to a Flux query filled in as Grafana does."""
        for name, value in (
            ("v.timeRangeStart", start),
            ("v.timeRangeStop", stop),
            ("v.windowPeriod", window),
            ("v.defaultBucket", f'"{self.bucket}"'),
            ("${guild}", f"{guild}"),
        ):
            text = text.replace(name, value)
        assert "$" not in text, text
        return self.client.query_api().query(text)


def fill_in(text: str, values: Mapping[str, str], span: Range) -> str:
    """Variables in the form ``${name:sqlstring}``, then what each plugin puts in place of its macros.

    Raises:
        AssertionError: something that Grafana would fill in is left.
    """
    for name, value in values.items():
        quoted = value if value.startswith("'") else "'" + value.replace("'", "''") + "'"
        text = text.replace(f"${{{name}:sqlstring}}", quoted)
    start, end = span.texts
    text = re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 BETWEEN '{start}' AND '{end}'", text)
    text = text.replace("$__timeFrom()", f"'{start}'").replace("$__timeTo()", f"'{end}'")
    text = text.replace("$__interval_ms", str(span.slot * 1000))
    text = text.replace("$__from", str(span.start)).replace("$__to", str(span.end))
    assert "$" not in text, text
    return text
