"""The simulator's process, with small programs in its place: one that starts, and those that do not."""

from __future__ import annotations

import sys

import pytest

from exporter.cli import simulator_process as module
from exporter.cli.simulator_process import SimulatorProcess
from exporter.errors import ExporterError

READY = "echo ready http://127.0.0.1:1/api/v10\n"


@pytest.fixture
def become(tmp_path, monkeypatch):
    """Makes a shell script what is started instead of Python."""

    def write(script: str) -> SimulatorProcess:
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\n{script}")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        return SimulatorProcess(tmp_path / "log")

    return write


async def test_it_is_started_on_any_free_port_with_the_options_given(become, tmp_path):
    child = become(f'echo "$@" >{tmp_path}/arguments\n{READY}')
    await child.start("--guilds", "3", "--ledger", "a b")
    assert child.api_url == "http://127.0.0.1:1/api/v10"
    given = (tmp_path / "arguments").read_text()
    assert given == "-m exporter simulate --port 0 --guilds 3 --ledger a b\n"
    await child.stop()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 1\n", "it printed no error"),
        ("echo first >&2; echo the port is taken >&2; exit 1\n", "the port is taken"),
        ("echo hello; echo no address >&2\n", "no address"),
        ("printf 'caf\\351' >&2\n", "caf"),
        ("echo readyish http://x\n", "it printed no error"),
    ],
)
async def test_one_that_does_not_start_is_an_error_with_its_last_line(become, script, message):
    child = become(script)
    with pytest.raises(ExporterError, match=f"the simulator did not start: {message}"):
        await child.start()
    assert child._process is None, "nothing is left running"


async def test_one_that_is_not_ready_in_time_is_ended_with_an_error(become, monkeypatch):
    monkeypatch.setattr(module, "START_TIMEOUT_S", 0.05)
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.1)
    child = become("exec sleep 60\n")
    with pytest.raises(ExporterError, match="did not start"):
        await child.start()
    assert child._process is None


async def test_the_end_of_the_traffic_is_waited_for(become):
    child = become(f"{READY}echo over 12\n")
    await child.start()
    await child.over()
    await child.stop()


@pytest.mark.parametrize("last", ["", "echo something else\n"])
async def test_an_end_before_the_traffics_names_the_log(become, tmp_path, last):
    child = become(READY + last)
    await child.start()
    with pytest.raises(ExporterError, match=f"ended too early; its log is {tmp_path}/log"):
        await child.over()
    await child.stop()


async def test_the_traffic_is_ended_by_a_signal_and_then_its_end_is_heard(become):
    child = become(f"trap 'echo over 3; exit 0' TERM\n{READY}while :; do sleep 0.02; done\n")
    await child.start()
    child.end_traffic()
    await child.over()
    assert await child._process.wait() == 0
    child.end_traffic()
    await child.stop()


async def test_stopping_ends_a_process_that_goes_on(become, monkeypatch):
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 60.0)  # the signal is sent first, and waited for then
    child = become(f"{READY}exec sleep 60\n")
    await child.start()
    process = child._process
    await child.stop()
    assert process.returncode == -15
    await child.stop()


async def test_stopping_kills_one_that_does_not_listen(become, monkeypatch):
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.1)
    child = become(f"trap '' TERM\n{READY}while :; do sleep 0.02; done\n")
    await child.start()
    process = child._process
    await child.stop()
    assert process.returncode == -9


async def test_before_it_was_started_there_is_nothing_to_end(tmp_path):
    child = SimulatorProcess(tmp_path / "log")
    child.end_traffic()
    await child.stop()
    with pytest.raises(ExporterError, match="ended too early"):
        await child.over()


async def test_what_it_logs_is_kept_in_the_file_named_and_an_older_log_is_not(become, tmp_path):
    (tmp_path / "log").write_text("of yesterday\n")
    child = become(f"echo a warning >&2\n{READY}")
    await child.start()
    await child.stop()
    assert (tmp_path / "log").read_text() == "a warning\n"
