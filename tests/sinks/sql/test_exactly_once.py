"""Each row has one effect, however the batches are cut, repeated or interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from exporter.model import STORED, Batch, Entry, Outcome, Priority, Row
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.schema import deliveries, guild_daily, moderation_logs
from exporter.sinks.sql.sink import SqlSink
from tests.sinks.sql.conftest import CATALOGUE, Store, close_store, open_store
from tests.sinks.sql.entries import GUILD, MINUTE, NOON, ban, metrics
from tests.sinks.sql.histories import counters, expected_sums, records, stored_sums

# The store is emptied at the start of each example; making one takes far longer.
PROPERTY = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Killed(BaseException):
    """The process ends here: no handler of the program may catch this."""


class Interruption:
    """Ends the delivery before its n-th statement, or before its commit."""

    def __init__(self, sink: SqlSink) -> None:
        assert sink._engine is not None
        self.left: int | None = None
        self.at_commit = False
        event.listen(sink._engine.sync_engine, "before_cursor_execute", self._count)
        event.listen(sink._engine.sync_engine, "commit", self._commit)

    def _count(self, *_: object) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    def _commit(self, _: Connection) -> None:
        if self.at_commit:
            raise Killed


def cut(rows: Sequence[Row], store: Store, lane: Priority) -> Batch:
    return Batch(store.source, lane, tuple(rows))


@dataclass(frozen=True)
class Attempt:
    """One delivery by a runner that repeats itself and may crash; lengths are counted from its cursor."""

    back: int
    ahead: int
    killed_before_statement: int | None
    killed_before_commit: bool
    cursor_lost: bool


attempts = st.lists(
    st.builds(
        Attempt,
        back=st.integers(0, 6),
        ahead=st.integers(0, 6),
        killed_before_statement=st.none() | st.integers(0, 12),
        killed_before_commit=st.booleans(),
        cursor_lost=st.booleans(),
    ),
    max_size=8,
)


async def deliver_badly(store: Store, rows: Sequence[Row], lane: Priority, plan: Sequence[Attempt]) -> None:
    """As the attempts say, and all of it once more in the end; never beginning after what is not stored."""
    interruption = Interruption(store.sink)
    cursor = 0
    for attempt in plan:
        part = rows[max(0, cursor - attempt.back) : cursor + attempt.ahead]
        interruption.left = attempt.killed_before_statement
        interruption.at_commit = attempt.killed_before_commit
        try:
            assert await store.sink.deliver(cut(part, store, lane)) == STORED
        except Killed:
            continue
        if not attempt.cursor_lost:
            cursor = min(len(rows), cursor + attempt.ahead)
    interruption.left, interruption.at_commit = None, False
    assert await store.sink.deliver(cut(rows, store, lane)) == STORED


@PROPERTY
@given(entries=counters, plan=attempts)
async def test_sums_are_those_of_the_entries(store: Store, entries: list[Entry], plan: list[Attempt]) -> None:
    await store.wipe()
    await deliver_badly(store, store.rows(*entries), Priority.SLOW, plan)
    found = stored_sums(await store.everything())
    for table, sums in expected_sums(entries).items():
        assert {key: +amounts for key, amounts in found[table].items() if +amounts} == {
            key: +amounts for key, amounts in sums.items() if +amounts
        }


@PROPERTY
@given(entries=records, plan=attempts)
async def test_records_are_those_of_an_undisturbed_delivery(
    store: Store, entries: list[Entry], plan: list[Attempt]
) -> None:
    await store.wipe()
    rows = store.rows(*entries)
    assert await store.sink.deliver(cut(rows, store, Priority.CRITICAL)) == STORED
    undisturbed = await store.everything()
    await store.wipe()
    await deliver_badly(store, rows, Priority.CRITICAL, plan)
    assert await store.everything() == undisturbed


@pytest.fixture
async def pair(
    migrated_file: Any, migrated_database: str, postgres: Any, tmp_path: Any
) -> AsyncIterator[tuple[Store, Store]]:
    """The same store in both dialects."""
    file = tmp_path / "discord.db"
    file.write_bytes(migrated_file.read_bytes())
    stores = [
        await open_store(SqlConfig.model_validate({"dsn": dsn, "store_snapshots": True}))
        for dsn in (f"sqlite:///{file}", postgres.dsn(migrated_database))
    ]
    yield stores[0], stores[1]
    for store in stores:
        await close_store(store)


@PROPERTY
@given(recorded=records, counted=counters, sizes=st.lists(st.integers(1, 5), min_size=1))
async def test_both_dialects_hold_the_same_rows(
    pair: tuple[Store, Store], recorded: list[Entry], counted: list[Entry], sizes: list[int]
) -> None:
    held = []
    for store in pair:
        await store.wipe()
        store.position = 0
        for entries, lane in ((recorded, Priority.CRITICAL), (counted, Priority.SLOW)):
            rows = store.rows(*entries)
            for number, start in enumerate(range(0, len(rows), 3)):
                part = rows[start : start + max(3, sizes[number % len(sizes)])]
                assert await store.sink.deliver(cut(part, store, lane)) == STORED
        held.append(await store.everything())
    assert held[0] == held[1]


async def test_nothing_is_applied_when_the_end_comes_between_apply_and_commit(store: Store) -> None:
    assert await store.deliver(ban("ban:1")) == STORED
    before = await store.everything()
    batch = store.batch(ban("ban:2"))
    interruption = Interruption(store.sink)
    interruption.at_commit = True
    with pytest.raises(Killed):
        await store.sink.deliver(batch)
    assert await store.everything() == before
    interruption.at_commit = False
    assert await store.sink.deliver(batch) == STORED
    assert len(await store.read(moderation_logs)) == 2


async def test_the_position_moves_with_the_rows_and_by_lane(store: Store) -> None:
    await store.deliver(ban("ban:1"), ban("ban:2"))
    await store.deliver(metrics(), lane=Priority.SLOW)
    assert await store.read(deliveries) == [
        {"source": "spool-a", "lane": 0, "position": 2},
        {"source": "spool-a", "lane": 2, "position": 3},
    ]


async def test_an_old_part_that_comes_again_does_not_move_the_position_back(store: Store) -> None:
    rows = store.rows(*(metrics(["messages", "human", 0, "", 1], at=NOON + n * MINUTE) for n in range(4)))
    for part in (rows, rows[:2], rows[1:3], rows[2:]):
        assert await store.sink.deliver(cut(part, store, Priority.SLOW)) == STORED
        assert (await store.only(deliveries))["position"] == 4
    assert (await store.only(guild_daily))["messages"] == 4


async def test_a_refused_batch_leaves_nothing_behind(store: Store) -> None:
    verdict = await store.deliver(ban("ban:1"), ban("ban:2", target_username="a\0"))
    assert verdict.outcome is Outcome.PARTIAL_FAILURE
    assert all(rows == [] for rows in (await store.everything()).values())


async def test_halves_of_a_refused_batch_are_stored_but_for_the_bad_row(store: Store) -> None:
    rows = store.rows(ban("ban:1"), ban("ban:2", target_username="a\0"), ban("ban:3"))
    for part, outcome in (
        (rows, Outcome.PARTIAL_FAILURE),
        (rows[:1], Outcome.STORED),
        (rows[1:2], Outcome.PARTIAL_FAILURE),
        (rows[2:], Outcome.STORED),
        (rows[:1], Outcome.STORED),
    ):
        assert (await store.sink.deliver(cut(part, store, Priority.CRITICAL))).outcome is outcome
    assert [row["event_key"] for row in await store.read(moderation_logs)] == ["ban:1", "ban:3"]


async def test_two_processes_writing_the_same_keys_lose_nothing(store: Store) -> None:
    other = SqlSink(store.config, catalogue=CATALOGUE)
    await other.open()
    try:
        await asyncio.gather(*(pour(sink, name) for sink, name in ((store.sink, "a"), (other, "b"))))
    finally:
        await other.close()
    rows = await store.read(guild_daily)
    assert [(row["guild_id"], row["messages"]) for row in rows] == [(GUILD + n, 20) for n in range(20)]


async def pour(sink: SqlSink, source: str) -> None:
    """Ten batches over twenty guilds, each in another order."""
    for number in range(10):
        entries = [
            metrics(
                ["messages", "human", 5, "", 1],
                at=NOON + number * MINUTE,
                guild=GUILD + (n * 7 + number) % 20,
            )
            for n in range(20)
        ]
        rows = tuple(Row(number * 20 + n + 1, entry) for n, entry in enumerate(entries))
        assert await sink.deliver(Batch(source, Priority.SLOW, rows)) == STORED


async def test_the_same_batch_delivered_twice_at_once_counts_once(store: Store) -> None:
    # The first round finds no position to lock, the others do.
    for number in range(1, 6):
        entry = metrics(["messages", "human", 0, "", 3], at=NOON + number * MINUTE)
        batch = store.batch(entry, lane=Priority.SLOW)
        verdicts = await asyncio.gather(store.sink.deliver(batch), store.sink.deliver(batch))
        assert verdicts == [STORED, STORED]
        assert (await store.only(guild_daily))["messages"] == 3 * number
