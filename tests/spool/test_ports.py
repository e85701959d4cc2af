"""What the stages on either side may rely on, for every implementation of the ports."""

from __future__ import annotations

import asyncio

import pytest

from exporter.errors import SpoolError
from exporter.model import Priority
from exporter.spool.ports import SpoolReader, SpoolWriter, StateRow
from exporter.spool.recovery import POSITIONS_PER_MS

LANES = tuple(Priority)


async def test_offers_both_sides_of_the_ports(open_spool):
    spool = await open_spool()
    writer: SpoolWriter = spool
    reader: SpoolReader = spool
    assert writer.source == reader.source


async def test_entries_come_back_equal_and_in_order(open_spool, make_entry, drain):
    spool = await open_spool()
    entries = [make_entry(number) for number in range(300)]
    await spool.append(entries[:100])
    await spool.append(entries[100:])
    assert await drain(spool) == entries


async def test_positions_rise_over_all_lanes_and_calls(open_spool, make_entry):
    spool = await open_spool()
    for number in range(6):
        await spool.append([make_entry(number, LANES[number % 3])])
    seen = []
    for lane in LANES:
        batch = await spool.read("sql", lane, max_rows=10, max_bytes=10_000)
        positions = [row.position for row in batch.rows]
        assert positions == sorted(positions)
        seen += positions
    assert len(set(seen)) == 6


async def test_lanes_are_read_apart(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(1, Priority.SLOW), make_entry(2, Priority.CRITICAL)])
    batch = await spool.read("sql", Priority.CRITICAL, max_rows=10, max_bytes=10_000)
    assert [row.entry.key for row in batch.rows] == ["key:2"]
    assert batch.lane is Priority.CRITICAL
    assert batch.source == spool.source
    assert await spool.read("sql", Priority.IMPORTANT, max_rows=10, max_bytes=10_000) is None


async def test_an_empty_append_commits_nothing(open_spool):
    spool = await open_spool()
    assert await spool.append([]) == ()
    assert (await spool.stats()).spooled == 0


async def test_reading_does_not_move_the_cursor(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    first = await spool.read("sql", Priority.SLOW, max_rows=1, max_bytes=10_000)
    assert await spool.read("sql", Priority.SLOW, max_rows=1, max_bytes=10_000) == first


async def test_a_page_ends_at_max_rows(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(number) for number in range(10)])
    batch = await spool.read("sql", Priority.SLOW, max_rows=4, max_bytes=10**6)
    assert [row.entry.key for row in batch.rows] == ["key:0", "key:1", "key:2", "key:3"]


async def test_a_page_ends_before_max_bytes(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(number, padding=1_000) for number in range(10)])
    batch = await spool.read("sql", Priority.SLOW, max_rows=10, max_bytes=3_500)
    assert len(batch.rows) == 3


async def test_a_row_larger_than_max_bytes_comes_alone(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(1, padding=5_000), make_entry(2)])
    batch = await spool.read("sql", Priority.SLOW, max_rows=10, max_bytes=100)
    assert [row.entry.key for row in batch.rows] == ["key:1"]


async def test_each_sink_has_its_own_cursor(open_spool, make_entry, drain, check_accounts):
    spool = await open_spool(sinks=("sql", "influx"))
    entries = [make_entry(number) for number in range(5)]
    await spool.append(entries)
    assert await drain(spool, "sql") == entries
    tally = await check_accounts(spool)
    assert (tally.sinks["sql"].delivered, tally.sinks["sql"].pending) == (5, 0)
    assert (tally.sinks["influx"].delivered, tally.sinks["influx"].pending) == (0, 5)
    assert await drain(spool, "influx") == entries


async def test_a_cursor_never_moves_back(open_spool, make_entry, drain, check_accounts):
    spool = await open_spool()
    await spool.append([make_entry(number) for number in range(5)])
    batch = await spool.read("sql", Priority.SLOW, max_rows=5, max_bytes=10**6)
    await spool.advance("sql", Priority.SLOW, batch.rows[3].position)
    await spool.advance("sql", Priority.SLOW, batch.rows[1].position, dead=[(batch.rows[0].position, "late")])
    tally = await check_accounts(spool)
    assert (tally.sinks["sql"].delivered, tally.sinks["sql"].dead) == (4, 0)
    assert [entry.key for entry in await drain(spool)] == ["key:4"]


async def test_what_a_sink_has_passed_does_not_come_again_while_another_one_needs_it(
    open_spool, make_entry, drain, check_accounts
):
    spool = await open_spool(sinks=("sql", "influx"))
    await spool.append([make_entry(number) for number in range(5)])
    batch = await spool.read("sql", Priority.SLOW, max_rows=5, max_bytes=10**6)
    await spool.advance("sql", Priority.SLOW, batch.rows[3].position)
    await spool.advance("sql", Priority.SLOW, batch.rows[1].position)
    await check_accounts(spool)
    assert [entry.key for entry in await drain(spool, "sql")] == ["key:4"]


