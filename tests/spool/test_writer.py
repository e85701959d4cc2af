from __future__ import annotations

import asyncio
import gc
import sqlite3

import pytest

from exporter.errors import SpoolError
from exporter.model import Entry, Priority
from exporter.spool import commit
from exporter.spool.config import SpoolConfig
from exporter.spool.writer import WriteJob
from exporter.telemetry import value


def count_commits(spool):
    """Commits of the writer from now on, as SQLite itself reports them."""
    seen = []
    spool._connection.set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)
    return seen


async def test_calls_that_wait_share_one_commit(open_spool, make_entry, drain):
    spool = await open_spool()
    commits = count_commits(spool)
    await asyncio.gather(*(spool.append([make_entry(number)]) for number in range(200)))
    assert len(commits) < 20
    assert len(await drain(spool)) == 200


async def test_positions_follow_the_order_of_the_calls(open_spool, make_entry, drain):
    spool = await open_spool()
    await asyncio.gather(*(spool.append([make_entry(number)]) for number in range(100)))
    assert [entry.key for entry in await drain(spool)] == [f"key:{number}" for number in range(100)]


async def test_work_that_fails_leaves_the_rest_of_its_group_committed(open_spool, make_entry, check_accounts):
    spool = await open_spool()

    def fail(connection):
        connection.execute("DELETE FROM slow")
        connection.execute("UPDATE books SET spooled = 999")
        raise SpoolError("on purpose")

    calls = [
        spool.append([make_entry(1)]),
        spool._writer.submit(fail),
        spool.append([make_entry(2)]),
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [tuple, SpoolError, tuple]
    assert (await check_accounts(spool)).spooled == 2


async def test_an_error_of_sqlite_names_the_file_and_what_to_do(open_spool):
    spool = await open_spool()
    with pytest.raises(SpoolError, match=r"spool\.db failed: no such table: nowhere"):
        await spool._writer.submit(lambda connection: connection.execute("SELECT * FROM nowhere"))


async def test_a_rollback_that_sqlite_has_made_itself_does_not_hide_the_error(open_spool, make_entry):
    spool = await open_spool()

    def fail(connection):
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(SpoolError, match="disk is full"):
        await spool._writer.submit(fail)
    await spool.append([make_entry(1)])
    assert (await spool.stats()).spooled == 1


async def test_an_answer_is_never_given_before_the_commit(open_spool, make_entry, tmp_path):
    spool = await open_spool()
    other = sqlite3.connect(tmp_path / "spool" / "spool.db")
    for number in range(30):
        await spool.append([make_entry(number)])
        assert other.execute("SELECT count(*) FROM slow").fetchone() == (number + 1,)
    other.close()


async def test_the_commit_is_on_the_disk_and_not_only_with_the_operating_system(open_spool):
    spool = await open_spool()

    def settings(connection):
        names = ("journal_mode", "synchronous", "auto_vacuum")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await spool._writer.submit(settings) == ["wal", 2, 2]


async def test_every_size_of_append_is_written_whole(open_spool, make_entry, drain):
    spool = await open_spool()
    sizes = [1, 2, 15, 16, 17, 127, 128, 129, 144, 145, 300]
    for size in sizes:
        await spool.append([make_entry(number) for number in range(size)])
    assert len(await drain(spool)) == sum(sizes)
    assert (await spool.stats()).spooled == sum(sizes)


async def test_an_entry_that_cannot_be_kept_does_not_hold_up_the_others(
    open_spool, make_entry, telemetry, drain, caplog
):
    spool = await open_spool(SpoolConfig(reserve=0, max_entry_bytes=2_000))
    bad = [
        Entry("BAD", 1, 1, "lone \ud800 surrogate", Priority.SLOW, {}),
        Entry("BAD", 2**63, 1, "too large an id", Priority.SLOW, {}),
        Entry("BAD", 1, 1, "no JSON", Priority.SLOW, {"object": object()}),
        make_entry(1, padding=3_000),
    ]
    await spool.append([*bad, make_entry(2)])
    assert [entry.key for entry in await drain(spool)] == ["key:2"]
    assert value(telemetry.dropped, "unencodable") == 3
    assert value(telemetry.dropped, "oversized") == 1
    assert [record.levelname for record in caplog.records].count("ERROR") == 2


async def test_the_event_loop_is_not_stopped_by_a_large_append(open_spool, make_entry, monkeypatch):
    spool = await open_spool()
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    original = commit.append_rows

    def slow_append(*arguments):
        # The loop must be able to run while the writer is in here; if it is not, this never ends.
        asyncio.run_coroutine_threadsafe(opened(), loop).result(30)
        return original(*arguments)

    async def opened():
        gate.set()

    monkeypatch.setattr(commit, "append_rows", slow_append)
    await spool.append([make_entry(1)])
    assert gate.is_set()


async def test_the_duration_of_commits_is_observed(open_spool, make_entry, telemetry):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    assert value(telemetry.commit_seconds) == 1


async def test_what_was_committed_is_freed_without_the_garbage_collector(open_spool, make_entry):
    spool = await open_spool()
    gc.collect()
    gc.disable()
    try:
        for number in range(20):
            await spool.append([make_entry(number)])
        left = sum(isinstance(thing, WriteJob) for thing in gc.get_objects())
    finally:
        gc.enable()
    assert left <= 1, "the writer's last one"
