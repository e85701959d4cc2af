"""Starts lives of ``victim.py``, and kills them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tests.crash.victim import Life

HANG_SECONDS = 60.0
"""A guard against a hang, not a bound: a start or a delivery takes seconds on a busy machine."""


class Process:
    """One life, from its fork to its end."""

    def __init__(self, pidfd: int, said: dict[str, asyncio.Event]) -> None:
        self._pidfd = pidfd
        self._said = said
        self.ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(pidfd, self._end)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.ended.set()

    def has_said(self, what: str) -> bool:
        return what in self._said and self._said[what].is_set()

    async def until(self, what: str) -> None:
        """Wait for it to say so; fails if it ends instead."""
        ways = [asyncio.create_task(event.wait()) for event in (self._event(what), self.ended)]
        done, late = await asyncio.wait(ways, timeout=HANG_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()
        assert done, f"it did not come to {what}"
        assert self._event(what).is_set(), f"it ended by itself before {what}"

    def _event(self, what: str) -> asyncio.Event:
        return self._said.setdefault(what, asyncio.Event())

    async def kill(self) -> float:
        """End it by SIGKILL; returns the time of that."""
        assert not self.ended.is_set(), "it ended by itself"
        at = time.monotonic()
        signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        await self.ended.wait()
        return at


class Lives:
    """The program that forks a process for each life."""

    def __init__(self, program: asyncio.subprocess.Process) -> None:
        self._program = program
        self._said: dict[int, dict[str, asyncio.Event]] = {}
        self._pids: dict[int, asyncio.Future[int]] = {}
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    @contextlib.asynccontextmanager
    async def program(cls) -> AsyncIterator[Lives]:
        """The program, killed afterwards with every life that is left."""
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.crash.victim"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        lives = cls(program)
        try:
            yield lives
        finally:
            lives._listening.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            await program.wait()

    async def start(self, life: Life) -> Process:
        """Fork a process for it."""
        said = self._said[life.first] = {}
        pid = self._pids[life.first] = asyncio.get_running_loop().create_future()
        self._program.stdin.write(life.encode())
        async with asyncio.timeout(HANG_SECONDS):
            return Process(os.pidfd_open(await pid), said)

    async def _listen(self) -> None:
        while line := await self._program.stdout.readline():
            what, first, *pid = line.decode().split()
            if what == "pid":
                self._pids[int(first)].set_result(int(pid[0]))
            else:
                self._said[int(first)].setdefault(what, asyncio.Event()).set()
