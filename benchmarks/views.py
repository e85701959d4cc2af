"""What a panel waits for: every view asked for one guild, over a million rows of moderation and members.

Each question is asked for guilds of every size. Ours is the 95th percentile in milliseconds, the other side
the limit of 50 ms; the name tells the time of the largest guild, which holds 6 % of all rows. Of three tries
for each guild the quickest counts: the others tell of the machine's neighbours, not of the view.
``EXPORTER_VIEW_ROWS`` changes the number of rows.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from benchmarks.community import GUILDS, Communities
from benchmarks.result import Result, Skipped
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.migration import migrate
from exporter.sinks.sql.types import rfc3339
from tests.servers.postgres import running_postgres

ROWS = int(os.environ.get("EXPORTER_VIEW_ROWS", "1000000"))
LIMIT_MS = 50.0
SAMPLES = 40
TRIES = 3

QUESTIONS: Mapping[str, str] = {
    "v_guilds": "",
    "v_guild_daily": "AND day >= {month} ORDER BY day",
    "v_channel_daily": "AND day >= {month} ORDER BY day",
    "v_channels": "ORDER BY quiet_days DESC",
    "v_activity_hours": "",
    "v_member_daily": "AND day >= {week} ORDER BY day",
    "v_leaderboard day": "AND period = 'day' ORDER BY score DESC LIMIT 20",
    "v_leaderboard week": "AND period = 'week' ORDER BY messages DESC LIMIT 20",
    "v_leaderboard month": "AND period = 'month' ORDER BY voice_seconds DESC LIMIT 20",
    "v_leaderboard all": "AND period = 'all' ORDER BY score DESC LIMIT 20",
    "v_members one": "AND user_id = '{user}'",
    "v_members list": "AND here ORDER BY joined_at DESC LIMIT 100",
    "v_retention": "ORDER BY cohort, week",
    "v_newcomers": "ORDER BY day",
    "v_joiners": "AND at >= {month_at} ORDER BY at DESC LIMIT 1000",
    "v_leavers": "AND at >= {month_at} ORDER BY at DESC LIMIT 1000",
    "v_moderation newest": "ORDER BY at DESC LIMIT 100",
    "v_moderation bans": "AND at >= {month_at} AND action = 'ban' ORDER BY at DESC LIMIT 100",
    "v_member_history": "AND user_id = '{user}' ORDER BY at DESC",
    "v_changes": "AND at >= {month_at} ORDER BY at DESC LIMIT 100",
    "v_moderators": "ORDER BY actions_30d DESC",
    "v_repeat_offenders": "ORDER BY actions DESC LIMIT 50",
    "v_invites": "ORDER BY uses DESC LIMIT 50",
    "v_inviters": "ORDER BY joined DESC LIMIT 50",
    "v_invite_uses": "AND at >= {month_at} ORDER BY at DESC LIMIT 100",
    "v_banned_invites": "AND at >= {month_at} ORDER BY at DESC LIMIT 100",
}
"""What a panel adds to ``SELECT * FROM view WHERE guild_id = '…'``; every view is here."""


def statement(question: str, guild: int, now: dt.datetime) -> str:
    """The question about one guild, as text that both dialects read."""
    view = question.partition(" ")[0]
    month = now - dt.timedelta(days=30)
    rest = QUESTIONS[question].format(
        month=f"'{month.date()}'",
        week=f"'{(now - dt.timedelta(days=7)).date()}'",
        month_at=f"'{rfc3339(month)}'",
        user=guild + 1000,
    )
    return f"SELECT * FROM {view} WHERE guild_id = '{guild}' {rest}"


def fill_sqlite(file: Path, communities: Communities) -> None:
    """All rows into SQLite."""

    def fit(value: object) -> object:
        if isinstance(value, dt.datetime):
            return rfc3339(value)
        return value.isoformat() if isinstance(value, dt.date) else value

    with sqlite3.connect(file) as connection:
        for table, columns, rows in communities.tables():
            marks = ", ".join("?" * len(columns))
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
                [tuple(map(fit, row)) for row in rows],
            )
    connection.close()


async def fill_postgresql(dsn: str, communities: Communities) -> None:
    """All rows into PostgreSQL."""
    connection = await asyncpg.connect(dsn)
    for table, columns, rows in communities.tables():
        await connection.copy_records_to_table(table, columns=columns, records=rows)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def draw(communities: Communities) -> Sequence[int]:
    """Guilds to ask about, the largest first and then evenly down to the smallest."""
    return [communities.guild_id(number) for number in range(0, GUILDS, GUILDS // SAMPLES)]


def report(store: str, times: Mapping[str, list[float]]) -> list[Result]:
    """The 95th percentile of each question."""
    results = []
    for question, found in times.items():
        p95 = statistics.quantiles(found, n=20, method="inclusive")[-1]
        name = f"{store} {question}, p95 (largest guild {found[0]:.1f})"
        results.append(Result(name, p95, LIMIT_MS, p95 / LIMIT_MS, 1.0, "ms"))
    return results


def ask_sqlite(file: Path, guilds: Sequence[int], now: dt.datetime) -> Mapping[str, list[float]]:
    """Milliseconds of each question for each guild, read to the last row."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)

    def ask(sql: str) -> object:
        return connection.execute(sql).fetchall()

    times = {
        question: [_clock(ask, statement(question, guild, now)) for guild in guilds] for question in QUESTIONS
    }
    connection.close()
    return times


def _clock(ask: Callable[[str], object], sql: str) -> float:
    spent = []
    for _ in range(TRIES):
        began = time.perf_counter()
        ask(sql)
        spent.append((time.perf_counter() - began) * 1000)
    return min(spent)


async def ask_postgresql(dsn: str, guilds: Sequence[int], now: dt.datetime) -> Mapping[str, list[float]]:
    """As ``ask_sqlite``; Grafana sends text without parameters, so nothing is prepared."""
    connection: Any = await asyncpg.connect(dsn, statement_cache_size=0)
    times: dict[str, list[float]] = {}
    for question in QUESTIONS:
        for guild in guilds:
            spent = []
            for _ in range(TRIES):
                began = time.perf_counter()
                await connection.fetch(statement(question, guild, now))
                spent.append((time.perf_counter() - began) * 1000)
            times.setdefault(question, []).append(min(spent))
    await connection.close()
    return times


def run(rows: int = ROWS) -> list[Result | Skipped]:
    """Measure."""
    now = dt.datetime.now(dt.UTC)
    guilds = draw(Communities(rows, now))
    results: list[Result | Skipped] = []
    with tempfile.TemporaryDirectory(prefix="exporter-bench-") as directory:
        file = Path(directory) / "discord.db"
        asyncio.run(migrate(SqlConfig(dsn=SecretStr(f"sqlite:///{file}"))))
        fill_sqlite(file, Communities(rows, now))
        results += report("SQLite", ask_sqlite(file, guilds, now))
    try:
        with running_postgres() as server:
            dsn = server.dsn(server.create_database())
            asyncio.run(migrate(SqlConfig(dsn=SecretStr(dsn))))
            asyncio.run(fill_postgresql(dsn, Communities(rows, now)))
            results += report("PostgreSQL", asyncio.run(ask_postgresql(dsn, guilds, now)))
    except pytest.skip.Exception as missing:
        results.append(Skipped("views on PostgreSQL", str(missing.msg)))
    return results
