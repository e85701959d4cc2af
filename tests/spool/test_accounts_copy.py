"""The copy of the accounts beside the database: what it makes known, and what it leaves alone."""

from __future__ import annotations

import logging
import shutil
import sqlite3

import pytest

from exporter.model import Priority
from exporter.spool.accounts import PLACE, Accounts, AccountsFile, CopiedRow, Cursor
from exporter.telemetry import value


@pytest.fixture
def leave_killed(tmp_path):
    """Put the files of a spool back as they were before it was closed in order."""

    async def leave(spool):
        directory = tmp_path / "spool"
        content = {path.name: path.read_bytes() for path in directory.iterdir()}
        await spool.close()
        for name, data in content.items():
            (directory / name).write_bytes(data)
        return directory

    return leave


@pytest.fixture
async def killed(open_spool, make_entry, leave_killed):
    """A spool of which nothing is in the database itself: 3 critical and 5 slow entries, 2 increments."""
    spool = await open_spool()
    await spool.append([make_entry(number, Priority.CRITICAL) for number in range(3)], increments=[b"1"])
    await spool.append([make_entry(number) for number in range(3, 8)], increments=[b"2"])
    return await leave_killed(spool)


async def test_entries_that_vanish_with_the_log_are_counted_and_logged_once(
    killed, open_spool, telemetry, caplog, check_accounts
):
    (killed / "spool.db-wal").unlink()
    spool = await open_spool()
    stats = (await check_accounts(spool)).sinks["sql"]
    assert (stats.spooled, stats.evicted, stats.pending) == (8, 8, 0)
    assert "the last commits are missing (the file ends at position 0, the last one was 8)" in caplog.text
    assert "3 critical entries for sink sql are lost" in caplog.text
    assert "5 slow entries for sink sql are lost" in caplog.text
    assert "2 increments are lost" in caplog.text
    assert value(telemetry.damaged_state) == 2
    await spool.close()
    caplog.clear()
    stats = (await check_accounts(await open_spool())).sinks["sql"]
    assert (stats.spooled, stats.evicted) == (8, 8)
    assert caplog.text == ""


async def test_only_what_a_sink_had_not_passed_is_lost(open_spool, make_entry, leave_killed, check_accounts):
    spool = await open_spool(sinks=("sql", "influx"))
    await spool.append([make_entry(number) for number in range(8)])
    batch = await spool.read("sql", Priority.SLOW, max_rows=6, max_bytes=10**6)
    await spool.advance("sql", Priority.SLOW, batch.rows[-1].position)
    directory = await leave_killed(spool)
    (directory / "spool.db-wal").unlink()
    stats = (await check_accounts(await open_spool(sinks=("sql", "influx")))).sinks
    assert (stats["sql"].delivered, stats["sql"].evicted) == (6, 2)
    assert (stats["influx"].delivered, stats["influx"].evicted) == (0, 8)


async def test_a_deleted_database_is_a_new_spool_that_knows_what_it_lost(
    killed, open_spool, check_accounts, caplog
):
    for name in ("spool.db", "spool.db-wal", "spool.db-shm"):
        (killed / name).unlink()
    stats = (await check_accounts(await open_spool())).sinks["sql"]
    assert (stats.spooled, stats.evicted) == (8, 8)
    assert "5 slow entries for sink sql are lost" in caplog.text


async def test_an_older_database_uses_no_position_again(open_spool, make_entry, tmp_path, drain, caplog):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await spool.close()
    shutil.copytree(tmp_path / "spool", tmp_path / "backup")
    spool = await open_spool()
    await spool.append([make_entry(number) for number in range(2, 10)])
    last = spool.tip(Priority.SLOW)
    await spool.close()
    (tmp_path / "spool" / "spool.db").write_bytes((tmp_path / "backup" / "spool.db").read_bytes())
    again = await open_spool()
    assert "8 slow entries for sink sql are lost" in caplog.text
    assert [entry.key for entry in await drain(again)] == ["key:1"]
    await again.append([make_entry(20)])
    assert again.tip(Priority.SLOW) > last


async def test_increments_whose_windows_were_committed_do_not_come_back(
    open_spool, leave_killed, tmp_path, telemetry, make_entry
):
    spool = await open_spool()
    numbers = await spool.append([], increments=[b"1", b"2"])
    await spool.close()
    before = (tmp_path / "spool" / "spool.db").read_bytes()
    spool = await open_spool()
    await spool.append([make_entry(1)], increments=[b"3"], forget=numbers[-1])
    directory = await leave_killed(spool)
    (directory / "spool.db-wal").unlink()
    (directory / "spool.db").write_bytes(before)
    again = await open_spool()
    assert await again.increments() == []
    assert value(telemetry.damaged_state) == 1
    (number,) = await again.append([], increments=[b"4"])
    assert number == 4


