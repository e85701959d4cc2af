"""The demo: the simulator in a child process, the exporter in this one, and a comparison at the end.

Invariant: the comparison reads the stores as any client would, over HTTP and from the database file, never
the state of the exporter in this process.
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
from dataclasses import dataclass
from typing import Final

import aiohttp

from discord_simulator.settings import SimulatorSettings
from exporter.app import IDENTIFIES_FILE, Application
from exporter.cli.bootstrap import use_log
from exporter.cli.progress import Progress
from exporter.cli.scrape import MetricsReading, flush, scrape
from exporter.cli.simulator_process import SimulatorProcess
from exporter.cli.verification import METRICS, SQL, VerifyResult, base_url, compare_stores, report
from exporter.clock import SystemClock
from exporter.config.load import parse_config
from exporter.config.model import Config
from exporter.config.yaml_source import YamlSource
from exporter.errors import ConfigError
from exporter.process import run
from exporter.sinks.sql.declaration import DELIVERED_FILES, LOG_FILE
from exporter.spool.config import SPOOL_DIRECTORY

_log = logging.getLogger(__name__)

LEDGER: Final = "ledger.jsonl"
SIMULATOR_LOG: Final = "simulator.log"
SETTLE_TIMEOUT_S: Final = 30.0
"""Longest wait for the last entries to be stored; a SQLite file needs a fraction of a second."""
_POLL_S: Final = 1.0
_SQLITE_FILES: Final = (
    *(f"{LOG_FILE}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")),
    *DELIVERED_FILES,
)
_OWN: Final = frozenset({LEDGER, SIMULATOR_LOG, SPOOL_DIRECTORY, IDENTIFIES_FILE, *_SQLITE_FILES})
"""The files that a demo creates in its directory; no other file is ever deleted."""


@dataclass(slots=True)
class DemoRun:
    """One run of the demo; ``duration`` in seconds, ``rate`` in actions per second."""

    duration: float | None
    guilds: int
    rate: float
    seed: int
    data_dir: pathlib.Path | None
    port: int

    async def run(self) -> bool:
        """Run the demo and return whether every store agrees with the ledger."""
        directory = self._directory()
        simulator = SimulatorProcess(directory / SIMULATOR_LOG)
        agrees = False
        try:
            await simulator.start(*self._simulation(directory / LEDGER))
            config = self._config(directory, simulator.api_url)
            use_log(config, quiet=True)
            agrees = await self._observe(config, simulator, directory / LEDGER)
        finally:
            await simulator.stop()
            if agrees and self.data_dir is None:
                shutil.rmtree(directory, ignore_errors=True)
            else:
                _print(f"The ledger and the SQLite log are in {directory}.")
        return agrees

    async def _observe(self, config: Config, simulator: SimulatorProcess, ledger: pathlib.Path) -> bool:
        base = base_url(config)
        results: list[VerifyResult] = []

        async def watch_and_compare(_application: Application) -> None:
            await self._watch(simulator, base)
            await _settle(base)
            results.append(await compare_stores(config, ledger, (METRICS, SQL)))

        _print(f"Simulated Discord at {simulator.api_url}, exporter at {base}; Ctrl-C ends the demo.")
        await run(config, on_started=watch_and_compare)
        if not results:
            return False
        (result,) = results
        report(result, as_json=False)
        for store, reason in result.unreadable.items():
            _print(f"{store} cannot be read: {reason}")
        _print("Every number agrees." if result.ok else "The numbers do not agree.")
        return result.ok

    async def _watch(self, simulator: SimulatorProcess, base: str) -> None:
        """Show progress until the traffic is over."""
        interrupted = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # The exporter installed its own handlers when it started; the demo has to end the traffic first.
            loop.add_signal_handler(number, interrupted.set)
        over = asyncio.create_task(simulator.over(), name="traffic")
        try:
            with Progress(SystemClock(), address=base, duration=self.duration) as progress:
                while not over.done():
                    reading = await _read(base)
                    progress.show(reading)
                    # Before the bot has received its guilds, which takes a moment, no number can agree.
                    if interrupted.is_set() and reading.is_connected:
                        simulator.end_traffic()
                    await asyncio.wait({over}, timeout=_POLL_S)
                progress.end(await _read(base))
            await over
        finally:
            over.cancel()

    def _simulation(self, ledger: pathlib.Path) -> list[str]:
        options = {"--guilds": self.guilds, "--rate": self.rate, "--seed": self.seed, "--ledger": ledger}
        if self.duration is not None:
            options["--duration"] = f"{self.duration:g}s"
        return [str(part) for option in options.items() for part in option]

    def _config(self, directory: pathlib.Path, api_url: str) -> Config:
        document = YamlSource(
            "demo",
            {
                "discord": {"api_url": api_url},
                "data_dir": str(directory),
                "web": {"listen": f"127.0.0.1:{_free_port(self.port)}"},
            },
        )
        return parse_config(document, {"DISCORD_TOKEN": SimulatorSettings().token})

    def _directory(self) -> pathlib.Path:
        """The directory for all files, without the files of an earlier demo.

        Raises:
            ConfigError: the directory holds other files, or cannot be used.
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
        if foreign := sorted(path.name for path in left if path.name not in _OWN):
            problem = (
                f"--data-dir: {directory} holds {foreign[0]}, not made by a demo; name an empty directory"
            )
            raise ConfigError((problem,))
        if left and not (directory / LEDGER).exists():
            problem = f"--data-dir: {directory} holds the data of a real run; name an empty directory"
            raise ConfigError((problem,))
        for path in left:
            shutil.rmtree(path) if path.name == SPOOL_DIRECTORY else path.unlink()
        return directory


async def _read(base: str) -> MetricsReading:
    """One reading of the exporter; an empty one while it does not answer."""
    try:
        return await scrape(base)
    except (aiohttp.ClientError, OSError):
        return MetricsReading()


async def _settle(base: str) -> None:
    """Wait until every received event is stored."""
    _print("The traffic has ended; waiting until every event is stored.")
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            await flush(base)
            while not (await scrape(base)).settled:  # noqa: ASYNC110 - only a scrape can tell
                await asyncio.sleep(_POLL_S / 4)


def _free_port(wanted: int) -> int:
    """The wanted port or, if it is in use, any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return 0


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
