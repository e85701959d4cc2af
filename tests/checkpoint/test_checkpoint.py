from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checkpoint import checkpoint as module
from exporter.checkpoint.checkpoint import Committer
from exporter.checkpoint.config import BatchClass, BatchingConfig
from exporter.clock import ManualClock
from exporter.errors import SpoolError
from exporter.model import Entry, Priority
from exporter.telemetry import Telemetry, total, value
from tests.scale import scaled


class Disk:
    """A spool that can be told to refuse, or to take its time."""

    source = "disk"

    def __init__(self) -> None:
        self.commits: list[list[Entry]] = []
        self.parts: list[tuple[bytes | None, int]] = []
        self.full = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def append(self, entries: Sequence[Entry], *, journal: bytes | None = None, forget: int = 0) -> int:
        self.asked.set()
        await self.gate.wait()
        if self.full:
            msg = "full"
            raise SpoolError(msg)
        self.parts.append((journal, forget))
        self.commits.append(list(entries))
        return len(self.commits)

    async def journal(self) -> list[object]:
        return []

    @property
    def keys(self) -> list[str]:
        return [entry.key for group in self.commits for entry in group]


class Bench:
    def __init__(self, **config: object) -> None:
        self.disk = Disk()
        self.clock = ManualClock()
        self.telemetry = Telemetry()
        self.committer = Committer(
            self.disk,  # type: ignore[arg-type]  # a writer in all that is used
            BatchingConfig(**config),  # type: ignore[arg-type]  # the table of a test
            self.clock,
            self.telemetry,
        )
        self.number = 0

    def offer(self, priority: Priority, kind: str = "X") -> str:
        self.number += 1
        key = f"{priority.name}:{self.number}"
        self.committer.offer(Entry(kind, 1, self.clock.now_ms(), key, priority, {}))
        return key

    def due_in(self) -> float | None:
        due = self.committer._due
        return None if due is None else due - self.clock.monotonic()

    def balance(self) -> tuple[float, float]:
        taken = total(self.telemetry.offered)
        return taken, len(self.disk.keys) + total(self.telemetry.dropped) + self.committer.waiting


async def defect(*_: object, **__: object) -> int:
    raise LookupError


@pytest.fixture
async def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("priority", "wait"), [(Priority.CRITICAL, 0), (Priority.IMPORTANT, 2), (Priority.SLOW, 10)]
)
async def test_an_entry_waits_no_longer_than_its_class(bench: Bench, priority: Priority, wait: float) -> None:
    bench.offer(priority)
    assert bench.due_in() == wait


async def test_the_first_one_due_decides_for_all(bench: Bench) -> None:
    bench.offer(Priority.SLOW)
    bench.clock.advance(9)
    bench.offer(Priority.IMPORTANT)
    assert bench.due_in() == 1
    bench.offer(Priority.CRITICAL)
    assert bench.due_in() == 0


async def test_a_full_group_is_due_at_once(bench: Bench) -> None:
    for _ in range(49):
        bench.offer(Priority.SLOW)
    assert bench.due_in() == 10
    bench.offer(Priority.SLOW)
    assert bench.due_in() == 0


async def test_a_type_may_have_a_class_of_its_own() -> None:
    bench = Bench(types={"GUILD_BAN_ADD": BatchClass(max_size=2, max_wait=30.0)})
    bench.offer(Priority.CRITICAL, "GUILD_BAN_ADD")
    assert bench.due_in() == 30
    bench.offer(Priority.CRITICAL, "GUILD_BAN_ADD")
    assert bench.due_in() == 0


async def test_what_is_due_is_committed_with_all_that_waits_highest_class_first(bench: Bench) -> None:
    slow = bench.offer(Priority.SLOW)
    important = bench.offer(Priority.IMPORTANT)
    runner = asyncio.create_task(bench.committer.run())
    await asyncio.sleep(0)
    assert not bench.disk.commits
    critical = bench.offer(Priority.CRITICAL)
    await bench.disk.asked.wait()
    runner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runner
    assert [entry.key for entry in bench.disk.commits[0]] == [critical, important, slow]
    assert bench.committer.waiting == 0
    assert bench.due_in() is None


async def test_what_comes_during_a_commit_forms_the_next_group(bench: Bench) -> None:
    bench.disk.gate.clear()
    first = bench.offer(Priority.CRITICAL)
    runner = asyncio.create_task(bench.committer.run())
    await bench.disk.asked.wait()
    others = [bench.offer(Priority.CRITICAL) for _ in range(3)]
    assert bench.committer.waiting == 4
    bench.disk.gate.set()
    while bench.committer.waiting:
        await asyncio.sleep(0)
    assert [[entry.key for entry in group] for group in bench.disk.commits] == [[first], others]
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)


async def test_a_refused_commit_is_kept_in_order_and_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)
    bench.disk.full = True
    keys = [bench.offer(priority) for priority in Priority for _ in range(3)]
    assert not await bench.committer.drain()
    assert bench.committer.waiting == 9
    keys.insert(3, bench.offer(Priority.CRITICAL))
    runner = asyncio.create_task(bench.committer.run())
    await asyncio.sleep(0)
    bench.disk.full = False
    while bench.committer.waiting:
        await asyncio.sleep(0)
    assert bench.disk.keys == keys
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)


