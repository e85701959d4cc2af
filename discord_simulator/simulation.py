"""Runs the simulator from start to stop: world, gateway and REST API, traffic and ledger.

The printed lines are an interface that ``demo`` reads: ``ready URL`` once clients can connect, ``over N``
when the traffic has ended and the ledger of N lines is complete.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from discord_simulator.clock import Clock
from discord_simulator.ledger import Ledger
from discord_simulator.runner import run_traffic
from discord_simulator.scenarios import SCENARIOS
from discord_simulator.seed import Shape
from discord_simulator.server import Simulator
from discord_simulator.settings import SimulatorSettings
from discord_simulator.traffic import Traffic
from discord_simulator.world import World
from discord_simulator.world_adapter import WorldAdapter

READY: Final = "ready"
OVER: Final = "over"
API_PATH: Final = "/api/v10"

LINGER_S: Final = 60.0
"""How long clients are served after the last action: long enough to receive the remaining events, to complete
the audit-log look-ups they cause, and to disconnect."""
_HEARTBEAT_SLACK_S: Final = 5.0
"""How late, beyond half an interval, a heartbeat may be before the client is closed with 4009, which ends its
session: on a busy machine a client is late by more than half of a short interval."""
_DRAIN_S: Final = 10.0
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """What to simulate.

    Attributes:
        port: TCP port to listen on; 0 takes any free one.
        guilds: guilds the bot is in at the start.
        members: members of a guild on average.
        rate: actions per second.
        seed: the same seed gives the same sequence of actions.
        ledger: file to record every action in, or None.
        duration: seconds of traffic, or None for no end.
        shards: number of shards recommended to bots; 0 for as many as needed.
        heartbeat: seconds between heartbeats.
        scenario: name of one of ``SCENARIOS``, or None for ordinary traffic.
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


class StartError(Exception):
    """The simulator cannot start; the message is for a person, and says what to do."""


async def serve(
    plan: SimulationPlan, print_line: Callable[[str], None], *, clock: Clock, version: str
) -> None:
    """Simulate until the plan's duration is over, ``POST /control/stop`` is received, or a signal arrives.

    ``version`` is that of the program, for the ledger.

    Raises:
        StartError: the port cannot be bound or the ledger cannot be written.
    """
    try:
        ledger = Ledger(plan.ledger, clock)
    except OSError as error:
        msg = f"cannot write the ledger {plan.ledger} ({error.strerror}); name another file with --ledger"
        raise StartError(msg) from error
    settings = SimulatorSettings(
        shards=plan.shards,
        heartbeat_interval_ms=round(plan.heartbeat * 1000),
        heartbeat_slack_s=_HEARTBEAT_SLACK_S,
    )
    world = World(Shape(seed=plan.seed, guilds=plan.guilds, members=plan.members), ledger, clock)
    simulator = Simulator(WorldAdapter(world), ledger, settings, clock=clock)
    try:
        port = await simulator.start(plan.port)
    except OSError as error:
        ledger.close()
        msg = f"cannot listen on port {plan.port} ({error.strerror}); choose another with --port"
        raise StartError(msg) from error
    stop_serving = asyncio.Event()
    try:
        with _on_signals(simulator.stop_requested, stop_serving):
            print_line(f"{READY} http://{settings.host}:{port}{API_PATH}")
            await _run_plan(plan, simulator, world, ledger, clock, version)
            duration_over = not simulator.stop_requested.is_set()
            simulator.stop_requested.set()
            print_line(f"{OVER} {ledger.lines}")
            await _serve_remaining_clients(simulator, stop_serving, await_client=duration_over)
    finally:
        await simulator.stop()
        ledger.close()


def _make_traffic(plan: SimulationPlan, world: World) -> Traffic:
    if plan.scenario is None:
        return Traffic(world, rate=plan.rate)
    chosen = SCENARIOS[plan.scenario]
    return Traffic(
        world, rate=plan.rate, behaviours=chosen.behaviours, begin=chosen.begin, settings=chosen.settings
    )


async def _run_plan(
    plan: SimulationPlan, simulator: Simulator, world: World, ledger: Ledger, clock: Clock, version: str
) -> None:
    ready = asyncio.Event()
    waiting = asyncio.create_task(_set_when_ready(simulator, ready))
    try:
        await run_traffic(
            world,
            _make_traffic(plan, world),
            ledger,
            simulator.publish,
            version=version,
            rate=plan.rate,
            duration=plan.duration,
            ready=ready,
            clock=clock,
            stop_event=simulator.stop_requested,
        )
    finally:
        waiting.cancel()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(simulator.gateway.drained(), _DRAIN_S)
    ledger.flush()


async def _set_when_ready(simulator: Simulator, ready: asyncio.Event) -> None:
    await simulator.gateway.all_ready()
    ready.set()


async def _serve_remaining_clients(
    simulator: Simulator, stop_serving: asyncio.Event, *, await_client: bool
) -> None:
    """Serve until every client has left, ``LINGER_S`` has passed or ``stop_serving`` is set.

    A client leaves by closing with 1000 or 1001; one whose session was lost or ended otherwise will be back.
    With ``await_client`` one that left before is waited for too: the duration ends by the clock, while a
    client that restarts needs as long as its machine takes, seconds on a busy one.
    """
    counters = simulator.gateway.counters
    left_before = counters.sessions_left
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while not stop_serving.is_set():
                none_expected = counters.sessions_left > left_before or not await_client
                if none_expected and not list(simulator.gateway.registry):
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop_serving.wait(), _POLL_S)


@contextlib.contextmanager
def _on_signals(stop_traffic: asyncio.Event, stop_serving: asyncio.Event) -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the traffic; the next, or one after the traffic, ends the serving."""

    def on_signal() -> None:
        (stop_serving if stop_traffic.is_set() else stop_traffic).set()

    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
