"""Files of the spool that are deleted, moved or replaced while it is open."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.errors import SpoolError
from exporter.model import Priority
from exporter.spool.config import SpoolConfig
from exporter.spool.directory import SpoolDirectory
from exporter.spool.file_watch import FileWatch


def delete_database(directory: Path) -> None:
    for path in directory.glob("spool.db*"):
        path.unlink()


def replace_database(directory: Path) -> None:
    shutil.copy(directory / "spool.db", directory / "copy")
    (directory / "copy").rename(directory / "spool.db")


def replace_log(directory: Path) -> None:
    shutil.copy(directory / "spool.db-wal", directory / "copy")
    (directory / "copy").rename(directory / "spool.db-wal")


def link_database(directory: Path) -> None:
    (directory / "spool.db").rename(directory.parent / "elsewhere")
    (directory / "spool.db").symlink_to(directory.parent / "elsewhere")


def replace_directory(directory: Path) -> None:
    directory.rename(directory.with_name("moved"))
    directory.write_text("")


WAYS: dict[str, Callable[[Path], None]] = {
    "spool.db was deleted or moved": delete_database,
    "spool.db was deleted": shutil.rmtree,
    "spool.db was deleted or ": replace_directory,
    "spool.db was replaced by another file": replace_database,
    "spool.db was replaced": link_database,
    "spool.db-wal was deleted or moved": lambda directory: (directory / "spool.db-wal").unlink(),
    "spool.db-wal was replaced by another file": replace_log,
}


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(("what", "change"), WAYS.items(), ids=[str(number) for number in range(len(WAYS))])
async def test_nothing_is_acknowledged_that_would_go_into_a_file_that_is_gone(
    open_spool, make_entry, tmp_path, caplog, what, change
):
    spool = await open_spool()
    await spool.append([make_entry(1)], increments=[b"1"])
    assert spool.displaced == ""
    change(tmp_path / "spool")
    calls = (
        lambda: spool.append([make_entry(2)]),
        lambda: spool.append([], increments=[b"2"]),
        lambda: spool.append([], forget=1),
        spool.probe,
    )
    for call in calls:
        with pytest.raises(SpoolError, match=f"{tmp_path}/spool/{what}.*restart the exporter"):
            await call()
    assert what in spool.displaced
    assert len(errors(caplog)) == 1
    assert spool.displaced in errors(caplog)[0]


async def test_what_a_deleted_file_holds_is_still_delivered(
    open_spool, make_entry, tmp_path, drain, check_accounts, caplog
):
    spool = await open_spool()
    await spool.append([make_entry(1), make_entry(2)])
    delete_database(tmp_path / "spool")
    with pytest.raises(SpoolError):
        await spool.probe()
    assert [entry.key for entry in await drain(spool)] == ["key:1", "key:2"]
    await spool.close()
    caplog.clear()
    stats = (await check_accounts(await open_spool())).sinks["sql"]
    assert (stats.spooled, stats.delivered, stats.evicted) == (2, 2, 0)


async def test_a_file_that_is_moved_back_takes_entries_again(open_spool, make_entry, tmp_path, drain, caplog):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    (tmp_path / "spool").rename(tmp_path / "moved")
    for _ in range(2):
        with pytest.raises(SpoolError, match="deleted or moved"):
            await spool.append([make_entry(2)])
    (tmp_path / "moved").rename(tmp_path / "spool")
    await spool.append([make_entry(3)])
    assert spool.displaced == ""
    await spool.close()
    assert len(errors(caplog)) == 1
    assert [entry.key for entry in await drain(await open_spool())] == ["key:1", "key:3"]


async def test_it_is_noticed_without_a_commit(open_spool, tmp_path):
    spool = await open_spool()
    delete_database(tmp_path / "spool")
    async with asyncio.timeout(30):
        while not spool.displaced:
            await asyncio.sleep(0.05)


async def test_a_deleted_log_loses_nothing_of_what_was_acknowledged(open_spool, make_entry, tmp_path, drain):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    (tmp_path / "spool" / "spool.db-wal").unlink()
    with pytest.raises(SpoolError):
        await spool.append([make_entry(2)])
    await spool.close()
    assert [entry.key for entry in await drain(await open_spool())] == ["key:1"]


async def test_what_sqlite_does_to_its_own_files_is_no_change(open_spool, make_entry, tmp_path, caplog):
    spool = await open_spool()
    log = tmp_path / "spool" / "spool.db-wal"
    sizes = []
    for number in range(20):
        await spool.append([make_entry(number, padding=200_000)])
        if number % 5 == 0:
            other = sqlite3.connect(tmp_path / "spool" / "spool.db")
            other.execute("SELECT count(*) FROM slow").fetchone()
            other.close()
            await spool._writer.submit(lambda _: None)
        sizes.append(log.stat().st_size)
    spool._quota.empty_log()
    assert log.stat().st_size == 0 < max(sizes)
    await spool.append([make_entry(30)])
    assert spool.displaced == ""
    assert errors(caplog) == []


async def test_a_start_that_rebuilds_a_damaged_file_watches_the_new_one(open_spool, make_entry, tmp_path):
    spool = await open_spool()
    await spool.append([make_entry(number, padding=3_000) for number in range(20)])
    await spool.close()
    database = tmp_path / "spool" / "spool.db"
    data = bytearray(database.read_bytes())
    data[4096 * 2 : 4096 * 3] = b"\xff" * 4096
    database.write_bytes(data)
    spool = await open_spool(SpoolConfig(reserve=0))
    assert list(database.parent.glob("spool.db.damaged-*"))
    await spool.append([make_entry(30)])
    assert spool.displaced == ""
    assert spool.tip(Priority.SLOW)


def test_a_log_that_is_made_later_is_watched_from_then_on(tmp_path):
    (tmp_path / "spool.db").write_text("")
    watch = FileWatch(SpoolDirectory(tmp_path))
    assert watch.check() == ""
    (tmp_path / "spool.db-wal").write_text("")
    assert watch.check() == ""
    (tmp_path / "spool.db-wal").unlink()
    assert "spool.db-wal was deleted" in watch.check()


def test_a_directory_that_cannot_be_read_says_nothing_about_its_files(tmp_path, monkeypatch):
    (tmp_path / "spool.db").write_text("")
    watch = FileWatch(SpoolDirectory(tmp_path))

    def fail(_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "lstat", fail)
    assert watch.check() == ""


async def test_a_copy_in_the_place_of_the_database_is_not_mixed_with_the_log_of_the_other(
    open_spool, make_entry, tmp_path, drain
):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await spool.close()
    spool = await open_spool()
    replace_database(tmp_path / "spool")
    with pytest.raises(SpoolError):
        await spool.append([make_entry(2)])
    await spool.close()
    assert (tmp_path / "spool" / "spool.db-wal").stat().st_size == 0
    spool = await open_spool()
    assert [entry.key for entry in await drain(spool)] == ["key:1"]
    assert not list((tmp_path / "spool").glob("spool.db.damaged-*"))
