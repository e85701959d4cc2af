"""Backoff, deadlines, and what is logged."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math

from hypothesis import given
from hypothesis import strategies as st

from exporter.model import STORED, Batch, Outcome, Priority, Verdict
from exporter.sinks.deadline import DeadlineGuard, requested_wait
from exporter.sinks.runner_config import RunnerConfig
from exporter.telemetry import value

AWAY = Verdict(Outcome.RETRY, reason="unreachable", detail="connection refused")
BLOCKED = Verdict(Outcome.NEEDS_OPERATOR, reason="unauthorized", detail="wrong token")


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_what_a_far_end_asks_for_is_obeyed_within_reason(asked):
    wait = requested_wait(asked, 3_600.0)
    assert 0 <= wait <= 3_600
    if not math.isnan(asked):
        assert wait >= min(asked, 3_600)


def test_a_far_end_that_asks_for_nothing_is_given_nothing():
    assert requested_wait(None, 3_600.0) == 0


async def test_a_far_end_that_is_away_is_tried_for_ever_with_growing_waits(world, far_end):
    answers = iter([AWAY] * 500)
    sink = far_end("sql", lambda _: next(answers, STORED))
    runner = await world.run(sink)
    keys = await world.append(3)
    assert await runner.drain(20)
    assert sink.keys == keys
    waits = world.sleeper.waits
    assert len(waits) == 500
    assert all(wait <= min(2**index, 60) for index, wait in enumerate(waits))
    assert max(waits) > 50


async def test_each_outage_starts_with_short_waits(world, far_end):
    answers = iter(([AWAY] * 12 + [STORED]) * 20)
    sink = far_end("sql", lambda _: next(answers))
    runner = await world.run(sink, max_rows_slow=1)
    await world.append(20)
    assert await runner.drain(20)
    outages = [world.sleeper.waits[start : start + 12] for start in range(0, 240, 12)]
    assert all(wait <= 2**index for waits in outages for index, wait in enumerate(waits))


async def test_retry_after_is_obeyed(world, far_end):
    answers = iter([Verdict(Outcome.RETRY, reason="busy", retry_after=90.0)])
    sink = far_end("sql", lambda _: next(answers, STORED))
    runner = await world.run(sink)
    await world.append(1)
    assert await runner.drain(20)
    assert world.sleeper.waits == [90.0]


async def test_all_lanes_of_a_sink_obey_each_retry_after(world, far_end):
    times = []

    def respond(_):
        times.append(world.clock.monotonic())
        return Verdict(Outcome.RETRY, reason="busy", retry_after=90.0) if len(times) < 4 else STORED

    sink, other = far_end("influxdb", respond), far_end("sql")
    for lane in Priority:
        await world.append(2, lane)
    runner = await world.run(sink, other)
    assert await runner.drain(20)
    assert value(world.telemetry.sink_failures, "influxdb", "busy") == 3
    assert len(other.batches) == len(Priority)
    assert all(later >= earlier + 90 for earlier, later in itertools.pairwise(times[:4]))


async def test_a_lane_is_not_delivered_while_another_one_was_asked_to_wait(world, far_end):
    answers = iter([Verdict(Outcome.RETRY, reason="busy", retry_after=90.0)])
    sink = far_end("influxdb", lambda _: next(answers, STORED))
    config = RunnerConfig(deadline=1_234.0)  # the timer that the sleeper does not fire by itself
    guard = DeadlineGuard(sink, config, world.clock, world.telemetry, world.sleeper)
    assert (await guard.deliver(Batch("source", Priority.CRITICAL, ()))).retry_after == 90.0
    world.clock.advance(30)
    assert (await guard.deliver(Batch("source", Priority.SLOW, ()))).retry_after == 60.0
    assert len(sink.batches) == 1
    world.clock.advance(60)
    assert await guard.deliver(Batch("source", Priority.SLOW, ())) == STORED


async def test_retry_after_is_not_obeyed_beyond_an_hour(world, far_end):
    answers = iter([Verdict(Outcome.RETRY, reason="busy", retry_after=10**9)])
    sink = far_end("sql", lambda _: next(answers, STORED))
    runner = await world.run(sink)
    await world.append(1)
    assert await runner.drain(20)
    assert world.sleeper.waits == [3_600.0]


async def test_a_blocked_sink_is_tried_each_minute_and_logged_each_ten(world, far_end, caplog):
    answers = iter([BLOCKED] * 25)
    sink = far_end("sql", lambda _: next(answers, STORED))
    runner = await world.run(sink)
    await world.append(4)
    assert await runner.drain(20)
    assert world.sleeper.waits == [60.0] * 25
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [
        f"sink sql {state} (unauthorized: wrong token): operator action required, nothing lost, 4 waiting"
        for state in ("blocked", "still blocked", "still blocked")
    ]


async def test_an_outage_is_logged_once_and_its_end_once(world, far_end, caplog):
    answers = iter([AWAY] * 5)
    sink = far_end("sql", lambda _: next(answers, STORED))
    with caplog.at_level(logging.INFO):
        await world.append(7)
        runner = await world.run(sink)
        assert await runner.drain(20)
    logged = [
        (record.levelname, record.message)
        for record in caplog.records
        if record.name.startswith("exporter.sinks")
    ]
    assert logged[0] == (
        "WARNING",
        "sink sql away (unreachable: connection refused), nothing lost, 7 waiting",
    )
    assert logged[1][0] == "INFO"
    assert logged[1][1].startswith("sink sql back after ")
    assert logged[1][1].endswith("0 waiting")
    assert len(logged) == 2


async def test_the_state_is_on_a_gauge_and_failures_are_counted(world, far_end):
    answers = iter([AWAY] * 3)
    hold = asyncio.Event()

    async def respond(_):
        if verdict := next(answers, None):
            return verdict
        await hold.wait()
        return STORED

    sink = far_end("sql", respond)
    runner = await world.run(sink)
    up = world.telemetry.sink_up
    assert value(up, "sql") == 1
    await world.append(1)
    await world.until(lambda: len(sink.batches) == 4)
    assert value(up, "sql") == 0
    assert runner.problems()["sql"].startswith("away: ")
    hold.set()
    assert await runner.drain(20)
    assert value(up, "sql") == 1
    assert runner.problems() == {"sql": ""}
    assert value(world.telemetry.sink_failures, "sql", "unreachable") == 3


async def test_the_state_of_a_sink_is_the_worst_state_of_its_lanes(world, far_end):
    sink = far_end("sql", lambda batch: BLOCKED if batch.lane is Priority.SLOW else STORED)
    runner = await world.run(sink)
    await world.append(1, Priority.SLOW)
    await world.until(lambda: runner.problems()["sql"].startswith("blocked: "))
    await world.append(1, Priority.CRITICAL)
    await world.until(lambda: len(sink.stored[Priority.CRITICAL]) == 1)
    assert runner.problems()["sql"].startswith("blocked: ")


async def test_a_delivery_beyond_its_deadline_is_cancelled_and_made_again(world, far_end):
    cancelled = []

    async def respond(_):
        if len(sink.batches) > 1:
            return STORED
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    sink = far_end("sql", respond)
    runner = await world.run(sink)
    keys = await world.append(2)
    await world.sleeper.fire()
    assert await runner.drain(20)
    assert cancelled == [True]
    assert sink.keys == keys
    assert value(world.telemetry.sink_failures, "sql", "deadline") == 1


async def test_a_delivery_that_cannot_be_cancelled_is_not_joined_by_a_second_one(world, far_end, caplog):
    gate = asyncio.Event()

    async def respond(_):
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        return AWAY if len(sink.batches) == 1 else STORED

    sink = far_end("sql", respond)
    runner = await world.run(sink)
    await world.append(2)
    await world.sleeper.fire()
    await world.sleeper.fire(5.0)
    await world.until(lambda: len(world.sleeper.waits) > 5)
    assert len(sink.batches) == 1
    assert "ignores cancellation" in caplog.text
    gate.set()
    assert await runner.drain(20)
    assert len(sink.batches) == 2


async def test_an_exception_is_a_defect_logged_once_and_retried(world, far_end, caplog):
    answers = iter([True] * 5)

    def respond(_):
        if next(answers, None):
            raise KeyError("on purpose")
        return STORED

    sink = far_end("sql", respond)
    runner = await world.run(sink)
    keys = await world.append(2)
    assert await runner.drain(20)
    assert sink.keys == keys
    assert caplog.text.count("which is a defect of the sink") == 1
    assert "Traceback" in caplog.text
    assert value(world.telemetry.sink_failures, "sql", "defect") == 5


def test_durations_and_sizes_are_written_as_people_write_them():
    config = RunnerConfig.model_validate({"deadline": "10s", "max_bytes": "1MiB", "retry_cap": "2m"})
    assert (config.deadline, config.max_bytes, config.retry_cap) == (10, 2**20, 120)
    assert (config.rows(Priority.CRITICAL), config.rows(Priority.SLOW)) == (500, 5_000)