async def test_dead_rows_are_counted_apart_from_delivered_ones(open_spool, make_entry, check_accounts):
    spool = await open_spool()
    await spool.append([make_entry(number) for number in range(5)])
    batch = await spool.read("sql", Priority.SLOW, max_rows=4, max_bytes=10**6)
    dead = [(batch.rows[1].position, "bad"), (batch.rows[1].position, "bad"), (10**9, "foreign")]
    await spool.advance("sql", Priority.SLOW, batch.rows[-1].position, dead=dead)
    tally = (await check_accounts(spool)).sinks["sql"]
    assert (tally.delivered, tally.dead, tally.pending) == (3, 1, 1)


async def test_the_oldest_pending_time_is_that_of_the_commit(open_spool, make_entry, clock):
    spool = await open_spool()
    committed = clock.now_ms()
    await spool.append([make_entry(1, Priority.IMPORTANT)])
    clock.advance(60)
    await spool.append([make_entry(2, Priority.CRITICAL)])
    assert (await spool.stats()).sinks["sql"].oldest_pending_at == committed


async def test_sizes_on_disk_are_reported(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(1, padding=100_000)])
    tally = await spool.stats()
    assert tally.bytes + tally.wal_bytes > 100_000


async def test_a_sink_that_was_not_registered_is_refused(open_spool):
    spool = await open_spool()
    with pytest.raises(SpoolError, match="'webhook' was not registered"):
        await spool.read("webhook", Priority.SLOW, max_rows=1, max_bytes=1)
    with pytest.raises(SpoolError, match="'webhook' was not registered"):
        await spool.advance("webhook", Priority.SLOW, 1)


async def test_wait_returns_at_once_for_what_is_there(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    await asyncio.wait_for(spool.wait(Priority.SLOW, 0), 10)


async def test_wait_returns_with_the_next_entry_of_the_same_lane(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    waiting = asyncio.create_task(spool.wait(Priority.SLOW, spool.tip(Priority.SLOW)))
    await spool.append([make_entry(2, Priority.CRITICAL)])
    await asyncio.sleep(0)
    assert not waiting.done()
    await spool.append([make_entry(3)])
    await asyncio.wait_for(waiting, 10)


async def test_waiters_are_woken_for_a_commit_whose_caller_was_cancelled(open_spool, make_entry):
    spool = await open_spool()
    waiting = asyncio.create_task(spool.wait(Priority.SLOW, 0))
    caller = asyncio.create_task(spool.append([make_entry(1)]))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait_for(waiting, 10)
    assert caller.cancelled()


async def test_wait_ends_with_an_error_when_the_spool_closes(open_spool):
    spool = await open_spool()
    waiting = asyncio.create_task(spool.wait(Priority.SLOW, 0))
    await asyncio.sleep(0)
    await spool.close()
    with pytest.raises(SpoolError, match="closed"):
        await waiting


async def test_tip_is_that_of_the_lane_after_a_restart(open_spool, make_entry):
    spool = await open_spool()
    await spool.append([make_entry(1), make_entry(2, Priority.CRITICAL)])
    tips = [spool.tip(lane) for lane in LANES]
    await spool.close()
    again = await open_spool()
    assert [again.tip(lane) for lane in LANES] == tips


async def test_everything_is_there_after_a_restart(open_spool, make_entry, drain, check_accounts):
    spool = await open_spool(sinks=("sql", "influx"))
    entries = [make_entry(number) for number in range(20)]
    state = [StateRow("voice/sessions", b"1", b"open"), StateRow("voice/sessions", b"2", b"open")]
    await spool.append(entries, state=state, increments=[b"open window"])
    batch = await spool.read("sql", Priority.SLOW, max_rows=7, max_bytes=10**6)
    await spool.advance("sql", Priority.SLOW, batch.rows[-1].position, dead=[(batch.rows[0].position, "bad")])
    before = await spool.stats()
    await spool.close()
    again = await open_spool(sinks=("sql", "influx"))
    assert again.source == spool.source
    assert (await check_accounts(again)).sinks == before.sinks
    assert await again.state() == state
    assert [increment.body for increment in await again.increments()] == [b"open window"]
    assert await drain(again, "sql") == entries[7:]
    assert await drain(again, "influx") == entries


async def test_positions_begin_anew_at_the_time_of_a_start(open_spool, make_entry, clock):
    spool = await open_spool()
    await spool.append([make_entry(1)])
    assert spool.tip(Priority.SLOW) == 1
    await spool.close()
    spool = await open_spool()
    await spool.append([make_entry(2)])
    last = spool.tip(Priority.SLOW)
    assert last == clock.now_ms() * POSITIONS_PER_MS + 1
    await spool.close()
    clock.step(-3600)
    again = await open_spool()
    await again.append([make_entry(3)])
    assert again.tip(Priority.SLOW) == last + 1, "after an end that was clean there is no gap"


async def test_a_closed_spool_refuses_everything(open_spool, make_entry):
    spool = await open_spool()
    await spool.close()
    await spool.close()
    for call in (spool.append([make_entry(1)]), spool.stats(), spool.advance("sql", Priority.SLOW, 1)):
        with pytest.raises(SpoolError, match="closed"):
            await call


async def test_what_was_queued_at_close_is_committed(open_spool, make_entry, drain):
    spool = await open_spool()
    calls = [asyncio.create_task(spool.append([make_entry(number)])) for number in range(50)]
    await asyncio.sleep(0)
    await spool.close()
    await asyncio.gather(*calls)
    again = await open_spool()
    assert len(await drain(again)) == 50
