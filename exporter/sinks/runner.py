"""Delivery to all sinks: one task for each sink and lane, so that no sink delays another.

The runner does what a sink must not do: retry, wait, split, keep order, write dead letters, log. Delivery is
at least once: the cursor moves after the sink's own commit, so a crash between the two delivers again.

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
from exporter.sinks.deadline import DeadlineGuard, Sleeper
from exporter.sinks.delivery_loop import DeliveryLoop, Screen
from exporter.sinks.health import Health
from exporter.sinks.runner_config import RunnerConfig
from exporter.spool.ports import SpoolReader, SpoolStats
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

REFRESH_SECONDS: Final = 1.0
"""Scrapes that come faster than this get the same numbers."""


class Runner:
    """Moves entries from the spool into sinks; ``screen`` says what of an entry may still be delivered."""

    def __init__(
        self,
        spool: SpoolReader,
        sinks: Sequence[Sink],
        config: RunnerConfig,
        clock: Clock,
        telemetry: Telemetry,
        rng: random.Random | None = None,
        sleep: Sleeper = asyncio.sleep,
        screen: Screen | None = None,
    ) -> None:
        self._spool = spool
        self._config = config
        self._clock = clock
        self._telemetry = telemetry
        self._refreshed_at: float | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._guards: list[DeadlineGuard] = []
        self._health: dict[str, Health] = {}
        self._loops: list[DeliveryLoop] = []
        rng = rng or random.Random()
        for sink in sinks:
            guard = DeadlineGuard(sink, config, clock, telemetry, sleep)
            health = Health(sink.name, clock, telemetry, partial(self._waiting, sink.name))
            self._guards.append(guard)
            self._health[sink.name] = health
            for lane in Priority:
                self._loops.append(
                    DeliveryLoop(sink.name, lane, spool, guard, health, config, telemetry, rng, sleep, screen)
                )

    def start(self) -> None:
        """Begin to deliver; sinks are opened by their first delivery, and again until that succeeds."""
        self._tasks = [asyncio.create_task(loop.run()) for loop in self._loops]

    def problems(self) -> dict[str, str]:
        """State and reason of each sink that does not deliver, by name; empty text for one that does."""
        return {name: health.problem for name, health in self._health.items()}

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109 - running out of time is an answer here
        """Wait until all sinks have passed what is in the spool now; ``False`` after ``timeout`` seconds."""
        goals = [(loop, self._spool.tip(loop.lane)) for loop in self._loops]
        try:
            async with asyncio.timeout(timeout):
                for loop, goal in goals:
                    while loop.passed < goal:
                        loop.moved.clear()
                        await loop.moved.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Let deliveries under way end, up to ``stop_timeout``, then cancel; close the sinks. Safe twice."""
        pairs = list(zip(self._loops, self._tasks, strict=False))
        for loop, task in pairs:
            loop.stop()
            if not loop.busy:
                task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._config.stop_timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for guard in self._guards:
            await guard.close()
        self._guards = []

    async def refresh(self) -> None:
        """Update the meters whose values the spool keeps; called before a scrape."""
        now = self._clock.monotonic()
        if self._refreshed_at is not None and now - self._refreshed_at < REFRESH_SECONDS:
            return
        self._refreshed_at = now
        try:
            tally = await self._spool.stats()
        except SpoolError as error:
            log.warning(
                "the spool's statistics cannot be read, its metrics keep their last values: %s", error
            )
            return
        self._publish(tally)

    def _publish(self, tally: SpoolStats) -> None:
        meters, now = self._telemetry, self._clock.now_ms()
        meters.spooled.set(tally.spooled)
        meters.spool_bytes.labels("database").set(tally.bytes)
        meters.spool_bytes.labels("log").set(tally.wal_bytes)
        meters.spool_limit.set(tally.limit)
        meters.volume_free.set(tally.free)
        for name, sink in tally.sinks.items():
            meters.delivered.labels(name).set(sink.delivered)
            meters.dead.labels(name).set(sink.dead)
            meters.evicted.labels(name).set(sink.evicted)
            meters.pending.labels(name).set(sink.pending)
            oldest = sink.oldest_pending_at
            meters.oldest_unsent.labels(name).set(0 if oldest is None else max(now - oldest, 0) / 1000)

    async def _waiting(self, sink: str) -> str:
        """How many entries wait for a sink, as text for a log line."""
        try:
            tally = await self._spool.stats()
        except SpoolError:
            return "an unknown number"
        found = tally.sinks.get(sink)
        return "an unknown number" if found is None else str(found.pending)