@pytest.fixture
async def behind(open_spool, leave_killed, tmp_path):
    """A spool killed with 5 increments, whose file was put back to when it had 2 of them."""
    spool = await open_spool()
    await spool.append([], increments=[b"1", b"2"])
    await spool.close()
    before = (tmp_path / "spool" / "spool.db").read_bytes()
    spool = await open_spool()
    for number in (b"3", b"4", b"5"):
        await spool.append([], increments=[number])
    directory = await leave_killed(spool)
    (directory / "spool.db-wal").unlink()
    (directory / "spool.db").write_bytes(before)
    return directory


@pytest.mark.usefixtures("behind")
async def test_lost_increments_are_counted_by_one_start_only(open_spool, telemetry, caplog):
    await (await open_spool()).close()
    assert "3 increments are lost" in caplog.text
    caplog.clear()
    spool = await open_spool()
    assert [increment.body for increment in await spool.increments()] == [b"1", b"2"]
    await spool.append([], increments=[b"6"])
    await spool.close()
    await (await open_spool()).close()
    assert "increments are lost" not in caplog.text
    assert value(telemetry.damaged_state) == 3


async def test_what_is_lost_after_a_loss_that_was_counted_is_counted_for_itself(
    behind, open_spool, telemetry
):
    spool = await open_spool()
    await spool.append([], increments=[b"6", b"7"])
    await spool.close()
    connection = sqlite3.connect(behind / "spool.db")
    connection.execute("DELETE FROM increments WHERE number IN (2, 6)")
    connection.commit()
    connection.close()
    for _ in range(2):
        await (await open_spool()).close()
        assert value(telemetry.damaged_state) == 3 + 2


@pytest.mark.parametrize("note", ["", "[[3,", "[[3]]", "[[1,9],[1,9]]", b"\xff"])
async def test_a_damaged_note_of_what_was_counted_ends_no_start(behind, open_spool, telemetry, note):
    await (await open_spool()).close()
    connection = sqlite3.connect(behind / "spool.db")
    connection.execute("UPDATE meta SET value = ? WHERE name = 'lost_increments'", (note,))
    connection.commit()
    connection.close()
    assert len(await (await open_spool()).increments()) == 2
    assert value(telemetry.damaged_state) in (3, 6)


async def test_a_spool_whose_accounts_are_damaged_takes_them_from_the_copy(
    open_spool, make_entry, tmp_path, drain, check_accounts
):
    spool = await open_spool()
    await spool.append([make_entry(1), make_entry(2)])
    old = spool.source
    batch = await spool.read("sql", Priority.SLOW, max_rows=1, max_bytes=10**6)
    await spool.advance("sql", Priority.SLOW, batch.rows[-1].position)
    await spool.close()
    connection = sqlite3.connect(tmp_path / "spool" / "spool.db")
    connection.executescript("DROP TABLE books; DROP TABLE cursors; DELETE FROM meta WHERE name = 'source'")
    connection.close()
    again = await open_spool()
    assert again.source == old
    stats = (await check_accounts(again)).sinks["sql"]
    assert (stats.spooled, stats.delivered, stats.evicted, stats.pending) == (2, 1, 0, 1)
    assert [entry.key for entry in await drain(again)] == ["key:2"]


async def test_a_name_that_is_slightly_damaged_is_mended(open_spool, tmp_path):
    spool = await open_spool()
    old = spool.source
    await spool.close()
    connection = sqlite3.connect(tmp_path / "spool" / "spool.db")
    damaged = ("1" if old[0] == "0" else "0") + old[1:]
    connection.execute("UPDATE meta SET value = ? WHERE name = 'source'", (damaged,))
    connection.commit()
    connection.close()
    assert (await open_spool()).source == old


async def test_the_copy_of_another_spool_is_ignored(open_spool, make_entry, tmp_path, caplog, check_accounts):
    spool = await open_spool()
    await spool.append([make_entry(number) for number in range(8)], increments=[b"1"])
    await spool.close()
    copy = (tmp_path / "spool" / "spool.accounts").read_bytes()
    shutil.rmtree(tmp_path / "spool")
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await spool.close()
    (tmp_path / "spool" / "spool.accounts").write_bytes(copy)
    stats = (await check_accounts(await open_spool())).sinks["sql"]
    assert (stats.spooled, stats.evicted) == (1, 0)
    assert caplog.text == ""


@pytest.mark.parametrize("content", [b"", b"x" * 100, bytes(2 * PLACE), b"\xff" * 2 * PLACE, None])
async def test_without_an_intact_copy_the_file_is_taken_as_it_is(
    killed, open_spool, content, check_accounts, caplog
):
    copy = killed / "spool.accounts"
    copy.unlink()
    if content is None:
        copy.mkdir()
    else:
        copy.write_bytes(content)
    stats = (await check_accounts(await open_spool())).sinks["sql"]
    assert (stats.spooled, stats.evicted, stats.pending) == (8, 0, 8)
    assert caplog.text == ""


