from __future__ import annotations

import logging

from exporter.model import Priority
from exporter.spool import accounting
from exporter.spool.config import SpoolConfig
from exporter.spool.write_jobs import WriteJob

MIB = 1024**2
SMALL = SpoolConfig(max_bytes=MIB, reserve=0)


async def rows_on_disk(spool):
    def count(connection):
        return {
            lane: connection.execute(f"SELECT count(*) FROM {lane.name.lower()}").fetchone()[0]
            for lane in Priority
        }

    return await spool._writer.run(WriteJob(count))


async def test_rows_leave_the_disk_once_every_sink_has_passed_them(open_spool, make_entry, drain):
    spool = await open_spool(sinks=("sql", "influx"))
    await spool.append([make_entry(number) for number in range(10)])
    await drain(spool, "sql")
    await spool.tidy()
    assert (await rows_on_disk(spool))[Priority.SLOW] == 10
    batch = await spool.read("influx", Priority.SLOW, max_rows=4, max_bytes=10**6)
    await spool.advance("influx", Priority.SLOW, batch.rows[-1].position)
    await spool.tidy()
    assert (await rows_on_disk(spool))[Priority.SLOW] == 6
    await drain(spool, "influx")
    await spool.tidy()
    assert (await rows_on_disk(spool))[Priority.SLOW] == 0


async def test_passed_rows_are_deleted_in_portions(open_spool, make_entry, drain):
    spool = await open_spool(sinks=("sql", "influx"))
    await spool.append([make_entry(number) for number in range(10)])
    await drain(spool, "sql")
    batch = await spool.read("influx", Priority.SLOW, max_rows=7, max_bytes=10**6)

    def pass_and_delete(connection):
        accounting.advance(connection, "influx", Priority.SLOW, batch.rows[-1].position, (), 0)
        return [accounting.delete_passed(connection, 4) for _ in range(3)]

    assert await spool._writer.run(WriteJob(pass_and_delete)) == [4, 3, 0]


async def test_a_new_sink_starts_at_the_oldest_row_still_kept(open_spool, make_entry, drain, check_accounts):
    spool = await open_spool(sinks=("sql", "influx"))
    await spool.append([make_entry(number) for number in range(10)])
    for sink in ("sql", "influx"):
        batch = await spool.read(sink, Priority.SLOW, max_rows=4, max_bytes=10**6)
        await spool.advance(sink, Priority.SLOW, batch.rows[-1].position)
    await spool.tidy()
    await spool.register(("sql", "influx", "webhook"))
    tally = await check_accounts(spool)
    assert (tally.sinks["webhook"].spooled, tally.sinks["webhook"].pending) == (6, 6)
    assert [entry.key for entry in await drain(spool, "webhook")] == [f"key:{n}" for n in range(4, 10)]


async def test_a_new_sink_in_an_empty_spool_starts_at_its_end(open_spool, make_entry, drain):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await drain(spool)
    await spool.tidy()
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
    await spool.tidy()
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
    await spool.tidy()
    await spool.append([make_entry(7)])
    await spool.register(("sql", "old"))
    old = (await check_accounts(spool)).sinks["old"]
    assert (old.spooled, old.delivered, old.evicted, old.pending) == (8, 3, 4, 1)


async def test_without_any_sink_nothing_is_kept(open_spool, make_entry):
    spool = await open_spool(sinks=())
    await spool.append([make_entry(1)])
    await spool.register(())
    await spool.tidy()
    assert (await rows_on_disk(spool))[Priority.SLOW] == 0


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
    assert "oldest unsent entries were given up" in caplog.text


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


async def test_only_sinks_that_lag_count_an_eviction(open_spool, make_entry, drain, check_accounts):
    spool = await open_spool(SMALL, sinks=("live", "dead"))
    for start in range(30):
        await fill(spool, make_entry, Priority.SLOW, 100, start * 2)
        await drain(spool, "live")
    tally = await check_accounts(spool)
    assert tally.sinks["live"].evicted == 0
    assert tally.sinks["live"].delivered == 3_000
    assert tally.sinks["dead"].evicted > 1_000


async def test_passed_rows_make_space_before_anything_is_given_up(
    open_spool, make_entry, drain, check_accounts
):
    spool = await open_spool(SMALL)
    for start in range(60):
        await fill(spool, make_entry, Priority.SLOW, 100, start * 2)
        await drain(spool)
    tally = await check_accounts(spool)
    assert (tally.sinks["sql"].evicted, tally.sinks["sql"].delivered) == (0, 6_000)


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
        await spool.tidy()
    tally = await spool.stats()
    assert tally.wal_bytes == 0
    assert tally.bytes < large * 0.7


async def test_the_reserve_is_taken_on_the_disk(open_spool, tmp_path):
    spool = await open_spool(SpoolConfig(reserve=MIB))
    reserve = tmp_path / "spool" / "spool.reserve"
    assert reserve.stat().st_blocks * 512 >= MIB
    reserve.unlink()
    await spool.tidy()
    assert reserve.stat().st_size == MIB
