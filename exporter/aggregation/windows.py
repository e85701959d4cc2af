"""Closes windows, guild by guild, into snapshots, and captures the counts for each commit.

A window is closed a little after its end, so that what was under way is in it. Large windows leave in slices;
a slice is one commit: its snapshots, the amounts so far, and the step that says these guilds have left. If
the disk refuses, the slice goes back into the window and is tried again.

A slice is taken out of its window in one step of the event loop. Its snapshots are made in portions
between which the loop runs: after the disk has refused for long, they hold everything counted meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from exporter.aggregation.cells import Activity, Window, WindowKind
from exporter.aggregation.counters import Counters
from exporter.aggregation.increments import (
    Closed,
    Increment,
    IncrementLog,
    Step,
    decode_increment,
    encode_increment,
)
from exporter.aggregation.unsaved import Unsaved
from exporter.clock import Clock
from exporter.model import Entry
from exporter.spool.ports import NumberedBody

log = logging.getLogger(__name__)

GRACE_MS: Final = 2_000
"""Pause between a window's end and its closing: longer than a message takes from Discord to here."""

SLICE: Final = 200
"""Guilds in one commit: about 10 ms of building, well below what a heartbeat would notice."""

SLICE_CELLS: Final = 20_000
"""Counters in one commit, beyond a single guild's own: some 10 MB as snapshots, which are in memory until it
is made."""

PORTION: Final = 2_000
"""Counters in one entry: with the longest names about half a megabyte, half of what the spool takes for one.
A busier guild leaves as several entries, which are deltas like any other."""

MAX_TRIES: Final = 3
"""Attempts at a failing snapshot, one per tick, before its counts are dropped."""

Snapshot = Callable[[int, tuple[int, int], str, Activity], Entry | None]
"""Makes the entry of one guild: guild, period in ms, key, activity. Changes nothing, since it is made again
if the disk refuses; None if it would say nothing."""

Committed = Callable[[str, tuple[int, int], list[int]], None]
"""Called after a commit: kind, period in ms and guilds of the snapshots."""


class Slice(NamedTuple):
    """Guilds of one window that leave together."""

    kind: WindowKind
    start: int
    guild_ids: list[int]

    @property
    def period(self) -> tuple[int, int]:
        """Start and end of the window, ms."""
        return (self.start, self.start + self.kind.length_ms)


class CountsCapture:
    """Counts up to one moment, to be committed; ``leaving`` is the slice taken with it.

    ``entries`` are the snapshots of the slice, once ``encode`` has made them.
    """

    def __init__(
        self,
        windows: Windows,
        unsaved: Unsaved,
        leaving: Slice | None = None,
        closed: Sequence[tuple[int, Activity]] = (),
    ) -> None:
        self._windows = windows
        self._unsaved = unsaved
        self._leaving = leaving
        self._closed = list(closed)
        self.entries: list[Entry] = []

    @property
    def forget(self) -> int:
        """The number up to which increments are not needed any more; 0 for none."""
        return self._windows.log.unneeded(self._windows.counters.windows.open())

    async def encode(self) -> list[bytes]:
        """Make the snapshots and the increments; the event loop runs between the pieces of large ones."""
        bodies: list[bytes] = []
        lengths = self._windows.counters.lengths()
        for added in self._unsaved.steps():
            bodies.append(encode_increment(Increment([added], lengths)))
            await asyncio.sleep(0)
        if self._leaving is not None:
            await self._make_entries(self._leaving)
            self._leaving = self._leaving._replace(guild_ids=[guild_id for guild_id, _ in self._closed])
            steps: list[Step] = [
                Closed(self._leaving.kind.name, self._leaving.start, self._leaving.guild_ids)
            ]
            bodies.append(encode_increment(Increment(steps, lengths)))
        return bodies

    async def _make_entries(self, leaving: Slice) -> None:
        windows = self._windows
        cells = 0
        for member in list(self._closed):
            guild_id, activity = member
            try:
                self.entries += await windows.entries(leaving, guild_id, activity)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other guilds leave
                if windows.put_off(leaving, guild_id, error):
                    self._closed.remove(member)
                    windows.counters.windows.reopen(leaving.kind, leaving.start, (member,))
            cells += len(activity.cells)
            if cells >= PORTION:
                cells = 0
                await asyncio.sleep(0)

    def confirm(self, numbers: Sequence[int], forgotten: int) -> None:
        """The capture is committed under these numbers, and increments up to ``forgotten`` are deleted."""
        windows = self._windows
        windows.log.forget(forgotten)
        touched = windows.counters.windows.touched_by(self._unsaved.amounts)
        if self._leaving is not None:
            touched |= {(self._leaving.kind.name, self._leaving.start)}
        for number in numbers:
            windows.log.keep(number, touched)
        if self._leaving is not None:
            windows.committed(self._leaving.kind.name, self._leaving.period, self._leaving.guild_ids)

    def merge_back(self) -> None:
        """The capture is not committed: it is captured again with the next commit."""
        self._windows.counters.merge_unsaved(self._unsaved)
        if self._leaving is not None:
            self._windows.counters.windows.reopen(self._leaving.kind, self._leaving.start, self._closed)


