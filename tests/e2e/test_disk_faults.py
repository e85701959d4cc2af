"""A disk that refuses, hangs or is slow: memory stays bounded, the loop goes on, and every loss is counted.

``make faults`` lets each fault last ten minutes.
"""

from __future__ import annotations

import asyncio
import errno
import json
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from discord_simulator.verify.ledger_reader import read_lines
from exporter.aggregation.windows import GRACE_MS
from exporter.checkpoint.config import BatchingConfig
from exporter.errors import SpoolError
from exporter.events.catalogue import full_catalogue
from exporter.pipeline import TICK_SECONDS
from tests.e2e.programs import Exporter, Metrics, Simulation, assert_conserved, until
from tests.faults.disk import FaultyDisk
from tests.scale import SCALE, scaled

SECONDS = scaled(8)
"""How long a fault lasts; ``make faults`` scales it to ten minutes."""

RATE = 500

MOST_MEMORY = 250 * 2**20
"""Bytes a process of a few guilds may occupy, whatever its disk does."""

VOICE = [kind for kind in full_catalogue().events if kind.startswith("VOICE")]
"""Without time in voice, what is counted is occurrences, and so is what is shed."""

JOURNAL_INTERVAL = BatchingConfig().journal_interval

WINDOW = 10
"""Seconds of a window where a test looks when windows are closed."""

pytestmark = pytest.mark.timeout(240 + 3 * SECONDS)


