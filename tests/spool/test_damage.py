"""A damaged spool of a killed process opens, and what was acknowledged is delivered or counted as lost.

``make crash`` damages many more, and prints what was lost and how long the starts took.
"""

from __future__ import annotations

import logging
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from exporter.clock import ManualClock
from exporter.model import Entry, Priority
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry, value
from tests.scale import scaled
from tests.spool.crash_child import CALLERS, LARGEST, size_of

CHILD = Path(__file__).with_name("crash_child.py")
DAMAGES = 10
"""Of the spool of one killed process."""
PAGE = 4096
IN_FLIGHT = CALLERS * LARGEST
"""Entries that may be committed without an acknowledgement of it."""
UNPASSED = 3 * 100
"""Entries that the store of ``fast`` may have without its cursor behind them."""


@dataclass(slots=True)
class Killed:
    """The files of a killed process, and what it said before."""

    directory: Path
    earlier: dict[str, bytes]
    """Its files as they were some time before."""
    acknowledged: set[str] = field(default_factory=set)
    increments: set[str] = field(default_factory=set)
    delivered: set[str] = field(default_factory=set)
    """To the sink ``fast``; to ``slow`` nothing is."""
    keys: dict[tuple[str, int], str] = field(default_factory=dict)

    def read(self, lines: list[str]) -> None:
        for kind, *values in map(str.split, lines):
            if kind == "a":
                size = size_of(int(values[0].rsplit("/", 1)[1]))
                self.acknowledged |= {f"{values[0]}/{index}/{size}" for index in range(size)}
                self.increments.add(values[0])
            elif kind == "d":
                self.delivered.add(values[2])
                self.keys[values[0], int(values[1])] = values[2]


@dataclass(slots=True)
class Found:
    """The sums of all damages."""

    damages: int = 0
    slowest: float = 0.0
    acknowledged: int = 0
    again: int = 0
    lost: int = 0
    counted: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


@pytest.fixture(scope="module")
def found() -> Iterator[Found]:
    found = Found()
    yield found
    print(
        f"\n{found.damages} damages, slowest start {found.slowest:.2f} s; for two sinks {found.acknowledged} "
        f"acknowledged and not delivered: {found.again} delivered after the start, {found.lost} lost, "
        f"{found.counted} counted as lost; with losses: {dict(found.kinds.most_common())}"
    )


