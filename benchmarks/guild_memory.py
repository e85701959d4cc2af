"""Memory of a guild that is known and quiet: the exporter's tables against disnake's cache.

Both take the same GUILD_CREATEs, of 30 channels and 20 roles; allocated bytes are counted by ``tracemalloc``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections.abc import Awaitable, Callable
from functools import partial

from benchmarks.gateway_cpu import GUILD_ID, BareBot, DiscardingSpool, guild_create
from benchmarks.result import Result
from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import SystemClock
from exporter.events.catalogue import full_catalogue
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.telemetry import Telemetry

GUILDS = 1_000
TARGET = 0.25


def run() -> list[Result]:
    """Bytes for each guild."""
    with asyncio.Runner() as runner:
        ours = runner.run(_measure(_make_pipeline))
        other = runner.run(_measure(_make_bot))
    return [Result("memory of a quiet guild", ours, other, ours / other, TARGET, "bytes")]


def _payload(number: int) -> bytes:
    """A guild's payload with ids and names of its own, so that nothing is shared by chance."""
    guild = guild_create() | {"id": str(GUILD_ID + number * 1_000), "name": f"Guild {number}"}
    text = json.dumps(guild).replace('"81000', f'"81{number:03}').replace('"80000', f'"80{number:03}')
    return text.replace("channel-", f"channel-{number}-").encode()


Side = tuple[Callable[[bytes], object], Callable[[], Awaitable[object]]]
"""Takes a payload; and waits until only what is kept is left."""


def _make_pipeline() -> Side:
    clock = SystemClock()
    pipeline = Pipeline(
        full_catalogue(),
        MetricsConfig(),
        BatchingConfig(),
        PrivacyConfig(),
        DiscardingSpool(),
        clock,
        Telemetry(),
    )
    return lambda payload: pipeline.accept("GUILD_CREATE", payload, 0, clock.now_ms()), pipeline.flush


def _make_bot() -> Side:
    state = BareBot()._connection  # noqa: SLF001 - where disnake keeps its cache
    add = state._add_guild_from_data  # noqa: SLF001 - what GUILD_CREATE does
    return lambda payload: add(json.loads(payload)), partial(asyncio.sleep, 0)


async def _measure(make: Callable[[], Side]) -> float:
    take, settle = make()
    take(_payload(0))
    await settle()
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(1, GUILDS + 1):
            take(_payload(number))
        await settle()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / GUILDS
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    for result in run():
        print(result)
