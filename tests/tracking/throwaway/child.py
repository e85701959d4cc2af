"""Runs the pipeline with the throw-away event, and takes messages from its standard input until it is killed.

Arguments: the spool's directory, and the ids of people who opted out. Each line of input is a user id and the
content; each is answered when everything is committed, by the number of entries and the state.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import SystemClock
from exporter.events.catalogue import Catalogue, families
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry, value
from exporter.tracking.registry import TRACKERS
from tests.tracking.throwaway.events.streaks import FAMILY
from tests.tracking.throwaway.tracking.streaks.component import make

GUILD = 77 << 22


async def main(directory: Path, opted_out: frozenset[int]) -> None:
    clock, telemetry = SystemClock(), Telemetry()
    spool = await Spool.open(directory, SpoolConfig(), clock, telemetry)
    await spool.register(["x"])
    pipeline = Pipeline(
        Catalogue([*families(), FAMILY]),
        MetricsConfig(),
        BatchingConfig(),
        PrivacyConfig(opt_out=opted_out),
        spool,
        clock,
        telemetry,
        trackers=(*TRACKERS, make),
    )
    await pipeline.start()
    (streaks,) = (found for found in pipeline._dispatcher.components if found.name == "streaks")
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        user_id, _, content = line.strip().partition(" ")
        identity = str((clock.now_ms() - 1_420_070_400_000) << 22)
        body = {
            "id": identity,
            "channel_id": "5",
            "guild_id": str(GUILD),
            "author": {"id": user_id, "username": "u"},
            "content": content,
        }
        pipeline.accept("MESSAGE_CREATE", json.dumps(body).encode(), 0, clock.now_ms())
        assert await pipeline.checkpoint.drain()
        await pipeline.tick()
        pipeline.refresh()
        state = streaks.streaks.get(GUILD)
        answer = {
            "state": None if state is None else [state.messages, state.last_user_id],
            "streaks": pipeline.totals("streaks", "").get(GUILD, 0),
            "messages": pipeline.totals("messages", "human").get(GUILD, 0),
            "errors": value(telemetry.component_errors, "streaks"),
            "spooled": (await spool.stats()).spooled,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), frozenset(int(user) for user in sys.argv[2:])))
