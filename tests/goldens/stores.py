"""What the stores would hold after a script: lines of the line protocol, and rows of a real SQLite file."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncEngine

from exporter.clock import ManualClock
from exporter.model import STORED, Batch, Row
from exporter.sinks.influx.line_protocol import Encoder
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.schema import metadata
from exporter.sinks.sql.sink import SqlSink
from tests.goldens.stage import CATALOGUE, PackedSpool

ACCOUNTING = {"deliveries"}
"""Tables that hold nothing of what happened."""


def lines(rows: tuple[Row, ...]) -> list[str]:
    """Every line, those of members last."""
    encoded = Encoder(CATALOGUE).encode(PackedSpool.source, rows)
    assert not encoded.rejected
    return [*encoded.activity, *encoded.members]


async def tables(rows: tuple[Row, ...], file: Path, *, snapshots: bool) -> dict[str, list[dict[str, object]]]:
    """Every row by table; ``file`` has its tables and nothing in them, or is not there yet."""
    config = SqlConfig(dsn=SecretStr(f"sqlite:///{file}"), store_snapshots=snapshots)
    sink = SqlSink(config, clock=ManualClock(), catalogue=CATALOGUE)
    await sink.open()
    lanes = sorted(rows, key=lambda row: (row.entry.priority, row.position))
    for lane, found in itertools.groupby(lanes, key=lambda row: row.entry.priority):
        assert await sink.deliver(Batch(PackedSpool.source, lane, tuple(found))) == STORED
    await sink.close()
    engine = make_engine(config)
    try:
        return await _read(engine)
    finally:
        await engine.dispose()


async def _read(engine: AsyncEngine) -> dict[str, list[dict[str, object]]]:
    found = {}
    async with engine.connect() as connection:
        for name, table in sorted(metadata.tables.items()):
            if name not in ACCOUNTING:
                rows = await connection.execute(select(table).order_by(*table.primary_key.columns))
                found[name] = [_filled(table, row) for row in rows.mappings()]
    return {name: rows for name, rows in found.items() if rows}


def _filled(table: Table, row: Mapping[str, object]) -> dict[str, object]:
    """The columns that hold something: no null, and no counter that is at its zero."""
    return {
        name: value
        for name, value in row.items()
        if value is not None and (value or table.columns[name].server_default is None)
    }
