from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from exporter.aggregation import windows as module
from exporter.aggregation.cells import Activity, WindowKind
from exporter.aggregation.counters import Counters
from exporter.aggregation.increments import (
    Added,
    Cells,
    Closed,
    Increment,
    Step,
    decode_increment,
    encode_increment,
)
from exporter.aggregation.windows import GRACE_MS, MAX_TRIES, Windows
from exporter.checkpoint.checkpoint import Checkpoint
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import ManualClock
from exporter.events.catalogue import full_catalogue
from exporter.events.facts.counting import Count
from exporter.events.messages import MESSAGES
from exporter.model import Entry, Priority
from exporter.spool.ports import NumberedBody, StateRow
from exporter.state.shard_timeline import ShardTimeline
from exporter.telemetry import Telemetry
from tests.emitted import discard
from tests.memory_spool import GatedSpool

MINUTE = 60_000


class Disk(GatedSpool):
    """Entries and increments of a spool, kept over processes."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.parts: dict[int, bytes] = {}
        self.number = 0
        self.commits = 0

    async def append(
        self,
        entries: Sequence[Entry],
        *,
        state: Sequence[StateRow] = (),
        increments: Sequence[bytes] = (),
        forget: int = 0,
        forget_journal: bool = False,
    ) -> list[int]:
        del forget_journal
        await self.take_commit()
        self.commits += bool(entries or increments or forget)
        assert not state
        self.entries += entries
        for number in [number for number in self.parts if number <= forget]:
            del self.parts[number]
        numbers = list(range(self.number + 1, self.number + 1 + len(increments)))
        self.number += len(increments)
        self.parts |= dict(zip(numbers, increments, strict=True))
        return numbers

    async def increments(self) -> list[NumberedBody]:
        return [NumberedBody(number, body) for number, body in sorted(self.parts.items())]

    def amounts(self, kind: str) -> dict[int, int]:
        sums: dict[int, int] = {}
        for entry in self.entries:
            if entry.type == kind:
                sums[entry.guild_id] = sums.get(entry.guild_id, 0) + entry.data["amount"]  # type: ignore[operator]
        return sums


class NoState:
    """Components that have nothing to save."""

    unsaved = False

    def __init__(self, errors: list[Exception]) -> None:
        self._errors = errors

    def report(self, _: str, error: Exception) -> None:
        self._errors.append(error)

    def save(self) -> list[StateRow]:
        return []

    def confirm(self) -> None: ...

    def merge_back(self) -> None: ...


class Process:
    """Windows over a disk, as one process has them."""

    def __init__(self, disk: Disk, clock: ManualClock, short: int = MINUTE, long: int = 5 * MINUTE) -> None:
        self.disk = disk
        self.clock = clock
        kinds = [WindowKind("short", short), WindowKind("long", long)]
        self.lengths = {"short": short, "long": long}
        timeline = ShardTimeline(discard, clock)
        self.counters = Counters(discard, full_catalogue(), kinds, {}, timeline, channels=False)
        self.settled: list[tuple[str, int, list[int]]] = []
        self.errors: list[Exception] = []
        self.windows = Windows(
            self.counters,
            clock,
            {"short": self._entry("short"), "long": self._entry("long")},
            lambda kind, period, guild_ids: self.settled.append((kind, period[0], guild_ids)),
            "disk",
            lambda _, error: self.errors.append(error),
        )
        self.checkpoint = Checkpoint(
            disk,  # type: ignore[arg-type]  # a writer in all that is used
            BatchingConfig(),
            clock,
            Telemetry(),
            NoState(self.errors),  # type: ignore[arg-type]  # as above, of the components
            self.windows.capture,
            lambda: self.counters.has_unsaved,
        )

    async def begin(self) -> Process:
        self.windows.restore(await self.disk.increments())
        if self.counters.lengths() != self.lengths:
            assert await self.close(everything=True)
            self.counters.resize(self.lengths)
        return self

    async def close(self, *, everything: bool = False) -> bool:
        return await self.windows.close(self.checkpoint.commit, everything=everything)

    async def save(self) -> bool:
        return await self.checkpoint.drain()

    @staticmethod
    def _entry(kind: str) -> module.Snapshot:
        def make(guild_id: int, period: tuple[int, int], key: str, activity: Activity) -> Entry:
            amount = sum(activity.cells.values())
            return Entry(kind, guild_id, period[0], key, Priority.SLOW, {"amount": amount, "period": period})

        return make

    def count(self, guild_id: int = 1, ago: int = 0, user_id: int = 0, amount: int = 1) -> None:
        at = self.clock.now_ms() - ago
        self.counters.add(Count(MESSAGES["human"], guild_id, at, 9, user_id, amount=amount))

    def to_next_window(self) -> None:
        now = self.clock.now_ms()
        self.clock.advance((MINUTE - now % MINUTE + GRACE_MS) / 1000)


@pytest.fixture
async def disk() -> Disk:
    return Disk()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_100_000)


@pytest.fixture
async def process(disk: Disk, clock: ManualClock) -> Process:
    return await Process(disk, clock).begin()


async def test_a_window_leaves_a_little_after_its_end(process: Process) -> None:
    process.count()
    end = process.clock.now_ms() // MINUTE * MINUTE + MINUTE
    process.clock.advance((end + GRACE_MS - 1 - process.clock.now_ms()) / 1000)
    assert not process.windows.due()
    await process.close()
    assert not process.disk.entries
    process.clock.advance(0.001)
    process.counters.fold()
    assert process.windows.due()
    await process.close()
    assert process.disk.amounts("short") == {1: 1}
    assert not process.windows.due()


async def test_what_comes_late_leaves_as_a_second_delta_under_a_key_of_its_own(process: Process) -> None:
    process.count()
    process.to_next_window()
    await process.close()
    process.count(ago=10_000, amount=5)
    await process.close()
    first, second = process.disk.entries
    assert first.at == second.at
    assert first.key != second.key
    assert process.disk.amounts("short") == {1: 6}


async def test_a_large_window_leaves_in_slices_between_which_others_run(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLICE", 10)
    for guild in range(1, 36):
        process.count(guild)
    await process.close(everything=True)
    assert process.disk.commits == 8
    assert process.disk.amounts("short") == process.disk.amounts("long") == dict.fromkeys(range(1, 36), 1)
    assert [len(guilds) for kind, _, guilds in process.settled if kind == "short"] == [10, 10, 10, 5]


async def close_while_counting(
    process: Process, monkeypatch: pytest.MonkeyPatch, before_the_rest: Callable[[], object] = lambda: None
) -> None:
    """Close windows slice by slice; more is counted while the first slice is being committed."""
    monkeypatch.setattr(module, "SLICE", 1)
    process.disk.gate.clear()
    for guild in (1, 2, 3):
        process.count(guild)
    closing = asyncio.create_task(process.close(everything=True))
    await process.disk.asked.wait()
    for guild in (1, 2, 3):
        process.count(guild, amount=10)
    before_the_rest()
    process.disk.gate.set()
    await closing


async def test_counts_between_slices_are_neither_lost_nor_doubled(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await close_while_counting(process, monkeypatch, process.counters.fold)
    await process.close(everything=True)
    assert process.disk.amounts("short") == process.disk.amounts("long") == {1: 11, 2: 11, 3: 11}


async def test_what_is_counted_between_slices_is_saved_with_the_next(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await close_while_counting(process, monkeypatch)
    restarted = await Process(process.disk, process.clock).begin()
    await restarted.close(everything=True)
    assert process.disk.amounts("short") == process.disk.amounts("long") == {1: 11, 2: 11, 3: 11}


async def test_a_busy_guild_leaves_as_several_entries(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PORTION", 10)
    for user in range(1, 26):
        process.count(user_id=user)
    await process.close(everything=True)
    amounts = [entry.data["amount"] for entry in process.disk.entries if entry.type == "short"]
    assert amounts == [10, 10, 5]
    assert len({entry.key for entry in process.disk.entries}) == len(process.disk.entries)


async def test_others_run_between_the_portions_of_a_busy_guild(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PORTION", 10)
    for user in range(1, 36):
        process.count(user_id=user)
    turns: list[int] = []
    made: list[int] = []
    make = process.windows._snapshots["short"]

    def noted(*arguments: Any) -> Entry | None:
        made.append(len(turns))
        return make(*arguments)

    async def take_turns() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    monkeypatch.setitem(process.windows._snapshots, "short", noted)
    other = asyncio.create_task(take_turns())
    await process.close(everything=True)
    other.cancel()
    assert len(set(made)) == len(made) == 4


async def test_a_slice_is_bounded_by_its_counters(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE_CELLS", 10)
    for guild, users in {1: 4, 2: 6, 3: 1, 4: 25, 5: 2}.items():
        for user in range(1, users + 1):
            process.count(guild, user_id=user)
    await process.close(everything=True)
    assert [guilds for kind, _, guilds in process.settled if kind == "short"] == [[1, 2], [3], [4], [5]]


async def test_a_snapshot_that_cannot_be_made_costs_no_counts(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.count(amount=3)
    await process.save()
    process.clock.advance((5 * MINUTE + GRACE_MS) / 1000)

    def fail(*_: object) -> Entry:
        raise LookupError

    with monkeypatch.context() as patch:
        patch.setitem(process.windows._snapshots, "long", fail)
        assert await process.close()
        assert len(process.errors) == 1
        # Saving forgets the increments that no open window needs.
        process.count(guild_id=2)
        await process.save()
    after = await Process(process.disk, process.clock).begin()
    await after.close()
    assert process.disk.amounts("long")[1] == 3


async def test_a_snapshot_that_never_can_be_made_holds_up_no_other_guild_and_no_increment(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = process.windows._snapshots["short"]

    def fail_for_one(guild_id: int, period: tuple[int, int], key: str, activity: Activity) -> Entry | None:
        if guild_id == 1:
            raise LookupError
        return make(guild_id, period, key, activity)

    monkeypatch.setitem(process.windows._snapshots, "short", fail_for_one)
    process.count(guild_id=1)
    process.count(guild_id=2)
    for _ in range(MAX_TRIES):
        assert await process.close(everything=True)
    assert process.disk.amounts("short") == {2: 1}
    assert process.disk.amounts("long") == {1: 1, 2: 1}
    assert len(process.errors) == MAX_TRIES
    assert not process.counters.windows.open()


async def test_a_refused_window_stays_and_leaves_whole_later(process: Process) -> None:
    process.count(amount=3)
    process.disk.full = True
    assert not await process.close(everything=True)
    assert not await process.save()
    assert not process.settled
    process.count(amount=4)
    process.disk.full = False
    assert await process.close(everything=True)
    assert process.disk.amounts("short") == process.disk.amounts("long") == {1: 7}
    restarted = await Process(process.disk, process.clock).begin()
    assert not restarted.counters.windows.open()


async def test_a_restart_goes_on_where_the_increments_end(process: Process) -> None:
    process.count(amount=3)
    assert await process.save()
    process.count(amount=100)
    restarted = await Process(process.disk, process.clock).begin()
    assert await restarted.close(everything=True)
    assert process.disk.amounts("short") == process.disk.amounts("long") == {1: 3}


async def test_what_is_counted_but_not_folded_is_saved(process: Process) -> None:
    process.count(amount=3)
    await process.save()
    (increment,) = (decode_increment(body) for body in process.disk.parts.values())
    assert increment.steps


async def test_a_large_increment_is_cut_into_pieces(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.aggregation.unsaved.CELLS_AT_ONCE", 10)
    for user in range(1, 26):
        process.count(user_id=user)
    assert await process.save()
    assert [len(decode_increment(body).steps[0].cells) for body in process.disk.parts.values()] == [10, 10, 5]  # type: ignore[union-attr]  # the first step adds
    restarted = await Process(process.disk, process.clock).begin()
    await restarted.close(everything=True)
    assert process.disk.amounts("short") == {1: 25}


async def test_an_increment_is_kept_exactly_as_long_as_a_window_needs_it(process: Process) -> None:
    process.count()
    await process.save()
    process.to_next_window()
    await process.close()
    assert {1, 2} == set(process.disk.parts), "the long window still needs the first"
    process.clock.advance(300)
    await process.close()
    process.count()
    await process.save()
    process.count()
    await process.save()
    assert not {1, 2} & set(process.disk.parts)


async def test_a_refused_closing_forgets_no_increment_that_is_still_needed(process: Process) -> None:
    process.count(guild_id=1, amount=7)
    await process.save()
    process.count(guild_id=1, ago=-3_600_000, amount=5)
    await process.save()
    process.disk.full = True
    assert not await process.close(everything=True)
    process.disk.full = False
    for _ in range(5):
        process.count(guild_id=2, ago=-7_200_000)
        await process.save()
    restarted = await Process(process.disk, process.clock).begin()
    await restarted.close(everything=True)
    assert process.disk.amounts("short") == process.disk.amounts("long") == {1: 12, 2: 5}


async def test_an_increment_is_forgotten_after_a_refusal_once_it_is_not_needed(process: Process) -> None:
    process.count()
    await process.save()
    process.count()
    await process.save()
    process.disk.full = True
    await process.close(everything=True)
    process.disk.full = False
    await process.close(everything=True)
    for _ in range(3):
        process.count()
        await process.save()
        await process.close(everything=True)
    assert len(process.disk.parts) <= 3


async def test_a_cancelled_closing_is_finished_and_noted(process: Process) -> None:
    process.count(amount=3)
    process.disk.gate.clear()
    closing = asyncio.create_task(process.close(everything=True))
    await process.disk.asked.wait()
    closing.cancel()
    await asyncio.sleep(0)
    process.disk.gate.set()
    await asyncio.gather(closing, return_exceptions=True)
    assert closing.cancelled()
    await process.close(everything=True)
    assert process.disk.amounts("short") == process.disk.amounts("long") == {1: 3}


async def test_a_cancelled_closing_that_is_refused_puts_everything_back(process: Process) -> None:
    process.count(amount=3)
    process.disk.gate.clear()
    process.disk.full = True
    closing = asyncio.create_task(process.close(everything=True))
    await process.disk.asked.wait()
    closing.cancel()
    await asyncio.sleep(0)
    process.disk.gate.set()
    await asyncio.gather(closing, return_exceptions=True)
    process.disk.full = False
    await process.close(everything=True)
    assert process.disk.amounts("short") == process.disk.amounts("long") == {1: 3}


@pytest.mark.parametrize(("short", "long"), [(5 * MINUTE, 5 * MINUTE), (30_000, 300_000), (90_000, 900_000)])
async def test_other_lengths_after_a_restart_lose_and_double_nothing(
    process: Process, short: int, long: int
) -> None:
    process.count(amount=1)
    process.to_next_window()
    process.count(amount=2)
    await process.close()
    process.count(amount=4)
    await process.save()
    changed = await Process(process.disk, process.clock, short, long).begin()
    changed.count(amount=8)
    await changed.save()
    again = await Process(process.disk, process.clock, short, long).begin()
    await again.close(everything=True)
    assert process.disk.amounts("short") == process.disk.amounts("long") == {1: 15}
    assert process.disk.entries[-1].data["period"][1] % long == 0  # type: ignore[index,call-overload]


async def test_an_increment_that_cannot_be_read_is_passed_over(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.count()
    await process.save()
    process.disk.parts[99] = b"\xc1nonsense"
    restarted = await Process(process.disk, process.clock).begin()
    assert "increment 99 cannot be read" in caplog.text
    await restarted.close(everything=True)
    assert process.disk.amounts("short") == {1: 1}


@pytest.mark.parametrize("at", [10**15, -(10**15), 2**62])
@pytest.mark.parametrize("place", ["cells", "seen", "closed"])
async def test_an_increment_with_an_impossible_time_is_set_aside_with_a_warning(
    process: Process, caplog: pytest.LogCaptureFixture, place: str, at: int
) -> None:
    process.count()
    await process.save()
    now = process.clock.now_ms()
    cells: Cells = [(at if place == "cells" else now, "messages", "human", 1, 9, 0, "", 1)]
    steps: list[Step] = [Added(cells, [(1, 7, now, at if place == "seen" else now)])]
    if place == "closed":
        steps.append(Closed("short", at, [1]))
    process.disk.parts[99] = encode_increment(Increment(steps, process.lengths))
    restarted = Process(process.disk, process.clock)
    assert restarted.windows.restore(await process.disk.increments()) == 1
    assert [record.levelname for record in caplog.records if "increment 99" in record.message] == ["WARNING"]
    await restarted.close(everything=True)
    assert process.disk.amounts("short") == {1: 1}


async def test_nothing_to_save_commits_nothing(process: Process) -> None:
    assert await process.save()
    assert await process.close(everything=True)
    assert process.disk.commits == 0


async def test_keys_differ_even_when_the_clock_is_set_back(process: Process) -> None:
    for _ in range(3):
        process.count()
        await process.close(everything=True)
        process.clock.step(-0.01)
    assert len({entry.key for entry in process.disk.entries}) == 6
