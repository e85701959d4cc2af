"""Deliveries to one sink: never two at a time, never longer than the deadline, always answered by a verdict.

Invariant: whatever a sink does (raise, hang, ignore cancellation) ends as a ``Verdict`` here, and no delivery
starts while an earlier one has not ended. Critical batches go first where several lanes wait for the sink.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from exporter.clock import Clock
from exporter.model import STORED, Batch, Outcome, Verdict
from exporter.sinks.base import Sink
from exporter.sinks.priority_lock import PriorityLock
from exporter.sinks.runner_config import RunnerConfig
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

Sleeper = Callable[[float], Awaitable[None]]
"""Waits for so many seconds; injected, so that tests need not."""

GRACE_SECONDS: Final = 5.0
"""How long a delivery past its deadline may take to clean up after it was cancelled."""

TIMER_SLACK: Final = 0.01
"""How much too early a timer may end, in seconds."""

DEFECT: Final = "defect"
DEADLINE: Final = "deadline"


class DeadlineGuard:
    """Delivers batches to one sink, each within ``config.deadline`` seconds.

    A far end that asks with Retry-After for time is left alone by all lanes until then.
    """

    def __init__(
        self, sink: Sink, config: RunnerConfig, clock: Clock, telemetry: Telemetry, sleep: Sleeper
    ) -> None:
        self._sink = sink
        self._config = config
        self._clock = clock
        self._telemetry = telemetry
        self._sleep = sleep
        self._lock = PriorityLock()
        self._opened = False
        self._postponed = STORED
        self._resume_at = -math.inf
        self._stuck: asyncio.Task[Verdict] | None = None
        self._defect_logged = False

    async def deliver(self, batch: Batch) -> Verdict:
        """The sink's verdict, or ``RETRY`` with reason ``deadline`` or ``defect``; failures are counted.

        While the far end has asked for time the verdict is the one that said so, with what is left to wait.
        """
        async with self._lock.hold(batch.lane):
            left = self._resume_at - self._clock.monotonic()
            if left > TIMER_SLACK:
                return replace(self._postponed, retry_after=left)
            verdict = await self._deliver_alone(batch)
            asked = requested_wait(verdict.retry_after, self._config.retry_after_cap)
            if asked:
                self._postponed, self._resume_at = verdict, self._clock.monotonic() + asked
        if verdict.lost:
            self._telemetry.sink_lost.labels(self._sink.name).inc(verdict.lost)
        if verdict.outcome is not Outcome.STORED:
            reason = verdict.reason or verdict.outcome.value
            self._telemetry.sink_failures.labels(self._sink.name, reason).inc()
        return verdict

    async def _deliver_alone(self, batch: Batch) -> Verdict:
        if self._stuck is not None and not self._stuck.done():
            return Verdict(Outcome.RETRY, reason=DEADLINE, detail="an earlier delivery has not ended")
        self._stuck = None
        began = self._clock.monotonic()
        verdict = await self._run_within_deadline(batch)
        self._telemetry.deliver_seconds.labels(self._sink.name).observe(self._clock.monotonic() - began)
        return verdict

    async def close(self) -> None:
        """Close the sink; its failure to do so is logged."""
        try:
            await self._sink.close()
        except Exception:
            log.exception("sink %s did not close cleanly", self._sink.name)

    async def _run_within_deadline(self, batch: Batch) -> Verdict:
        delivery = asyncio.ensure_future(self._attempt(batch))
        try:
            if await self._ends_within(delivery, self._config.deadline):
                return delivery.result()
            delivery.cancel()
            if not await self._ends_within(delivery, GRACE_SECONDS):
                self._stuck = delivery
                log.error(
                    "sink %s ignores cancellation; nothing is delivered to it until that delivery ends",
                    self._sink.name,
                )
            detail = f"no answer in {self._config.deadline:g} s"
            return Verdict(Outcome.RETRY, reason=DEADLINE, detail=detail)
        finally:
            delivery.cancel()

    async def _ends_within(self, delivery: asyncio.Task[Verdict], seconds: float) -> bool:
        timer = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait({delivery, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        return delivery.done()

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


def requested_wait(retry_after: float | None, cap: float) -> float:
    """Seconds that a far end asked for, at most ``cap``; 0 for a request that is negative or not a number."""
    # The comparison is false for NaN, which a broken far end may send.
    return min(retry_after, cap) if retry_after is not None and retry_after > 0 else 0.0
