"""A data directory from a backup, beside a SQL log that has gone on: nothing new is taken for stored."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from pydantic import SecretStr

from exporter.clock import SystemClock
from exporter.sinks.runner import Runner
from exporter.sinks.runner_config import RunnerConfig
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.sink import SqlSink
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry
from tests.sinks.sql.entries import ban


async def store(directory: Path, *numbers: int) -> None:
    """A process that spools and delivers one ban for each number."""
    clock, telemetry = SystemClock(), Telemetry()
    spool = await Spool.open(directory / "spool", SpoolConfig(reserve=0), clock, telemetry)
    await spool.register(["sql"])
    sink = SqlSink(SqlConfig(dsn=SecretStr(f"sqlite:///{directory}/log.db")), clock=clock)
    runner = Runner(spool, [sink], RunnerConfig(), clock, telemetry)
    await spool.append([ban(key=f"ban:{number}") for number in numbers])
    runner.start()
    assert await runner.drain(30)
    await runner.stop()
    await spool.close()


async def test_entries_after_a_restored_backup_are_stored_and_the_loss_is_logged(tmp_path, caplog):
    await store(tmp_path, 1)
    shutil.copytree(tmp_path / "spool", tmp_path / "backup")
    await store(tmp_path, 2, 3)
    await store(tmp_path, 4)
    assert "ERROR" not in caplog.text
    shutil.rmtree(tmp_path / "spool")
    shutil.copytree(tmp_path / "backup", tmp_path / "spool")
    await store(tmp_path, 5)
    await store(tmp_path, 6)
    with closing(sqlite3.connect(tmp_path / "log.db")) as log:
        (count,) = log.execute("SELECT count(*) FROM moderation_logs").fetchone()
    assert count == 6
    assert caplog.text.count("sink sql holds critical entries up to position") == 1
