"""A SQLite file that is deleted or replaced is noticed: before the next batch, or by the next run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from exporter.model import STORED, Batch, Outcome, Priority
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


def keys_after_a_kill(file: Path, to: Path) -> list[str]:
    """The keys that a reader finds if the exporter ends now, without closing anything."""
    to.mkdir()
    for each in file.parent.glob("discord.db*"):
        shutil.copy(each, to)
    with contextlib.closing(sqlite3.connect(to / file.name)) as left:
        return [key for (key,) in left.execute("SELECT event_key FROM moderation_logs ORDER BY event_key")]


@pytest.mark.parametrize("ends", [["-wal"], ["-shm"], ["-wal", "-shm"]])
async def test_a_log_that_is_deleted_under_the_file_costs_nothing(
    ends: list[str], store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for end in ends:
        (tmp_path / f"discord.db{end}").unlink()
    with caplog.at_level(logging.WARNING):
        assert await store.deliver(ban("ban:3")) == STORED
        assert await store.deliver(ban("ban:4")) == STORED
    assert keys_after_a_kill(tmp_path / "discord.db", tmp_path / "left") == [f"ban:{n}" for n in range(1, 5)]
    (line,) = caplog.messages
    assert f"discord.db{ends[0]} was deleted or replaced while it was in use" in line
    assert "holds all that was delivered" in line


async def test_a_connection_that_is_closed_and_opened_again_is_no_replacement(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "exporter")
    for turns in range(0, 60, 3):
        delivery = asyncio.create_task(store.deliver(ban(f"ban:{turns + 100}")))
        await asyncio.sleep(turns / 10_000)
        delivery.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await delivery
        assert await store.deliver(ban(f"ban:{turns + 200}")) == STORED
    assert caplog.messages == []


async def restart(store: Store) -> None:
    """End the run, and begin another one at positions far above, as a spool does."""
    await close_store(store)
    another = await open_store(store.config)
    store.sink, store.engine = another.sink, another.engine
    store.position += 2**50


async def test_a_file_deleted_between_two_runs_is_a_loss(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await restart(store)
    assert await store.deliver(ban("ban:3")) == STORED
    await restart(store)
    delete(tmp_path / "discord.db", tmp_path)
    assert await store.deliver(ban("ban:4")) == replace(STORED, lost=3)
    assert await store.deliver(ban("ban:5")) == STORED
    assert await stored(store) == ["ban:4", "ban:5"]
    (line,) = (record.getMessage() for record in caplog.records if record.levelno == logging.ERROR)
    assert f"{tmp_path / 'discord.db'} was deleted or replaced since an earlier run" in line
    assert f"critical 1 to {2**50 + 3}." in line
    await restart(store)
    assert await store.deliver(ban("ban:6")) == STORED


async def test_an_older_copy_put_back_between_two_runs_lacks_what_came_after_it(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await restart(store)
    shutil.copy(tmp_path / "discord.db", tmp_path / "backup.db")
    await store.deliver(ban("ban:3"), ban("ban:4"))
    await store.deliver(ban("ban:5"), lane=Priority.IMPORTANT)
    await restart(store)
    (tmp_path / "backup.db").rename(tmp_path / "discord.db")
    assert (await store.deliver(ban("ban:6"))).lost == 2
    assert (await store.deliver(ban("ban:7"), lane=Priority.IMPORTANT)).lost == 1
    assert f"critical 3 to {2**50 + 4}." in caplog.text


async def test_what_the_spool_delivers_again_is_no_loss(store: Store, tmp_path: Path) -> None:
    again = Batch(store.source, Priority.CRITICAL, store.rows(ban("ban:3"), ban("ban:4")))
    assert await store.sink.deliver(again) == STORED
    await restart(store)
    delete(tmp_path / "discord.db", tmp_path)
    assert (await store.sink.deliver(again)).lost == 2
    assert await stored(store) == ["ban:3", "ban:4"]


async def test_entries_that_were_refused_or_of_another_spool_are_no_loss(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await store.deliver(ban("ban:3", reason="a\0b"))).reason == "data"
    await restart(store)
    assert await store.deliver(ban("ban:4")) == STORED
    await restart(store)
    delete(tmp_path / "discord.db", tmp_path)
    store.source = "spool-b"
    assert await store.deliver(ban("ban:5")) == STORED
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_many_batches_are_counted_and_the_file_beside_the_log_stays_small(
    store: Store, tmp_path: Path
) -> None:
    for number in range(3, 203):
        await store.deliver(ban(f"ban:{number}"))
    beside = tmp_path / "discord.delivered"
    assert beside.stat().st_size < 4096
    assert beside.stat().st_mode & 0o077 == 0
    await restart(store)
    delete(tmp_path / "discord.db", tmp_path)
    assert (await store.deliver(ban("ban:203"))).lost == 202


@pytest.mark.parametrize("spoil", ["damaged", "link", "directory"])
async def test_a_file_beside_the_log_that_cannot_be_used_holds_up_nothing(
    spoil: str, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await restart(store)
    beside = tmp_path / "discord.delivered"
    beside.unlink()
    (tmp_path / "target").write_text("theirs")
    if spoil == "damaged":
        beside.write_text("{")
    elif spoil == "link":
        beside.symlink_to(tmp_path / "target")
    else:
        beside.mkdir()
    assert await store.deliver(ban("ban:3")) == STORED
    assert "discord.delivered cannot be read" in caplog.text
    assert ("discord.delivered cannot be written" in caplog.text) == (spoil == "directory")
    assert (tmp_path / "target").read_text() == "theirs"


@pytest.mark.parametrize("end", ["", "-wal"])
async def test_a_link_in_the_place_of_a_file_in_use_is_not_followed(
    end: str, store: Store, tmp_path: Path
) -> None:
    linked = tmp_path / f"discord.db{end}"
    linked.rename(tmp_path / "earlier")
    linked.symlink_to(tmp_path / "target")
    verdict = await store.deliver(ban("ban:3"))
    assert (verdict.outcome, verdict.reason) == (Outcome.NEEDS_OPERATOR, "database")
    assert f"{linked} is a symbolic link to {tmp_path / 'target'}" in verdict.detail
    assert (await store.deliver(ban("ban:3"))).outcome is Outcome.NEEDS_OPERATOR
    assert not (tmp_path / "target").exists()
    linked.unlink()
    (tmp_path / "earlier").rename(linked)
    assert await store.deliver(ban("ban:3")) == STORED
    assert await stored(store) == ["ban:1", "ban:2", "ban:3"]


async def test_a_link_to_the_open_file_itself_is_refused_too(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "discord.db"
    file.rename(tmp_path / "moved.db")
    file.symlink_to(tmp_path / "moved.db")
    assert (await store.deliver(ban("ban:3"))).outcome is Outcome.NEEDS_OPERATOR
