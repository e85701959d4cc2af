"""The programs under test as processes of their own: the simulated Discord and the exporter.

Both are started by their command line, as an operator would, and are connected by real sockets.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.servers.process import free_port

TOKEN = "simulated-token"
DEADLINE = 60.0
POLL = 0.05

Json = dict[str, object]


async def until(condition, what: str, deadline: float = DEADLINE) -> object:
    """Poll a condition that no event announces; fails by the name of what was awaited."""
    try:
        async with asyncio.timeout(deadline):
            while not (value := await condition()):
                await asyncio.sleep(POLL)
            return value
    except TimeoutError:
        raise AssertionError(f"gave up waiting for {what}") from None


def _environ() -> dict[str, str]:
    """The environment without what would configure the exporter by itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DISCORD", "INFLUXDB"))}


async def _spawn(
    *arguments: str, log: Path, stdout: int | None = None, module: str = "exporter", **environ: str
) -> asyncio.subprocess.Process:
    with log.open("ab") as file:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", module, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout if stdout is not None else file,
            stderr=file,
            env=_environ() | environ,
        )


@dataclass
class Simulation:
    """``simulate`` and its control endpoint."""

    directory: Path
    process: asyncio.subprocess.Process | None = None
    url: str = ""
    module: str = "exporter"
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger.jsonl"

    async def start(self, *options: str) -> None:
        self.process = await _spawn(
            "simulate",
            *("--port", "0", "--ledger", str(self.ledger), *options),
            log=self.directory / "simulate.log",
            stdout=asyncio.subprocess.PIPE,
            module=self.module,
            **self.environ,
        )
        line = await asyncio.wait_for(self.process.stdout.readline(), DEADLINE)
        word, _, self.url = line.decode().strip().partition(" ")
        assert word == "ready", (self.directory / "simulate.log").read_text()

    async def over(self, deadline: float = 180.0) -> None:
        line = await asyncio.wait_for(self.process.stdout.readline(), deadline)
        assert line.startswith(b"over"), (self.directory / "simulate.log").read_text()

    async def control(self, action: str, body: bytes | None = None, **query: str) -> None:
        address = f"{self.url.removesuffix('/api/v10')}/control/{action}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(address, params=query, data=io.BytesIO(body or b"")) as answer,
        ):
            assert answer.status < 300, await answer.text()

    async def state(self) -> Json:
        address = f"{self.url.removesuffix('/api/v10')}/control/state"
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            return await answer.json()

    async def stop(self) -> None:
        await _end(self.process, signal.SIGKILL)


@dataclass
class Exporter:
    """``run`` with a configuration of its own, and what it serves."""

    directory: Path
    api_url: str
    settings: Json = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    token: str = TOKEN
    process: asyncio.subprocess.Process | None = None
    port: int = 0

    @property
    def config(self) -> Path:
        return self.directory / "config.yaml"

    @property
    def log(self) -> Path:
        return self.directory / "run.log"

    @property
    def database(self) -> Path:
        return self.directory / "data" / "discord.db"

    def configure(self) -> None:
        self.port = self.port or free_port()
        settings: Json = {
            "data_dir": str(self.directory / "data"),
            "discord": {"api_url": self.api_url},
            "web": {"listen": f"127.0.0.1:{self.port}"},
            "log": {"format": "json"},
        }
        for section, values in self.settings.items():
            known = settings.get(section)
            settings[section] = {**known, **values} if isinstance(known, dict) else values
        self.config.write_text(yaml.safe_dump(settings))

    async def start(self, *, ready: bool = True) -> None:
        self.configure()
        self.process = await _spawn(
            "run", "--config", str(self.config), log=self.log, DISCORD_TOKEN=self.token, **self.environ
        )
        if ready:
            await until(self.is_ready, "the exporter to be ready")

    async def is_ready(self) -> bool:
        assert self.process.returncode is None, self.log.read_text()[-3000:]
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.address}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def is_alive(self) -> None:
        """Return once the web server answers, whatever else is away."""

        async def answers() -> bool:
            assert self.process.returncode is None, self.log.read_text()[-3000:]
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"{self.address}/healthz") as answer,
                ):
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(answers, "the web server")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def flush(self) -> None:
        async with aiohttp.ClientSession() as session, session.post(f"{self.address}/-/flush") as answer:
            assert answer.status < 300, await answer.text()

    async def metrics(self) -> Metrics:
        async with aiohttp.ClientSession() as session, session.get(f"{self.address}/metrics") as answer:
            return Metrics(await answer.text())

    async def run_command(self, command: str, *options: str) -> tuple[int, str, str]:
        """Another command with the same configuration: exit code, stdout, stderr."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "exporter", *command.split(), "--config", str(self.config), *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environ() | {"DISCORD_TOKEN": self.token} | self.environ,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    async def verify(self, ledger: Path, *options: str) -> Json:
        """The comparison with the ledger; fails if any number differs."""
        code, out, err = await self.run_command(
            "verify", "--ledger", str(ledger), "--format", "json", *options
        )
        if code:
            differing = [line for line in json.loads(out or "{}").get("lines", ()) if not line["ok"]]
            msg = f"{json.dumps(differing, indent=1)}\n{err}\n{self.log.read_text()[-3000:]}"
            raise AssertionError(msg)
        return json.loads(out)

    async def terminate(self, deadline: float = 10.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), deadline)

    async def stop(self) -> None:
        await _end(self.process, signal.SIGKILL)


class Metrics:
    """One scrape, parsed by Prometheus' own client."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def total(self, name: str, **labels: str) -> float:
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and all(sample.labels.get(key) == value for key, value in labels.items())
        )

    def by(self, name: str, label: str) -> dict[str, float]:
        sums: dict[str, float] = {}
        for sample in self.samples:
            if sample.name == name:
                sums[sample.labels[label]] = sums.get(sample.labels[label], 0) + sample.value
        return sums


def assert_conserved(metrics: Metrics) -> None:
    """Nothing is gained or lost between the stages, at a quiet moment of a first run."""
    received = metrics.by("discord_exporter_received_total", "type")
    accepted = metrics.by("discord_exporter_accepted_total", "type")
    rejected = metrics.by("discord_exporter_rejected_total", "type")
    for kind, count in received.items():
        assert count == accepted.get(kind, 0) + rejected.get(kind, 0), kind
    offered = metrics.total("discord_exporter_offered_total")
    spooled = metrics.total("discord_exporter_spooled_total")
    shed = metrics.total("discord_exporter_dropped_total")
    waiting = metrics.total("discord_exporter_unspooled_entries")
    assert offered == spooled + shed + waiting
    assert spooled > 0
    for sink, pending in metrics.by("discord_exporter_pending_entries", "sink").items():
        passed = sum(
            metrics.total(f"discord_exporter_{fate}_total", sink=sink)
            for fate in ("delivered", "dead", "evicted")
        )
        assert spooled == passed + pending, sink


async def _end(process: asyncio.subprocess.Process | None, number: int) -> None:
    if process is not None and process.returncode is None:
        process.send_signal(number)
        await process.wait()
