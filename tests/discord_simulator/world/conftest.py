"""A small world that publishes into a list, with a ledger that can be read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from discord_simulator.guild import Guild
from discord_simulator.ledger import Ledger
from discord_simulator.ports import Dispatch
from discord_simulator.seed import Shape
from discord_simulator.traffic import Traffic
from discord_simulator.world import World
from discord_simulator.world_adapter import WorldAdapter
from exporter.clock import ManualClock


@dataclass(slots=True)
class Stage:
    """A world and everything that came out of it."""

    world: World
    ledger: Ledger
    clock: ManualClock
    path: Path
    dispatches: list[Dispatch] = field(default_factory=list)

    @property
    def view(self) -> WorldAdapter:
        return WorldAdapter(self.world)

    @property
    def guild(self) -> Guild:
        return next(iter(self.world.guilds.values()))

    def take(self) -> list[tuple[str, dict]]:
        """The dispatches since the last call, as (type, data)."""
        taken = [(dispatch.type, orjson.loads(dispatch.data)) for dispatch in self.dispatches]
        self.dispatches.clear()
        return taken

    def lines(self) -> list[dict]:
        self.ledger.flush()
        return [orjson.loads(line) for line in self.path.read_bytes().splitlines()]

    def line(self, number: int) -> dict:
        return self.lines()[number - 1]

    def run(self, steps: int, rate: float = 100.0) -> Traffic:
        """Let traffic happen, with the clock at the pace of the rate."""
        traffic = Traffic(self.world, rate=rate)
        for _ in range(steps):
            self.clock.advance(1 / rate)
            traffic.step()
        return traffic


@contextmanager
def _stages(directory: Path) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(*, wall_ms: int = 1_760_000_000_000, **shape: int) -> Stage:
        clock = ManualClock(wall_ms)
        path = directory / f"ledger-{len(made)}.jsonl"
        ledger = Ledger(path, clock)
        chosen = Shape(**({"seed": 7, "guilds": 3, "members": 30} | shape))
        stage = Stage(World(chosen, ledger, clock), ledger, clock, path)
        stage.world.on_dispatch = stage.dispatches.append
        made.append(stage)
        return stage

    yield make
    for stage in made:
        stage.ledger.close()


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    with _stages(tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def make_stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Stage]]:
    """Like ``make_stage``, for what all tests of a module look at."""
    with _stages(tmp_path_factory.mktemp("ledgers")) as make:
        yield make


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage()
