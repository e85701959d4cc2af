"""Appending to the spool, the disk's share included: wall time, since a commit waits for the disk.

The other side of the first row is the promise itself: 100,000 entries a second leave 10 µs for each. The
other side of the second is the least any spool on SQLite could do: one table, no checksums, no cursors.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.result import Result
from exporter.clock import SystemClock
from exporter.events.records.occurrences import ModerationRecord
from exporter.model import Entry, Priority
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry

BATCH = 100
BATCHES = 400
ROUNDS = 5
BUDGET_US = 10.0
LEAST_WORK_TARGET = 4.0
"""Order, checksums, cursors and the way through a thread may cost three times the bare insert."""


def entries(start: int) -> list[Entry]:
    """A batch of bans as they come from the pipeline."""
    return [
        Entry(
            "GUILD_BAN_ADD",
            2**60,
            1_770_000_000_000,
            f"ban:{n}",
            Priority.CRITICAL,
            ModerationRecord(
                action="ban",
                target_user_id=n,
                target_username="member",
                moderator_id=2**60,
                reason="spam in #general",
            ),
        )
        for n in range(start, start + BATCH)
    ]


async def ours(directory: Path) -> float:
    """Seconds to append all batches, two in flight as the pipeline and a flush would have them."""
    spool = await Spool.open(directory, SpoolConfig(), SystemClock(), Telemetry())
    await spool.register(["sql"])
    batches = [entries(number * BATCH) for number in range(BATCHES)]
    began = time.perf_counter()
    for first, second in zip(batches[::2], batches[1::2], strict=True):
        await asyncio.gather(spool.append(first), spool.append(second))
    spent = time.perf_counter() - began
    await spool.close()
    return spent


def least(directory: Path) -> float:
    """Seconds for the same bytes in one bare table with the same durability."""
    connection = sqlite3.connect(directory / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE entries (position INTEGER PRIMARY KEY, body BLOB)")
    encode = msgspec.msgpack.Encoder().encode
    batches = [entries(number * BATCH) for number in range(BATCHES)]
    began = time.perf_counter()
    for batch in batches:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO entries (body) VALUES (?)", [(encode(entry),) for entry in batch])
        connection.execute("COMMIT")
    spent = time.perf_counter() - began
    connection.close()
    return spent


def run() -> list[Result]:
    """Measure."""
    mine: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory(prefix="exporter-bench-") as directory:
        for number in range(ROUNDS):
            place = Path(directory) / str(number)
            place.mkdir()
            mine.append(asyncio.run(ours(place / "spool")))
            bare.append(least(place))
    per = BATCH * BATCHES / 1e6
    us, floor = statistics.median(mine) / per, statistics.median(bare) / per
    return [
        Result("spool append, batch 100, FULL, against 100,000/s", us, BUDGET_US, us / BUDGET_US, 1.0, "µs"),
        Result("spool append against a bare SQLite insert", us, floor, us / floor, LEAST_WORK_TARGET, "µs"),
    ]
