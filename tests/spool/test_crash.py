"""SIGKILL at any moment loses nothing that was acknowledged, tears no commit and gives no position out twice.

``make crash`` asks for many more kills than the suite does.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from exporter.model import Priority
from tests.scale import scaled

KILLS = scaled(24)
CHILD = Path(__file__).with_name("crash_child.py")


def run_and_kill(directory: Path, log: Path, run: int, seconds: float) -> list[list[str]]:
    """The complete lines a child wrote before it was killed."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, str(CHILD), str(directory), str(run)],
            stdout=output,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
    assert child.stderr is not None
    ready = child.stderr.readline()
    assert ready == b"ready\n", ready + child.stderr.read()
    # Not for a condition: the moment of death is the random input of this test.
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    _, errors = child.communicate()
    assert child.returncode == -signal.SIGKILL, errors.decode()
    lines = log.read_text().split("\n")[:-1]
    return [line.split() for line in lines]


@pytest.mark.timeout(60 + KILLS * 3)
async def test_nothing_acknowledged_is_lost_by_kill(tmp_path, open_spool, check_accounts):
    rng = random.Random(KILLS)
    acknowledged: set[str] = set()
    numbers: dict[str, int] = {}
    keys_at: dict[tuple[str, int], str] = {}
    passed: dict[int, int] = {}
    delivered: set[str] = set()
    for run in range(KILLS):
        for kind, *values in run_and_kill(
            tmp_path / "spool", tmp_path / "acknowledged", run, rng.uniform(0, 0.15)
        ):
            if kind == "a":
                acknowledged.add(values[0])
                numbers[values[0]] = int(values[1])
            elif kind == "d":
                source, position, key = values
                assert keys_at.setdefault((source, int(position)), key) == key
                delivered.add(key)
            else:
                passed[int(values[0])] = int(values[1])
    assert len(acknowledged) > KILLS

    spool = await open_spool(sinks=("slow", "fast"))
    tally = await check_accounts(spool)
    sizes: dict[str, set[int]] = defaultdict(set)
    for lane in Priority:
        page = await spool.read("slow", lane, max_rows=10**7, max_bytes=10**9)
        positions = [row.position for row in page.rows]
        assert positions == sorted(set(positions))
        for row in page.rows:
            name, index, size = row.entry.key.rsplit("/", 2)
            assert keys_at.get((page.source, row.position), row.entry.key) == row.entry.key
            assert int(index) not in sizes[name]
            sizes[name].add(int(index))
            assert row.entry.data["of"] == int(size)
    assert acknowledged <= set(sizes)
    for name, indexes in sizes.items():
        number = int(name.split("/")[2])
        assert indexes == set(range(1 + (number * 7) % 40))
    # What the other sink has passed it does not get again; what it has not passed it gets at the right place.
    for lane in Priority:
        page = await spool.read("fast", lane, max_rows=1, max_bytes=10**6)
        assert page is None or page.rows[0].position > passed.get(int(lane), 0)
    assert tally.sinks["fast"].delivered <= len(delivered)
    await check_state(spool, set(sizes), numbers)


async def check_state(spool, committed: set[str], numbers: dict[str, int]) -> None:
    """State and increments are those of the batches whose entries are there, and of no others."""
    tables: dict[str, dict[str, str]] = defaultdict(dict)
    for table, key, value in await spool.state():
        tables[table][key.decode()] = value.decode()
    assert {name: len(value) for name, value in tables["every"].items()} == {
        name: int(name.rsplit("/", 1)[1]) % 3_000 for name in committed
    }
    newest = {name.rsplit("/", 1)[0]: 0 for name in committed}
    for caller, number in (name.rsplit("/", 1) for name in committed):
        newest[caller] = max(newest[caller], int(number))
    assert tables["newest"] == {caller: f"{caller}/{number}" for caller, number in newest.items()}
    assert tables["odd"] == {caller: f"{caller}/{number}" for caller, number in newest.items() if number % 2}
    increments = {increment.body.decode(): increment.number for increment in await spool.increments()}
    run, upto = map(int, tables["forgotten"].get("", "0/0").split("/"))
    assert set(increments) == {name for name in committed if int(name.split("/")[0]) >= run}
    assert min(increments.values()) > upto
    assert {name: number for name, number in numbers.items() if number > upto}.items() <= increments.items()