@pytest.fixture
def killed(tmp_path: Path, rng: random.Random) -> Killed:
    directory = tmp_path / "killed"
    with (tmp_path / "said").open("wb") as said:
        child = subprocess.Popen(
            [sys.executable, str(CHILD), str(directory), "0"],
            stdout=said,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
    assert child.stderr.readline() == b"ready\n"
    # Not for a condition: the moments of the copy and of the death are the random input of this test.
    time.sleep(rng.uniform(0, 0.15))
    earlier = {name: (directory / name).read_bytes() for name in ("spool.db", "spool.db-wal")}
    time.sleep(rng.uniform(0, 0.15))
    child.send_signal(signal.SIGKILL)
    child.communicate()
    killed = Killed(directory, earlier)
    killed.read((tmp_path / "said").read_text().split("\n")[:-1])
    return killed


@pytest.fixture
def rng(seed: int) -> random.Random:
    return random.Random(seed)


def damage_bytes(rng: random.Random, path: Path) -> None:
    """Flip bits, zero a range, or cut the end off; whole pages as a disk loses them, or any."""
    data = bytearray(path.read_bytes())
    if not data:
        return
    kind = rng.choice(("flip", "zero", "noise", "cut"))
    start = rng.randrange(len(data))
    if rng.random() < 0.5:
        start -= start % PAGE
    end = min(len(data), start + rng.choice((1, 64, PAGE, 8 * PAGE)))
    if kind == "flip":
        for _ in range(rng.choice((1, 1, 8, 64))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[start:]
    else:
        data[start:end] = bytes(end - start) if kind == "zero" else rng.randbytes(end - start)
    path.write_bytes(data)


def damage(rng: random.Random, directory: Path, killed: Killed) -> str:
    """Damage the spool in one way; says in which."""
    database, wal = directory / "spool.db", directory / "spool.db-wal"
    shm = directory / "spool.db-shm"

    def both() -> None:
        damage_bytes(rng, database)
        damage_bytes(rng, wal)

    def damage_and_drop() -> None:
        damage_bytes(rng, database)
        wal.unlink()

    def others() -> None:
        for path in directory.iterdir():
            if path not in (database, wal):
                damage_bytes(rng, path)

    ways: dict[str, Callable[[], object]] = {
        "database": lambda: damage_bytes(rng, database),
        "log": lambda: damage_bytes(rng, wal),
        "both": both,
        "log deleted": wal.unlink,
        "log deleted, database damaged": damage_and_drop,
        "shared memory deleted": shm.unlink,
        "all but database and log": others,
        "log of another moment": lambda: wal.write_bytes(killed.earlier["spool.db-wal"]),
        "database of another moment": lambda: database.write_bytes(killed.earlier["spool.db"]),
        "database of another moment, no log": lambda: (
            database.write_bytes(killed.earlier["spool.db"]),
            wal.unlink(),
        ),
        "database deleted": database.unlink,
    }
    way = rng.choice(list(ways))
    ways[way]()
    return way


HARMLESS = {"shared memory deleted", "all but database and log"}


@pytest.mark.parametrize("seed", range(scaled(5)))
async def test_what_was_acknowledged_is_delivered_or_counted_as_lost(
    tmp_path, killed, rng, found, drain, check_accounts, caplog, seed
):
    assert killed.acknowledged
    for number in range(DAMAGES):
        directory = tmp_path / str(number)
        shutil.copytree(killed.directory, directory)
        way = damage(rng, directory, killed)
        where = f"seed {seed}, damage {number}: {way}"
        caplog.clear()
        telemetry = Telemetry()
        began = time.monotonic()
        spool = await Spool.open(directory, SpoolConfig(reserve=0), ManualClock(), telemetry)
        try:
            await spool.register(("slow", "fast"))
            found.slowest = max(found.slowest, time.monotonic() - began)
            found.damages += 1
            await check(killed, spool, way, where, found, drain, telemetry, caplog)
            await check_accounts(spool)
        finally:
            await spool.close()
        shutil.rmtree(directory)


async def check(killed: Killed, spool: Spool, way, where, found, drain, telemetry, caplog) -> None:
    kept = {increment.body.decode() for increment in await spool.increments()}
    positions = [position for source, position in killed.keys if source == spool.source]
    delivered = {"slow": set(), "fast": killed.delivered}
    drained: dict[str, set[str]] = {}
    for sink in delivered:
        keys = [entry.key for entry in await drain(spool, sink)]
        drained[sink] = set(keys)
        assert len(keys) == len(drained[sink]), where
    stats = (await spool.stats()).sinks
    for sink, before in delivered.items():
        expected = killed.acknowledged - before
        lost = expected - drained[sink]
        counted = stats[sink].evicted + stats[sink].dead
        found.acknowledged += len(expected)
        found.again += len(expected) - len(lost)
        found.lost += len(lost)
        found.counted += counted
        found.kinds[way] += bool(lost)
        assert len(lost) <= counted, where
        assert counted <= len(lost) + IN_FLIGHT + (UNPASSED if sink == "fast" else 0), where
        assert way not in HARMLESS or not counted, where
    missing = len(killed.increments - kept)
    counted = value(telemetry.damaged_state)
    assert missing <= counted, where
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    for sink in delivered:
        if stats[sink].evicted:
            assert any("lost" in text and f"sink {sink}" in text for text in errors), where
    assert not missing or any("increments" in text for text in errors), where
    # No position that a store may have seen is given out again.
    entry = Entry("T", 1, 1, "new", Priority.SLOW, {"of": 1})
    await spool.append([entry])
    assert spool.tip(Priority.SLOW) > max(positions, default=0), where
    assert [entry.key for entry in await drain(spool, "slow")] == ["new"], where
