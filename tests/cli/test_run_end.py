"""How ``run`` ends: whatever its threads wait for, and by a signal before it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

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


INTERRUPTED = """
import os, signal, sys

number, module = int(sys.argv[1]), sys.argv[2]

class Interrupt:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), number)

sys.meta_path.insert(0, Interrupt)
from exporter.__main__ import main
sys.argv[1:] = ["run"]
main()
"""


@pytest.mark.parametrize("module", ["exporter.process", "exporter.config.yaml_source", "asyncio.runners"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_program_is_loaded_is_a_clean_stop(tmp_path, module, number):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(int(number)), module],
        cwd=tmp_path,
        env={name: os.environ[name] for name in KEPT if name in os.environ}
        | {"PYTHONPATH": str(ROOT), "DISCORD_TOKEN": "any"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "stopped before the start" in done.stderr
    assert list(tmp_path.iterdir()) == []
