"""The whole program on one core, fed through a real socket by the simulator on another.

Throughput: the simulator offers more than can be taken and the exporter, with all counters and the SQLite
log on, is held to one core. What it has accepted is read from its own /metrics, what that cost from the
system: the CPU time of all its threads, so that a busy neighbour does not count. Latency: bans under 1,000
events a second, from the receipt of the frame to the row in SQLite.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from benchmarks.result import Result

OFFERED = 30_000
"""Actions a second, twice the target; each makes a little more than one dispatch."""

WARM_UP_S = 3.0
MEASURED_S = 6.0
EVENTS_PER_SECOND = 15_000
LATENCY_RATE = 1_000
LATENCY_S = 20.0
LATENCY_MS = 50.0
PORT = 19464


@contextlib.asynccontextmanager
async def running(directory: Path, rate: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Simulator and exporter, each on a core of its own."""
    cores = sorted(os.sched_getaffinity(0))
    simulator = await _start(
        ("simulate", "--port", "0", "--guilds", "20", "--members", "500", "--rate", str(rate)),
        cores[-1],
        directory,
    )
    assert simulator.stdout is not None
    api = (await simulator.stdout.readline()).decode().split()[1]
    settings = directory / "config.yaml"
    settings.write_text(
        f"data_dir: {directory}/data\ndiscord: {{api_url: '{api}', compress: false}}\n"
        f"web: {{listen: '127.0.0.1:{PORT}'}}\nlog: {{level: warning}}\n"
    )
    exporter = await _start(("run", "--config", str(settings)), cores[0], directory)
    try:
        yield exporter
    finally:
        for process in (exporter, simulator):
            process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 15)
            if process.returncode is None:
                process.kill()


async def _start(arguments: tuple[str, ...], core: int, directory: Path) -> asyncio.subprocess.Process:
    with (directory / f"{arguments[0]}.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "exporter",
            *arguments,
            stdout=asyncio.subprocess.PIPE if arguments[0] == "simulate" else log,
            stderr=log,
            env=os.environ | {"DISCORD_TOKEN": "simulated-token"},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )


async def accepted(session: aiohttp.ClientSession) -> float:
    """Events accepted so far; 0 while the program does not answer yet."""
    with contextlib.suppress(aiohttp.ClientError):
        async with session.get(f"http://127.0.0.1:{PORT}/metrics") as answer:
            text = await answer.text()
        lines = (line for line in text.splitlines() if line.startswith("discord_exporter_accepted_total{"))
        return sum(float(line.rpartition(" ")[2]) for line in lines)
    return 0.0


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used so far in all its threads. Source: proc(5), /proc/pid/stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def await_traffic(session: aiohttp.ClientSession) -> None:
    """Return once events are accepted; another process announces nothing, so it is asked."""
    while not await accepted(session):  # noqa: ASYNC110 - as the docstring says
        await asyncio.sleep(0.1)


async def throughput(directory: Path) -> tuple[float, float]:
    """Events accepted per second, and CPU seconds per event."""
    loop = asyncio.get_running_loop()
    async with running(directory, OFFERED) as exporter, aiohttp.ClientSession() as session:
        await await_traffic(session)
        await asyncio.sleep(WARM_UP_S)
        before, began, used = await accepted(session), loop.time(), cpu_seconds(exporter.pid)
        await asyncio.sleep(MEASURED_S)
        used = cpu_seconds(exporter.pid) - used
        after, ended = await accepted(session), loop.time()
    return (after - before) / (ended - began), used / (after - before)


async def latencies(directory: Path) -> list[float]:
    """Milliseconds from receipt to row, of every ban and unban."""
    async with running(directory, LATENCY_RATE), aiohttp.ClientSession() as session:
        await await_traffic(session)
        await asyncio.sleep(LATENCY_S)
    with contextlib.closing(sqlite3.connect(directory / "data" / "discord.db")) as log:
        rows = log.execute(
            "SELECT (julianday(created_at) - julianday(at)) * 86400000.0 FROM moderation_logs"
            " WHERE event_key NOT LIKE 'audit:%'"  # an entry's time is Discord's, not that of its receipt
        ).fetchall()
    return [float(row[0]) for row in rows]


def run() -> list[Result]:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="exporter-bench-") as directory:
        rate, cpu = asyncio.run(throughput(Path(directory)))
    with tempfile.TemporaryDirectory(prefix="exporter-bench-") as directory:
        waits = sorted(asyncio.run(latencies(Path(directory))))
    p99 = statistics.quantiles(waits, n=100)[98] if len(waits) > 1 else float("inf")
    us, budget = 1e6 * cpu, 1e6 / EVENTS_PER_SECOND
    return [
        Result(f"one event, socket to store ({rate:,.0f}/s)", us, budget, us / budget, 1.0, "µs CPU"),
        Result(
            f"ban to row in SQLite at 1,000/s, p99 of {len(waits)}",
            p99,
            LATENCY_MS,
            p99 / LATENCY_MS,
            1.0,
            "ms",
        ),
    ]