async def test_a_commit_that_fails_by_a_defect_keeps_its_entries_and_ends_no_drain_early(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [bench.offer(priority) for priority in Priority]
    with monkeypatch.context() as patch:
        patch.setattr(bench.disk, "append", defect)
        with pytest.raises(LookupError):
            await bench.committer.drain()
    assert bench.committer.waiting == 3
    assert await bench.committer.drain()
    assert bench.disk.keys == keys


async def test_why_the_disk_refuses_is_told_until_it_takes_something(bench: Bench) -> None:
    bench.offer(Priority.CRITICAL)
    bench.disk.full = True
    assert not await bench.committer.drain()
    assert bench.committer.problem == "full"
    bench.disk.full = False
    assert await bench.committer.drain()
    assert bench.committer.problem == ""


async def test_a_cancelled_commit_is_finished_and_noted(bench: Bench) -> None:
    bench.disk.gate.clear()
    bench.offer(Priority.CRITICAL)
    runner = asyncio.create_task(bench.committer.run())
    await bench.disk.asked.wait()
    runner.cancel()
    await asyncio.sleep(0)
    assert not runner.done(), "the outcome is waited for"
    bench.disk.gate.set()
    await asyncio.gather(runner, return_exceptions=True)
    assert runner.cancelled()
    assert len(bench.disk.keys) == 1
    assert bench.committer.waiting == 0


async def test_a_cancelled_commit_that_is_refused_keeps_its_entries(bench: Bench) -> None:
    bench.disk.gate.clear()
    bench.disk.full = True
    key = bench.offer(Priority.CRITICAL)
    runner = asyncio.create_task(bench.committer.run())
    await bench.disk.asked.wait()
    runner.cancel()
    await asyncio.sleep(0)
    bench.disk.gate.set()
    await asyncio.gather(runner, return_exceptions=True)
    bench.disk.full = False
    assert await bench.committer.drain()
    assert bench.disk.keys == [key]


async def test_memory_full_sheds_the_lowest_class_and_its_oldest_first() -> None:
    bench = Bench(max_pending=1000)
    slow = [bench.offer(Priority.SLOW) for _ in range(500)]
    critical = [bench.offer(Priority.CRITICAL) for _ in range(600)]
    assert bench.committer.waiting == 1000
    assert value(bench.telemetry.dropped, "memory_full") == 100
    await bench.committer.drain()
    assert bench.disk.keys == critical + slow[100:]


async def test_a_low_entry_never_pushes_out_a_higher_one() -> None:
    bench = Bench(max_pending=1000)
    critical = [bench.offer(Priority.CRITICAL) for _ in range(1000)]
    bench.offer(Priority.SLOW)
    await bench.committer.drain()
    assert bench.disk.keys == critical
    assert value(bench.telemetry.dropped, "memory_full") == 1


async def test_a_commit_with_the_journal_is_counted_when_it_is_made(bench: Bench) -> None:
    entry = Entry("METRICS_SNAPSHOT", 1, 1, "k", Priority.SLOW, {})
    bench.disk.full = True
    assert await bench.committer.commit([entry], b"part", 0) is None
    assert bench.balance() == (0, 0)
    bench.disk.full = False
    assert await bench.committer.commit([entry], b"part", 7) == 1
    assert bench.disk.parts == [(b"part", 7)]
    assert bench.balance() == (1, 1)


@settings(max_examples=scaled(50), deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from(list(Priority)), st.sampled_from(["drain", "full", "free"])), max_size=60
    )
)
def test_what_was_offered_is_spooled_shed_or_waiting(steps: list[Priority | str]) -> None:
    async def play() -> None:
        bench = Bench(max_pending=1000)
        for step in steps:
            if isinstance(step, Priority):
                for _ in range(90):
                    bench.offer(step)
            elif step == "drain":
                await bench.committer.drain()
            else:
                bench.disk.full = step == "full"
            taken, kept = bench.balance()
            assert taken == kept
            assert bench.committer.waiting == sum(map(len, bench.committer._waiting.values()))
        bench.disk.full = False
        assert await bench.committer.drain()
        assert bench.committer.waiting == 0
        assert len(set(bench.disk.keys)) == len(bench.disk.keys)
        for lane in Priority:
            mine = [key for key in bench.disk.keys if key.startswith(lane.name)]
            assert mine == sorted(mine, key=lambda key: int(key.split(":")[1]))

    asyncio.run(play())


async def test_a_large_backlog_leaves_in_groups(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GROUP", 10)
    keys = [bench.offer(Priority.CRITICAL) for _ in range(25)]
    assert await bench.committer.drain()
    assert [len(group) for group in bench.disk.commits] == [10, 10, 5]
    assert bench.disk.keys == keys


class Notes:
    """Takes down whether what rides along was committed."""

    def __init__(self) -> None:
        self.notes = [b"one", b"two"]
        self.taken: list[bytes] = []

    def take(self) -> bytes | None:
        self.taken = [self.notes.pop(0)] if self.notes else []
        return self.taken[0] if self.taken else None

    def put_back(self) -> None:
        self.notes = self.taken + self.notes


async def test_what_rides_along_is_in_the_journal_with_the_entries_and_kept_while_the_disk_refuses() -> None:
    bench = Bench()
    notes = Notes()
    bench.committer = Committer(
        bench.disk,  # type: ignore[arg-type]  # a writer in all that is used
        BatchingConfig(),
        bench.clock,
        bench.telemetry,
        notes,
    )
    bench.disk.full = True
    bench.offer(Priority.CRITICAL)
    assert not await bench.committer.drain()
    bench.disk.full = False
    for _ in range(3):
        bench.offer(Priority.CRITICAL)
        assert await bench.committer.drain()
    assert bench.disk.parts == [(b"one", 0), (b"two", 0), (None, 0)]
