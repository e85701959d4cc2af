"""Runs the simulator: world, protocol, traffic and ledger put together, from start to the last word.

What is printed is also an interface, read by ``demo``: one line ``ready URL`` once clients may come, one line
``over N`` when the traffic has ended and the ledger of N lines is complete.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from discord_simulator.ledger import Ledger
from discord_simulator.runner import drive
from discord_simulator.scenarios import SCENARIOS
from discord_simulator.seed import Shape
from discord_simulator.server import Simulator
from discord_simulator.settings import SimulatorSettings
from discord_simulator.traffic import Traffic
from discord_simulator.world import World
from exporter.clock import SystemClock
from exporter.errors import ExporterError

READY: Final = "ready"
OVER: Final = "over"
API_PATH: Final = "/api/v10"

LINGER_S: Final = 60.0
"""How long clients are still served after the last action: time to receive the rest, to ask about it for as
long as answers are waited for, and to leave in peace."""
_DRAIN_S: Final = 10.0
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate.

    ``rate`` is actions per second, ``duration`` seconds of traffic or None for no end, ``shards`` the number
    recommended or 0 for as many as needed, ``heartbeat`` the seconds between heartbeats, ``scenario`` the
    name of one of ``SCENARIOS`` or None for an ordinary day.
    """

    port: int
    guilds: int
    members: int
    rate: float
    seed: int
    ledger: pathlib.Path | None
    duration: float | None
    shards: int = 0
    heartbeat: float = 41.25
    scenario: str | None = None


async def serve(plan: Plan, say: Callable[[str], None]) -> None:
    """Simulate until the plan's time is over, ``/control/stop`` is asked for, or a signal comes.

    Raises:
        ExporterError: the port or the ledger cannot be used.
    """
    clock = SystemClock()
    try:
        ledger = Ledger(plan.ledger, clock)
    except OSError as error:
        msg = f"cannot write the ledger {plan.ledger} ({error.strerror}); name another file with --ledger"
        raise ExporterError(msg) from error
    settings = SimulatorSettings(shards=plan.shards, heartbeat_interval_ms=round(plan.heartbeat * 1000))
    world = World(Shape(seed=plan.seed, guilds=plan.guilds, members=plan.members), ledger, clock)
    simulator = Simulator(world, ledger, settings, clock=clock)
    try:
        port = await simulator.start(plan.port)
    except OSError as error:
        ledger.close()
        msg = f"cannot listen on port {plan.port} ({error.strerror}); choose another with --port"
        raise ExporterError(msg) from error
    leave = asyncio.Event()
    try:
        with _on_signals(simulator.stop_requested, leave):
            say(f"{READY} http://{settings.host}:{port}{API_PATH}")
            await _traffic(plan, simulator, world, ledger, clock)
            simulator.stop_requested.set()
            say(f"{OVER} {ledger.lines}")
            await _linger(simulator, leave)
    finally:
        await simulator.stop()
        ledger.close()


def _make_traffic(plan: Plan, world: World) -> Traffic:
    if plan.scenario is None:
        return Traffic(world, rate=plan.rate)
    chosen = SCENARIOS[plan.scenario]
    return Traffic(world, rate=plan.rate, habits=chosen.habits, begin=chosen.begin, manners=chosen.manners)


async def _traffic(
    plan: Plan, simulator: Simulator, world: World, ledger: Ledger, clock: SystemClock
) -> None:
    ready = asyncio.Event()
    greeting = asyncio.create_task(_announce(simulator, ready))
    try:
        await drive(
            world,
            _make_traffic(plan, world),
            ledger,
            simulator.publish,
            rate=plan.rate,
            duration=plan.duration,
            ready=ready,
            clock=clock,
            stop_event=simulator.stop_requested,
        )
    finally:
        greeting.cancel()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(simulator.gateway.drained(), _DRAIN_S)
    ledger.flush()


async def _announce(simulator: Simulator, ready: asyncio.Event) -> None:
    await simulator.gateway.all_ready()
    ready.set()


async def _linger(simulator: Simulator, leave: asyncio.Event) -> None:
    """Serve until every client has left, the time is over or a signal says so."""
    registry = simulator.gateway.registry
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while any(registry.connection(session) for session in registry) and not leave.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(leave.wait(), _POLL_S)


@contextlib.contextmanager
def _on_signals(stop: asyncio.Event, leave: asyncio.Event) -> Iterator[None]:
    """SIGINT and SIGTERM end the traffic; a further one, or one after the traffic, also the lingering."""

    def on_signal() -> None:
        (leave if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
