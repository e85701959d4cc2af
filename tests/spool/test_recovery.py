from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import sys
from pathlib import Path

import pytest

from exporter.errors import SchemaError, SpoolError
from exporter.model import Priority
from exporter.spool import database as schema
from exporter.spool.config import SpoolConfig
from exporter.spool.recovery import POSITION_GAP
from exporter.spool.store import Spool


def files(directory: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in sorted(directory.iterdir()) if not path.name.endswith("-shm")
    }


async def test_only_the_owner_may_read_the_directory_and_its_files(open_spool, make_entry, tmp_path):
    (tmp_path / "spool").mkdir(mode=0o755)
    spool = await open_spool()
    await spool.append([make_entry(1)])
    directory = tmp_path / "spool"
    assert directory.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    assert {"spool.db", "spool.db-wal", "spool.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}


async def test_each_spool_has_a_name_of_its_own_and_keeps_it(open_spool, tmp_path):
    spool = await open_spool()
    name = spool.source
    assert len(name) == 32
    await spool.close()
    again = await open_spool()
    assert again.source == name
    await again.close()
    (tmp_path / "spool" / "spool.db").unlink()
    assert (await open_spool()).source != name


async def test_two_spools_in_one_directory_are_refused(open_spool, tmp_path):
    await open_spool()
    with pytest.raises(SpoolError, match=f"{tmp_path}/spool is in use by another process"):
        await open_spool()


async def test_two_processes_in_one_directory_are_refused(open_spool, tmp_path):
    await open_spool()
    code = (
        "import asyncio, pathlib, sys\n"
        "from exporter.clock import SystemClock\n"
        "from exporter.spool.config import SpoolConfig\n"
        "from exporter.spool.store import Spool\n"
        "from exporter.telemetry import Telemetry\n"
        "asyncio.run(Spool.open(pathlib.Path(sys.argv[1]), SpoolConfig(), SystemClock(), Telemetry()))\n"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path / "spool"), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await other.communicate()
    assert other.returncode == 1
    assert b"SpoolError: the spool" in errors
    assert b"in use by another process" in errors


async def test_a_directory_that_was_let_go_can_be_taken(open_spool):
    spool = await open_spool()
    await spool.close()
    await open_spool()


async def test_a_path_that_cannot_be_a_directory_is_told(tmp_path, open_spool):
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(SpoolError, match=f"directory {tmp_path}/spool cannot be used: .*data_dir"):
        await open_spool()


@pytest.mark.parametrize("clean", [True, False])
async def test_a_spool_of_a_newer_version_is_refused_and_left_as_it_is(
    open_spool, make_entry, tmp_path, monkeypatch, clean
):
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE later (id INTEGER)",)))
    spool = await open_spool()
    await spool.append([make_entry(1)])
    directory = tmp_path / "spool"
    if clean:
        await spool.close()
    before = files(directory)
    if not clean:
        await spool.close()
        for name, content in before.items():
            (directory / name).write_bytes(content)
    monkeypatch.undo()
    with pytest.raises(SchemaError, match="has schema 3, this program knows 2"):
        await open_spool()
    assert {name: content for name, content in files(directory).items() if content} == {
        name: content for name, content in before.items() if content
    }


async def test_a_spool_of_an_older_version_is_brought_up_to_date(open_spool, make_entry, drain, monkeypatch):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    source = spool.source
    await spool.close()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE later (id INTEGER)",)))
    again = await open_spool()
    assert again.source == source
    assert again._connection.execute("SELECT count(*) FROM later").fetchone() == (0,)
    assert again._connection.execute("PRAGMA user_version").fetchone() == (3,)
    assert len(await drain(again)) == 1


async def test_a_migration_that_fails_leaves_the_old_version(open_spool, make_entry, monkeypatch, tmp_path):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await spool.close()
    database = tmp_path / "spool" / "spool.db"
    connection = sqlite3.connect(database, isolation_level=None)
    monkeypatch.setattr(
        schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE later (id INTEGER)", "NONSENSE"))
    )
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection)
    monkeypatch.undo()
    assert schema.read_version(connection) == 2
    connection.close()
    assert (await (await open_spool()).stats()).spooled == 1


async def test_positions_are_skipped_after_an_end_that_was_not_clean(open_spool, make_entry, tmp_path, drain):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    last = spool.tip(Priority.SLOW)
    directory = tmp_path / "spool"
    crashed = files(directory)
    await spool.close()
    for name, content in crashed.items():
        (directory / name).write_bytes(content)
    # The log is lost with the row: nothing in the file tells that its position was given out.
    (directory / "spool.db-wal").unlink()
    again = await open_spool()
    assert again.source == spool.source
    await again.append([make_entry(2)])
    assert again.tip(Priority.SLOW) > last
    assert again.tip(Priority.SLOW) >= POSITION_GAP
    assert [entry.key for entry in await drain(again)] == ["key:2"]


async def test_an_interrupted_rebuild_is_finished(open_spool, make_entry, drain, tmp_path):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await spool.close()
    directory = tmp_path / "spool"
    (directory / "spool.db").rename(directory / "spool.db.new")
    assert len(await drain(await open_spool())) == 1


async def test_a_new_spool_is_opened_without_a_word(open_spool, caplog):
    with caplog.at_level(logging.INFO):
        await open_spool()
    assert caplog.text == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_directory_that_cannot_be_written_is_told(open_spool, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SpoolError, match="cannot be used"):
        await open_spool()
    tmp_path.chmod(0o700)


async def test_nothing_is_left_open_after_close(open_spool, make_entry):
    def handles():
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))

    spool = await open_spool()
    await spool.close()
    before = handles()
    for number in range(10):
        spool = await open_spool()
        await spool.append([make_entry(number)])
        await spool.close()
    after = handles()
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2


async def test_an_opening_that_is_called_off_leaves_the_file_closed_in_order(
    tmp_path, clock, telemetry, make_entry
):
    opening = asyncio.create_task(Spool.open(tmp_path / "spool", SpoolConfig(reserve=0), clock, telemetry))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert (tmp_path / "spool" / "spool.db").exists(), "it was under way"
    spool = await Spool.open(tmp_path / "spool", SpoolConfig(reserve=0), clock, telemetry)
    await spool.append([make_entry(1)])
    assert spool.tip(Priority.SLOW) == 1, "no gap, as after an end that was not clean"
    await spool.close()
