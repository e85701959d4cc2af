"""Processes to be killed: the real pipeline, spool, runner and sinks, fed with dispatches of known identity.

Each message is written by a member of its own, each ban is of one, so that the stores show per occurrence how
often it had its effect. What a life accepts, begins to commit and has acknowledged is appended to its
evidence file (see ``tests.crash.evidence``), in the page cache and so safe from its own death.

This program imports everything once and then forks a process for each life it is asked for: a start takes a
few hundredths of a second, and dies like any other.

    python -m tests.crash.victim

It reads a line of JSON (``Life``) for each life, and writes a line for each thing that happens to one.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

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
from exporter.sinks.runner import Runner
from exporter.sinks.runner_config import RunnerConfig
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.sink import SqlSink
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry

EPOCH_MS = 1_420_070_400_000
CATALOGUE = full_catalogue()


@dataclass(frozen=True, slots=True)
class Life:
    """What one process is to do."""

    directory: str
    guild: int
    first: int
    """The first number it uses; those of other lives are below."""
    influx: str
    dsn: str
    goal: int
    """So many acknowledgements are reported as ``reached``."""
    journal_interval: float
    burst: int
    """Dispatches received at a time, every 2 ms."""
    ban_every: int
    rows: int
    """Entries in one delivery."""
    drains: bool = False
    """Takes nothing in and delivers what others left."""

    @property
    def evidence(self) -> Path:
        """Where it writes down what it does."""
        return Path(self.directory, "evidence", f"{self.first:015}")

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


class Witness:
    """The spool, with every acknowledgement written down after the commit it belongs to."""

    def __init__(self, spool: Spool, life: Life) -> None:
        self._spool = spool
        self._life = life
        self._left = life.goal
        self.cut_at = time.monotonic()
        """When the commit in flight began."""
        self._file = os.open(life.evidence, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

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
        began = self.cut_at
        numbers = await self._spool.append(entries, **saved)
        ended = time.monotonic()
        bans = [entry.data.target_user_id for entry in entries if entry.type == "GUILD_BAN_ADD"]
        messages: list[int] = []
        for body in saved.get("increments", ()):
            for step in decode_increment(body).steps:
                if isinstance(step, Added):
                    messages += [cell[5] for cell in step.cells if cell[1] == "messages"]
        self.write("committed", ended - began, *messages, *bans)
        if 0 < self._left <= len(messages) + len(bans):
            report("reached", self._life)
        self._left -= len(messages) + len(bans)
        return numbers

    def write(self, kind: str, at: float, *numbers: int) -> None:
        os.write(self._file, f"{kind} {at!r} {' '.join(map(str, numbers))}\n".encode())


def note_cuts(pipeline: Pipeline, witness: Witness) -> None:
    """Have the witness know when a commit takes what there is; encoding that is part of the commit."""
    entries = pipeline.checkpoint._entries
    take = entries.take

    def noted() -> list[Entry]:
        witness.cut_at = time.monotonic()
        return take()

    entries.take = noted


def report(what: str, life: Life) -> None:
    os.write(sys.stdout.fileno(), f"{what} {life.first}\n".encode())


def message(number: int, guild: int) -> tuple[str, bytes]:
    snowflake = (int(time.time() * 1000) - EPOCH_MS) << 22 | number % 4096
    author = {"id": str(number), "username": f"member {number}"}
    body = {"id": str(snowflake), "channel_id": "5", "guild_id": str(guild), "author": author}
    return "MESSAGE_CREATE", json.dumps(body).encode()


def ban(number: int, guild: int) -> tuple[str, bytes]:
    body = {"guild_id": str(guild), "user": {"id": str(number), "username": f"member {number}"}}
    return "GUILD_BAN_ADD", json.dumps(body).encode()


async def live(life: Life) -> None:
    clock, telemetry, directory = SystemClock(), Telemetry(), Path(life.directory)
    spool = await Spool.open(directory / "spool", SpoolConfig(), clock, telemetry)
    sinks = [
        SqlSink(SqlConfig(dsn=SecretStr(life.dsn)), clock=clock, catalogue=CATALOGUE),
        InfluxSink(InfluxConfig(url=life.influx), CATALOGUE, clock),
    ]
    await spool.register([sink.name for sink in sinks])
    delivery = RunnerConfig(retry_base=0.05, max_rows=life.rows, max_rows_slow=life.rows)
    runner = Runner(spool, sinks, delivery, clock, telemetry)
    witness = Witness(spool, life)
    pipeline = Pipeline(
        CATALOGUE,
        MetricsConfig(snapshot_interval=2, member_activity_interval=2),
        BatchingConfig(journal_interval=life.journal_interval),
        PrivacyConfig(),
        witness,
        clock,
        telemetry,
    )
    await pipeline.start()
    note_cuts(pipeline, witness)
    runner.start()
    running = asyncio.create_task(pipeline.run())
    report("ready", life)
    if life.drains:
        assert await pipeline.flush()
        assert await runner.drain(60)
        for sink in (await spool.stats()).sinks.values():
            assert sink.dead == sink.evicted == sink.pending == 0, sink
        running.cancel()
        await runner.stop()
        await spool.close()
        report("drained", life)
        return
    number = life.first
    while True:
        end = number + random.randint(1, 2 * life.burst)
        # Before they are accepted: what is not written down could not be seen to be lost.
        witness.write("accepted", time.monotonic(), end)
        while number < end:
            name, body = (ban if number % life.ban_every == 0 else message)(number, life.guild)
            pipeline.accept(name, body, 0, clock.now_ms())
            number += 1
        await asyncio.sleep(0.002)


def run(life: Life) -> NoReturn:
    status = 1
    try:
        random.seed(life.first)
        asyncio.run(live(life))
        status = 0
    except BaseException:  # noqa: BLE001 - a fork must not go on in its parent's loop
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are removed by the kernel
    for line in sys.stdin.buffer:
        life = Life(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            run(life)
        os.write(sys.stdout.fileno(), f"pid {life.first} {pid}\n".encode())


if __name__ == "__main__":
    serve()
