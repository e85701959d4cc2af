"""Bad rows are found by halving, at a bounded price, and never in place of a sink that is itself at fault."""

from __future__ import annotations

import logging
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.model import STORED, Batch, Entry, Outcome, Priority, Row, Verdict
from exporter.sinks.delivery_loop import DeliveryLoop
from exporter.sinks.runner_config import RunnerConfig
from exporter.telemetry import Telemetry, value
from tests.scale import scaled
from tests.spool.letters import dead_letters

PARTIAL = Verdict(Outcome.PARTIAL_FAILURE, reason="conflict", detail="field type conflict")


def refuse(*bad):
    keys = {f"key:{number}" for number in bad}
    return lambda batch: PARTIAL if any(row.entry.key in keys for row in batch.rows) else STORED


@pytest.mark.parametrize("bad", [[0], [99], [50], [10, 11], [0, 49, 50, 99], list(range(30, 50))])
async def test_exactly_the_bad_rows_become_dead_letters(world, far_end, bad):
    sink = far_end("sql", refuse(*bad))
    keys = await world.append(100)
    runner = await world.run(sink)
    assert await runner.drain(20)
    assert sink.keys == [key for number, key in enumerate(keys) if number not in bad]
    letters = dead_letters(world.spool)
    assert [letter.key for letter in letters] == [f"key:{number}" for number in bad]
    assert {letter.reason for letter in letters} == {"conflict"}
    tally = (await world.spool.stats()).sinks["sql"]
    assert (tally.delivered, tally.dead) == (100 - len(bad), len(bad))


class CountingSpool:
    """The reader's side over a list, to count deliveries without a disk."""

    source = "memory"

    def __init__(self) -> None:
        self.position = 0
        self.dead: list[int] = []

    async def advance(self, _sink, _lane, position, *, dead=(), **_):
        assert position > self.position
        self.position = position
        self.dead += [row for row, _ in dead]


class CountingDelivery:
    def __init__(self, respond) -> None:
        self.respond = respond
        self.count = 0

    async def deliver(self, batch):
        self.count += 1
        return self.respond(batch)


class QuietHealth:
    async def report(self, *_):
        pass


async def settle(size, respond, config=None):
    spool, delivery = CountingSpool(), CountingDelivery(respond)
    loop = DeliveryLoop(
        "sql",
        Priority.SLOW,
        spool,
        delivery,
        QuietHealth(),
        config or RunnerConfig(breaker=10**6),
        Telemetry(),
        None,
        None,
    )
    rows = tuple(Row(n + 1, Entry("T", 1, 1, f"key:{n}", Priority.SLOW, {})) for n in range(size))
    failure = await loop._deliver_parts(Batch("memory", Priority.SLOW, rows))
    return failure, spool, delivery.count


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=scaled(300))
@given(st.data())
async def test_finding_bad_rows_takes_few_deliveries(data):
    size = data.draw(st.integers(1, 5_000))
    bad = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=5))
    failure, spool, deliveries = await settle(size, refuse(*bad))
    assert failure is None
    assert spool.dead == [number + 1 for number in sorted(bad)]
    assert spool.position == size
    assert deliveries <= 2 * len(bad) * math.log2(size) + 2


@pytest.mark.parametrize("bad", [0, 1, 2_499, 2_500, 4_095, 4_096, 4_999])
async def test_one_bad_row_in_a_full_page_takes_at_most_26_deliveries(bad):
    _, spool, deliveries = await settle(5_000, refuse(bad))
    assert spool.dead == [bad + 1]
    assert deliveries <= 26


async def test_a_page_that_is_only_too_large_goes_out_in_parts():
    failure, spool, deliveries = await settle(
        5_000, lambda batch: PARTIAL if len(batch.rows) > 1_000 else STORED
    )
    assert failure is None
    assert (spool.dead, spool.position) == ([], 5_000)
    assert deliveries == 15


async def test_a_part_that_was_stored_moves_the_cursor_at_once():
    answers = iter([PARTIAL, STORED, Verdict(Outcome.RETRY, reason="away")])
    failure, spool, _ = await settle(200, lambda _: next(answers))
    assert failure.reason == "away"
    assert spool.position == 100


