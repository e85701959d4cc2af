"""Order, progress, and that one sink does not touch another."""

from __future__ import annotations

import asyncio
import itertools
import logging

import pytest

from exporter.errors import SpoolError
from exporter.model import STORED, Outcome, Priority, Verdict
from exporter.telemetry import value

RETRY = Verdict(Outcome.RETRY, reason="away", detail="connection refused")


async def test_everything_arrives_once_and_in_order_at_every_sink(world, far_end):
    sinks = [far_end("sql"), far_end("influx")]
    runner = await world.run(*sinks)
    keys = [await world.append(70) for _ in range(10)]
    assert await runner.drain(20)
    for sink in sinks:
        assert sink.keys == list(itertools.chain(*keys))
    tally = await world.spool.stats()
    assert {name: sink.delivered for name, sink in tally.sinks.items()} == {"sql": 700, "influx": 700}


async def test_what_is_spooled_later_arrives_without_being_asked_for(world, far_end):
    sink = far_end("sql")
    runner = await world.run(sink)
    for _ in range(5):
        await world.append(1)
        assert await runner.drain(20)
    assert len(sink.keys) == 5


async def test_order_holds_through_failures(world, far_end):
    answers = iter([RETRY, STORED] * 10_000)
    sink = far_end("sql", lambda _: next(answers))
    runner = await world.run(sink, max_rows_slow=7)
    keys = await world.append(100)
    assert await runner.drain(20)
    assert sink.keys == keys


async def test_pages_are_bounded_by_lane(world, far_end):
    sink = far_end("sql")
    await world.append(30, Priority.CRITICAL)
    await world.append(30, Priority.IMPORTANT)
    await world.append(30, Priority.SLOW)
    runner = await world.run(sink, max_rows=8, max_rows_slow=20)
    assert await runner.drain(20)
    largest = {
        lane: max(len(batch.rows) for batch in sink.batches if batch.lane is lane) for lane in Priority
    }
    assert largest == {Priority.CRITICAL: 8, Priority.IMPORTANT: 8, Priority.SLOW: 20}


async def test_pages_are_bounded_by_bytes(world, far_end):
    sink = far_end("sql")
    await world.append(50)
    runner = await world.run(sink, max_bytes=500)
    assert await runner.drain(20)
    assert len(sink.batches) > 5


async def test_a_failing_lane_does_not_hold_up_another_of_the_same_sink(world, far_end):
    sink = far_end("sql", lambda batch: RETRY if batch.lane is Priority.SLOW else STORED)
    await world.run(sink)
    await world.append(5, Priority.SLOW)
    await world.append(5, Priority.CRITICAL)
    await world.until(lambda: len(sink.stored[Priority.CRITICAL]) == 5)
    assert sink.stored[Priority.SLOW] == []


async def test_critical_entries_go_first_where_lanes_wait_for_one_sink(world, far_end):
    gate = asyncio.Event()

    async def respond(_):
        await gate.wait()
        return STORED

    sink = far_end("sql", respond)
    await world.run(sink, max_rows=1, max_rows_slow=1)
    await world.append(2, Priority.SLOW)
    await world.until(lambda: len(sink.batches) == 1)
    await world.append(1, Priority.IMPORTANT)
    await world.append(1, Priority.CRITICAL)
    await asyncio.sleep(0.05)
    gate.set()
    await world.until(lambda: len(sink.batches) == 4)
    assert [batch.lane for batch in sink.batches][1] is Priority.CRITICAL


async def test_a_sink_that_hangs_does_not_touch_another(world, far_end):
    hanging = far_end("hanging", lambda _: asyncio.get_running_loop().create_future())
    live = far_end("live")
    await world.run(hanging, live)
    for round_ in range(10):
        await world.append(10)
        await world.until(lambda expected=10 * (round_ + 1): len(live.keys) == expected)
    assert len(hanging.batches) == 1


