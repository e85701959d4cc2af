"""Fills a spool until nothing more can be written, then drains it there and then.

Arguments: directory, limit in bytes or 0 for none (the volume itself is then small).
Prints one line for each step; the parent judges.
"""

from __future__ import annotations

import asyncio
import logging
import math
import resource
import sys
from pathlib import Path

from exporter.clock import SystemClock
from exporter.errors import SpoolError
from exporter.model import Entry, Priority
from exporter.spool.config import SpoolConfig
from exporter.spool.ports import StateRow
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry


def entries(start: int) -> list[Entry]:
    return [
        Entry("T", 1, 1, str(number), Priority.SLOW, {"x": "y" * 500}) for number in range(start, start + 50)
    ]


async def drain(spool: Spool, keys: list[str]) -> list[str]:
    while (page := await spool.read("sql", Priority.SLOW, max_rows=200, max_bytes=10**6)) is not None:
        keys += [row.entry.key for row in page.rows]
        await spool.advance("sql", Priority.SLOW, page.rows[-1].position)
    return keys


async def main(directory: str, limit: int) -> None:
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="log %(levelname)s %(message)s")
    spool = await Spool.open(Path(directory), SpoolConfig(reserve=4 * 2**20), SystemClock(), Telemetry())
    await spool.register(("sql",))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit or resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    accepted = 0
    for start in range(0, 10**6, 50):
        try:
            await spool.append(entries(start))
        except SpoolError as error:
            print("refused", error)
            break
        accepted += 50
    print("accepted", accepted)
    print("pending", (await spool.stats()).sinks["sql"].pending)
    state: list[StateRow] = []
    for number in range(10**6):
        row = StateRow("t", b"%08d" % number, bytes(20_000))
        try:
            await spool.append([], state=[row])
        except SpoolError:
            break
        state.append(row)
    print("state", sum(len(row.value or b"") for row in state))
    keys: list[str] = []
    try:
        await drain(spool, keys)
    except SpoolError as error:
        print("stuck", error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await drain(spool, keys)
    # A page whose cursor could not be moved was read again.
    keys = list(dict.fromkeys(keys))
    print("drained", len(keys), keys == [str(number) for number in range(accepted)])
    for _ in range(10):
        # What is done in an idle moment, without waiting for one.
        spool._writer._tidied_at = -math.inf
        await spool._writer.submit(lambda _: None)
    await spool.append(entries(10**7))
    print("kept", await spool.state() == state)
    print("again", await drain(spool, []) == [entry.key for entry in entries(10**7)])
    await spool.close()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
