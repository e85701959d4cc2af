from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from exporter.clock import ManualClock
from exporter.model import STORED, Batch, Entry, Outcome, Priority, Verdict
from exporter.sinks.base import Probe
from exporter.sinks.delivery_loop import Screen
from exporter.sinks.runner import Runner
from exporter.sinks.runner_config import RunnerConfig
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry

DEADLINE = 1_234.0
"""A value no back-off draws, so that the sleeper can tell the watchdog's timer from a wait."""


class FarEnd:
    """A destination that answers as the test says, and checks what the runner promises to every sink."""

    def __init__(
        self, name: str, respond: Callable[[Batch], Verdict | Awaitable[Verdict]] | None = None
    ) -> None:
        self.name = name
        self.respond = respond or (lambda _: STORED)
        self.batches: list[Batch] = []
        self.stored: dict[Priority, list[int]] = {lane: [] for lane in Priority}
        self.keys: list[str] = []
        self.opened = self.closed = 0
        self.running = 0
        self.violations: list[str] = []

    async def open(self) -> None:
        self.opened += 1

    async def deliver(self, batch: Batch) -> Verdict:
        self.running += 1
        try:
            self.batches.append(batch)
            self._check(batch)
            verdict = self.respond(batch)
            if not isinstance(verdict, Verdict):
                verdict = await verdict
        finally:
            self.running -= 1
        if verdict.outcome is Outcome.STORED:
            refused = {position for position, _ in verdict.rejected}
            rows = [row for row in batch.rows if row.position not in refused]
            self.stored[batch.lane] += [row.position for row in rows]
            self.keys += [row.entry.key for row in rows]
        return verdict

    def _check(self, batch: Batch) -> None:
        positions = [row.position for row in batch.rows]
        if self.running > 1:
            self.violations.append("two deliveries at a time")
        if not positions or positions != sorted(set(positions)):
            self.violations.append(f"out of order: {positions}")
        if {row.entry.priority for row in batch.rows} != {batch.lane}:
            self.violations.append("lanes mixed")
        if self.stored[batch.lane] and positions[0] <= self.stored[batch.lane][-1]:
            self.violations.append(f"{positions[0]} comes after {self.stored[batch.lane][-1]} was stored")

    async def close(self) -> None:
        self.closed += 1

    async def probe(self) -> Probe:
        return Probe(ok=True, detail="")


class Sleeper:
    """Waits take no time but move the clock; timers of the watchdog wait until the test fires them."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.waits: list[float] = []
        self.timers: list[tuple[float, asyncio.Future[None]]] = []
        self.paused = False
        self._resume = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        if seconds in (DEADLINE, 5.0):
            timer = asyncio.get_running_loop().create_future()
            self.timers.append((seconds, timer))
            await timer
            return
        self.waits.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    async def fire(self, seconds: float = DEADLINE) -> None:
        """Let the running timer of this length end, once there is one."""
        while not (
            running := [timer for length, timer in self.timers if length == seconds and not timer.done()]
        ):
            await asyncio.sleep(0)
        running[-1].set_result(None)


@dataclass
class World:
    spool: Spool
    clock: ManualClock
    telemetry: Telemetry
    sleeper: Sleeper
    runners: list[Runner] = field(default_factory=list)
    sinks: list[FarEnd] = field(default_factory=list)
    made: int = 0
    screen: Screen | None = None

    async def run(self, *sinks: FarEnd, **settings: float) -> Runner:
        await self.spool.register([sink.name for sink in sinks])
        config = RunnerConfig.model_validate({"deadline": DEADLINE, "stop_timeout": 0.2, **settings})
        rng = random.Random(1)
        runner = Runner(self.spool, sinks, config, self.clock, self.telemetry, rng, self.sleeper, self.screen)
        self.runners.append(runner)
        self.sinks += sinks
        runner.start()
        return runner

    async def append(self, count: int, lane: Priority = Priority.SLOW) -> list[str]:
        entries = [
            Entry("T", 1, 1, f"key:{number}", lane, {"n": number})
            for number in range(self.made, self.made + count)
        ]
        self.made += count
        await self.spool.append(entries)
        return [entry.key for entry in entries]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.001)

    async def check_accounts(self) -> None:
        tally = await self.spool.stats()
        for sink in tally.sinks.values():
            assert sink.spooled == sink.delivered + sink.dead + sink.evicted + sink.pending


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock, telemetry = ManualClock(), Telemetry()
    spool = await Spool.open(tmp_path / "spool", SpoolConfig(reserve=0), clock, telemetry)
    world = World(spool, clock, telemetry, Sleeper(clock))
    yield world
    for runner in world.runners:
        await runner.stop()
    await world.check_accounts()
    await spool.close()
    for sink in world.sinks:
        assert sink.violations == []


@pytest.fixture
def far_end() -> type[FarEnd]:
    return FarEnd
