from __future__ import annotations

import asyncio
import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.errors import SpoolError
from exporter.model import Priority
from exporter.spool import recovery
from exporter.spool.config import SpoolConfig
from exporter.spool.salvage import inspect

MIB = 1024**2
CHILD = Path(__file__).with_name("full_child.py")


VOLUME = 'mount -t tmpfs -o size=24m none "$1" && exec "$2" "$3" "$1/spool" 0'
"""Mounts a small volume that only this shell and its children see."""


def run_child(command: list[str]) -> dict[str, str]:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(line.split(" ", 1) for line in result.stdout.splitlines())


@pytest.mark.parametrize("limit", [MIB // 2, MIB, 3 * MIB, 6 * MIB])
def test_a_process_that_may_not_write_more_loses_nothing_accepted_and_goes_on(tmp_path, limit):
    told = run_child([sys.executable, str(CHILD), str(tmp_path / "spool"), str(limit)])
    accepted = int(told["accepted"])
    assert accepted > 0
    assert "free space on its volume" in told["refused"]
    assert told["pending"] == str(accepted)
    assert told["drained"] == f"{accepted} True"
    assert told["again"] == "True"
    inspect(tmp_path / "spool" / "spool.db")


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="no volume can be mounted here")
def test_a_full_volume_drains_completely_while_it_is_full(tmp_path):
    private = ["unshare", "--user", "--map-root-user", "--mount"]
    told = run_child([*private, "sh", "-c", VOLUME, "sh", str(tmp_path), sys.executable, str(CHILD)])
    accepted = int(told["accepted"])
    assert accepted > 10_000
    assert "free space on its volume" in told["refused"]
    assert "stuck" not in told
    assert told["drained"] == f"{accepted} True"
    assert told["again"] == "True"


async def test_one_append_larger_than_the_whole_spool_is_refused_and_the_next_one_taken(
    open_spool, make_entry, check_accounts, drain
):
    spool = await open_spool(SpoolConfig(max_bytes=MIB, reserve=0))
    huge = [make_entry(number, padding=10_000) for number in range(300)]
    with pytest.raises(SpoolError, match="database or disk is full"):
        await spool.append(huge, journal=b"part")
    assert await spool.journal() == []
    await spool.append([make_entry(1)])
    assert (await check_accounts(spool)).spooled == 1
    assert await drain(spool) == [make_entry(1)]


async def test_a_group_that_does_not_fit_is_committed_call_by_call(open_spool, make_entry, check_accounts):
    spool = await open_spool(SpoolConfig(max_bytes=MIB, reserve=0))
    huge = [make_entry(number, padding=10_000) for number in range(300)]
    calls = [spool.append([make_entry(1)]), spool.append(huge), spool.append([make_entry(2)])]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [tuple, SpoolError, tuple]
    assert (await check_accounts(spool)).spooled == 2


async def test_reading_and_advancing_go_on_at_the_hard_bound(open_spool, make_entry, drain, check_accounts):
    spool = await open_spool(SpoolConfig(max_bytes=MIB, reserve=0))
    for start in range(0, 2_000, 50):
        rows = [make_entry(start + i, Priority.CRITICAL, padding=900) for i in range(50)]
        await spool.append(rows)
    spool._connection.execute("PRAGMA max_page_count = 1")
    assert len(await drain(spool)) > 500
    await spool.tidy()
    await check_accounts(spool)


async def test_the_reserve_is_given_up_for_draining_and_taken_again_before_anything_new(
    open_spool, make_entry, tmp_path, caplog
):
    spool = await open_spool(SpoolConfig(reserve=MIB))
    reserve = tmp_path / "spool" / "spool.reserve"
    await spool.append([make_entry(number, padding=900) for number in range(100)])
    page = await spool.read("sql", Priority.SLOW, max_rows=100, max_bytes=MIB)
    dead = [(row.position, "bad") for row in page.rows]
    # Far below our own bound, so that the refusal is the volume's as far as the spool can tell.
    spool._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(SpoolError, match="disk is full"):
        await spool.append([make_entry(number, padding=900) for number in range(100)])
    assert reserve.exists()
    with pytest.raises(SpoolError, match="disk is full"):
        await spool.advance("sql", Priority.SLOW, page.rows[-1].position, dead=dead)
    assert not reserve.exists()
    assert "nothing new is taken until there is space" in caplog.text
    spool._connection.execute("PRAGMA max_page_count = 100000")
    await spool.append([make_entry(1)])
    assert reserve.stat().st_size == MIB


async def test_a_reserve_that_cannot_be_deleted_does_not_end_the_thread_that_writes(
    open_spool, make_entry, monkeypatch
):
    spool = await open_spool(SpoolConfig(reserve=MIB))
    await spool.append([make_entry(number, padding=900) for number in range(100)])
    page = await spool.read("sql", Priority.SLOW, max_rows=100, max_bytes=MIB)
    dead = [(row.position, "bad") for row in page.rows]

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    spool._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(SpoolError, match="disk is full"):
        await spool.advance("sql", Priority.SLOW, page.rows[-1].position, dead=dead)
    spool._connection.execute("PRAGMA max_page_count = 100000")
    await spool.append([make_entry(1)])


async def test_nothing_new_is_taken_while_the_reserve_cannot_be_taken_again(
    open_spool, make_entry, check_accounts, monkeypatch
):
    spool = await open_spool(SpoolConfig(reserve=MIB))
    await spool.append([make_entry(1)])
    spool._quota._starved = True
    monkeypatch.setattr(spool._quota, "take_reserve", lambda: None)
    calls = [spool.append([make_entry(2)]), spool.stats()]
    refused, _ = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(refused, SpoolError)
    await spool.advance("sql", Priority.SLOW, spool.tip(Priority.SLOW))
    assert (await check_accounts(spool)).sinks["sql"].delivered == 1


async def test_a_start_on_a_full_volume_gives_the_reserve_up(
    open_spool, make_entry, tmp_path, monkeypatch, drain
):
    spool = await open_spool(SpoolConfig(reserve=MIB))
    await spool.append([make_entry(1)])
    await spool.close()
    reserve = tmp_path / "spool" / "spool.reserve"
    original = recovery.mark_clean

    def mark_clean(connection, *, clean):
        if reserve.exists():
            connection.execute("PRAGMA max_page_count = 1")
            connection.execute("INSERT INTO journal (crc, body) VALUES (0, zeroblob(1000000))")
        original(connection, clean=clean)

    monkeypatch.setattr(recovery, "mark_clean", mark_clean)
    again = await open_spool(SpoolConfig(reserve=MIB))
    assert await drain(again) == [make_entry(1)]
