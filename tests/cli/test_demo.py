"""The demo as a person runs it, and the parts it is made of."""

from __future__ import annotations

import asyncio
import os
import pathlib
import re
import signal
import sqlite3
import sys

import pytest

from exporter.cli.demo_runner import LEDGER, DemoRun
from exporter.cli.progress import LINE_EVERY_S, Progress
from exporter.cli.scrape import MetricsReading, read
from exporter.cli.simulator_process import SimulatorProcess
from exporter.clock import ManualClock
from exporter.errors import ConfigError, ExporterError

pytestmark = pytest.mark.timeout(120)

EXPOSITION = """\
# TYPE discord_exporter_received counter
discord_exporter_received_total{type="MESSAGE_CREATE"} 40
discord_exporter_received_total{type="GUILD_BAN_ADD"} 2
# TYPE discord_exporter_pending_entries gauge
discord_exporter_pending_entries{sink="sql"} 3
# TYPE discord_exporter_delivered counter
discord_exporter_delivered_total{sink="sql"} 9
# TYPE discord_exporter_sink_up gauge
discord_exporter_sink_up{sink="sql"} 1
# TYPE discord_exporter_unspooled_entries gauge
discord_exporter_unspooled_entries 0
# TYPE discord_gateway_connected gauge
discord_gateway_connected{shard="0"} 1
discord_gateway_connected{shard="1"} 0
# TYPE discord_exporter_spooled counter
discord_exporter_spooled_total 12
"""


async def start_demo(tmp_path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "exporter", "demo", "--port", "0", "--guilds", "3", *arguments),
        cwd=tmp_path,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def test_a_demo_ends_by_itself_with_numbers_that_agree(tmp_path):
    leave_an_earlier_demo(data := tmp_path / "data")
    process = await start_demo(
        tmp_path, "--duration", "2s", "--rate", "40", "--seed", "1", "--data-dir", "data"
    )
    out = (await process.communicate())[0].decode()
    assert process.returncode == 0, out
    assert "Every number agrees." in out
    assert re.search(r"^messages +guild +\d+ +[1-9]", out, flags=re.MULTILINE)
    assert re.search(r"events, \d+/s; .* entries spooled; sql", out)
    assert {LEDGER, "discord.db", "simulator.log", "spool"} <= {path.name for path in data.iterdir()}
    database = sqlite3.connect(data / "discord.db")
    assert database.execute("SELECT sum(messages) FROM guild_daily").fetchone()[0] > 10
    database.close()


def leave_an_earlier_demo(directory: pathlib.Path) -> None:
    (directory / "spool").mkdir(parents=True)
    for name in (LEDGER, "discord.db", "discord.db-wal", "discord.delivered", "identifies.json", "spool/old"):
        (directory / name).write_text("of the demo before")


async def test_ctrl_c_ends_the_traffic_and_then_checks_the_numbers(tmp_path):
    process = await start_demo(tmp_path, "--rate", "40", "--seed", "1")
    while b" entries spooled" not in (line := await process.stdout.readline()):
        assert line, "the demo ended before it was interrupted"
    process.send_signal(signal.SIGINT)
    out = (await process.communicate())[0].decode()
    assert process.returncode == 0, out
    assert "Every number agrees." in out
    assert "Traceback" not in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [("thesis.tex",), ("discord.db", "spool"), (LEDGER, "thesis.tex")])
async def test_a_directory_with_anything_but_a_demo_is_refused_and_left_alone(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("precious")
    demo_run = DemoRun(1, 1, 1, 0, tmp_path, 0)
    with pytest.raises(ConfigError, match="name an empty directory"):
        await demo_run.run()
    assert {path.name for path in tmp_path.iterdir()} == set(names)


async def test_a_directory_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        await DemoRun(1, 1, 1, 0, tmp_path / "file", 0).run()


async def test_a_simulator_that_does_not_start_is_an_error_with_its_cause(tmp_path):
    child = SimulatorProcess(tmp_path / "log")
    with pytest.raises(ExporterError, match="cannot write the ledger"):
        await child.start("--ledger", str(tmp_path / "absent" / "ledger"))
    await child.stop()


async def test_a_simulator_that_dies_is_an_error(tmp_path):
    child = SimulatorProcess(tmp_path / "log")
    await child.start("--guilds", "1", "--rate", "0")
    child._process.kill()
    with pytest.raises(ExporterError, match="ended too early"):
        await child.over()
    await child.stop()


def test_a_scrape_is_read_by_name():
    reading = read(EXPOSITION)
    assert reading.received == {"MESSAGE_CREATE": 40, "GUILD_BAN_ADD": 2}
    assert reading.events == 42
    assert reading.pending == {"sql": 3}
    assert reading.spooled == 12
    assert not reading.is_connected
    assert read(EXPOSITION.replace('{shard="1"} 0', '{shard="1"} 1')).is_connected
    assert not read("").is_connected
    assert not reading.settled
    assert read(EXPOSITION.replace('entries{sink="sql"} 3', 'entries{sink="sql"} 0')).settled
    assert not read(
        EXPOSITION.replace('entries{sink="sql"} 3', 'entries{sink="sql"} 0').replace(
            "unspooled_entries 0", "unspooled_entries 1"
        )
    ).settled


def test_outside_a_terminal_progress_is_a_line_now_and_then(capsys):
    clock = ManualClock()
    with Progress(clock, address="http://x", duration=60.0) as progress:
        for second in range(11):
            progress.show(MetricsReading(received={"MESSAGE_CREATE": 10.0 * second}, pending={"sql": 1.0}))
            clock.advance(1)
        progress.end(MetricsReading(received={"MESSAGE_CREATE": 107.0}))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 10 // LINE_EVERY_S + 1
    assert lines[-1].startswith("11 of 60 s: 107 events"), "the end is shown whenever it comes"
    assert lines[1] == "5 of 60 s: 50 events, 10/s; 0 entries spooled; sql 0 stored, 1 waiting"


def test_on_a_terminal_progress_is_a_table_with_the_busiest_events_first(capsys):
    progress = Progress(ManualClock(), address="http://x", duration=None)
    received = {f"TYPE_{number:02}": float(number) for number in range(30)}
    table = progress._table(
        MetricsReading(received=received, pending={"sql": 1.0}, sink_up={"sql": 1.0}), 0.0
    )
    cells = list(table.columns[0].cells)
    assert cells[0] == "TYPE_29"
    assert cells[-2:] == ["others", "sql: delivering, 1 waiting"]
    assert capsys.readouterr().out == ""