@dataclass
class Watch:
    """What a process took and gave up while a test watched it, about once a second."""

    exporter: Exporter
    began: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    rss: list[tuple[float, int]] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    metrics: list[Metrics] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waited = waiting_for_cpu(self.exporter.process.pid)

    async def look(self) -> None:
        metrics = await self.exporter.metrics()
        self.metrics = [*self.metrics[:1], metrics]
        self.waiting.append(metrics.total("discord_exporter_unspooled_entries"))
        self.rss.append((time.monotonic() - self.began, resident(self.exporter.process.pid)))

    async def watch(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await self.look()
            await asyncio.sleep(1)

    def growth(self) -> int:
        """Bytes by which the process grew in the second half."""
        return self.rss[-1][1] - self.rss[len(self.rss) // 2][1]

    def bound(self, histogram: str, share: float) -> float:
        """The bound of a histogram of seconds that this share of what was observed is within."""
        first, last = (metrics.by(f"{histogram}_bucket", "le") for metrics in self.metrics)
        counts = {float(bound): count - first.get(bound, 0) for bound, count in last.items()}
        return min(bound for bound, count in counts.items() if count >= share * counts[float("inf")])

    def lag(self, share: float) -> float:
        """How late the timers of the event loop were, at most, in this share of them."""
        return self.bound("discord_exporter_loop_lag_seconds", share)

    def report(self, what: str) -> None:
        minutes = {round(at): round(size / 2**20) for at, size in self.rss if self._is_shown(at)}
        shed = self.metrics[-1].by("discord_exporter_shed_total", "class")
        print(f"\n{what}: RSS in MiB by second {minutes}, largest {max(self.rss, key=lambda item: item[1])}")
        print(f"  entries waiting at most {max(self.waiting):.0f}, shed {shed}")
        waited = (waiting_for_cpu(self.exporter.process.pid) - self.waited) / self.rss[-1][0]
        print(f"  loop lag p50 <= {self.lag(0.5)} s, p99 <= {self.lag(0.99)} s")
        print(f"  the event loop's thread waited for a processor {waited:.0%} of the time")

        assert max(size for _, size in self.rss) <= MOST_MEMORY
        # A heartbeat that is missed costs the connection.
        for name in ("discord_gateway_resumes_total", "discord_gateway_identifies_total"):
            first, last = (metrics.total(name) for metrics in self.metrics)
            assert first == last, name

    def _is_shown(self, at: float) -> bool:
        step = max(1, SECONDS // 20)
        return round(at) % step == 0


def resident(pid: int) -> int:
    """Bytes of memory a process occupies."""
    with Path(f"/proc/{pid}/status").open() as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def waiting_for_cpu(pid: int) -> float:
    """Seconds that the main thread of a process was ready to run and did not: how busy the machine is."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9


async def settled(exporter: Exporter) -> None:
    async def nothing_waits() -> bool:
        metrics = await exporter.metrics()
        return (
            metrics.total("discord_exporter_unspooled_entries") == 0
            and metrics.total("discord_exporter_pending_entries") == 0
        )

    await until(nothing_waits, "everything to be delivered", deadline=120)


def in_sqlite(exporter: Exporter, disk: FaultyDisk) -> dict[str, str]:
    """The environment of an exporter on a faulty disk, whose log is on a healthy one."""
    return disk.environ | {"DISCORD_EXPORTER_DSN": f"sqlite:///{exporter.directory}/log.db"}


async def differences(exporter: Exporter, simulation: Simulation, store: str) -> list[dict]:
    """What a store has otherwise than the ledger, but for voice, which is off."""
    options = ("--ledger", str(simulation.ledger), "--format", "json", "--stores", store)
    _, out, err = await exporter.run_command("verify", *options)
    answer = json.loads(out)
    assert not answer["unreadable"], err
    return [line for line in answer["lines"] if not line["ok"] and "voice" not in line["quantity"]]


async def watch_closings(exporter: Exporter, late: list[float]) -> None:
    """Note by how many seconds the snapshots of each window are committed behind its end."""
    snapshots: float | None = None
    end = 0.0
    while True:
        metrics = await exporter.metrics()
        count = metrics.total("discord_exporter_offered_total", type="METRICS_SNAPSHOT")
        now = time.time()
        if snapshots is not None and count > snapshots and now // WINDOW * WINDOW > end:
            end = now // WINDOW * WINDOW
            late.append(now - end)
        snapshots = count
        await asyncio.sleep(0.1)


async def watch_full_volume(simulation, exporter, small_volume) -> Watch:
    """Start the exporter, fill its volume, and watch it while the volume is full."""
    exporter.api_url = simulation.url
    await exporter.start()
    await asyncio.sleep(2)
    small_volume.fill()
    watch = Watch(exporter)
    await watch.watch(SECONDS)
    return watch


async def test_a_full_volume_loses_nothing_that_memory_holds(simulation, exporter, postgres, small_volume):
    exporter.environ = {"DISCORD_EXPORTER_DSN": postgres.dsn(postgres.create_database())}
    exporter.settings = {"data_dir": str(small_volume.path / "data")}
    await simulation.start("--rate", str(RATE), "--duration", f"{SECONDS + 8}s", "--seed", "31")
    watch = await watch_full_volume(simulation, exporter, small_volume)
    watch.report("full volume, bounds as by default")
    assert watch.waiting[-1] > 0
    small_volume.free()
    await simulation.over()
    await exporter.verify(simulation.ledger)
    await settled(exporter)
    assert_conserved(await exporter.metrics())


async def test_what_does_not_fit_into_memory_is_shed_and_counted(
    simulation, exporter, postgres, small_volume
):
    exporter.environ = {"DISCORD_EXPORTER_DSN": postgres.dsn(postgres.create_database())}
    exporter.settings = {
        "data_dir": str(small_volume.path / "data"),
        "batching": {"max_cells": 2_000, "max_pending": 1_000},
        "events": dict.fromkeys(VOICE, False),
    }
    await simulation.start("--rate", str(RATE), "--seed", "32", "--duration", f"{SECONDS + 8}s")
    watch = await watch_full_volume(simulation, exporter, small_volume)
    watch.report("full volume, small bounds")
    small_volume.free()
    await simulation.over()
    differing = await differences(exporter, simulation, "metrics")
    assert not differing, differing
    await settled(exporter)
    metrics = await exporter.metrics()
    assert_conserved(metrics)
    shed = metrics.by("discord_exporter_shed_total", "class")
    counts = shed.pop("counts")
    assert sum(shed.values()) == metrics.total("discord_exporter_dropped_total", reason="memory_full")
    missing: dict[str, float] = {}
    rows = 0
    for line in await differences(exporter, simulation, "sql"):
        lost = line["ledger"] - line["stores"]["sql"]
        if line["quantity"].endswith(" rows"):
            rows += lost
        # Those by channel and by member are the same ones again; received reactions are by member alone.
        elif line["scope"] == "guild" or line["quantity"] == "reactions_received":
            missing[line["quantity"]] = lost
    print(f"  {counts:.0f} counts and entries {shed} were shed")
    print(f"  the log misses {rows:.0f} rows and {sum(missing.values()):.0f} counts: {missing}")
    assert min(missing.values()) > 0
    # Pins, threads and the like are shed, too, and not compared.
    assert 0.9 * counts <= sum(missing.values()) <= counts
    # An entry may be of another table, or amend a row.
    assert 0 <= rows <= sum(shed.values())
    assert max(watch.waiting) <= 1_000
    assert watch.growth() < 32 * 2**20
    log = exporter.log.read_text()
    assert log.count("counts are being lost") == 1
    assert log.count("the spool takes nothing") == log.count("the spool takes entries again") == 1


async def watch_hanging_disk(simulation, exporter, faulty_disk) -> Watch:
    """Start the exporter, let its disk hang, and watch it while the disk hangs."""
    exporter.api_url = simulation.url
    await exporter.start()
    faulty_disk.hang()
    await until(lambda: held(faulty_disk), "a commit that hangs")
    watch = Watch(exporter)
    await watch.watch(SECONDS)
    return watch


async def test_a_hanging_disk_holds_up_neither_the_loop_nor_the_end(simulation, exporter, faulty_disk):
    exporter.environ = in_sqlite(exporter, faulty_disk)
    await simulation.start("--rate", str(RATE), "--seed", "33")
    watch = await watch_hanging_disk(simulation, exporter, faulty_disk)
    watch.report("hanging disk")
    first, last = watch.metrics
    messages = last.total("discord_messages_total") - first.total("discord_messages_total")
    assert messages > SECONDS * RATE / 10
    await simulation.control("invalidate", resumable="false")

    async def identified_again() -> bool:
        return (await exporter.metrics()).total("discord_gateway_identifies_total") >= 2

    # The file that remembers IDENTIFYs is on the same disk.
    await until(identified_again, "a new session while the disk hangs")
    began = time.monotonic()
    code = await exporter.terminate(deadline=10)
    print(f"  ended with {code} in {time.monotonic() - began:.1f} s")
    assert code == 74
    assert "the stop did not end in" in exporter.log.read_text()


async def test_a_disk_that_stops_hanging_loses_nothing(simulation, exporter, faulty_disk):
    exporter.environ = in_sqlite(exporter, faulty_disk)
    await simulation.start("--rate", str(RATE), "--duration", f"{SECONDS + 8}s", "--seed", "34")
    watch = await watch_hanging_disk(simulation, exporter, faulty_disk)
    watch.report("disk that hangs and goes on")
    faulty_disk.heal()
    await simulation.over()
    await exporter.verify(simulation.ledger)
    await settled(exporter)
    assert_conserved(await exporter.metrics())


@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS], ids=errno.errorcode.get)
async def test_a_disk_that_refuses_for_a_while_loses_nothing(simulation, exporter, faulty_disk, error):
    exporter.environ = in_sqlite(exporter, faulty_disk)
    await simulation.start("--rate", str(RATE), "--duration", f"{SECONDS + 6}s", "--seed", "36")
    exporter.api_url = simulation.url
    await exporter.start()
    faulty_disk.refuse(error)
    await until(lambda: refused(faulty_disk), "a write that is refused")
    watch = Watch(exporter)
    await watch.watch(SECONDS)
    watch.report(f"disk that refuses with {errno.errorcode[error]}")
    assert not await exporter.is_ready()
    faulty_disk.heal()
    await simulation.over()
    await exporter.verify(simulation.ledger)
    await settled(exporter)
    assert_conserved(await exporter.metrics())
    assert exporter.log.read_text().count("the spool takes nothing") == 1


async def test_a_slow_disk_loses_nothing(simulation, exporter, faulty_disk):
    exporter.environ = in_sqlite(exporter, faulty_disk)
    await simulation.start("--rate", str(RATE), "--duration", f"{SECONDS + 4}s", "--seed", "38")
    exporter.api_url = simulation.url
    await exporter.start()
    faulty_disk.slow(0.2)
    watch = Watch(exporter)
    await watch.watch(SECONDS)
    watch.report("slow disk")
    await simulation.over()
    await exporter.verify(simulation.ledger)
    await settled(exporter)
    assert_conserved(await exporter.metrics())


async def test_a_stop_on_a_disk_that_refuses_ends_in_order_and_with_an_error(
    simulation, exporter, faulty_disk
):
    exporter.environ = in_sqlite(exporter, faulty_disk)
    await simulation.start("--rate", str(RATE), "--seed", "37")
    exporter.api_url = simulation.url
    await exporter.start()
    faulty_disk.refuse(errno.EIO)
    await until(lambda: refused(faulty_disk), "a write that is refused")
    assert await exporter.terminate(deadline=10) == SpoolError.exit_code
    log = exporter.log.read_text()
    assert "the spool takes nothing: what was counted since the last commit is lost" in log
    assert '"stopped"' in log


async def test_a_raid_on_a_slow_disk_costs_a_kill_two_commits(simulation, exporter, faulty_disk):
    """2,000 joins and bans a minute, 200 ms for each fsync, and a kill in the middle of the bans."""
    seconds = min(60, max(20, SECONDS))
    exporter.environ = in_sqlite(exporter, faulty_disk)
    exporter.settings = {"metrics": {"snapshot_interval": WINDOW, "member_activity_interval": WINDOW}}
    simulation.module = "tests.e2e.raiding_simulator"
    simulation.environ = {"RAIDERS": str(2000 * seconds // 60), "RAID_SECONDS": str(seconds)}
    await simulation.start("--scenario", "raid", "--rate", str(RATE), "--seed", "35")
    exporter.api_url = simulation.url
    await exporter.start()
    faulty_disk.slow(0.2)
    watch = Watch(exporter)
    late: list[float] = []
    closings = asyncio.create_task(watch_closings(exporter, late))
    # Into the last quarter, in which the raiders are banned.
    await watch.watch(seconds * 0.9)
    closings.cancel()
    watch.report("raid on a slow disk")
    killed_at = time.time()
    await exporter.stop()
    await simulation.control("stop")
    await simulation.over()

    faulty_disk.heal()
    exporter.api_url = "http://127.0.0.1:9/api/v10"
    exporter.port = 0
    await exporter.start(ready=False)
    await exporter.is_alive()
    await exporter.flush()
    with sqlite3.connect(exporter.directory / "log.db") as log:
        (messages,) = log.execute("SELECT sum(messages) FROM guild_daily").fetchone()
        (bans,) = log.execute("SELECT count(*) FROM moderation_logs WHERE action = 'ban'").fetchone()
    lines = [line for line in read_lines(simulation.ledger) if line.at <= killed_at * 1000]
    written = [line.at for line in lines if line.type == "MESSAGE_CREATE" and line.author == "human"]
    banned = [line.at for line in lines if line.type == "GUILD_BAN_ADD"]
    lost_messages = killed_at - written[messages] / 1000 if messages < len(written) else 0.0
    lost_bans = killed_at - banned[bans] / 1000 if bans < len(banned) else 0.0
    longest = watch.bound("discord_exporter_commit_seconds", 1.0)
    print(f"  {len(banned)} bans, {len(written)} messages; longest commit <= {longest} s")
    print(f"  a kill lost {len(written) - messages} messages of the last {lost_messages:.2f} s")
    print(f"  and {len(banned) - bans} bans of the last {lost_bans:.2f} s")
    print(f"  windows were closed up to {max(late):.2f} s after their end")
    # A save is due at the first tick behind the interval, and takes a commit of its own.
    assert lost_bans <= 2 * longest
    assert lost_messages <= JOURNAL_INTERVAL + TICK_SECONDS + 2 * longest
    assert len(late) >= seconds // WINDOW - 1
    assert max(late) <= GRACE_MS / 1000 + 2 * TICK_SECONDS + 2 * longest
    if SCALE > 1:
        assert watch.lag(0.99) <= 0.05


async def held(disk: FaultyDisk) -> bool:
    return disk.held > 0


async def refused(disk: FaultyDisk) -> bool:
    return disk.refused > 0
