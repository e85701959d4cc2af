"""kill -9 at random moments: what was acknowledged arrives, and nothing has its effect twice.

``make crash`` asks for many more kills than the suite does, and prints what they cost.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.evidence import Evidence, Tally, table
from tests.crash.influx import Influx
from tests.crash.lives import Lives
from tests.crash.victim import Life
from tests.scale import scaled
from tests.servers.victoria import Victoria, running_victoria

KILLS = scaled(24)
"""Half of them with each database."""
KILLS_PER_ROUND = 6
"""With the same spool and database; then everything is delivered and compared."""
ROUNDS_AT_ONCE = 4
"""Most of a life is waiting: for the disk, and for the next tick."""
GOAL = 2_000
"""Acknowledgements after which a process is killed, at most; half of that on average."""
EARLY = 12
"""One in so many is killed while it starts."""
STRIDE = 1_000_000
"""Numbers apart for each process, so that none is used twice."""
BAN_EVERY = (10, 50, 50, 50, 300, STRIDE)
"""How rare critical events are; with none, only the interval commits."""

LEGEND = """\
lost: accepted and stored nowhere; most: by one kill; oldest: how long before its kill; critical: the same of
critical events; 2 commits: kills whose loss is no older than the interval (critical: 0) and two commits; and
pause: and the longest pause of that event loop"""

pytestmark = pytest.mark.timeout(120 + 10 * KILLS)  # a guard against a hang


@dataclass(frozen=True, slots=True)
class Stored:
    """What the stores say of one guild."""

    messages: Counter[int]
    bans: Counter[int]
    total: Counter[int]
    in_guild: int
    points: Counter[int]
    series: Counter[int] | None


@pytest.fixture(scope="module")
def tallies() -> Iterator[list[Tally]]:
    tallies: list[Tally] = []
    yield tallies
    print(f"\n{table(tallies)}\n{LEGEND}")


@contextlib.asynccontextmanager
async def influx_server() -> AsyncIterator[tuple[Influx, Victoria | None]]:
    """A new one for each round: one that holds a million series has no time to take in more."""
    with contextlib.ExitStack() as stack:
        victoria = None
        if shutil.which("victoria-metrics") is not None:
            victoria = await asyncio.to_thread(stack.enter_context, running_victoria())
        influx = Influx(victoria and victoria.url)
        await influx.start()
        try:
            yield influx, victoria
        finally:
            await influx.stop()


class Round:
    """Some kills with one spool and one database."""

    def __init__(self, guild: int, directory: Path, dsn: str, influx: Influx, lives: Lives) -> None:
        self.guild = guild
        self.directory = directory
        self.dsn = dsn
        self._influx = influx
        self._lives = lives
        self._rng = random.Random(guild)
        self._numbers = itertools.count(guild * 10_000 * STRIDE + STRIDE, STRIDE)
        self.evidence: list[Evidence] = []
        (directory / "evidence").mkdir(parents=True)

    def _life(self, **what: object) -> Life:
        rng = self._rng
        return Life(
            directory=str(self.directory),
            guild=self.guild,
            first=next(self._numbers),
            influx=self._influx.url,
            dsn=self.dsn,
            **{
                "goal": rng.randrange(GOAL),
                "journal_interval": rng.choice((1.0, 1.5)),
                "burst": rng.choice((1, 5, 25, 200)),
                "ban_every": rng.choice(BAN_EVERY),
                "rows": rng.choice((1, 7, 100, 5_000)),
                **what,
            },
        )

    async def kill_one(self) -> bool:
        """Let a process live for a random time; whether it came to take anything in."""
        life = self._life()
        process = await self._lives.start(life)
        if self._rng.randrange(EARLY) == 0:
            await asyncio.sleep(self._rng.uniform(0, 0.3))
        else:
            await process.until("ready")
            if life.goal:
                await process.until("reached")
            # Not for a condition: the moment of death is the random input of this test.
            await asyncio.sleep(self._rng.uniform(0, 0.2))
        killed_at = await process.kill()
        found = Evidence.read(life, killed_at)
        self.evidence.append(found)
        return process.has_said("ready")

    async def deliver(self) -> set[int]:
        """Let a last process bring home what the killed ones left; what it acknowledged meanwhile."""
        life = self._life(drains=True, rows=5_000)
        process = await self._lives.start(life)
        await process.until("drained")
        await process.ended.wait()
        return Evidence.read(life, time.monotonic()).acknowledged


def from_sqlite(path: str) -> tuple[Counter[int], ...]:
    with contextlib.closing(sqlite3.connect(path)) as log:
        return tuple(Counter(dict(log.execute(query).fetchall())) for query in QUERIES)


def from_postgres(postgres, database: str) -> tuple[Counter[int], ...]:
    answers = []
    for query in QUERIES:
        lines = postgres.sql(query, database).splitlines()
        answers.append(
            Counter({int(user): int(count) for user, count in (line.split("|") for line in lines)})
        )
    return tuple(answers)


QUERIES = (
    "SELECT user_id, sum(messages) FROM member_daily WHERE messages > 0 GROUP BY user_id",
    "SELECT user_id, total_messages FROM member_stats WHERE total_messages > 0",
    "SELECT target_user_id, count(*) FROM moderation_logs GROUP BY target_user_id",
    "SELECT guild_id, sum(messages) FROM guild_daily GROUP BY guild_id",
)


def from_victoria(victoria, guild: int) -> Counter[int]:
    selector = f'discord_member_activity_messages{{guild_id="{guild}"}}'
    sums: Counter[int] = Counter()
    for series in victoria.export(selector):
        # A point sent twice is one point: same series, same time.
        points = dict(zip(series["timestamps"], series["values"], strict=True))
        sums[int(series["metric"]["user_id"])] += round(sum(points.values()))
    return sums


def compare(found: Round, taken_over: set[int], stored: Stored, tally: Tally) -> None:
    """Compare what was acknowledged with what is stored, and count the loss of each kill."""
    acknowledged = taken_over.union(*(life.acknowledged for life in found.evidence))
    holders = {
        "member_daily": stored.messages,
        "member_stats": stored.total,
        "influxdb": stored.points,
        **({} if stored.series is None else {"victoriametrics": stored.series}),
    }
    # What was committed but whose acknowledgement was not written down any more may be stored as well.
    everything = stored.messages.keys() | stored.bans.keys()
    expected = acknowledged - stored.bans.keys()
    missing = {name: expected - holder.keys() for name, holder in holders.items()}
    holders["moderation_logs"] = stored.bans
    double = {
        name: {number for number, count in holder.items() if count != 1} for name, holder in holders.items()
    }
    tally.sent += sum(life.end - life.first for life in found.evidence)
    tally.acknowledged += len(acknowledged)
    tally.missing += len(set().union(*missing.values()))
    tally.double += len(set().union(*double.values()))
    losses = [life.lost(everything) for life in found.evidence]
    tally.losses += losses
    for loss in losses:
        if not loss.is_bounded:
            print(f"outside of the bound: {loss}")
    where = f"guild {found.guild}"
    for name, numbers in missing.items():
        assert numbers == set(), (where, name)
    for name, numbers in double.items():
        assert numbers == set(), (where, name)
    assert stored.in_guild == len(stored.messages), where
    for life in found.evidence:
        # A commit takes all there is, so a kill costs the end of what was accepted and leaves no hole.
        kept = {number for number in everything if life.first <= number < life.end}
        assert kept == set(range(life.first, life.first + len(kept)))
        assert life.own() <= kept


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_everything_acknowledged_arrives_exactly_once(tmp_path, store, tallies, request):
    postgres = request.getfixturevalue("postgres") if store == "postgresql" else None
    tally = Tally(store)
    tallies.append(tally)
    rounds = iter(range(1, 1 + KILLS // 2 // KILLS_PER_ROUND))

    async def run_round(number: int, lives: Lives) -> None:
        guild = number + (500 if postgres else 0)
        directory = tmp_path / str(number)
        database = postgres.create_database() if postgres else str(directory / "log.db")
        dsn = postgres.dsn(database) if postgres else f"sqlite:///{database}"
        async with influx_server() as (influx, victoria):
            one = Round(guild, directory, dsn, influx, lives)
            for _ in range(KILLS_PER_ROUND):
                tally.early += not await one.kill_one()
                tally.kills += 1
            taken_over = await one.deliver()
            series = victoria and await asyncio.to_thread(from_victoria, victoria, guild)
            points = Counter(influx.messages(guild))
        read = (from_postgres, postgres, database) if postgres else (from_sqlite, database)
        messages, total, bans, guilds = await asyncio.to_thread(*read)
        compare(one, taken_over, Stored(messages, bans, total, guilds[guild], points, series), tally)
        shutil.rmtree(directory)
        seconds = time.monotonic() - began
        print(f"{store}: {tally.kills} kills, {tally.acknowledged} acknowledged, {seconds:.0f} s", flush=True)

    async def work(lives: Lives) -> None:
        for number in rounds:
            await run_round(number, lives)

    began = time.monotonic()
    async with Lives.program() as lives, asyncio.TaskGroup() as tasks:
        for _ in range(ROUNDS_AT_ONCE):
            tasks.create_task(work(lives))
    assert tally.kills == KILLS // 2
    assert tally.acknowledged > 500 * tally.kills
