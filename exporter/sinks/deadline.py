"""Deliveries to one sink: never two at a time, never longer than the deadline, always answered by a verdict.

Invariant: whatever a sink does (raise, hang, ignore cancellation) ends as a ``Verdict`` here, and no delivery
starts while an earlier one has not ended. Critical batches go first where several lanes wait for the sink.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from exporter.clock import Clock
from exporter.model import Batch, Outcome, Verdict
from exporter.sinks.base import Sink
from exporter.sinks.priority_lock import PriorityLock
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

Sleeper = Callable[[float], Awaitable[None]]
"""Waits for so many seconds; injected, so that tests need not."""

GRACE_SECONDS: Final = 5.0
"""How long a delivery past its deadline may take to clean up after it was cancelled."""

DEFECT: Final = "defect"
DEADLINE: Final = "deadline"


class DeadlineGuard:
    """Delivers batches to one sink, each within ``deadline`` seconds."""

    def __init__(
        self, sink: Sink, deadline: float, clock: Clock, telemetry: Telemetry, sleep: Sleeper
    ) -> None:
        self._sink = sink
        self._deadline = deadline
        self._clock = clock
        self._telemetry = telemetry
        self._sleep = sleep
        self._lock = PriorityLock()
        self._opened = False
        self._stuck: asyncio.Task[Verdict] | None = None
        self._defect_logged = False

    async def deliver(self, batch: Batch) -> Verdict:
        """The sink's verdict, or ``RETRY`` with reason ``deadline`` or ``defect``."""
        async with self._lock.hold(batch.lane):
            if self._stuck is not None:
                if not self._stuck.done():
                    return Verdict(Outcome.RETRY, reason=DEADLINE, detail="an earlier delivery has not ended")
                self._stuck = None
            began = self._clock.monotonic()
            verdict = await self._run_within_deadline(batch)
            self._telemetry.deliver_seconds.labels(self._sink.name).observe(self._clock.monotonic() - began)
        if verdict.lost:
            self._telemetry.sink_lost.labels(self._sink.name).inc(verdict.lost)
        return verdict

    async def close(self) -> None:
        """Close the sink; its failure to do so is logged."""
        try:
            await self._sink.close()
        except Exception:
            log.exception("sink %s did not close cleanly", self._sink.name)

    async def _run_within_deadline(self, batch: Batch) -> Verdict:
        delivery = asyncio.ensure_future(self._attempt(batch))
        timer = asyncio.ensure_future(self._sleep(self._deadline))
        try:
            await asyncio.wait({delivery, timer}, return_when=asyncio.FIRST_COMPLETED)
            if not delivery.done():
                await self._cancel(delivery)
                detail = f"no answer in {self._deadline:g} s"
                return Verdict(Outcome.RETRY, reason=DEADLINE, detail=detail)
            return delivery.result()
        finally:
            timer.cancel()
            delivery.cancel()

    async def _attempt(self, batch: Batch) -> Verdict:
        try:
            if not self._opened:
                await self._sink.open()
                self._opened = True
            verdict = await self._sink.deliver(batch)
        except Exception as error:
            if not self._defect_logged:
                self._defect_logged = True
                log.exception(
                    "sink %s raised an exception, which is a defect of the sink; delivery is repeated",
                    self._sink.name,
                )
            return Verdict(Outcome.RETRY, reason=DEFECT, detail=f"{type(error).__name__}: {error}")
        self._defect_logged = False
        return verdict

    async def _cancel(self, delivery: asyncio.Task[Verdict]) -> None:
        delivery.cancel()
        grace = asyncio.ensure_future(self._sleep(GRACE_SECONDS))
        try:
            await asyncio.wait({delivery, grace}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            grace.cancel()
        if not delivery.done():
            log.error(
                "sink %s ignores cancellation; nothing is delivered to it until the running delivery ends",
                self._sink.name,
            )
            self._stuck = delivery