async def test_rows_that_the_sink_itself_lists_become_dead_letters(world, far_end):
    def respond(batch):
        return Verdict(Outcome.STORED, tuple((row.position, "too old") for row in batch.rows[::3]))

    sink = far_end("sql", respond)
    runner = await world.run(sink)
    await world.append(9)
    assert await runner.drain(20)
    letters = dead_letters(world.spool)
    assert [letter.key for letter in letters] == ["key:0", "key:3", "key:6"]
    assert {letter.reason for letter in letters} == {"too old"}


async def test_each_kind_of_refused_entry_is_announced_once_a_minute_without_what_it_says(
    world, far_end, caplog
):
    def respond(batch):
        return Verdict(
            Outcome.STORED,
            tuple((row.position, "old" if row.entry.key == "a" else "odd") for row in batch.rows[:3]),
            detail="a name",
        )

    kinds = {"a": "JOIN", "b": "JOIN", "c": "BAN", "d": "BAN"}
    await world.spool.append([Entry(kind, 1, 1, key, Priority.SLOW, {}) for key, kind in kinds.items()])
    runner = await world.run(far_end("sql", respond))
    with caplog.at_level(logging.WARNING):
        assert await runner.drain(20)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.once_per for record in warnings] == ["sql JOIN old", "sql JOIN odd", "sql BAN odd"]
    assert warnings[0].message == (
        "sink sql refused an entry of type JOIN for good (old); it is kept as a dead letter: "
        "discord-exporter spool dead list"
    )
    assert "a name" not in caplog.text


async def test_a_sink_that_refuses_everything_is_at_fault_itself(world, far_end, caplog):
    sink = far_end("sql", lambda _: PARTIAL)
    await world.run(sink)
    await world.append(200)
    await world.until(lambda: "sink sql blocked (breaker" in caplog.text)
    assert len(dead_letters(world.spool)) == 50
    assert (await world.spool.stats()).sinks["sql"].pending == 150


async def test_after_the_breaker_delivery_continues_when_the_sink_is_repaired(world, far_end, caplog):
    repaired = []
    sink = far_end("sql", lambda _: STORED if repaired else PARTIAL)
    runner = await world.run(sink)
    await world.append(200)
    await world.until(lambda: "blocked (breaker" in caplog.text)
    repaired.append(True)
    assert await runner.drain(20)
    assert len(sink.keys) == 150


async def test_fifty_bad_rows_in_a_row_are_still_bad_rows():
    failure, spool, _ = await settle(200, refuse(*range(100, 150)), RunnerConfig())
    assert failure is None
    assert len(spool.dead) == 50
    failure, spool, _ = await settle(200, refuse(*range(100, 151)), RunnerConfig())
    assert failure.outcome is Outcome.NEEDS_OPERATOR
    assert spool.position == 150


async def test_a_good_row_between_bad_ones_keeps_the_breaker_closed():
    bad = [number for number in range(200) if number % 2]
    failure, spool, _ = await settle(200, refuse(*bad), RunnerConfig())
    assert failure is None
    assert len(spool.dead) == 100


async def test_rows_listed_by_the_sink_open_the_breaker_too():
    def respond(batch):
        return Verdict(Outcome.STORED, tuple((row.position, "bad") for row in batch.rows))

    failure, spool, _ = await settle(51, respond, RunnerConfig())
    assert (failure.outcome, failure.reason) == (Outcome.NEEDS_OPERATOR, "breaker")
    assert (spool.position, spool.dead) == (0, [])
    failure, spool, _ = await settle(50, respond, RunnerConfig())
    assert failure is None
    assert len(spool.dead) == 50


async def test_refusals_are_counted_by_reason(world, far_end):
    sink = far_end("sql", refuse(3))
    runner = await world.run(sink)
    await world.append(8)
    assert await runner.drain(20)
    assert value(world.telemetry.sink_failures, "sql", "conflict") == 3