async def test_the_cursor_moves_only_after_the_sink_has_stored(world, far_end):
    gate = asyncio.Event()

    async def respond(_):
        await gate.wait()
        return STORED

    sink = far_end("sql", respond)
    runner = await world.run(sink)
    await world.append(10)
    await world.until(lambda: sink.running == 1)
    assert (await world.spool.stats()).sinks["sql"].delivered == 0
    gate.set()
    assert await runner.drain(20)
    assert (await world.spool.stats()).sinks["sql"].delivered == 10


async def test_a_cursor_that_cannot_be_written_is_tried_again_without_delivering_again(
    world, far_end, monkeypatch
):
    sink = far_end("sql")
    original, failures = world.spool.advance, iter([True] * 3 + [False] * 100)

    async def advance(*arguments, **keywords):
        if next(failures):
            raise SpoolError("disk full")
        await original(*arguments, **keywords)

    monkeypatch.setattr(world.spool, "advance", advance)
    runner = await world.run(sink)
    await world.append(10)
    assert await runner.drain(20)
    assert len(sink.batches) == 1


async def test_a_spool_that_cannot_be_read_is_tried_again(world, far_end, monkeypatch):
    sink = far_end("sql")
    original, failures = world.spool.read, iter([True] * 5 + [False] * 100)

    async def read(*arguments, **keywords):
        if next(failures):
            raise SpoolError("input/output error")
        return await original(*arguments, **keywords)

    monkeypatch.setattr(world.spool, "read", read)
    runner = await world.run(sink)
    await world.append(10)
    assert await runner.drain(20)
    assert len(sink.keys) == 10


async def test_a_defect_of_the_runner_itself_does_not_end_a_lane(world, far_end, monkeypatch, caplog):
    sink = far_end("sql")
    original, failures = world.spool.read, iter([True] + [False] * 100)

    async def read(*arguments, **keywords):
        if next(failures):
            raise ZeroDivisionError
        return await original(*arguments, **keywords)

    monkeypatch.setattr(world.spool, "read", read)
    runner = await world.run(sink)
    await world.append(1)
    assert await runner.drain(20)
    assert "failed inside the exporter" in caplog.text


async def test_drain_tells_when_time_is_up(world, far_end):
    sink = far_end("sql", lambda _: asyncio.get_running_loop().create_future())
    runner = await world.run(sink)
    await world.append(1)
    assert not await runner.drain(0.05)


async def test_drain_does_not_wait_for_what_comes_later(world, far_end):
    gate = asyncio.Event()

    async def respond(batch):
        if batch.rows[0].entry.key != "key:0":
            await gate.wait()
        return STORED

    sink = far_end("sql", respond)
    runner = await world.run(sink)
    await world.append(1)
    await world.until(lambda: len(sink.keys) == 1)
    draining = asyncio.create_task(runner.drain(20))
    await world.append(1)
    assert await draining
    gate.set()


async def test_drain_of_an_empty_spool_returns_at_once(world, far_end):
    runner = await world.run(far_end("sql"))
    assert await runner.drain(20)


async def test_drain_continues_from_where_an_earlier_run_stopped(world, far_end):
    first = await world.run(far_end("sql"))
    await world.append(10)
    assert await first.drain(20)
    await first.stop()
    second = await world.run(far_end("sql"))
    assert await second.drain(20)


async def test_stop_lets_the_delivery_under_way_end(world, far_end):
    gate = asyncio.Event()

    async def respond(_):
        await gate.wait()
        return STORED

    sink = far_end("sql", respond)
    runner = await world.run(sink, stop_timeout=20, max_rows_slow=5)
    await world.append(10)
    await world.until(lambda: sink.running == 1)
    stopping = asyncio.create_task(runner.stop())
    await asyncio.sleep(0)
    gate.set()
    await stopping
    assert len(sink.keys) == 5
    assert (await world.spool.stats()).sinks["sql"].delivered == 5
    assert sink.closed == 1


