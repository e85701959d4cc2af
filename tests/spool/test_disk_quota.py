from __future__ import annotations

import asyncio
import errno
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.clock import ManualClock
from exporter.errors import SpoolError
from exporter.model import Entry, Priority
from exporter.spool import commit, delivery, disk_quota, recovery
from exporter.spool.config import SpoolConfig
from exporter.spool.disk_quota import SPACE_SHARE
from exporter.spool.ports import StateRow
from exporter.spool.salvage import inspect
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry
from tests.scale import scaled
from tests.spool.letters import dead_letters
from tests.spool.maintenance import tidy

MIB = 1024**2
SMALL = SpoolConfig(max_bytes=MIB, reserve=0)
CHILD = Path(__file__).with_name("full_child.py")


VOLUME = 'mount -t tmpfs -o size=24m none "$1" && exec "$2" "$3" "$1/spool" 0'
"""Mounts a small volume that only this shell and its children see."""


def run_child(command: list[str]) -> dict[str, str]:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(line.split(" ", 1) for line in result.stdout.splitlines())


@pytest.mark.parametrize("limit", [MIB // 2, MIB, 3 * MIB, 6 * MIB])
def test_a_process_that_may_not_write_more_loses_nothing_accepted_and_goes_on(tmp_path, limit):
    reported = run_child([sys.executable, str(CHILD), str(tmp_path / "spool"), str(limit)])
    accepted = int(reported["accepted"])
    assert accepted > 0
    assert "free space on its volume" in reported["refused"]
    assert reported["pending"] == str(accepted)
    assert reported["drained"] == f"{accepted} True"
    assert reported["again"] == "True"
    inspect(tmp_path / "spool" / "spool.db")


def full_volume() -> sqlite3.Error:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="no volume can be mounted here")
def test_a_full_volume_drains_completely_while_it_is_full(tmp_path):
    private = ["unshare", "--user", "--map-root-user", "--mount"]
    reported = run_child([*private, "sh", "-c", VOLUME, "sh", str(tmp_path), sys.executable, str(CHILD)])
    accepted = int(reported["accepted"])
    assert accepted > 10_000
    assert "free space on its volume" in reported["refused"]
    assert "stuck" not in reported
    assert reported["drained"] == f"{accepted} True"
    assert reported["again"] == "True"
    # While it is full, state is written until half of the reserve of 4 MiB is left, and then refused.
    assert MIB < int(reported["state"]) < 4 * MIB
    assert reported["kept"] == "True"


@pytest.mark.parametrize("lane", Priority)
async def test_of_one_append_larger_than_the_whole_spool_the_newest_entries_are_kept(
    open_spool, make_entry, check_accounts, drain, lane
):
    spool = await open_spool(SMALL)
    huge = [make_entry(number, lane, padding=10_000) for number in range(300)]
    await spool.append(huge)
    stats = await check_accounts(spool)
    assert stats.spooled == 300
    assert stats.bytes + stats.wal_bytes < 8 * MIB
    await spool.append([make_entry(300, lane)])
    await tidy(spool)
    assert (await spool.stats()).bytes <= MIB
    numbers = [entry.data["number"] for entry in await drain(spool)]
    assert numbers == list(range(301 - len(numbers), 301))
    assert len(numbers) > 30
    await check_accounts(spool)


async def test_a_group_in_which_one_finds_no_space_on_the_volume_is_committed_call_by_call(
    open_spool, make_entry, check_accounts
):
    spool = await open_spool(SMALL)

    def find_no_space(connection):
        connection.execute("DELETE FROM slow")
        raise full_volume()

    calls = [
        spool.append([make_entry(1)]),
        spool._writer.submit(find_no_space),
        spool.append([make_entry(2)]),
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [tuple, SpoolError, tuple]
    assert (await check_accounts(spool)).sinks["sql"].pending == 2


async def test_reading_and_advancing_go_on_at_the_hard_bound(open_spool, make_entry, drain, check_accounts):
    spool = await open_spool(SpoolConfig(max_bytes=MIB, reserve=0))
    for start in range(0, 2_000, 50):
        rows = [make_entry(start + i, Priority.CRITICAL, padding=900) for i in range(50)]
        await spool.append(rows)
    spool._connection.execute("PRAGMA max_page_count = 1")
    assert len(await drain(spool)) > 500
    await tidy(spool)
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
    spool._quota.starved = True
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


async def fill(spool, make_entry, lane, total, start=0):
    for number in range(start, start + total // 50):
        await spool.append([make_entry(number * 50 + i, lane, padding=900) for i in range(50)])


async def test_a_full_spool_gives_up_the_oldest_counters_first(
    open_spool, make_entry, check_accounts, drain, caplog
):
    spool = await open_spool(SMALL)
    await fill(spool, make_entry, Priority.CRITICAL, 200)
    await fill(spool, make_entry, Priority.IMPORTANT, 200)
    await fill(spool, make_entry, Priority.SLOW, 1_500)
    tally = await check_accounts(spool)
    assert tally.sinks["sql"].evicted > 0
    assert tally.bytes <= MIB
    left = await drain(spool)
    by_lane = {lane: [entry for entry in left if entry.priority is lane] for lane in Priority}
    assert len(by_lane[Priority.CRITICAL]) == len(by_lane[Priority.IMPORTANT]) == 200
    slow = [entry.data["number"] for entry in by_lane[Priority.SLOW]]
    assert slow == list(range(1_500 - len(slow), 1_500))
    assert "oldest unsent entries were evicted" in caplog.text


async def test_important_entries_go_when_there_are_no_counters_left(
    open_spool, make_entry, check_accounts, drain
):
    spool = await open_spool(SMALL)
    await fill(spool, make_entry, Priority.CRITICAL, 300)
    await fill(spool, make_entry, Priority.SLOW, 100)
    await fill(spool, make_entry, Priority.IMPORTANT, 1_500)
    await check_accounts(spool)
    left = await drain(spool)
    kinds = [entry.priority for entry in left]
    assert kinds.count(Priority.CRITICAL) == 300
    assert kinds.count(Priority.SLOW) == 0
    assert 0 < kinds.count(Priority.IMPORTANT) < 1_500


async def test_critical_entries_go_only_when_nothing_else_is_left(
    open_spool, make_entry, check_accounts, drain
):
    spool = await open_spool(SMALL)
    await fill(spool, make_entry, Priority.SLOW, 200)
    await fill(spool, make_entry, Priority.CRITICAL, 2_000)
    tally = await check_accounts(spool)
    assert tally.spooled == 2_200
    assert tally.bytes <= MIB
    left = await drain(spool)
    assert {entry.priority for entry in left} == {Priority.CRITICAL}
    numbers = [entry.data["number"] for entry in left]
    assert numbers == list(range(2_000 - len(numbers), 2_000))
    assert len(numbers) > 500


async def test_of_large_entries_no_more_are_given_up_than_the_space_asked_for(
    open_spool, make_entry, check_accounts
):
    spool = await open_spool(SpoolConfig(max_bytes=64 * MIB, reserve=0))
    for number in range(80):
        await spool.append([make_entry(number, padding=900_000)])
        await check_accounts(spool)
    stats = await spool.stats()
    assert stats.sinks["sql"].evicted > 0
    assert stats.bytes > 64 * MIB * SPACE_SHARE - 2 * MIB, "what is left fills the space there is"


async def test_only_sinks_that_lag_count_an_eviction(open_spool, make_entry, drain, check_accounts):
    spool = await open_spool(SMALL, sinks=("live", "dead"))
    for start in range(30):
        await fill(spool, make_entry, Priority.SLOW, 100, start * 2)
        await drain(spool, "live")
    tally = await check_accounts(spool)
    assert tally.sinks["live"].evicted == 0
    assert tally.sinks["live"].delivered == 3_000
    assert tally.sinks["dead"].evicted > 1_000


async def test_a_sink_that_is_away_costs_another_one_nothing_of_a_lower_class(
    open_spool, make_entry, drain, check_accounts
):
    spool = await open_spool(SMALL, sinks=("live", "dead"))
    for start in range(4):
        await fill(spool, make_entry, Priority.CRITICAL, 500, start * 2)
        await drain(spool, "live")
    full = await spool.stats()
    assert full.sinks["dead"].evicted > 0, "the spool is full of what the one that is away needs"
    for start in range(30):
        await fill(spool, make_entry, Priority.SLOW, 50, 100 + start * 2)
        await drain(spool, "live")
    tally = await check_accounts(spool)
    assert (tally.sinks["live"].evicted, tally.sinks["live"].delivered) == (0, 3_500)
    critical = [entry for entry in await drain(spool, "dead") if entry.priority is Priority.CRITICAL]
    assert len(critical) == full.sinks["dead"].pending, "and none of it went for a lower class"


async def test_no_class_is_touched_while_there_is_one_below_it_whoever_lags(
    open_spool, make_entry, check_accounts
):
    spool = await open_spool(SMALL, sinks=("a", "b"))
    await fill(spool, make_entry, Priority.CRITICAL, 100)
    batch = await spool.read("a", Priority.CRITICAL, max_rows=100, max_bytes=10**6)
    await spool.advance("a", Priority.CRITICAL, batch.rows[-1].position)
    for start in range(20):
        await fill(spool, make_entry, Priority.SLOW, 200, 10 + start * 2)
        await spool.append([make_entry(100_000 + start, Priority.CRITICAL, padding=900)])
    tally = await check_accounts(spool)
    assert tally.sinks["b"].evicted > 0
    batch = await spool.read("b", Priority.CRITICAL, max_rows=1_000, max_bytes=10**7)
    assert len(batch.rows) == 120, "none of the critical ones that only b still needs"


async def test_passed_rows_make_space_before_anything_is_given_up(
    open_spool, make_entry, drain, check_accounts
):
    spool = await open_spool(SMALL)
    for start in range(60):
        await fill(spool, make_entry, Priority.SLOW, 100, start * 2)
        await drain(spool)
    tally = await check_accounts(spool)
    assert (tally.sinks["sql"].evicted, tally.sinks["sql"].delivered) == (0, 6_000)


async def test_dead_letters_keep_the_bound_and_leave_space_for_entries(
    open_spool, make_entry, check_accounts
):
    spool = await open_spool(SMALL, sinks=("lagging", "refusing"))
    await fill(spool, make_entry, Priority.CRITICAL, 2_000)
    while batch := await spool.read("refusing", Priority.CRITICAL, max_rows=25, max_bytes=10**6):
        dead = [(row.position, "bad") for row in batch.rows]
        await spool.advance("refusing", Priority.CRITICAL, batch.rows[-1].position, dead=dead)
        assert (await spool.stats()).bytes <= MIB
    assert 200 < len(dead_letters(spool)) < 300
    assert (await check_accounts(spool)).sinks["lagging"].pending > 350


async def test_an_advance_over_evicted_rows_counts_each_row_once(open_spool, make_entry, check_accounts):
    spool = await open_spool(SMALL)
    await fill(spool, make_entry, Priority.SLOW, 100)
    batch = await spool.read("sql", Priority.SLOW, max_rows=100, max_bytes=10**6)
    await fill(spool, make_entry, Priority.SLOW, 1_900, 2)
    in_flight = [(row.position, "bad") for row in batch.rows]
    await spool.advance("sql", Priority.SLOW, batch.rows[-1].position, dead=in_flight)
    assert (await check_accounts(spool)).sinks["sql"].dead == 0


async def test_the_bound_holds_after_a_restart(open_spool, make_entry, check_accounts):
    spool = await open_spool(SMALL)
    await fill(spool, make_entry, Priority.SLOW, 900)
    await spool.close()
    again = await open_spool(SMALL)
    await fill(again, make_entry, Priority.SLOW, 2_000)
    tally = await check_accounts(again)
    assert tally.bytes <= MIB
    assert tally.sinks["sql"].pending > 500


async def test_the_log_is_emptied_and_the_file_shrinks_in_a_quiet_moment(open_spool, make_entry, drain):
    spool = await open_spool()
    await fill(spool, make_entry, Priority.SLOW, 9_000)
    large = (await spool.stats()).bytes
    await drain(spool)
    for _ in range(8):
        await tidy(spool)
    tally = await spool.stats()
    assert tally.wal_bytes == 0
    assert tally.bytes < large * 0.7


async def test_the_reserve_is_taken_on_the_disk(open_spool, tmp_path):
    spool = await open_spool(SpoolConfig(reserve=MIB))
    reserve = tmp_path / "spool" / "spool.reserve"
    assert reserve.stat().st_blocks * 512 >= MIB
    reserve.unlink()
    await tidy(spool)
    assert reserve.stat().st_size == MIB


async def fill_up(spool, make_entry, lane=Priority.CRITICAL, start=0):
    """Until entries are evicted; returns the smallest number that was left of them in the last half."""
    left = []
    for number in range(start, start + 40):
        await spool.append([make_entry(number * 50 + i, lane, padding=900) for i in range(50)])
        left.append((await spool.stats()).sinks["sql"].pending)
    assert (await spool.stats()).sinks["sql"].evicted > 0
    return min(left[20:])


@pytest.mark.parametrize("lane", Priority)
async def test_state_is_committed_while_the_spool_is_full_and_evicts_nothing(
    open_spool, make_entry, check_accounts, lane
):
    spool = await open_spool(SMALL)
    await fill_up(spool, make_entry, lane)
    # The bound is kept after the answer; the next job waits for that.
    await spool.probe()
    full = await spool.stats()
    rows = [StateRow("t", b"%06d" % number, bytes(900)) for number in range(1_000)]
    for start in range(0, 1_000, 100):
        await spool.append([], state=rows[start : start + 100], increments=[bytes(50_000)])
    assert await spool.state() == rows
    assert len(await spool.increments()) == 10
    stats = await check_accounts(spool)
    assert stats.sinks == full.sinks
    assert MIB + 1_500_000 < stats.limit < MIB + 3_000_000, "what state takes comes on top of max_bytes"
    assert stats.bytes + stats.wal_bytes > MIB


@pytest.mark.parametrize("lane", Priority)
async def test_entries_have_the_same_space_beside_state_and_after_it(
    open_spool, make_entry, check_accounts, lane
):
    spool = await open_spool(SMALL)
    alone = await fill_up(spool, make_entry, lane)
    rows = [StateRow("t", b"%06d" % number, bytes(900)) for number in range(2_000)]
    await spool.append([], state=rows)
    beside = await fill_up(spool, make_entry, lane, 40)
    await spool.append([], state=[row._replace(value=None) for row in rows])
    after = await fill_up(spool, make_entry, lane, 80)
    assert max(abs(beside - alone), abs(after - alone)) <= 50, (alone, beside, after)
    assert (await check_accounts(spool)).limit < MIB + 20 * 4096


async def test_state_and_entries_share_a_commit_that_makes_space_for_the_entries_alone(
    open_spool, make_entry, check_accounts
):
    spool = await open_spool(SMALL)
    await fill_up(spool, make_entry)
    full = await spool.stats()
    state = [StateRow("t", b"%06d" % number, bytes(900)) for number in range(2_000)]
    await spool.append([make_entry(10**6, Priority.CRITICAL)], state=state)
    stats = await check_accounts(spool)
    assert stats.sinks["sql"].evicted - full.sinks["sql"].evicted < 300
    assert await spool.state() == state


@pytest.mark.parametrize("lane", [Priority.IMPORTANT, Priority.SLOW])
async def test_entries_of_a_higher_class_are_not_evicted_for_those_of_a_lower_one(
    open_spool, make_entry, check_accounts, lane
):
    spool = await open_spool(SMALL)
    await fill_up(spool, make_entry)
    full = await spool.stats()
    for start in range(0, 5_000, 50):
        await spool.append([make_entry(10**6 + start + i, lane, padding=900) for i in range(50)])
    stats = await check_accounts(spool)
    assert stats.sinks["sql"].evicted - full.sinks["sql"].evicted > 4_900
    read = await spool.read("sql", Priority.CRITICAL, max_rows=10**6, max_bytes=10**9)
    assert len(read.rows) == full.sinks["sql"].pending
    assert stats.bytes <= MIB
    await spool.append([make_entry(1, Priority.CRITICAL, padding=900)])
    assert (await check_accounts(spool)).spooled == stats.spooled + 1


async def keys_of(spool):
    """Keys of what is left, by lane."""
    pages = {lane: await spool.read("sql", lane, max_rows=10**6, max_bytes=10**9) for lane in Priority}
    return {lane: [row.entry.key for row in page.rows] if page else [] for lane, page in pages.items()}


async def test_a_commit_of_several_classes_loses_those_that_find_no_space_and_keeps_the_rest(
    open_spool, make_entry, check_accounts, caplog
):
    spool = await open_spool(SMALL)
    await fill_up(spool, make_entry)
    caplog.clear()
    before = await keys_of(spool)
    entries = [make_entry(10**6 + number, lane, padding=900) for lane in Priority for number in range(100)]
    critical = [entry.key for entry in entries if entry.priority is Priority.CRITICAL]
    state = [StateRow("t", b"%06d" % number, bytes(900)) for number in range(100)]
    spool._quota._logged_at = None
    (number,) = await spool.append(entries, state=state, increments=[b"counts"])
    after = await keys_of(spool)
    assert (after[Priority.IMPORTANT], after[Priority.SLOW]) == ([], [])
    assert (
        after[Priority.CRITICAL] == [*before[Priority.CRITICAL], *critical][-len(after[Priority.CRITICAL]) :]
    )
    assert len(before[Priority.CRITICAL]) + 100 - len(after[Priority.CRITICAL]) < 200
    assert await spool.state() == state
    assert [(found.number, found.body) for found in await spool.increments()] == [(number, b"counts")]
    assert (await check_accounts(spool)).bytes <= MIB
    # An episode is logged once, whatever number of commits it lasts.
    await spool.append(entries)
    await spool.probe()
    assert caplog.text.count("oldest unsent entries were evicted") == 1


@pytest.mark.parametrize("lane", [Priority.IMPORTANT, Priority.SLOW, None])
async def test_under_a_lower_bound_than_before_only_entries_of_the_same_class_make_space(
    open_spool, make_entry, check_accounts, lane
):
    spool = await open_spool(SpoolConfig(max_bytes=4 * MIB, reserve=0))
    await fill(spool, make_entry, Priority.CRITICAL, 2_000)
    await spool.close()
    spool = await open_spool(SMALL)
    state = [StateRow("t", b"%06d" % number, bytes(900)) for number in range(100)]
    entries = [] if lane is None else [make_entry(10**6 + number, lane, padding=900) for number in range(50)]
    await spool.append(entries, state=state)
    left = await keys_of(spool)
    assert [len(left[lane]) for lane in Priority] == [2_000, 0, 0]
    assert await spool.state() == state
    await spool.append([make_entry(2_000, Priority.CRITICAL, padding=900)])
    left = (await keys_of(spool))[Priority.CRITICAL]
    assert left == [f"key:{number}" for number in range(2_001 - len(left), 2_001)]
    assert 500 < len(left) < 1_000
    await check_accounts(spool)


async def test_entries_that_find_no_space_are_counted_for_each_sink_that_loses_them(
    open_spool, make_entry, check_accounts, drain
):
    spool = await open_spool(SMALL, sinks=("sql", "influx"))
    await fill_up(spool, make_entry)
    full = await spool.stats()
    await spool.append([make_entry(10**6 + number, padding=900) for number in range(50)])
    stats = await check_accounts(spool)
    for sink in ("sql", "influx"):
        lost = stats.sinks[sink].evicted - full.sinks[sink].evicted
        assert stats.sinks[sink].spooled - full.sinks[sink].spooled == 50
        assert stats.sinks[sink].pending == full.sinks[sink].pending + 50 - lost
    # Once there is space again, the lower class is taken in as before.
    await drain(spool, "sql")
    await drain(spool, "influx")
    await spool.append([make_entry(number) for number in range(50)])
    assert len(await drain(spool, "sql")) == 50


@settings(max_examples=scaled(8), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    commits=st.lists(
        st.dictionaries(st.sampled_from(Priority), st.integers(1, 400), min_size=1), min_size=3, max_size=10
    )
)
def test_a_class_loses_entries_only_when_nothing_of_the_classes_below_is_left(commits):
    async def play(directory):
        spool = await Spool.open(directory, SMALL, ManualClock(), Telemetry())
        await spool.register(["sql"])
        left = {lane: [] for lane in Priority}
        for number, counts in enumerate(commits):
            entries = [
                Entry("T", 1, 1, f"{number}:{lane}:{at}", lane, {"text": "x" * 900})
                for lane, count in counts.items()
                for at in range(count)
            ]
            state = [StateRow("t", b"commit", b"%d" % number)]
            await spool.append(entries, state=state)
            assert await spool.state() == state
            found = await keys_of(spool)
            for lane in Priority:
                held = left[lane] + [entry.key for entry in entries if entry.priority is lane]
                assert found[lane] == held[len(held) - len(found[lane]) :], "the oldest are lost first"
                if len(found[lane]) < len(held):
                    assert lane >= min(counts), "not for entries of a lower class"
                    assert not any(found[lower] for lower in Priority if lower > lane)
            left = found
            assert (await spool.stats()).bytes <= MIB
        await spool.close()

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(play(Path(directory)))


async def test_the_reserve_is_given_up_for_state_as_long_as_half_of_it_is_left(
    open_spool, make_entry, tmp_path, monkeypatch
):
    spool = await open_spool(SpoolConfig(reserve=MIB))
    await spool.append([make_entry(1)])
    reserve = tmp_path / "spool" / "spool.reserve"
    free = 0
    monkeypatch.setattr(spool._quota._directory, "free", lambda: free)
    original = commit._write_state

    def write(connection, rows):
        if reserve.exists() and free == 0:
            raise full_volume()
        original(connection, rows)

    monkeypatch.setattr(commit, "_write_state", write)
    with pytest.raises(SpoolError, match="disk is full"):
        await spool.append([], state=[StateRow("t", b"1", bytes(MIB // 2 + 1))])
    assert reserve.exists(), "less than half of it would be left"
    await spool.append([], state=[StateRow("t", b"1", b"small")])
    assert not reserve.exists()
    free = MIB
    with pytest.raises(SpoolError, match="the volume is full"):
        await spool.append([make_entry(2)])
    with pytest.raises(SpoolError, match="the volume is full"):
        await spool.probe()
    await spool.append([], state=[StateRow("t", b"2", b"small")])
    free = MIB // 2
    with pytest.raises(SpoolError, match="the volume is full"):
        await spool.append([], state=[StateRow("t", b"3", b"small")])
    await spool.advance("sql", Priority.SLOW, spool.tip(Priority.SLOW))
    free = 2 * MIB
    await spool.append([make_entry(2)], state=[StateRow("t", b"3", b"small")])
    assert [row.key for row in await spool.state()] == [b"1", b"2", b"3"]
    assert reserve.exists()


async def test_passed_rows_and_free_pages_go_in_smaller_portions_where_a_large_one_does_not_fit(
    open_spool, make_entry, drain, monkeypatch
):
    spool = await open_spool()
    await fill(spool, make_entry, Priority.SLOW, 9_000)
    await drain(spool)
    large = (await spool.stats()).bytes
    original = delivery.delete_passed
    in_portions = spool._quota._in_portions

    def delete(connection, limit):
        if limit > 100:
            raise full_volume()
        return original(connection, limit)

    def limited(work, size):
        def small(portion):
            if portion > 200:
                raise full_volume()
            return work(portion)

        return in_portions(small, size)

    monkeypatch.setattr(disk_quota, "delete_passed", delete)
    monkeypatch.setattr(spool._quota, "_in_portions", limited)
    for _ in range(200):
        await tidy(spool)
    assert (await spool.stats()).bytes < large / 2
