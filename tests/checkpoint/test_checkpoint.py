from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checkpoint import checkpoint as module
from exporter.checkpoint.checkpoint import Checkpoint
from exporter.checkpoint.config import BatchClass, BatchingConfig
from exporter.clock import ManualClock
from exporter.model import Entry, Priority
from exporter.spool.ports import StateRow
from exporter.telemetry import Telemetry, total, value
from tests.memory_spool import GatedSpool
from tests.scale import scaled


class Disk(GatedSpool):
    """A spool that keeps what each commit held."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[list[Entry]] = []
        self.rows: list[list[StateRow]] = []
        self.increments: list[list[bytes]] = []
        self.forgotten: list[tuple[int, bool]] = []
        self.probes = 0

    async def append(
        self,
        entries: Sequence[Entry],
        *,
        state: Sequence[StateRow] = (),
        increments: Sequence[bytes] = (),
        forget: int = 0,
        forget_journal: bool = False,
    ) -> list[int]:
        await self.take_commit()
        self.commits.append(list(entries))
        self.rows.append(list(state))
        self.increments.append(list(increments))
        self.forgotten.append((forget, forget_journal))
        return [len(self.commits)] * len(increments)

    async def probe(self) -> None:
        self.probes += 1
        self.refuse_if_full()

    @property
    def keys(self) -> list[str]:
        return [entry.key for group in self.commits for entry in group]


class State:
    """Components: rows that changed, and the verdicts on them."""

    def __init__(self) -> None:
        self.changed: list[StateRow] = []
        self.saving: list[StateRow] = []
        self.errors: list[Exception] = []

    def report(self, _: str, error: Exception) -> None:
        self.errors.append(error)

    @property
    def unsaved(self) -> bool:
        return bool(self.changed)

    def save(self) -> list[StateRow]:
        assert not self.saving, "one commit at a time"
        self.saving, self.changed = self.changed, []
        return self.saving

    def confirm(self) -> None:
        self.saving = []

    def merge_back(self) -> None:
        self.changed, self.saving = [*self.saving, *self.changed], []


class Counts:
    """What was counted, as a number."""

    def __init__(self) -> None:
        self.unsaved = 0
        self.snapshots: list[Entry] = []
        self.confirmed: list[tuple[list[int], int]] = []
        self.captures = 0

    def capture(self) -> Capture:
        self.captures += 1
        taken, self.unsaved = self.unsaved, 0
        snapshots, self.snapshots = self.snapshots, []
        return Capture(self, taken, snapshots)


class Capture:
    forget = 7

    def __init__(self, counts: Counts, taken: int, snapshots: list[Entry]) -> None:
        self.counts = counts
        self.taken = taken
        self.entries = tuple(snapshots)

    async def encode(self) -> list[bytes]:
        return [str(self.taken).encode()] if self.taken else []

    def confirm(self, numbers: Sequence[int], forgotten: int) -> None:
        self.counts.confirmed.append((list(numbers), forgotten))

    def merge_back(self) -> None:
        self.counts.unsaved += self.taken
        self.counts.snapshots = [*self.entries, *self.counts.snapshots]


class Bench:
    def __init__(self, **config: object) -> None:
        self.disk = Disk()
        self.state = State()
        self.counts = Counts()
        self.errors = self.state.errors
        self.clock = ManualClock()
        self.telemetry = Telemetry()
        self.committer = Checkpoint(
            self.disk,  # type: ignore[arg-type]  # a writer in all that is used
            BatchingConfig(**config),  # type: ignore[arg-type]  # the table of a test
            self.clock,
            self.telemetry,
            self.state,  # type: ignore[arg-type]  # as above, of the components
            self.counts.capture,
            lambda: bool(self.counts.unsaved or self.counts.snapshots),
        )
        self.number = 0

    def offer(self, priority: Priority, kind: str = "X") -> str:
        self.number += 1
        key = f"{priority.name}:{self.number}"
        self.committer.offer(Entry(kind, 1, self.clock.now_ms(), key, priority, {}))
        return key

    def due_in(self) -> float | None:
        due = self.committer._entries._due
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


async def test_a_defect_in_a_commit_is_reported_and_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)
    key = bench.offer(Priority.CRITICAL)
    with monkeypatch.context() as patch:
        patch.setattr(bench.disk, "append", defect)
        runner = asyncio.create_task(bench.committer.run())
        while not bench.errors:
            await asyncio.sleep(0)
    while bench.committer.waiting:
        await asyncio.sleep(0)
    assert bench.disk.keys == [key]
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)


async def test_why_the_disk_refuses_is_known_until_it_takes_something(bench: Bench) -> None:
    bench.offer(Priority.CRITICAL)
    bench.disk.full = True
    assert not await bench.committer.drain()
    assert bench.committer.problem == "full"
    bench.disk.full = False
    assert await bench.committer.drain()
    assert bench.committer.problem == ""


async def test_how_long_nothing_was_saved_is_known_while_the_disk_refuses(bench: Bench) -> None:
    committer = bench.committer
    assert committer.unsaved_seconds() == 0
    bench.offer(Priority.CRITICAL)
    bench.disk.full = True
    for second in range(5):
        assert committer.unsaved_seconds() == second
        await committer.commit()
        bench.clock.advance(1)
    bench.disk.full = False
    await committer.commit()
    assert committer.unsaved_seconds() == 0
    bench.clock.advance(3_600)
    bench.offer(Priority.CRITICAL)
    assert committer.unsaved_seconds() == 0, "an hour without anything to save is none of waiting"


async def test_a_commit_that_hangs_is_a_problem_and_what_it_takes_is_unsaved(bench: Bench) -> None:
    bench.disk.gate.clear()
    bench.offer(Priority.CRITICAL)
    assert bench.committer.unsaved_seconds() == 0
    commit = asyncio.create_task(bench.committer.commit())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    bench.clock.advance(7)
    assert bench.committer.problem == "a commit has not ended for 7 s: the disk does not answer"
    assert bench.committer.unsaved_seconds() == 7
    bench.disk.gate.set()
    assert await commit
    assert bench.committer.problem == ""
    assert bench.committer.unsaved_seconds() == 0


@pytest.mark.parametrize("refused", [False, True])
async def test_a_drain_waits_for_the_counts_of_a_commit_in_flight(bench: Bench, refused: bool) -> None:  # noqa: FBT001
    bench.disk.gate.clear()
    bench.counts.unsaved = 1
    committing = asyncio.create_task(bench.committer.commit())
    await bench.disk.asked.wait()
    draining = asyncio.create_task(bench.committer.drain())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not draining.done(), "they are not on the disk yet"
    bench.disk.full = refused
    bench.disk.gate.set()
    assert await committing is not refused
    assert await draining is not refused
    bench.disk.full = False
    assert await bench.committer.drain()
    assert bench.disk.increments == [[b"1"]]


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


async def test_entries_in_flight_cost_no_entry_that_waits_its_place() -> None:
    bench = Bench(max_pending=1000)
    slow = [bench.offer(Priority.SLOW) for _ in range(1000)]
    bench.disk.gate.clear()
    running = asyncio.create_task(bench.committer.commit())
    await bench.disk.asked.wait()
    critical = [bench.offer(Priority.CRITICAL) for _ in range(50)]
    bench.disk.gate.set()
    assert await running
    assert await bench.committer.drain()
    assert bench.disk.keys == slow + critical


async def test_between_commits_what_was_offered_is_spooled_or_waits(bench: Bench) -> None:
    bench.disk.gate.clear()
    bench.offer(Priority.CRITICAL)
    running = asyncio.create_task(bench.committer.commit())
    await bench.disk.asked.wait()
    opening = asyncio.get_running_loop().call_later(0.05, bench.disk.gate.set)
    async with bench.committer.between_commits():
        assert bench.committer.waiting == 0, "the commit in flight was waited for"
    opening.cancel()
    assert await running


async def test_a_commit_that_hangs_is_not_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0)
    bench.disk.gate.clear()
    bench.offer(Priority.CRITICAL)
    running = asyncio.create_task(bench.committer.commit())
    await bench.disk.asked.wait()
    async with bench.committer.between_commits():
        assert bench.committer.waiting == 1
    bench.disk.gate.set()
    assert await running
    assert await bench.committer.drain()


async def test_a_low_entry_never_pushes_out_a_higher_one() -> None:
    bench = Bench(max_pending=1000)
    critical = [bench.offer(Priority.CRITICAL) for _ in range(1000)]
    bench.offer(Priority.SLOW)
    await bench.committer.drain()
    assert bench.disk.keys == critical
    assert value(bench.telemetry.dropped, "memory_full") == 1


async def test_everything_there_is_at_one_moment_is_in_one_commit(bench: Bench) -> None:
    key = bench.offer(Priority.SLOW)
    bench.state.changed = [StateRow("voice/guilds", b"1", b"x")]
    bench.counts.unsaved = 5
    bench.counts.snapshots = [Entry("METRICS_SNAPSHOT", 1, 1, "k", Priority.SLOW, {})]
    assert await bench.committer.drain()
    assert bench.disk.keys == [key, "k"]
    assert bench.disk.rows == [[StateRow("voice/guilds", b"1", b"x")]]
    assert bench.disk.increments == [[b"5"]]
    assert bench.disk.forgotten == [(7, False)]
    assert bench.counts.confirmed == [([1], 7)]
    assert not bench.committer.unsaved
    assert bench.balance() == (2, 2)


async def test_nothing_arrives_between_the_counts_the_state_and_the_entries_of_a_commit(bench: Bench) -> None:
    """An event that came between them would have its row in one commit and its count in the next."""
    bench.counts.unsaved = 1

    def arrive() -> None:
        bench.counts.unsaved += 2
        bench.state.changed.append(StateRow("t", b"k", b"x"))
        bench.offer(Priority.CRITICAL)

    def take() -> Capture:
        asyncio.get_running_loop().call_soon(arrive)
        return bench.counts.capture()

    assert await bench.committer.commit(take)
    assert (bench.disk.increments, bench.disk.rows, bench.disk.keys) == ([[b"1"]], [[]], [])
    assert await bench.committer.commit()
    assert bench.disk.increments[1] == [b"2"]
    assert bench.disk.rows[1] == [StateRow("t", b"k", b"x")]
    assert bench.disk.keys == ["CRITICAL:1"]


async def test_what_arrives_while_a_commit_is_in_flight_belongs_to_the_next(bench: Bench) -> None:
    bench.disk.gate.clear()
    bench.offer(Priority.CRITICAL)
    bench.counts.unsaved = 1
    running = asyncio.create_task(bench.committer.commit())
    await bench.disk.asked.wait()
    second = bench.offer(Priority.CRITICAL)
    bench.counts.unsaved += 2
    bench.state.changed.append(StateRow("t", b"k", None))
    bench.disk.gate.set()
    assert await running
    assert bench.disk.increments == [[b"1"]]
    assert bench.disk.rows == [[]]
    assert await bench.committer.drain()
    assert bench.disk.commits[1][0].key == second
    assert bench.disk.increments[1] == [b"2"]
    assert bench.disk.rows[1] == [StateRow("t", b"k", None)]


async def test_arrivals_faster_than_commits_hold_up_no_commit(bench: Bench) -> None:
    """A commit takes what is there, and does not wait until nothing is."""
    bench.counts.unsaved = 1

    async def arrive() -> None:
        while len(bench.disk.commits) < 20:
            bench.offer(Priority.CRITICAL)
            await asyncio.sleep(0)

    arriving = asyncio.create_task(arrive())
    await asyncio.sleep(0)
    assert await asyncio.wait_for(bench.committer.drain(), 10)
    assert bench.disk.increments[0] == [b"1"]
    for _ in range(20):
        assert await bench.committer.commit()
    await arriving
    await bench.committer.drain()
    assert bench.balance()[0] == bench.balance()[1]


async def test_nothing_of_a_refused_commit_is_lost_or_doubled(bench: Bench) -> None:
    key = bench.offer(Priority.SLOW)
    bench.state.changed = [StateRow("t", b"k", b"1")]
    bench.counts.unsaved = 3
    bench.counts.snapshots = [Entry("METRICS_SNAPSHOT", 1, 1, "k", Priority.SLOW, {})]
    bench.disk.full = True
    assert not await bench.committer.commit()
    assert bench.committer.unsaved
    assert bench.balance() == (1, 1)
    bench.counts.unsaved += 4
    bench.state.changed.append(StateRow("t", b"l", b"2"))
    bench.disk.full = False
    assert await bench.committer.commit()
    assert bench.disk.keys == [key, "k"]
    assert bench.disk.increments == [[b"7"]]
    assert bench.disk.rows == [[StateRow("t", b"k", b"1"), StateRow("t", b"l", b"2")]]


async def test_while_the_disk_refuses_only_a_probe_is_tried(bench: Bench) -> None:
    bench.offer(Priority.CRITICAL)
    bench.disk.full = True
    assert not await bench.committer.commit()
    captures = bench.counts.captures
    for _ in range(5):
        assert not await bench.committer.commit()
    assert bench.disk.probes == 5
    assert bench.counts.captures == captures, "nothing is taken or encoded for a probe"


async def test_nothing_of_a_refused_commit_waits_for_the_garbage_collector(bench: Bench) -> None:
    class Rows(list[StateRow]):
        """A list that can be watched."""

    rows = Rows([StateRow("t", b"k", b"v")])
    watched = weakref.ref(rows)
    bench.state.changed = rows
    del rows
    bench.disk.full = True
    gc.disable()
    try:
        assert not await bench.committer.commit()
        assert watched() is None
    finally:
        gc.enable()
    assert bench.state.changed == [StateRow("t", b"k", b"v")]


async def test_counts_are_saved_within_their_interval_and_nothing_is_committed_for_nothing(
    bench: Bench,
) -> None:
    bench.clock.advance(60)
    assert await bench.committer.save()
    assert not bench.disk.commits
    bench.counts.unsaved = 1
    assert await bench.committer.save()
    assert len(bench.disk.commits) == 1
    bench.counts.unsaved = 1
    bench.clock.advance(4)
    assert await bench.committer.save()
    assert len(bench.disk.commits) == 1, "the interval has not passed"
    assert bench.due_in() == pytest.approx(1), "it does not wait for the next call"
    assert await bench.committer.save(urgent=True)
    assert len(bench.disk.commits) == 2


async def test_what_is_shed_is_counted_by_class_and_logged_once_an_episode(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(max_pending=1000)
    bench.disk.full = True
    for episode in (1, 2):
        for _ in range(1100):
            bench.offer(Priority.SLOW)
        bench.committer.shed_counts(3)
        bench.committer.shed_counts(4)
        assert not await bench.committer.commit()
        assert value(bench.telemetry.shed, "counts") == 8 * episode - 1
        bench.disk.full = False
        assert await bench.committer.commit()
        bench.committer.shed_counts(1)
        bench.committer.shed_counts(0)
        bench.disk.full = True
    assert value(bench.telemetry.shed, "slow") == 200
    lines = [record.message for record in caplog.records if "being lost" in record.message]
    assert len(lines) == 4, "a line for each class and episode"


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
            assert bench.committer.waiting == sum(map(len, bench.committer._entries._waiting.values()))
        bench.disk.full = False
        assert await bench.committer.drain()
        assert bench.committer.waiting == 0
        assert len(set(bench.disk.keys)) == len(bench.disk.keys)
        for lane in Priority:
            mine = [key for key in bench.disk.keys if key.startswith(lane.name)]
            assert mine == sorted(mine, key=lambda key: int(key.split(":")[1]))

    asyncio.run(play())
