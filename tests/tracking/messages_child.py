"""Runs the pipeline, and takes messages of one guild from its standard input until it is killed.

Run as a file, so that the package is the one on ``PYTHONPATH``. Arguments: the spool's directory, the names
of the component and the measure to look at, and the ids of people who opted out. A line of input is a user
id and a number of messages; it is answered once everything is committed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from pathlib import Path

import msgspec

from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import SystemClock
from exporter.events.catalogue import full_catalogue
from exporter.model import Priority
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry, value

GUILD = 77 << 22
DISCORD_EPOCH = 1_420_070_400_000


async def main(directory: Path, name: str, measure: str, opted_out: frozenset[int]) -> None:
    clock, telemetry = SystemClock(), Telemetry()
    spool = await Spool.open(directory, SpoolConfig(), clock, telemetry)
    await spool.register(["sink"])
    privacy = PrivacyConfig(opt_out=opted_out)
    pipeline = Pipeline(full_catalogue(), MetricsConfig(), BatchingConfig(), privacy, spool, clock, telemetry)
    await pipeline.start()
    numbers = itertools.count((clock.now_ms() - DISCORD_EPOCH) << 22)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        user_id, amount = line.split()
        for _ in range(int(amount)):
            author = {"id": user_id, "username": "u"}
            body = {"id": str(next(numbers)), "channel_id": "5", "guild_id": str(GUILD), "author": author}
            pipeline.accept("MESSAGE_CREATE", json.dumps(body).encode(), 0, clock.now_ms())
        assert await pipeline.checkpoint.drain()
        await pipeline.tick()
        pipeline.refresh()
        rows = [row for row in await spool.state() if row.table.startswith(f"{name}/")]
        answer = {
            "state": [msgspec.msgpack.decode(row.value or b"") for row in rows],
            "counted": pipeline.totals(measure, "").get(GUILD, 0),
            "messages": pipeline.totals("messages", "human").get(GUILD, 0),
            "errors": value(telemetry.component_errors, name),
            "records": await _records(spool),
        }
        print(json.dumps(answer), flush=True)


async def _records(spool: Spool) -> list[object]:
    """What the spooled entries of exact occurrences say."""
    batch = await spool.read("sink", Priority.IMPORTANT, max_rows=100, max_bytes=2**20)
    return [msgspec.to_builtins(row.entry.data) for row in batch.rows] if batch else []


if __name__ == "__main__":
    directory, name, measure, *people = sys.argv[1:]
    asyncio.run(main(Path(directory), name, measure, frozenset(map(int, people))))
