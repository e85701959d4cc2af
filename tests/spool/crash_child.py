"""Appends batches with state to a spool for ever and tells, after each commit, which batch that was.

One line on standard output, a file that outlives this process, is one acknowledgement. The
parent kills this process and then holds the spool to it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from exporter.clock import SystemClock
from exporter.model import Entry, Priority
from exporter.spool.config import SpoolConfig
from exporter.spool.ports import StateRow
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry

CALLERS = 4
LARGEST = 40
"""Entries in a batch, at most."""


def size_of(number: int) -> int:
    """How many entries the batch of this number holds."""
    return 1 + (number * 7) % LARGEST


def batch(run: int, caller: int, number: int) -> list[Entry]:
    lane = Priority(number % 3)
    size = size_of(number)
    name = f"{run}/{caller}/{number}"
    return [Entry("T", 1, 1, f"{name}/{index}/{size}", lane, {"of": size}) for index in range(size)]


async def append(spool: Spool, run: int, caller: int) -> None:
    earlier = max((increment.number for increment in await spool.increments()), default=0)
    for number in range(10**9):
        name, key = f"{run}/{caller}/{number}".encode(), f"{run}/{caller}".encode()
        # One row written again and again, one written once, and one that exists after every other batch.
        state = [
            StateRow("newest", key, name),
            StateRow("every", name, bytes(number % 3_000)),
            StateRow("odd", key, name if number % 2 else None),
        ]
        forget = earlier if (caller, number) == (0, 1) else 0
        if forget:
            state.append(StateRow("forgotten", b"", f"{run}/{earlier}".encode()))
        (increment,) = await spool.append(
            batch(run, caller, number), state=state, increments=[name], forget=forget
        )
        os.write(1, f"a {run}/{caller}/{number} {increment}\n".encode())


async def deliver(spool: Spool, lane: Priority) -> None:
    while True:
        tip = spool.tip(lane)
        page = await spool.read("fast", lane, max_rows=100, max_bytes=10**6)
        if page is None:
            await spool.wait(lane, tip)
            continue
        for row in page.rows:
            os.write(1, f"d {page.source} {row.position} {row.entry.key}\n".encode())
        await spool.advance("fast", lane, page.rows[-1].position)
        os.write(1, f"p {lane} {page.rows[-1].position}\n".encode())


async def main(directory: str, run: int) -> None:
    config = SpoolConfig(reserve=0)
    spool = await Spool.open(Path(directory), config, SystemClock(), Telemetry())
    await spool.register(("slow", "fast"))
    os.write(2, b"ready\n")
    await asyncio.gather(
        *(append(spool, run, caller) for caller in range(CALLERS)),
        *(deliver(spool, lane) for lane in Priority),
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
