from __future__ import annotations

import logging

from exporter.model import Priority
from exporter.spool import delivery
from tests.spool.maintenance import tidy


async def rows_on_disk(spool):
    def count(connection):
        return {
            lane: connection.execute(f"SELECT count(*) FROM {lane.name.lower()}").fetchone()[0]
            for lane in Priority
        }

    return await spool._writer.submit(count)


async def test_rows_leave_the_disk_once_every_sink_has_passed_them(open_spool, make_entry, drain):
    spool = await open_spool(sinks=("sql", "influx"))
    await spool.append([make_entry(number) for number in range(10)])
    await drain(spool, "sql")
    await tidy(spool)
    assert (await rows_on_disk(spool))[Priority.SLOW] == 10
    batch = await spool.read("influx", Priority.SLOW, max_rows=4, max_bytes=10**6)
    await spool.advance("influx", Priority.SLOW, batch.rows[-1].position)
    await tidy(spool)
    assert (await rows_on_disk(spool))[Priority.SLOW] == 6
    await drain(spool, "influx")
    await tidy(spool)
    assert (await rows_on_disk(spool))[Priority.SLOW] == 0


async def test_rows_are_deleted_in_the_commit_that_passes_them(open_spool, make_entry, drain):
    spool = await open_spool()
    await spool.append([make_entry(number) for number in range(10)])
    commits = []
    spool._connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await drain(spool, lanes=(Priority.SLOW,))
    assert len(commits) == 1
    assert (await rows_on_disk(spool))[Priority.SLOW] == 0


async def test_passed_rows_are_deleted_in_portions(open_spool, make_entry, drain):
    spool = await open_spool(sinks=("sql", "influx"))
    await spool.append([make_entry(number) for number in range(10)])
    await drain(spool, "sql")
    batch = await spool.read("influx", Priority.SLOW, max_rows=7, max_bytes=10**6)

    def pass_and_delete(connection):
        delivery.advance(connection, "influx", Priority.SLOW, batch.rows[-1].position, {}, 0)
        return [delivery.delete_passed(connection, 4) for _ in range(3)]

    assert await spool._writer.submit(pass_and_delete) == [4, 3, 0]


async def test_a_new_sink_starts_at_the_oldest_row_still_kept(open_spool, make_entry, drain, check_accounts):
    spool = await open_spool(sinks=("sql", "influx"))
    await spool.append([make_entry(number) for number in range(10)])
    for sink in ("sql", "influx"):
        batch = await spool.read(sink, Priority.SLOW, max_rows=4, max_bytes=10**6)
        await spool.advance(sink, Priority.SLOW, batch.rows[-1].position)
    await tidy(spool)
    await spool.register(("sql", "influx", "webhook"))
    tally = await check_accounts(spool)
    assert (tally.sinks["webhook"].spooled, tally.sinks["webhook"].pending) == (6, 6)
    assert [entry.key for entry in await drain(spool, "webhook")] == [f"key:{n}" for n in range(4, 10)]


async def test_a_new_sink_in_an_empty_spool_starts_at_its_end(open_spool, make_entry, drain):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await drain(spool)
    await tidy(spool)
    await spool.register(("sql", "webhook"))
    await spool.append([make_entry(2)])
    assert [entry.key for entry in await drain(spool, "webhook")] == ["key:2"]


async def test_a_sink_no_longer_configured_holds_nothing_back(open_spool, make_entry, drain, caplog):
    spool = await open_spool(sinks=("sql", "old"))
    await spool.append([make_entry(1)])
    with caplog.at_level(logging.INFO):
        await spool.register(("sql",))
    assert "old is no longer configured" in caplog.text
    await drain(spool)
    await tidy(spool)
    assert (await rows_on_disk(spool))[Priority.SLOW] == 0
    assert set((await spool.stats()).sinks) == {"sql"}


async def test_a_sink_that_comes_back_goes_on_and_counts_what_it_missed(
    open_spool, make_entry, drain, check_accounts
):
    spool = await open_spool(sinks=("sql", "old"))
    await spool.append([make_entry(number) for number in range(3)])
    await drain(spool, "old")
    await spool.register(("sql",))
    await spool.append([make_entry(number) for number in range(3, 7)])
    await drain(spool, "sql")
    await tidy(spool)
    await spool.append([make_entry(7)])
    await spool.register(("sql", "old"))
    old = (await check_accounts(spool)).sinks["old"]
    assert (old.spooled, old.delivered, old.evicted, old.pending) == (8, 3, 4, 1)


async def test_without_any_sink_nothing_is_kept(open_spool, make_entry):
    spool = await open_spool(sinks=())
    await spool.append([make_entry(1)])
    await spool.register(())
    await tidy(spool)
    assert (await rows_on_disk(spool))[Priority.SLOW] == 0
