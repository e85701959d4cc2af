"""The demo: a simulator as a child process, the exporter in this one, and the verdict at the end.

Invariant: the verdict is read from outside, over HTTP and from the database file, as anybody would; the demo has
no access to what the exporter thinks it did.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
import shutil
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from exporter.app import run
from exporter.cli.child import SimulatorProcess
from exporter.cli.progress import Progress
from exporter.cli.scrape import flush, scrape
from exporter.cli.session import use_log
from exporter.cli.verification import METRICS, SQL, base_url, compare_stores, report
from exporter.clock import SystemClock
from exporter.config.document import Document
from exporter.config.load import parse_config
from exporter.config.model import Config
from exporter.errors import ConfigError
from exporter.simulator.settings import SimulatorSettings

_log = logging.getLogger(__name__)

LEDGER: Final = "ledger.jsonl"
SIMULATOR_LOG: Final = "simulator.log"
SETTLE_TIMEOUT_S: Final = 30.0
"""How long the last entries may take to be stored; a SQLite file needs a fraction of a second."""
_POLL_S: Final = 1.0


@dataclass(slots=True)
class Demonstration:
    """One run of the demo; ``duration`` in seconds, ``rate`` in actions per second."""

    duration: float | None
    guilds: int
    rate: float
    seed: int
    data_dir: pathlib.Path | None
    port: int
    _interrupted: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> bool:
        """Run it; whether every store agreed with the ledger."""
        directory = self._directory()
        simulator = SimulatorProcess(directory / SIMULATOR_LOG)
        agreed = False
        try:
            await simulator.start(*self._simulation(directory / LEDGER))
            config = self._config(directory, simulator.api_url)
            use_log(config, quiet=True)
            agreed = await self._observe(config, simulator, directory / LEDGER)
        finally:
            await simulator.stop()
            if agreed and self.data_dir is None:
                shutil.rmtree(directory, ignore_errors=True)
            else:
                _say(f"Ledger and SQLite log are in {directory}.")
        return agreed

    async def _observe(self, config: Config, simulator: SimulatorProcess, ledger: pathlib.Path) -> bool:
        base = base_url(config)
        _say(f"Simulated Discord at {simulator.api_url}, exporter at {base}; Ctrl-C ends the demo.")
        exporter = asyncio.create_task(run(config), name="exporter")
        try:
            await self._watch(exporter, simulator, base)
            await _settle(base)
            outcome = await compare_stores(config, ledger, (METRICS, SQL))
        finally:
            exporter.cancel()
            await asyncio.wait({exporter})
        report(outcome, as_json=False)
        for store, why in outcome.unreadable.items():
            _say(f"{store} cannot be read: {why}")
        _say("Every number agrees." if outcome.ok else "The numbers do not agree.")
        return outcome.ok

    async def _watch(self, exporter: asyncio.Task[None], simulator: SimulatorProcess, base: str) -> None:
        """Show progress until the traffic is over; an exporter that ends before raises its error here."""
        over = asyncio.create_task(simulator.over(), name="traffic")
        interrupted = asyncio.create_task(self._interrupt(simulator), name="interrupt")
        try:
            with Progress(SystemClock(), address=base, duration=self.duration) as progress:
                while not over.done() and not exporter.done():
                    self._take_signals()
                    with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                        progress.show(await scrape(base))
                    await asyncio.wait({over, exporter}, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
            if exporter.done():
                exporter.result()
            await over
        finally:
            for task in (over, interrupted):
                task.cancel()

    def _take_signals(self) -> None:
        # The exporter takes the signals for itself when it starts; here they must end the traffic first.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupted.set)

    async def _interrupt(self, simulator: SimulatorProcess) -> None:
        await self._interrupted.wait()
        simulator.end_traffic()

    def _simulation(self, ledger: pathlib.Path) -> list[str]:
        options = {"--guilds": self.guilds, "--rate": self.rate, "--seed": self.seed, "--ledger": ledger}
        if self.duration is not None:
            options["--duration"] = f"{self.duration:g}s"
        return [str(part) for option in options.items() for part in option]

    def _config(self, directory: pathlib.Path, api_url: str) -> Config:
        document = Document(
            "demo",
            {
                "discord": {"api_url": api_url},
                "data_dir": str(directory),
                "web": {"listen": f"127.0.0.1:{_free_port(self.port)}"},
            },
        )
        return parse_config(document, {"DISCORD_TOKEN": SimulatorSettings().token})

    def _directory(self) -> pathlib.Path:
        """Where everything goes, without what an earlier demo left there.

        Raises:
            ConfigError: the directory holds something else, or cannot be used.
        """
        if self.data_dir is None:
            return pathlib.Path(tempfile.mkdtemp(prefix="discord-exporter-demo-"))
        directory = self.data_dir
        try:
            directory.mkdir(parents=True, exist_ok=True)
            left = list(directory.iterdir())
        except OSError as error:
            problem = f"--data-dir: {directory} cannot be used ({error.strerror}); name another directory"
            raise ConfigError((problem,)) from error
        if left and not (directory / LEDGER).exists():
            problem = (
                f"--data-dir: {directory} holds something that is not of a demo; name an empty directory"
            )
            raise ConfigError((problem,))
        for path in left:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return directory


async def _settle(base: str) -> None:
    """Wait until all that was received is stored."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            await flush(base)
            while not (await scrape(base)).settled:
                await asyncio.sleep(_POLL_S / 4)


def _free_port(wanted: int) -> int:
    """The port asked for or, if something listens there already, any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
