"""Runs the traffic at its rate by the clock, and completes the ledger at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from discord_simulator.clock import Clock
    from discord_simulator.ledger import Ledger
    from discord_simulator.ports import Dispatch
    from discord_simulator.traffic import Traffic
    from discord_simulator.world import World

logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.02
"""Short enough for traffic that looks steady, long enough to use little CPU."""

_CATCH_UP_SECONDS = 0.25
"""After a delay, actions of at most this much time are made up at once; the rest is skipped, since a burst of
minutes of actions would be unlike any real traffic."""

_SLICE = 100
"""Actions after which the event loop runs other tasks; they take about 3 ms."""


async def run_traffic(
    world: World,
    traffic: Traffic,
    ledger: Ledger,
    publish: Callable[[Dispatch], None],
    *,
    version: str,
    rate: float,
    duration: float | None,
    ready: asyncio.Event,
    clock: Clock,
    stop_event: asyncio.Event,
) -> None:
    """Run the traffic from the moment a bot is ready until ``duration`` is over or ``stop_event`` is set.

    Args:
        world: the world that the actions change.
        traffic: draws the actions.
        ledger: receives the header and the guilds at once, and END when every member has left voice.
        publish: called with each dispatch.
        version: version of the program, for the header.
        rate: actions per second; 0 for none.
        duration: seconds of traffic; None means until stopped.
        ready: set when a bot has received its guilds.
        clock: paces the traffic.
        stop_event: ends the traffic early.
    """
    world.on_dispatch = publish
    shape = world.shape
    ledger.header(seed=shape.seed, guilds=shape.guilds, members=shape.members, rate=rate, version=version)
    world.record_guilds()
    ledger.flush()
    try:
        if await _first(ready, stop_event):
            logger.info("traffic starts: %s actions/s in %s guilds", rate, len(world.guilds))
            await _run(traffic, ledger, rate=rate, duration=duration, clock=clock, stop_event=stop_event)
    finally:
        traffic.finish()
        ledger.end()
        logger.info("traffic is over: %s actions, %s lines in the ledger", traffic.steps, ledger.lines)


async def _run(
    traffic: Traffic,
    ledger: Ledger,
    *,
    rate: float,
    duration: float | None,
    clock: Clock,
    stop_event: asyncio.Event,
) -> None:
    started = owed_from = clock.monotonic()
    done = 0
    bound = max(1, round(rate * _CATCH_UP_SECONDS))
    while not stop_event.is_set():
        now = clock.monotonic()
        if duration is not None and now - started >= duration:
            return
        owed = int((now - owed_from) * rate) - done
        if owed > bound:
            owed_from += (owed - bound) / rate
            owed = bound
        for number in range(owed):
            traffic.step()
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        done += owed
        ledger.flush_if_due()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop_event.wait(), _TICK_SECONDS)


async def _first(ready: asyncio.Event, stop_event: asyncio.Event) -> bool:
    """Wait for the first of both events and return whether ``ready`` is set."""
    waiters = [asyncio.ensure_future(event.wait()) for event in (ready, stop_event)]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
    return ready.is_set()
