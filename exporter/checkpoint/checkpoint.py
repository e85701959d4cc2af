"""Writes entries, the state of the components, and the counts to the spool, in one commit.

A commit takes what is there at one moment, in one step of the event loop: every entry that waits, every row
of state that changed, every amount that was counted. All effects of a fact are in memory before anything else
happens, so they are committed together or not at all: a row and the count that it proves never part. What
arrives while a commit is in flight belongs to the next one, so commits go on at any rate of arrival, and a
slow disk makes larger commits, not a longer queue.

Each entry has a deadline by its class; what is counted is saved within ``journal_interval``. While the disk
refuses, everything is kept: entries up to ``max_pending``, counters up to ``max_cells``. Beyond that the
lowest class is shed first, counted by class, and logged once per episode. A small commit tries every second
whether the disk takes anything again.

Conservation: offered = spooled + dropped + waiting; what is shed is dropped with a reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from exporter.aggregation.windows import CountsCapture
from exporter.checkpoint.config import BatchingConfig
from exporter.checkpoint.waiting_entries import WaitingEntries
from exporter.clock import Clock
from exporter.dispatch.component_states import ComponentStates
from exporter.errors import SpoolError
from exporter.model import Entry, Priority
from exporter.notation import counted
from exporter.spool.ports import SpoolWriter, StateRow
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
"""Pause after a commit the disk refused: short, since memory fills meanwhile."""

PATIENCE_SECONDS: Final = 0.5
"""How long a scrape waits for a commit in flight: longer than a commit takes, shorter than a scrape may."""

HANGING_SECONDS: Final = 5.0
"""A commit that takes longer is taken to hang: memory is bounded from then on."""

T = TypeVar("T")


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Await a commit and what is noted of it; a cancellation waits until both are done.

    A commit in flight cannot be called back, so giving up in the middle would leave it unknown whether what
    was committed is still to be kept.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


class Checkpoint:
    """The only writer of the spool.

    ``state`` are the components; ``capture`` takes what was counted, unless a commit names its own.
    """

    def __init__(
        self,
        spool: SpoolWriter,
        config: BatchingConfig,
        clock: Clock,
        telemetry: Telemetry,
        state: ComponentStates,
        capture: Callable[[], CountsCapture],
        has_counts: Callable[[], bool],
    ) -> None:
        self._spool = spool
        self._config = config
        self._clock = clock
        self._telemetry = telemetry
        self._state = state
        self._capture = capture
        self._has_counts = has_counts
        self._entries = WaitingEntries(config, clock, self._shed_entry)
        self._saved = clock.monotonic()
        self.turn = asyncio.Lock()
        """Held during a commit; whoever holds it reads what was committed last."""
        self._shedding: set[str] = set()
        self._began: float | None = None
        self._unsaved_since: float | None = None
        self._refusal = ""
        """Why the last commit was refused; empty while commits succeed."""

    @property
    def waiting(self) -> int:
        """Entries that are in memory only."""
        return self._entries.number

    @property
    def problem(self) -> str:
        """Why nothing is committed now: the disk refuses, or a commit hangs; empty while commits succeed."""
        lasting = 0.0 if self._began is None else self._clock.monotonic() - self._began
        if lasting < HANGING_SECONDS:
            return self._refusal
        return f"a commit has not ended for {lasting:.0f} s: the disk does not answer"

    def unsaved_seconds(self) -> float:
        """How long what is in memory only has been there, in seconds; to be asked about once a second."""
        now = self._clock.monotonic()
        if not self.unsaved and self._began is None:
            self._unsaved_since = None
        elif self._unsaved_since is None:
            self._unsaved_since = now
        return 0.0 if self._unsaved_since is None else now - self._unsaved_since

    @property
    def unsaved(self) -> bool:
        """Whether anything at all is in memory only."""
        return bool(self.waiting or self._has_counts() or self._state.unsaved)

    # ------------------------------------------------------------------ what waits

    def offer(self, entry: Entry) -> None:
        """Take an entry; never blocks."""
        self._telemetry.offered.labels(entry.type).inc()
        self._entries.offer(entry)

    async def save(self, *, urgent: bool = False) -> bool:
        """Commit if counts or state have waited for ``journal_interval``, or at once; False if refused."""
        if not self.unsaved:
            return True
        due = self._saved + self._config.journal_interval
        if urgent or self._clock.monotonic() >= due:
            return await self.commit()
        # Not with the next call, which may be a tick too late.
        self._entries.call_for(due)
        return True

    def shed_counts(self, number: int) -> None:
        """Note at each tick how many counts were shed for want of memory since the last one.

        A tick without any ends the episode, once the disk takes everything again: what is shed behind the
        commit that ended the fault still belongs to it.
        """
        if number:
            self._shed("counts", number)
        elif not self.problem and self.waiting < self._config.max_pending:
            self._shedding.clear()

    def _shed_entry(self, priority: Priority) -> None:
        self._telemetry.dropped.labels("memory_full").inc()
        self._shed(priority.name.lower(), 1)

    def _shed(self, what: str, number: int) -> None:
        self._telemetry.shed.labels(what).inc(number)
        if what not in self._shedding:
            self._shedding.add(what)
            log.error(
                "memory for unsaved data is full because the disk takes nothing (%s): %s are being lost, "
                "counted in discord_exporter_shed_total",
                self.problem or "a commit is in flight",
                what if what == "counts" else f"{what} entries",
            )

    # ------------------------------------------------------------------ commits

    async def run(self) -> None:
        """Commit what is due, until cancelled."""
        while True:
            await self._entries.wait_due()
            try:
                committed = await self.commit()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again and ends nothing
                self._state.report("checkpoint", error)
                committed = False
            if not committed:
                await asyncio.sleep(RETRY_SECONDS)

    async def commit(self, capture: Callable[[], CountsCapture] | None = None) -> bool:
        """Commit all there is at this moment; False if the disk refuses, and everything is kept.

        ``capture`` takes the counts, where a window closes with this commit.
        """
        return await finish(self._commit(capture or self._capture))

    @contextlib.asynccontextmanager
    async def between_commits(self) -> AsyncIterator[None]:
        """Hold commits up for a moment, so that what was offered and what is spooled are read as of one time.

        A commit that takes longer than ``PATIENCE_SECONDS`` is not waited for.
        """
        held = False
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                held = await self.turn.acquire()
        except TimeoutError:
            pass
        try:
            yield
        finally:
            if held:
                self.turn.release()

    async def drain(self) -> bool:
        """Commit until nothing waits that was there when this was called; False if the disk refuses it."""
        async with self.turn:
            # What a commit in flight has taken counts as saved meanwhile, and is not if the disk refuses it.
            pass
        return not self.unsaved or await self.commit()

    async def _commit(self, take: Callable[[], CountsCapture]) -> bool:
        async with self.turn:
            if self._refusal and not await self._probe():
                return False
            # From here to the first await is one step: the consistent cut.
            counts = take()
            rows = self._state.save()
            group = self._entries.take()
            self._saved = taken_at = self._clock.monotonic()
            numbers: Sequence[int] | None = None
            try:
                increments = await counts.encode()
                # Not before: a guild whose snapshot fails stays in its window, and needs its increments.
                forget = counts.forget
                entries = (*group, *counts.entries)
                numbers = await self._append(entries, rows, increments, forget)
            except Exception as error:
                # Whatever it is, nothing is saved: memory is bounded until a commit succeeds.
                self._refusal = f"a commit failed: {type(error).__name__}"
                raise
            finally:
                if numbers is None:
                    self._entries.put_back(group)
                    counts.merge_back()
                    self._state.merge_back()
            if numbers is None:
                return False
            self._entries.confirm(group)
            counts.confirm(numbers, forget)
            self._state.confirm()
            self._unsaved_since = taken_at
            for entry in counts.entries:
                self._telemetry.offered.labels(entry.type).inc()
            return True

    async def _append(
        self,
        entries: Sequence[Entry],
        rows: Sequence[StateRow],
        increments: Sequence[bytes],
        forget: int,
    ) -> Sequence[int] | None:
        """Write one commit; None if the disk refuses."""
        self._began = self._clock.monotonic()
        try:
            numbers = await self._spool.append(entries, state=rows, increments=increments, forget=forget)
        except SpoolError as error:
            # Its traceback holds what was to be written, and is held by it: a cycle that would wait for the
            # garbage collector, one for each try.
            self._note_problem(error.with_traceback(None))
            return None
        finally:
            self._began = None
        self._note_recovery()
        return numbers

    async def _probe(self) -> bool:
        """Whether the disk takes commits again, tested before anything is encoded."""
        try:
            await self._spool.probe()
        except SpoolError as error:
            self._note_problem(error)
            return False
        return True

    def _note_problem(self, error: SpoolError) -> None:
        if not self._refusal:
            waiting = counted(self.waiting, "entry", "entries")
            log.warning("the spool takes nothing (%s); in memory: %s", error, waiting)
        self._refusal = str(error) or type(error).__name__

    def _note_recovery(self) -> None:
        if self._refusal:
            log.info("the spool takes entries again")
            self._refusal = ""
