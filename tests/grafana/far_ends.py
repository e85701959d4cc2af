"""The servers of the stack as processes of their own, on loopback and free ports, gone with the context."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.e2e.programs import until
from tests.servers.process import free_port

ROOT = Path(__file__).parents[2]
ORGANISATION = "discord"
BUCKET = "discord"
INFLUX_TOKEN = "written-nowhere-else"
ADMIN_PASSWORD = "only-on-loopback"
START = 120.0

_PAST = """
  - job_name: past
    honor_labels: true
    static_configs:
      - targets: [{}]
"""


class MissingError(Exception):
    """A server that is not installed here, and how to get it."""


@dataclass(frozen=True)
class Influx:
    """Where InfluxDB answers, and the token that may do everything there."""

    url: str
    token: str = INFLUX_TOKEN


@dataclass(frozen=True)
class Grafana:
    """Where Grafana answers, and what it wrote to its log."""

    url: str
    log: Path


def free_address() -> str:
    """A free host and port."""
    return f"127.0.0.1:{free_port()}"


def find(variable: str, program: str) -> str:
    """The program that the environment names, or the installed one."""
    found = shutil.which(os.environ.get(variable, program))
    if found is None:
        raise MissingError(f"{program} is not installed; or name it by {variable}=/path/to/{program}")
    return found


@contextlib.asynccontextmanager
async def influx(directory: Path) -> AsyncIterator[Influx]:
    """A new InfluxDB 2 set up as its image does it in the stack."""
    program, address = find("INFLUXD", "influxd"), free_address()
    command = [program, f"--http-bind-address={address}", "--reporting-disabled", "--log-level=error"]
    command += [f"--bolt-path={directory}/bolt", f"--sqlite-path={directory}/sqlite"]
    command += [f"--engine-path={directory}/engine"]
    async with _running(command, directory / "influxd.log", f"http://{address}/health"):
        server = Influx(f"http://{address}")
        await _set_up(server)
        yield server


async def _set_up(server: Influx) -> None:
    setup = {"username": "admin", "password": ADMIN_PASSWORD, "org": ORGANISATION, "bucket": BUCKET}
    headers = {"Authorization": f"Token {server.token}"}
    async with (
        aiohttp.ClientSession(server.url, headers=headers, raise_for_status=True) as session,
        session.post("/api/v2/setup", json=setup | {"token": server.token}),
    ):
        pass


@contextlib.asynccontextmanager
async def prometheus(directory: Path, exporter: str, past: str) -> AsyncIterator[str]:
    """A Prometheus with the settings and rules of the stack; yields its address.

    It scrapes ``exporter``, and ``past``, which shows series of before under their own labels.
    """
    program, address = find("PROMETHEUS", "prometheus"), free_address()
    shutil.copytree(ROOT / "provisioning" / "prometheus", directory / "settings")
    settings = directory / "settings" / "prometheus.yml"
    text = settings.read_text().replace("exporter:9464", exporter).replace("127.0.0.1:9090", address)
    # A run of a few minutes is to leave more than a few samples.
    settings.write_text(text.replace("15s", "2s") + _PAST.format(past))
    command = [program, f"--config.file={settings}", f"--storage.tsdb.path={directory}/data"]
    command += [f"--web.listen-address={address}", "--storage.tsdb.retention.time=90d", "--log.level=warn"]
    async with _running(command, directory / "prometheus.log", f"http://{address}/-/ready"):
        yield f"http://{address}"


@contextlib.asynccontextmanager
async def exposition(text: str) -> AsyncIterator[str]:
    """A server whose ``/metrics`` never changes; yields host and port."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=text)

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application)
    await runner.setup()
    address = free_address()
    host, _, port = address.partition(":")
    await web.TCPSite(runner, host, int(port)).start()
    try:
        yield address
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def grafana(directory: Path, provisioning: Path, environ: Mapping[str, str]) -> AsyncIterator[Grafana]:
    """The Grafana unpacked at GRAFANA_HOME, reading ``provisioning``; nothing it does leaves the machine."""
    home = os.environ.get("GRAFANA_HOME", "/usr/share/grafana")
    program = find("GRAFANA", f"{home}/bin/grafana")
    address = free_address()
    host, _, port = address.partition(":")
    settings = {
        "GF_SERVER_HTTP_ADDR": host,
        "GF_SERVER_HTTP_PORT": port,
        "GF_PATHS_DATA": str(directory / "data"),
        "GF_PATHS_LOGS": str(directory / "logs"),
        "GF_PATHS_PLUGINS": os.environ.get("GRAFANA_PLUGINS", "/var/lib/grafana/plugins"),
        "GF_PATHS_PROVISIONING": str(provisioning),
        "GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS": "frser-sqlite-datasource",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_SECURITY_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "GF_SECURITY_DISABLE_GRAVATAR": "true",
    }
    command = [program, "server", "--homepath", home]
    log = directory / "grafana.log"
    async with _running(command, log, f"http://{address}/api/health", os.environ | settings | environ):
        yield Grafana(f"http://{address}", log)


@contextlib.asynccontextmanager
async def _running(
    command: list[str], log: Path, health: str, environ: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file, env=environ
        )
    try:
        await until(_healthy(process, health, log), health, START)
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 30)


def _healthy(process: asyncio.subprocess.Process, url: str, log: Path) -> Callable[[], Awaitable[bool]]:
    def last_lines() -> str:
        return log.read_text()[-3000:]

    async def answers() -> bool:
        assert process.returncode is None, last_lines()
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    return answers
