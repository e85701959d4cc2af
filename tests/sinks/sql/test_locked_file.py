"""A SQLite log that another process has locked is waited for, and keeps no process that is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from exporter.model import STORED
from exporter.sinks.sql.config import SqlConfig
from tests.sinks.sql.conftest import close_store, open_store
from tests.sinks.sql.entries import ban

PROGRAM = """
import asyncio, logging, sys
from exporter.model import Batch, Priority, Row
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.sink import SqlSink
from tests.sinks.sql.entries import ban

class Waiting(logging.Handler):
    seen = False

    def emit(self, record):
        self.seen |= "BEGIN IMMEDIATE" in record.getMessage()

async def main():
    waiting = Waiting()
    logging.getLogger("aiosqlite").addHandler(waiting)
    logging.getLogger("aiosqlite").setLevel(logging.DEBUG)
    sink = SqlSink(SqlConfig.model_validate({"dsn": "sqlite:///" + sys.argv[1], "statement_timeout": "10m"}))
    await sink.open()
    delivery = asyncio.create_task(sink.deliver(Batch("spool", Priority.CRITICAL, (Row(1, ban()),))))
    while not waiting.seen:
        await asyncio.sleep(0.01)
    assert not delivery.done()
    delivery.cancel()
    await asyncio.gather(delivery, return_exceptions=True)
    await sink.close()

asyncio.run(main())
print("ended")
"""


def test_a_process_whose_log_is_locked_ends_when_its_delivery_is_cancelled(migrated_file: Path) -> None:
    with contextlib.closing(sqlite3.connect(migrated_file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(migrated_file)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        holder.execute("ROLLBACK")
    assert done.stdout == "ended\n", done.stderr


async def test_a_lock_is_waited_for_until_it_is_released(
    migrated_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(migrated_file, tmp_path / "discord.db")
    store = await open_store(SqlConfig(dsn=SecretStr(f"sqlite:///{tmp_path / 'discord.db'}")))

    def attempts() -> int:
        return sum("executing" in line and "BEGIN IMMEDIATE" in line for line in caplog.messages)

    with (
        caplog.at_level(logging.DEBUG, "aiosqlite"),
        contextlib.closing(sqlite3.connect(tmp_path / "discord.db", isolation_level=None)) as holder,
    ):
        holder.execute("BEGIN EXCLUSIVE")
        delivery = asyncio.create_task(store.deliver(ban()))
        while attempts() < 3:
            assert not delivery.done()
            await asyncio.sleep(0.01)
        holder.execute("ROLLBACK")
        assert await delivery == STORED
    await close_store(store)
