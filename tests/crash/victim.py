"""A process to be killed: the real pipeline, spool, runner and sinks, fed with dispatches of known identity.

Each message is written by a member of its own, each ban is of one, so that the stores show per occurrence how
often it had its effect. After a commit the identities in it are appended to the acknowledgement file: what
stands there is accepted.

    python victim.py DIRECTORY FIRST_NUMBER INFLUX_URL DSN
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from exporter.aggregation.config import MetricsConfig
from exporter.aggregation.increments import Added, decode_increment
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import SystemClock
from exporter.events.catalogue import full_catalogue
from exporter.model import Entry
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.sinks.influx.config import InfluxConfig
from exporter.sinks.influx.sink import InfluxSink
from exporter.sinks.runner import Runner, RunnerConfig
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.sink import SqlSink
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry

GUILD = 1
EPOCH_MS = 1_420_070_400_000


class Witness:
    """The spool, with every acknowledgement written down after the commit it belongs to."""

    def __init__(self, spool: Spool, file: Path) -> None:
        self._spool = spool
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @property
    def source(self) -> str:
        return self._spool.source

    async def journal(self):
        return await self._spool.journal()

    async def increments(self):
        return await self._spool.increments()

    async def state(self, prefix: str = ""):
        return await self._spool.state(prefix)

    async def probe(self) -> None:
        await self._spool.probe()

    async def append(self, entries: Sequence[Entry], **saved: Any) -> Sequence[int]:
        numbers = await self._spool.append(entries, **saved)
        bans = (entry.data for entry in entries if entry.type == "GUILD_BAN_ADD")
        lines = [f"ban {ban.target_user_id}" for ban in bans]
        for body in saved.get("increments", ()):
            for step in decode_increment(body).steps:
                if isinstance(step, Added):
                    lines += [f"message {cell[5]}" for cell in step.cells if cell[1] == "messages"]
        if lines:
            os.write(self._file, ("\n".join(lines) + "\n").encode())
        return numbers


def message(number: int) -> tuple[str, bytes]:
    snowflake = (int(time.time() * 1000) - EPOCH_MS) << 22 | number % 4096
    author = {"id": str(number), "username": f"member {number}"}
    body = {"id": str(snowflake), "channel_id": "5", "guild_id": str(GUILD), "author": author}
    return "MESSAGE_CREATE", json.dumps(body).encode()


def ban(number: int) -> tuple[str, bytes]:
    body = {"guild_id": str(GUILD), "user": {"id": str(number), "username": f"member {number}"}}
    return "GUILD_BAN_ADD", json.dumps(body).encode()


async def main(directory: Path, first: int, influx: str, dsn: str) -> None:
    clock, telemetry, catalogue = SystemClock(), Telemetry(), full_catalogue()
    spool = await Spool.open(directory / "spool", SpoolConfig(), clock, telemetry)
    sinks = [
        SqlSink(SqlConfig(dsn=SecretStr(dsn)), clock=clock, catalogue=catalogue),
        InfluxSink(InfluxConfig(url=influx), catalogue, clock),
    ]
    await spool.register([sink.name for sink in sinks])
    runner = Runner(spool, sinks, RunnerConfig(retry_base=0.05), clock, telemetry)
    pipeline = Pipeline(
        catalogue,
        MetricsConfig(snapshot_interval=1, member_activity_interval=1),
        BatchingConfig(journal_interval=0.1),
        PrivacyConfig(),
        Witness(spool, directory / "acknowledged"),
        clock,
        telemetry,
    )
    await pipeline.start()
    runner.start()
    running = asyncio.create_task(pipeline.run())
    print("ready", flush=True)
    if first < 0:  # the last process only brings home what the killed ones left
        assert await pipeline.flush()
        assert await runner.drain(30)
        running.cancel()
        await runner.stop()
        await spool.close()
        print("drained", flush=True)
        return
    for number in itertools.count(first):
        name, body = ban(number) if number % 50 == 0 else message(number)
        pipeline.accept(name, body, 0, clock.now_ms())
        if number % 25 == 0:
            await asyncio.sleep(0.002)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