class Windows:
    """Open windows, their closing, and the increments that protect them.

    ``snapshots`` make entries, by kind; ``committed`` is called when they are on the disk; ``source`` names
    the spool; ``report`` takes errors.
    """

    def __init__(
        self,
        counters: Counters,
        clock: Clock,
        snapshots: dict[str, Snapshot],
        committed: Committed,
        source: str,
        report: Callable[[str, Exception], None],
    ) -> None:
        self._report = report
        self._failed: dict[tuple[str, int, int], int] = {}
        self.counters = counters
        self.committed = committed
        self.log = IncrementLog()
        self._clock = clock
        self._snapshots = snapshots
        self._source = source
        self._made = clock.now_ms()

    def restore(self, increments: Iterable[NumberedBody]) -> int:
        """Rebuild the open windows; returns how many increments could not be read and are set aside."""
        unread = 0
        for stored in increments:
            try:
                increment = decode_increment(stored.body)
                self.counters.resize(increment.lengths)
                touched = self.counters.replay(increment.steps)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next start would have it again
                unread += 1
                log.warning("increment %d cannot be read; its counts are lost: %s", stored.number, error)
                continue
            touched |= {(step.kind, step.start) for step in increment.steps if isinstance(step, Closed)}
            self.log.keep(stored.number, touched)
        return unread

    def due(self) -> bool:
        """Whether a window has ended."""
        now = self._clock.now_ms()
        return any(
            self._has_ended(kind, start, now)
            for kind in self.counters.windows.kinds
            for start in kind.windows
        )

    def slices(self, *, everything: bool = False) -> Iterator[Slice]:
        """The windows that have ended, or all of them, in the slices that leave together."""
        now = self._clock.now_ms()
        for kind in self.counters.windows.kinds:
            for start in sorted(kind.windows):
                if everything or self._has_ended(kind, start, now):
                    for guild_ids in _slices(kind.windows.get(start, {})):
                        yield Slice(kind, start, guild_ids)

    def capture(self, leaving: Slice | None = None) -> CountsCapture:
        """What was counted up to now, and a slice that leaves; in one step of the loop."""
        # Before the guilds leave: amounts behind the step that says they have left would be dropped by it.
        self.counters.fold()
        unsaved = self.counters.take_unsaved()
        if leaving is None:
            return CountsCapture(self, unsaved)
        closed = self.counters.windows.close(leaving.kind, leaving.start, leaving.guild_ids)
        return CountsCapture(self, unsaved, leaving, closed)

    async def close(
        self,
        commit: Callable[[Callable[[], CountsCapture]], Awaitable[bool]],
        *,
        everything: bool = False,
    ) -> bool:
        """Close the windows that have ended, or all of them, slice by slice; False if the disk refuses."""
        self.counters.fold()
        for leaving in self.slices(everything=everything):
            if not await commit(partial(self.capture, leaving)):
                return False
            await asyncio.sleep(0)
        return True

    async def entries(self, leaving: Slice, guild_id: int, activity: Activity) -> list[Entry]:
        """The snapshots of one guild."""
        make = self._snapshots[leaving.kind.name]
        entries: list[Entry] = []
        async for portion in _portions(activity):
            entry = make(guild_id, leaving.period, self._key(leaving, guild_id), portion)
            if entry is not None:
                entries.append(entry)
        return entries

    def put_off(self, leaving: Slice, guild_id: int, error: Exception) -> bool:
        """Whether a guild whose snapshot failed stays in its window; after some tries its counts are lost."""
        window = (leaving.kind.name, leaving.start, guild_id)
        tries = self._failed[window] = self._failed.get(window, 0) + 1
        self._report("windows", error)
        if tries < MAX_TRIES:
            return True
        del self._failed[window]
        log.error("the %s of guild %d cannot be made; its counts are lost", leaving.kind.name, guild_id)
        return False

    def _key(self, leaving: Slice, guild_id: int) -> str:
        """Unique for ever: a window may leave more than once, so its start alone does not name a snapshot."""
        self._made = max(self._made + 1, self._clock.now_ms())
        return f"{leaving.kind.name}:{self._source}:{guild_id}:{leaving.start}:{self._made}"

    @staticmethod
    def _has_ended(kind: WindowKind, start: int, now: int) -> bool:
        return start + kind.length_ms + GRACE_MS <= now


def _slices(window: Window) -> Iterator[list[int]]:
    guild_ids: list[int] = []
    cells = 0
    for guild_id, activity in list(window.items()):
        if guild_ids and (len(guild_ids) >= SLICE or cells + len(activity.cells) > SLICE_CELLS):
            yield guild_ids
            guild_ids, cells = [], 0
        guild_ids.append(guild_id)
        cells += len(activity.cells)
    if guild_ids:
        yield guild_ids


async def _portions(activity: Activity) -> AsyncIterator[Activity]:
    """The same in portions between which the event loop runs."""
    if len(activity.cells) <= PORTION:
        yield activity
        return
    # By member, so that what one member did stays in one entry as far as it can. In a thread, which the
    # interpreter takes turns with: 100,000 counters are sorted in a tenth of a second.
    cells = iter(await asyncio.to_thread(sorted, activity.cells.items(), key=lambda item: item[0][2]))
    while portion := dict(islice(cells, PORTION)):
        members = {user_id for _, _, user_id, _ in portion}
        seen = {user_id: activity.seen[user_id] for user_id in members if user_id in activity.seen}
        yield Activity(portion, seen)
        await asyncio.sleep(0)
