"""Delivery to all sinks: one task for each sink and lane, so that nothing one of them does holds up another.

Exactly what a sink must not do is done here: retrying, waiting, splitting, keeping order, dead letters,
logging. The delivery is at least once: the cursor moves after the sink's own commit, so a crash between the
two delivers again.

The sinks' names are to be registered with the spool before ``start``.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from functools import partial
from typing import Final

from exporter.clock import Clock
from exporter.errors import SpoolError
from exporter.model import Priority
from exporter.sinks.base import Sink
from exporter.sinks.deadline import Delivery, Sleeper
from exporter.sinks.delivery_loop import Feed, Lane
from exporter.sinks.health import Health
from exporter.sinks.runner_config import RunnerConfig
from exporter.spool.ports import SpoolTally
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

REFRESH_SECONDS: Final = 1.0
"""Scrapes that come faster than this get the same numbers."""

__all__ = ["Feed", "Runner", "RunnerConfig", "Sleeper"]


class Runner:
    """Moves entries from the spool into sinks."""

    def __init__(
        self,
        spool: Feed,
        sinks: Sequence[Sink],
        config: RunnerConfig,
        clock: Clock,
        telemetry: Telemetry,
        rng: random.Random | None = None,
        sleep: Sleeper = asyncio.sleep,
    ) -> None:
        self._spool = spool
        self._config = config
        self._clock = clock
        self._telemetry = telemetry
        self._refreshed_at: float | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._deliveries: list[Delivery] = []
        self._health: dict[str, Health] = {}
        self._lanes: list[Lane] = []
        rng = rng or random.Random()
        for sink in sinks:
            delivery = Delivery(sink, config.deadline, clock, telemetry, sleep)
            health = Health(sink.name, clock, telemetry, partial(self._waiting, sink.name))
            self._deliveries.append(delivery)
            self._health[sink.name] = health
            for lane in Priority:
                self._lanes.append(
                    Lane(sink.name, lane, spool, delivery, health, config, telemetry, rng, sleep)
                )

    def start(self) -> None:
        """Begin to deliver; sinks are opened by their first delivery, and again until that succeeds."""
        self._tasks = [asyncio.create_task(lane.run()) for lane in self._lanes]

    def problems(self) -> dict[str, str]:
        """What is wrong with each sink, in a few words; empty for one that delivers."""
        return {name: health.problem for name, health in self._health.items()}

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109 - running out of time is an answer here
        """Wait until all sinks have passed what is in the spool now; ``False`` after ``timeout`` seconds."""
        goals = [(lane, self._spool.tip(lane.lane)) for lane in self._lanes]
        try:
            async with asyncio.timeout(timeout):
                for lane, goal in goals:
                    while lane.passed < goal:
                        lane.moved.clear()
                        await lane.moved.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Let deliveries under way end, up to ``stop_timeout``, then cancel; close the sinks. Safe twice."""
        pairs = list(zip(self._lanes, self._tasks, strict=False))
        for lane, task in pairs:
            lane.stop()
            if not lane.busy:
                task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._config.stop_timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for delivery in self._deliveries:
            await delivery.close()
        self._deliveries = []

    async def refresh(self) -> None:
        """Bring the meters that the spool keeps up to date; before a scrape."""
        now = self._clock.monotonic()
        if self._refreshed_at is not None and now - self._refreshed_at < REFRESH_SECONDS:
            return
        self._refreshed_at = now
        try:
            tally = await self._spool.tally()
        except SpoolError as error:
            log.warning("the spool's books cannot be read, its metrics stay as they were: %s", error)
            return
        self._publish(tally)

    def _publish(self, tally: SpoolTally) -> None:
        meters, now = self._telemetry, self._clock.now_ms()
        meters.spooled.set(tally.spooled)
        meters.spool_bytes.set(tally.bytes, "database")
        meters.spool_bytes.set(tally.wal_bytes, "log")
        meters.spool_limit.set(tally.limit)
        meters.volume_free.set(tally.free)
        for name, sink in tally.sinks.items():
            meters.delivered.set(sink.delivered, name)
            meters.dead.set(sink.dead, name)
            meters.evicted.set(sink.evicted, name)
            meters.pending.set(sink.pending, name)
            oldest = sink.oldest_pending_at
            meters.oldest_unsent.set(0 if oldest is None else max(now - oldest, 0) / 1000, name)

    async def _waiting(self, sink: str) -> str:
        """How many entries wait for a sink, in words for a log line."""
        try:
            tally = await self._spool.tally()
        except SpoolError:
            return "an unknown number"
        books = tally.sinks.get(sink)
        return "an unknown number" if books is None else str(books.pending)
