"""A SQLite file that is deleted or replaced while it is in use is noticed before the next batch."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from exporter.model import STORED
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.engine import make_engine
from exporter.sinks.sql.schema import moderation_logs
from tests.sinks.sql.conftest import Store, close_store, open_store
from tests.sinks.sql.entries import ban


@pytest.fixture
async def store(tmp_path: Path, migrated_file: Path) -> AsyncIterator[Store]:
    """A store in a file, two records in it."""
    shutil.copy(migrated_file, tmp_path / "discord.db")
    opened = await open_store(SqlConfig(dsn=SecretStr(f"sqlite:///{tmp_path / 'discord.db'}")))
    assert await opened.deliver(ban("ban:1"), ban("ban:2")) == STORED
    yield opened
    await close_store(opened)


async def stored(store: Store) -> list[str]:
    """The keys of the records in the file at the path, read over a connection of its own."""
    await store.engine.dispose()
    store.engine = make_engine(store.config)
    return [row["event_key"] for row in await store.read(moderation_logs)]


def delete(file: Path, _template: Path) -> None:
    for each in file.parent.glob("discord.db*"):
        each.unlink()


def replace_by_empty(file: Path, template: Path) -> None:
    shutil.copy(template, file.with_name("other.db"))
    file.with_name("other.db").rename(file)


def move(file: Path, _template: Path) -> None:
    file.rename(file.with_name("moved.db"))


@pytest.mark.parametrize("act", [delete, replace_by_empty, move])
async def test_what_follows_is_stored_in_the_file_that_is_there(
    act: Callable[[Path, Path], None],
    store: Store,
    tmp_path: Path,
    migrated_file: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    act(tmp_path / "discord.db", migrated_file)
    with caplog.at_level(logging.ERROR):
        assert await store.deliver(ban("ban:3")) == replace(STORED, lost=2)
        assert await store.deliver(ban("ban:4")) == STORED
    assert await stored(store) == ["ban:3", "ban:4"]
    (line,) = (record.getMessage() for record in caplog.records)
    assert f"{tmp_path / 'discord.db'} was deleted or replaced" in line
    assert "critical 1 to 2." in line
    assert "stop the exporter" in line


async def test_a_file_that_was_moved_holds_all_that_was_stored_before(store: Store, tmp_path: Path) -> None:
    move(tmp_path / "discord.db", tmp_path)
    await store.deliver(ban("ban:3"))
    with contextlib.closing(sqlite3.connect(tmp_path / "moved.db")) as moved:
        assert moved.execute("SELECT event_key FROM moderation_logs").fetchall() == [("ban:1",), ("ban:2",)]


async def test_a_backup_that_is_put_back_lacks_only_what_came_after_it(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await store.sink.close()
    shutil.copy(tmp_path / "discord.db", tmp_path / "backup.db")
    await store.sink.open()
    await store.deliver(ban("ban:3"), ban("ban:4"), ban("ban:5"))
    (tmp_path / "backup.db").rename(tmp_path / "discord.db")
    assert (await store.deliver(ban("ban:6"))).lost == 3
    assert await stored(store) == ["ban:1", "ban:2", "ban:6"]
    assert "critical 3 to 5." in caplog.text


async def test_a_copy_that_lacks_nothing_is_no_loss(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "discord.db"
    with contextlib.closing(sqlite3.connect(file)) as live:
        live.execute("PRAGMA wal_checkpoint")
    shutil.copy(file, tmp_path / "copy.db")
    (tmp_path / "copy.db").rename(file)
    with caplog.at_level(logging.WARNING):
        assert await store.deliver(ban("ban:3")) == STORED
    assert await stored(store) == ["ban:1", "ban:2", "ban:3"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "holds all that was delivered" in caplog.text


async def test_the_loss_is_counted_though_the_delivery_that_noticed_it_failed(
    store: Store, tmp_path: Path
) -> None:
    delete(tmp_path / "discord.db", tmp_path)
    verdict = await store.deliver(ban("ban:3", reason="a\0b"))
    assert verdict.reason == "data"
    assert verdict.lost == 2


async def test_a_file_that_stays_is_written_on(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    assert await store.deliver(ban("ban:3")) == STORED
    assert await stored(store) == ["ban:1", "ban:2", "ban:3"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
