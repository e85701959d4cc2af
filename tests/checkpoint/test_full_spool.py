"""The checkpoint over a spool that is full: what finds no space costs no commit, and no state."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.checkpoint.checkpoint import Checkpoint
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import ManualClock
from exporter.model import Entry, Priority
from exporter.spool.config import SpoolConfig
from exporter.spool.ports import StateRow
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry, total
from tests.checkpoint.test_checkpoint import Counts, State

MIB = 2**20


async def left(spool: Spool, lane: Priority) -> list[str]:
    batch = await spool.read("sql", lane, max_rows=10**6, max_bytes=10**9)
    return [] if batch is None else [row.entry.key for row in batch.rows]


@pytest.mark.parametrize("full_of", [Priority.CRITICAL, Priority.IMPORTANT])
async def test_a_spool_full_of_a_higher_class_takes_commits_with_entries_of_a_lower_one(
    tmp_path: Path, full_of: Priority
) -> None:
    clock, telemetry, state, counts = ManualClock(), Telemetry(), State(), Counts()
    spool = await Spool.open(tmp_path, SpoolConfig(max_bytes=MIB, reserve=0), clock, telemetry)
    await spool.register(["sql"])
    checkpoint = Checkpoint(
        spool,
        BatchingConfig(),
        clock,
        telemetry,
        state,  # type: ignore[arg-type]  # components in all that is used
        counts.capture,
        lambda: bool(counts.unsaved),
    )

    async def commit(number: int, lanes: dict[Priority, int]) -> None:
        for lane, entries in lanes.items():
            for at in range(entries):
                key = f"{lane.name}:{number}:{at}"
                checkpoint.offer(Entry("X", 1, 1, key, lane, {"text": "x" * 900}))
        state.changed = [StateRow("t", b"k", b"%d" % number), StateRow("t", b"%d" % number, bytes(900))]
        counts.unsaved = number
        assert await checkpoint.commit()

    for number in range(1, 31):
        await commit(number, {full_of: 50})
    assert (await spool.stats()).sinks["sql"].evicted > 0
    before = await left(spool, full_of)
    for number in range(31, 46):
        await commit(number, {Priority.SLOW: 400})
    assert await left(spool, full_of) == before
    for number in range(46, 61):
        await commit(number, {full_of: 1, Priority.SLOW: 400})
    assert checkpoint.problem == ""
    assert not checkpoint.unsaved
    assert not state.errors
    saved = {row.key: row.value for row in await spool.state()}
    assert saved[b"k"] == b"60"
    assert len(saved) == 61
    assert [increment.body for increment in await spool.increments()][-1] == b"60"
    kept = await left(spool, full_of)
    held = [*before, *(f"{full_of.name}:{number}:0" for number in range(46, 61))]
    assert kept == held[-len(kept) :]
    assert len(held) - len(kept) < 100, "no more than the newer ones of the same class need"
    stats = await spool.stats()
    assert total(telemetry.offered) == stats.spooled + total(telemetry.dropped)
    sql = stats.sinks["sql"]
    assert sql.spooled == stats.spooled == sql.evicted + sql.pending
    await spool.close()
