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
from exporter.spool import schema
from exporter.spool.config import SpoolConfig
from exporter.spool.ports import StateRow
from exporter.spool.recovery import POSITION_GAP
from exporter.spool.store import Spool
from tests.spool import version_1
from tests.spool.letters import dead_letters


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


async def test_a_path_that_cannot_be_a_directory_is_reported(tmp_path, open_spool):
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


@pytest.mark.parametrize("clean", [True, False])
async def test_a_spool_of_version_1_is_taken_over_whole(
    open_spool, make_entry, tmp_path, drain, check_accounts, clock, clean
):
    clock.step(-clock.now_ms() / 1000)  # so that positions go on, and do not begin anew at the time
    version_1.write(tmp_path / "spool", clean=clean)
    spool = await open_spool(sinks=("sql", "influx"))
    assert spool.source == version_1.SOURCE
    assert spool._connection.execute("PRAGMA user_version").fetchone() == (2,)
    stats = await check_accounts(spool)
    assert stats.spooled == 120
    assert [(name, sink.delivered, sink.dead, sink.pending) for name, sink in stats.sinks.items()] == [
        ("influx", 0, 0, 120),
        ("sql", 57, 3, 60),
    ]
    assert await spool.state() == []
    assert await spool.increments() == []
    assert [(part.number, part.body) for part in await spool.journal()] == list(
        enumerate(version_1.JOURNAL, 1)
    )
    letters = dead_letters(spool)
    assert [(letter.sink, letter.lane, letter.reason, letter.key) for letter in letters] == [
        ("sql", lane, "bad", version_1.key(number))
        for lane, number in zip(Priority, (60, 58, 59), strict=True)
    ]
    assert [letter.entry.key for letter in letters] == [letter.key for letter in letters]
    everything = [
        version_1.key(number) for lane in range(3) for number in range(1, 121) if number % 3 == lane
    ]
    assert [entry.key for entry in await drain(spool, "influx")] == everything
    assert [entry.key for entry in await drain(spool, "sql")] == [
        version_1.key(number) for lane in range(3) for number in range(61, 121) if number % 3 == lane
    ]
    await spool.append([make_entry(1)], state=[StateRow("t", b"1", b"one")], forget_journal=True)
    assert spool.tip(Priority.SLOW) == 121 + (0 if clean else POSITION_GAP)
    await spool.close()
    again = await open_spool(sinks=("sql", "influx"))
    assert await again.journal() == []
    assert await again.state() == [StateRow("t", b"1", b"one")]
    assert (await again.stats()).limit < again._config.max_bytes + 4 * 4096, "the journal no longer counts"


async def test_a_damaged_spool_of_version_1_is_taken_over_as_far_as_it_can_be_read(
    open_spool, tmp_path, drain, check_accounts
):
    version_1.write(tmp_path / "spool", clean=True)
    file = tmp_path / "spool" / "spool.db"
    data = bytearray(file.read_bytes())
    page = next(at for at in range(4096, len(data), 4096) if b"version 1:30" in data[at : at + 4096])
    data[page : page + 4096] = bytes(4096)
    file.write_bytes(data)
    spool = await open_spool(sinks=("sql", "influx"))
    assert spool.source == version_1.SOURCE
    stats = await check_accounts(spool)
    assert 0 < stats.sinks["influx"].evicted < 40
    assert len(await drain(spool, "influx")) == 120 - stats.sinks["influx"].evicted
    assert [part.body for part in await spool.journal()] == list(version_1.JOURNAL)


async def test_a_migration_that_fails_leaves_the_old_version(open_spool, make_entry, monkeypatch, tmp_path):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await spool.close()
    connection = sqlite3.connect(tmp_path / "spool" / "spool.db", isolation_level=None)
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
async def test_a_directory_that_cannot_be_written_is_reported(open_spool, tmp_path):
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
