"""A process whose work has ended ends, whatever its threads wait for."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
