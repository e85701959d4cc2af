"""The composition root: what becomes of the whole when one of its stages fails."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from exporter import app as module
from exporter.app import Application, make_sinks
from exporter.clock import SystemClock
from exporter.config.load import parse_config
from exporter.config.model import Config
from exporter.config.yaml_source import read_yaml
from exporter.errors import ConfigError, SpoolError
from exporter.events.records.snapshots import ALL_DETAILS
from exporter.model import Entry
from exporter.process import run
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry

NOWHERE = "http://127.0.0.1:9"
"""The discard port: nothing listens there, so the source keeps trying."""


def configure(path: Path, listen: str = "127.0.0.1:0") -> Config:
    text = f"data_dir: {path}\nweb: {{listen: '{listen}'}}\ndiscord: {{api_url: {NOWHERE}}}\n"
    return parse_config(read_yaml(text, "config.yaml"), {"DISCORD_TOKEN": "any"})


async def can_be_opened(path: Path) -> bool:
    """Whether the spool was let go."""
    spool = await Spool.open(path / "spool", SpoolConfig(reserve=0), SystemClock(), Telemetry())
    await spool.close()
    return True


async def test_a_stage_that_dies_ends_the_program_and_everything_else_is_stopped_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = Application(configure(tmp_path))
    await application.start()
    saved = asyncio.Event()
    stop = application._pipeline.stop

    async def stop_and_tell() -> bool:
        saved.set()
        return await stop()

    async def fail(_: object) -> None:
        raise LookupError

    monkeypatch.setattr(application._pipeline, "stop", stop_and_tell)
    monkeypatch.setattr(application._pipeline, "_guard", fail)
    with pytest.raises(ExceptionGroup) as raised:
        await application.wait()
    assert raised.group_contains(LookupError)
    await application.stop()
    assert saved.is_set(), "what was counted is saved all the same"
    assert await can_be_opened(tmp_path)


async def test_a_last_save_that_fails_does_not_keep_the_sinks_from_being_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    application = Application(configure(tmp_path))
    await application.start()

    async def fail() -> bool:
        raise LookupError

    monkeypatch.setattr(application._pipeline, "stop", fail)
    await application.stop()
    assert "could not be saved" in caplog.text
    assert application._runner._tasks == []
    assert await can_be_opened(tmp_path)


async def test_a_run_whose_stop_loses_what_was_counted_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: Application) -> bool:
        return False

    async def end(application: Application) -> None:
        monkeypatch.setattr(application._pipeline, "stop", partial(refuse, application))

    with pytest.raises(SpoolError, match="since the last commit is lost"):
        await run(configure(tmp_path), on_started=end)
    assert await can_be_opened(tmp_path)


async def test_the_page_says_why_the_disk_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = Application(configure(tmp_path))
    await application.start()
    append = application._spool.append

    async def refuse(_: Sequence[Entry], **__: object) -> int:
        msg = "database or disk is full"
        raise SpoolError(msg)

    try:
        monkeypatch.setattr(application._spool, "append", refuse)
        await application._pipeline.checkpoint.commit()
        assert application.status().spool.error == "database or disk is full"
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{application.port}/") as answer,
        ):
            assert "database or disk is full" in await answer.text()
        monkeypatch.setattr(application._spool, "append", append)
        await application._pipeline.checkpoint.commit()
        assert application.status().spool.error == ""
    finally:
        await application.stop()


async def test_a_spool_that_is_deleted_meanwhile_is_no_longer_ready_and_ends_with_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def remove(application: Application) -> None:
        url = f"http://127.0.0.1:{application.port}/readyz"
        shutil.rmtree(tmp_path / "spool")
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            # Nothing is counted meanwhile: without a commit, too.
            while not application.status().spool.error:
                await asyncio.sleep(0.05)
            async with session.get(url) as answer:
                assert answer.status == 503
                assert "spool.db was deleted or moved" in await answer.text()

    with pytest.raises(SpoolError, match=r"what was counted may be lost: .*spool\.db was deleted or moved"):
        await run(configure(tmp_path), on_started=remove)
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "the spool keeps it" not in caplog.text


async def test_a_spool_that_is_deleted_at_the_last_moment_ends_with_an_error(tmp_path: Path) -> None:
    async def remove(_: Application) -> None:
        for path in (tmp_path / "spool").glob("spool.db*"):
            path.unlink()

    with pytest.raises(SpoolError, match=r"what was counted may be lost: .*spool\.db was deleted or moved"):
        await run(configure(tmp_path), on_started=remove)


async def test_a_component_that_failed_is_on_the_page_and_on_metrics(tmp_path: Path) -> None:
    application = Application(configure(tmp_path))
    await application.start()
    try:
        application._pipeline._dispatcher.report("voice", ValueError("broken"))
        base = f"http://127.0.0.1:{application.port}"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{base}/readyz") as answer:
                degraded = (await answer.json())["degraded"]
            async with session.get(f"{base}/metrics") as answer:
                metrics = await answer.text()
        assert degraded == ["component voice failing: 1 error since start"]
        assert 'discord_exporter_component_errors_total{component="voice"} 1.0' in metrics
    finally:
        await application.stop()


async def test_an_address_in_use_ends_the_start_and_lets_the_spool_go(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ConfigError, match="cannot listen"):
        await Application(configure(tmp_path, f"127.0.0.1:{port}")).start()
    server.close()
    assert await can_be_opened(tmp_path)


async def test_a_spool_in_use_ends_the_start_with_what_to_do(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path / "spool", SpoolConfig(reserve=0), SystemClock(), Telemetry())
    with pytest.raises(SpoolError, match="in use by another process"):
        await Application(configure(tmp_path)).start()
    await spool.close()


async def test_a_signal_during_the_start_is_a_clean_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Application._start

    async def interrupted(application: Application) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        await start(application)

    monkeypatch.setattr(module.Application, "_start", interrupted)
    # Without a handler the signal would end pytest itself.
    previous = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("SIGTERM has no handler yet"))
    try:
        async with asyncio.timeout(30):
            await run(configure(tmp_path))
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert await can_be_opened(tmp_path)


@pytest.mark.parametrize("stored", [True, False])
def test_details_of_snapshots_are_needed_where_they_are_stored(*, stored: bool) -> None:
    text = f"sinks: {{sql: {{store_snapshots: {str(stored).lower()}}}}}"
    sinks = make_sinks(parse_config(read_yaml(text, "config.yaml"), {}), SystemClock())
    assert frozenset().union(*(sink.needs for sink in sinks)) == (ALL_DETAILS if stored else frozenset())
