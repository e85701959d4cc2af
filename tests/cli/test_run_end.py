"""How ``run`` ends: whatever its threads wait for, and by a signal before it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import KEPT, ROOT

PROGRAM = """
import asyncio, sys, threading, time
from exporter.cli import run
from exporter.errors import SpoolError

async def work():
    threading.Thread(target=time.sleep, args=(600,)).start()
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)
    if sys.argv[1] == "fails":
        raise SpoolError("no")

asyncio.run(run._end_with(work()))
"""


@pytest.mark.parametrize(("how", "code"), [("succeeds", 0), ("fails", 74)])
def test_threads_that_wait_do_not_keep_a_process_that_has_stopped(how: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], timeout=60, check=False)
    assert done.returncode == code


INTERRUPT = """
import os, signal, sys

class Interrupt:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == os.environ["INTERRUPT_AT"]:
            os.kill(os.getpid(), int(os.environ["INTERRUPT_BY"]))
            print("went on", flush=True)

sys.meta_path.insert(0, Interrupt)
"""
"""A signal to itself at an import, in every process that has this on its path."""

STARTS = {
    "module": [sys.executable, "-m", "exporter"],
    "script": [str(Path(sys.executable).with_name("discord-exporter"))],
}


def interrupt(
    tmp_path: Path, number: int, module: str, start: str, command: str
) -> subprocess.CompletedProcess[str]:
    hook, place = tmp_path / "hook", tmp_path / "place"
    for directory in (hook, place):
        directory.mkdir()
    (hook / "sitecustomize.py").write_text(INTERRUPT)
    environ = {name: os.environ[name] for name in KEPT if name in os.environ}
    environ |= {"PYTHONPATH": f"{hook}{os.pathsep}{ROOT}", "DISCORD_TOKEN": "any"}
    environ |= {"INTERRUPT_AT": module, "INTERRUPT_BY": str(int(number))}
    done = subprocess.run(
        [*STARTS[start], command],
        cwd=place,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert list(place.iterdir()) == []
    return done


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("module", ["exporter.cli.app", "typer", "asyncio.runners", "exporter.process"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_program_is_loaded_ends_it_at_once_and_in_order(tmp_path, number, module, start):
    done = interrupt(tmp_path, number, module, start, "run")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "stopped before the start\n")


def test_another_command_is_ended_by_a_signal_as_any_program(tmp_path):
    done = interrupt(tmp_path, signal.SIGTERM, "exporter.cli.app", "module", "schema")
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")
