"""One delivery to one sink: never two at a time, never longer than its deadline, always a verdict.

Invariant: whatever a sink does (raise, hang, refuse to be cancelled) ends as a ``Verdict`` here, and no
second delivery starts while an earlier one has not ended. Critical entries go first where lanes wait for the
same sink.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from exporter.clock import Clock
from exporter.model import Batch, Outcome, Priority, Verdict
from exporter.sinks.base import Sink
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger(__name__)

Sleeper = Callable[[float], Awaitable[None]]
"""Waits for so many seconds; injected, so that tests need not."""

GRACE_SECONDS: Final = 5.0
"""How long a delivery past its deadline may take to clean up after it was cancelled."""

DEFECT: Final = "defect"
DEADLINE: Final = "deadline"


class Turns:
    """Mutual exclusion in order of lane: a ban waits for one delivery of counters at most."""

    def __init__(self) -> None:
        self._held = False
        self._queue: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @asynccontextmanager
    async def turn(self, lane: Priority) -> AsyncIterator[None]:
        """Hold the sink for one delivery."""
        if self._held:
            mine = asyncio.get_running_loop().create_future()
            heapq.heappush(self._queue, (lane, next(self._order), mine))
            try:
                await mine
            except asyncio.CancelledError:
                if mine.done() and not mine.cancelled():
                    self._pass_on()
                raise
        self._held = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        self._held = False
        while self._queue:
            _, _, waiting = heapq.heappop(self._queue)
            if not waiting.done():
                # Held on behalf of the next one, or a newcomer could come between.
                self._held = True
                waiting.set_result(None)
                return


class Delivery:
    """Hands batches to one sink."""

    def __init__(
        self, sink: Sink, deadline: float, clock: Clock, telemetry: Telemetry, sleep: Sleeper
    ) -> None:
        self._sink = sink
        self._deadline = deadline
        self._clock = clock
        self._telemetry = telemetry
        self._sleep = sleep
        self._turns = Turns()
        self._opened = False
        self._stuck: asyncio.Task[Verdict] | None = None
        self._defect_told = False

    async def deliver(self, batch: Batch) -> Verdict:
        """The sink's answer, or ``RETRY`` with reason ``deadline`` or ``defect``."""
        async with self._turns.turn(batch.lane):
            if self._stuck is not None:
                if not self._stuck.done():
                    return Verdict(Outcome.RETRY, reason=DEADLINE, detail="an earlier delivery has not ended")
                self._stuck = None
            began = self._clock.monotonic()
            verdict = await self._race(batch)
            self._telemetry.deliver_seconds.observe(self._clock.monotonic() - began, self._sink.name)
        return verdict

    async def close(self) -> None:
        """Close the sink; its failure to do so is logged."""
        try:
            await self._sink.close()
        except Exception:
            log.exception("sink %s did not close cleanly", self._sink.name)

    async def _race(self, batch: Batch) -> Verdict:
        work = asyncio.ensure_future(self._attempt(batch))
        timer = asyncio.ensure_future(self._sleep(self._deadline))
        try:
            await asyncio.wait({work, timer}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await self._cancel(work)
                detail = f"no answer in {self._deadline:g} s"
                return Verdict(Outcome.RETRY, reason=DEADLINE, detail=detail)
            return work.result()
        finally:
            timer.cancel()
            work.cancel()

    async def _attempt(self, batch: Batch) -> Verdict:
        try:
            if not self._opened:
                await self._sink.open()
                self._opened = True
            verdict = await self._sink.deliver(batch)
        except Exception as error:
            if not self._defect_told:
                self._defect_told = True
                log.exception(
                    "sink %s raised, which is a defect of it; delivery is repeated", self._sink.name
                )
            return Verdict(Outcome.RETRY, reason=DEFECT, detail=f"{type(error).__name__}: {error}")
        self._defect_told = False
        return verdict

    async def _cancel(self, work: asyncio.Task[Verdict]) -> None:
        work.cancel()
        grace = asyncio.ensure_future(self._sleep(GRACE_SECONDS))
        try:
            await asyncio.wait({work, grace}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            grace.cancel()
        if not work.done():
            log.error("sink %s cannot be cancelled; it gets nothing until it answers", self._sink.name)
            self._stuck = work
