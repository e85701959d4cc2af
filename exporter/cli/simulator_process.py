"""Runs the simulator in a child process, so that the demo measures the exporter without the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import sys
from typing import Final

from discord_simulator.simulation import OVER, READY
from exporter.errors import ExporterError

START_TIMEOUT_S: Final = 60.0
"""Building a world of a thousand guilds takes some seconds on a small machine."""
STOP_TIMEOUT_S: Final = 5.0
"""How long the process may take to write its ledger to disk after a signal."""


class SimulatorProcess:
    """``simulate`` in a child process. ``api_url`` is set by ``start``."""

    def __init__(self, log: pathlib.Path) -> None:
        self.api_url = ""
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *options: str) -> None:
        """Start the process and wait until clients can connect.

        Raises:
            ExporterError: the process did not start; the message quotes the last line of its log.
        """
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "exporter", "simulate", "--port", "0", *options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # Ctrl-C at the terminal must reach the demo alone, which then ends the traffic.
                start_new_session=True,
            )
        line = ""
        with contextlib.suppress(TimeoutError):
            line = await asyncio.wait_for(self._line(), START_TIMEOUT_S)
        word, _, self.api_url = line.partition(" ")
        if word != READY:
            if line:  # it ends by itself, and the reason may still be on its way to the log
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
            await self.stop()
            last = self._log.read_text(errors="replace").strip().rpartition("\n")[2]
            msg = f"the simulator did not start: {last or 'it printed no error'}"
            raise ExporterError(msg)

    async def over(self) -> None:
        """Wait until the traffic has ended and the ledger is complete.

        Raises:
            ExporterError: the process ended before that.
        """
        line = await self._line()
        if not line.startswith(OVER):
            msg = f"the simulator ended too early; its log is {self._log}"
            raise ExporterError(msg)

    def end_traffic(self) -> None:
        """End the traffic, as when ``--duration`` is over."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    async def stop(self) -> None:
        """End the process; may be called at any time and more than once."""
        process, self._process = self._process, None
        if process is None:
            return
        for end in (process.terminate, process.kill):
            with contextlib.suppress(ProcessLookupError):
                end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
                return
        await process.wait()

    async def _line(self) -> str:
        if self._process is None or self._process.stdout is None:
            return ""
        return (await self._process.stdout.readline()).decode(errors="replace").strip()
