"""A guild's sync is seen whole or not at all by whoever reads the tables meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import event, text

from exporter.model import STORED
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.schema import guilds
from tests.sinks.sql.conftest import Store
from tests.sinks.sql.entries import GUILD, NOON, guild

CHANNELS = 700
"""More than one statement holds."""

QUERY = (
    "SELECT (SELECT name FROM guilds), (SELECT count(*) FROM channels),"
    " (SELECT count(*) FROM channels WHERE name LIKE 'new%')"
)
Look = tuple[str | None, int, int]


async def look(config: SqlConfig) -> Look:
    """The guild's name, how many channels it has, and how many of them have the new name."""
    if config.url.get_backend_name() == "sqlite":
        # Not through the sink's engine, whose transactions take the lock to write.
        with contextlib.closing(sqlite3.connect(config.url.database or "")) as file:
            name, known, renamed = file.execute(QUERY).fetchone()
            return name, known, renamed
    engine = make_engine(config)
    try:
        async with engine.connect() as connection:
            name, known, renamed = (await connection.execute(text(QUERY))).one()
            return name, known, renamed
    finally:
        await engine.dispose()


def listed(prefix: str) -> list[list[object]]:
    return [[number, f"{prefix}-{number}", 0, 0] for number in range(1, CHANNELS + 1)]


async def test_a_reader_between_two_statements_sees_all_of_a_sync_or_nothing(store: Store) -> None:
    looks: list[Look] = []
    looking = False

    def look_in(*_: object) -> None:
        if looking:
            with ThreadPoolExecutor(1) as thread:
                looks.append(thread.submit(lambda: asyncio.run(look(store.config))).result())

    assert store.sink._engine is not None
    event.listen(store.sink._engine.sync_engine, "after_cursor_execute", look_in)
    await store.deliver(guild(name="Old", channels=listed("old")))
    looking = True
    verdict = await store.deliver(guild(at=NOON + 1, name="New", channels=listed("new")))
    looking = False
    assert verdict == STORED
    assert len(looks) >= 3, "position, guild and channels at least"
    assert set(looks) == {("Old", CHANNELS, 0)}
    assert await look(store.config) == ("New", CHANNELS, CHANNELS)
    assert (await store.only(guilds))["guild_id"] == GUILD
