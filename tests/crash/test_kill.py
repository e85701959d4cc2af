"""kill -9 at random moments: what was acknowledged arrives, and nothing has its effect twice.

``make crash`` asks for many more kills than the suite does.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import re
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.scale import scaled

KILLS = scaled(24)
STRIDE = 1_000_000
"""Numbers apart for each process, so that none is used twice."""

MEMBER = re.compile(rb"user_id=(\d+).*?messages=(\d+)i.*? (\d+)$")

pytestmark = pytest.mark.timeout(
    60 + 5 * KILLS
)  # a guard against a hang: a start takes seconds on a busy machine


class Influx:
    """The write API with InfluxDB's rule: same series and time, same point."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, bytes, bytes], int] = {}
        self.sent = 0

    async def write(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        for line in body.splitlines():
            if found := MEMBER.search(line):
                user, messages, at = found.groups()
                self.points[request.query["bucket"], user, at] = int(messages)
                self.sent += 1
        return web.Response(status=204)

    def messages(self) -> dict[int, int]:
        sums: dict[int, int] = {}
        for (_, user, _), messages in self.points.items():
            sums[int(user)] = sums.get(int(user), 0) + messages
        return sums


@pytest.fixture
async def influx():
    far_end = Influx()
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_post("/api/v2/write", far_end.write)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    far_end.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield far_end
    await runner.cleanup()


async def start(directory: Path, first: int, url: str) -> asyncio.subprocess.Process:
    victim = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("victim.py")),
        *(str(directory), str(first), url, f"sqlite:///{directory}/log.db"),
        stdout=asyncio.subprocess.PIPE,
    )
    VICTIMS.append(victim)
    assert await victim.stdout.readline() == b"ready\n"
    return victim


VICTIMS: list[asyncio.subprocess.Process] = []


@pytest.fixture(autouse=True)
def no_victim_left() -> Iterator[None]:
    yield
    for victim in VICTIMS:
        if victim.returncode is None:
            victim.kill()


def acknowledged(directory: Path) -> tuple[set[int], set[int]]:
    messages: set[int] = set()
    bans: set[int] = set()
    for line in (directory / "acknowledged").read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            kind, number = line.split()
            (bans if kind == "ban" else messages).add(int(number))
    return messages, bans


async def test_everything_acknowledged_arrives_exactly_once(tmp_path, influx):
    rng = random.Random(20)
    for kill in range(KILLS):
        victim = await start(tmp_path, (kill + 1) * STRIDE + 1, influx.url)
        await asyncio.sleep(rng.uniform(0.05, 1.6))  # the moment of the kill is what is being varied
        victim.send_signal(signal.SIGKILL)
        await victim.wait()
    last = await start(tmp_path, -1, influx.url)
    assert await last.stdout.readline() == b"drained\n"
    await last.wait()

    messages, bans = acknowledged(tmp_path)
    assert len(messages) > 100 * KILLS
    assert len(bans) > 2 * KILLS
    with sqlite3.connect(tmp_path / "log.db") as log:
        stored = dict(log.execute("SELECT user_id, messages FROM member_daily WHERE messages > 0"))
        total = dict(log.execute("SELECT user_id, total_messages FROM member_stats WHERE total_messages > 0"))
        rows = [user for (user,) in log.execute("SELECT target_user_id FROM moderation_logs")]
    assert messages - stored.keys() == set()
    assert bans - set(rows) == set()
    assert set(stored.values()) == {1}
    assert set(total.values()) == {1}
    assert len(rows) == len(set(rows))
    written = influx.messages()
    assert messages - written.keys() == set()
    assert set(written.values()) == {1}
