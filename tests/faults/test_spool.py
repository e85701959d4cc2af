"""The spool on a disk at fault: what a probe says before a caller encodes what waits."""

from __future__ import annotations

import pytest

from exporter.clock import SystemClock
from exporter.errors import SpoolError
from exporter.model import Entry, Priority
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry

PIECE = 2**20


def entries(number: int, size: int) -> list[Entry]:
    return [Entry("T", 1, 1, str(at), Priority.SLOW, {"text": "x" * size}) for at in range(number)]


async def test_a_probe_asks_for_the_space_that_was_refused(small_volume):
    config = SpoolConfig(reserve=0)
    spool = await Spool.open(small_volume.path / "spool", config, SystemClock(), Telemetry())
    try:
        await spool.append(entries(1, 10))
        await spool.probe()
        small_volume.fill()
        small_volume.release(PIECE)
        large = entries(40, PIECE // 10)
        with pytest.raises(SpoolError, match="free space"):
            await spool.append(large)
        with pytest.raises(SpoolError, match="the volume is full; free space on it"):
            await spool.probe()
        await spool.append(entries(1, 10))
        await spool.probe()
        with pytest.raises(SpoolError, match="free space"):
            await spool.append(large)
        small_volume.free()
        await spool.probe()
        await spool.append(large)
    finally:
        await spool.close()