async def test_a_copy_that_is_older_than_the_database_changes_nothing(
    open_spool, make_entry, tmp_path, check_accounts, caplog, telemetry
):
    spool = await open_spool()
    numbers = await spool.append([make_entry(1)], increments=[b"1", b"2"])
    copy = (tmp_path / "spool" / "spool.accounts").read_bytes()
    await spool.append([make_entry(2)], increments=[b"3"], forget=numbers[0])
    await spool.close()
    (tmp_path / "spool" / "spool.accounts").write_bytes(copy)
    spool = await open_spool()
    stats = (await check_accounts(spool)).sinks["sql"]
    assert (stats.spooled, stats.evicted, stats.pending) == (2, 0, 2)
    assert [increment.body for increment in await spool.increments()] == [b"2", b"3"]
    assert value(telemetry.damaged_state) == 0
    with caplog.at_level(logging.INFO):
        assert caplog.text == ""


def row(position: int) -> CopiedRow:
    return ("a" * 32, position, position, 3, 4, "0 1 2 3 4 5 1 my own sink\n2 1 2 3 4 5 0 other")


def accounts(position: int) -> Accounts:
    cursors = (Cursor(0, 1, 2, 3, 4, 5, 1, "my own sink"), Cursor(2, 1, 2, 3, 4, 5, 0, "other"))
    return Accounts("a" * 32, position, position, (3, 4), cursors)


def test_the_newest_intact_copy_is_read(tmp_path):
    path = tmp_path / "copy"
    file = AccountsFile(path)
    for position in range(1, 5):
        file.write(row(position))
        assert AccountsFile(path).read() == accounts(position)
    file.close()
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    assert AccountsFile(path).read() == accounts(3)
    again = AccountsFile(path)
    again.read()
    again.write(row(5))
    assert AccountsFile(path).read() == accounts(5)
    again.close()


def test_a_link_is_not_written_through(tmp_path):
    (tmp_path / "target").write_bytes(b"")
    (tmp_path / "copy").symlink_to(tmp_path / "target")
    file = AccountsFile(tmp_path / "copy")
    file.write(row(1))
    file.close()
    assert (tmp_path / "target").read_bytes() == b""


async def test_a_directory_from_a_backup_uses_no_position_again(
    open_spool, make_entry, tmp_path, drain, clock
):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await spool.close()
    shutil.copytree(tmp_path / "spool", tmp_path / "backup")
    last = 0
    for number in range(2, 5):
        clock.advance(60)
        spool = await open_spool()
        await spool.append([make_entry(number), make_entry(number + 10)])
        assert spool.tip(Priority.SLOW) - 1 > last
        last = spool.tip(Priority.SLOW)
        assert [entry.key for entry in await drain(spool)] == ["key:1", f"key:{number}", f"key:{number + 10}"]
        await spool.close()
        shutil.rmtree(tmp_path / "spool")
        shutil.copytree(tmp_path / "backup", tmp_path / "spool")


async def test_a_store_that_holds_more_than_the_file_says_that_the_file_is_old(
    open_spool, make_entry, tmp_path, clock, caplog
):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await spool.close()
    shutil.copytree(tmp_path / "spool", tmp_path / "backup")
    clock.advance(60)
    spool = await open_spool()
    spool.compare("sql", Priority.SLOW, 1)
    await spool.append([make_entry(2)])
    stored = spool.tip(Priority.SLOW)
    spool.compare("sql", Priority.SLOW, stored)
    await spool.close()
    again = await open_spool()
    again.compare("sql", Priority.SLOW, stored)
    await again.append([make_entry(3)])
    again.compare("sql", Priority.SLOW, again.tip(Priority.SLOW))
    await again.close()
    assert caplog.text == ""
    shutil.rmtree(tmp_path / "spool")
    shutil.copytree(tmp_path / "backup", tmp_path / "spool")
    clock.advance(60)
    restored = await open_spool()
    restored.compare("sql", Priority.SLOW, stored)
    assert f"sql holds slow entries up to position {stored}, and the file knows none after 1" in caplog.text


async def test_increments_at_the_beginning_of_a_rebuilt_file_are_counted_with_an_older_copy(
    open_spool, tmp_path, telemetry
):
    spool = await open_spool()
    for number in range(20):
        copy = (tmp_path / "spool" / "spool.accounts").read_bytes()
        await spool.append([], increments=[b"%04d" % number * 500])
    await spool.close()
    (tmp_path / "spool" / "spool.accounts").write_bytes(copy)
    database = tmp_path / "spool" / "spool.db"
    data = bytearray(database.read_bytes())
    page = next(at for at in range(4096, len(data), 4096) if b"0000" * 400 in data[at : at + 4096])
    data[page : page + 4096] = bytes(4096)
    database.write_bytes(data)
    left = len(await (await open_spool()).increments())
    assert 0 < left < 20
    assert value(telemetry.damaged_state) == 20 - left
