"""Lets the traffic run at its pace by the clock, and ends the ledger when it is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from exporter import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from discord_simulator.ledger import Ledger
    from discord_simulator.ports import Dispatch
    from discord_simulator.traffic import Traffic
    from discord_simulator.world import World
    from exporter.clock import Clock

logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.02
"""Fine enough for traffic that looks steady, coarse enough to cost nothing."""

_CATCH_UP_SECONDS = 0.25
"""Work of at most this much time is made up for at once after a delay; the rest is given up, since a burst of
minutes would be nothing people could have done."""

_SLICE = 100
"""Actions after which the gateway gets its turn; they take about 3 ms."""


async def drive(
    world: World,
    traffic: Traffic,
    ledger: Ledger,
    publish: Callable[[Dispatch], None],
    *,
    rate: float,
    duration: float | None,
    ready: asyncio.Event,
    clock: Clock,
    stop_event: asyncio.Event,
) -> None:
    """Run the traffic from the moment a bot is ready until the time is over or a stop is asked for.

    Args:
        world: what it happens to.
        traffic: draws the actions.
        ledger: gets a header at once, the guilds when traffic starts, and END when everybody has left voice.
        publish: takes each dispatch.
        rate: actions per second; 0 lets the world stand still.
        duration: seconds of traffic; None means until stopped.
        ready: set when a bot has received its guilds.
        clock: paces the traffic.
        stop_event: ends it early.
    """
    world.publish = publish
    shape = world.shape
    ledger.header(seed=shape.seed, guilds=shape.guilds, members=shape.members, rate=rate, version=__version__)
    world.describe()
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
    """Wait for either; whether it was ``ready``."""
    waiters = [asyncio.ensure_future(event.wait()) for event in (ready, stop_event)]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
    return ready.is_set()