async def test_stop_cancels_what_does_not_end(world, far_end):
    sink = far_end("sql", lambda _: asyncio.get_running_loop().create_future())
    runner = await world.run(sink, stop_timeout=0.01)
    await world.append(1)
    await world.until(lambda: sink.running == 1)
    await runner.stop()
    assert sink.running == 0
    assert (await world.spool.stats()).sinks["sql"].pending == 1


async def test_stop_does_not_wait_for_a_back_off(world, far_end):
    waiting = asyncio.Event()

    async def sleep(_):
        waiting.set()
        await asyncio.get_running_loop().create_future()

    sink = far_end("sql", lambda _: RETRY)
    world.sleeper = sleep
    runner = await world.run(sink, stop_timeout=60)
    await world.append(1)
    await asyncio.wait_for(waiting.wait(), 20)
    await asyncio.wait_for(runner.stop(), 20)


async def test_stop_is_safe_twice_and_before_anything_was_there(world, far_end):
    sink = far_end("sql")
    runner = await world.run(sink)
    await runner.stop()
    await runner.stop()
    assert sink.closed == 1


async def test_a_sink_that_does_not_close_does_not_stop_the_others(world, far_end, caplog):
    bad, good = far_end("bad"), far_end("good")

    async def close():
        raise RuntimeError("on purpose")

    bad.close = close
    runner = await world.run(bad, good)
    await runner.stop()
    assert good.closed == 1
    assert "bad did not close cleanly" in caplog.text


@pytest.mark.parametrize("failures", [1, 4])
async def test_a_sink_that_does_not_open_is_opened_again(world, far_end, failures):
    sink = far_end("sql")
    attempts = iter([True] * failures + [False] * 10)

    async def open_():
        sink.opened += 1
        if next(attempts):
            raise OSError("no route")

    sink.open = open_
    runner = await world.run(sink)
    await world.append(3)
    assert await runner.drain(20)
    assert sink.opened == failures + 1
    assert len(sink.batches) == 1


async def test_the_meters_follow_the_spool(world, far_end):
    def respond(batch):
        return (
            Verdict(Outcome.STORED, ((batch.rows[0].position, "bad"),)) if len(sink.batches) == 1 else RETRY
        )

    sink = far_end("sql", respond)
    runner = await world.run(sink, max_rows_slow=4)
    await world.append(10)
    await world.until(lambda: len(sink.batches) > 2)
    await runner.stop()
    world.clock.advance(100)
    await runner.refresh()
    meters = world.telemetry
    assert (value(meters.spooled), value(meters.delivered, "sql"), value(meters.dead, "sql")) == (10, 3, 1)
    assert (value(meters.pending, "sql"), value(meters.evicted, "sql")) == (6, 0)
    assert value(meters.oldest_unsent, "sql") >= 100
    assert 0 < value(meters.spool_bytes, "database") < value(meters.spool_limit)
    assert value(meters.volume_free) > 0
    assert value(meters.deliver_seconds, "sql") == len(sink.batches)


async def test_the_statistics_are_read_once_a_second_at_most(world, far_end):
    runner = await world.run(far_end("sql"))
    await runner.refresh()
    await world.append(5)
    await runner.refresh()
    assert value(world.telemetry.spooled) == 0
    world.clock.advance(1)
    await runner.refresh()
    assert value(world.telemetry.spooled) == 5


async def test_statistics_that_cannot_be_read_leave_the_meters_as_they_were(
    world, far_end, monkeypatch, caplog
):
    runner = await world.run(far_end("sql"))

    async def stats():
        raise SpoolError("input/output error")

    monkeypatch.setattr(world.spool, "stats", stats)
    with caplog.at_level(logging.WARNING):
        await runner.refresh()
    assert "metrics keep their last values" in caplog.text
    monkeypatch.undo()
