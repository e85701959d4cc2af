"""The stack of docker-compose.yml without containers, filled by the simulator, while a command runs.

``python -m tests.grafana.stack full -- COMMAND ...`` starts the simulator, the exporter, the stores and
Grafana, lets people act for a while, and runs the command with GRAFANA_URL, GRAFANA_PASSWORD and
GRAFANA_LOG set.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.dashboards.past import Past
from tests.e2e.programs import Exporter, Simulation, until
from tests.grafana.far_ends import (
    ADMIN_PASSWORD,
    BUCKET,
    ORGANISATION,
    ROOT,
    Grafana,
    Influx,
    MissingError,
    exposition,
    grafana,
    influx,
    prometheus,
)
from tests.grafana.history import store_points, store_rows, tell
from tests.grafana.provisioned import lay_out
from tests.grafana.scrapes import JOB, before, present, store_samples
from tests.servers.postgres import PASSWORD, USER, Postgres, running_postgres

NOWHERE = "http://127.0.0.1:9/api/v10"
"""Discord is not asked anything while the stores are prepared."""

RATE = "40"
"""Actions of people per second: every kind happens within minutes, and a page still opens quickly."""

PACE = 2500
"""How much more the exporter counted in the day before than in the minutes it runs now."""

SCRAPES = 5
"""Samples from which Prometheus tells a rate that is not a chance."""

READER = "grafana_reader"
READER_PASSWORD = "may-only-look"


async def run(variant: str, events: int, command: Sequence[str]) -> int:
    """Start everything of ``variant``, run ``command`` over it; its exit code."""
    with tempfile.TemporaryDirectory(prefix="exporter-stack-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        async with _stack(directory, variant, events) as server:
            environ = {
                "GRAFANA_URL": server.url,
                "GRAFANA_PASSWORD": ADMIN_PASSWORD,
                "GRAFANA_LOG": str(server.log),
            }
            print(f"Grafana ({variant}) on {server.url}, user admin, password {ADMIN_PASSWORD}", flush=True)
            process = await asyncio.create_subprocess_exec(*command, env=os.environ | environ)
            return await process.wait()


@contextlib.asynccontextmanager
async def _stack(directory: Path, variant: str, events: int) -> AsyncIterator[Grafana]:
    async with contextlib.AsyncExitStack() as things:
        exporter = Exporter(directory, api_url=NOWHERE, settings={"metrics": {"snapshot_interval": "10s"}})
        far = await _far_ends(things, directory, variant, exporter)
        pasts = await _remember(exporter, far)
        await _act(things, directory, exporter, events)
        now = round(time.time() * 1000)
        own = before((await exporter.metrics()).text, f"127.0.0.1:{exporter.port}", now, PACE)
        store_samples(directory / "prometheus", pasts, list(own))
        scraper = await things.enter_async_context(_prometheus(directory, exporter, pasts))
        await _scraped(scraper)
        provisioning = lay_out(directory, variant, far.secrets, exporter.database)
        environ = far.environ | {"PROMETHEUS_URL": scraper}
        yield await things.enter_async_context(grafana(directory / "grafana", provisioning, environ))


@dataclass
class FarEnds:
    """The stores beside Prometheus, and how Grafana reaches them."""

    dsn: str
    points: Influx | None = None
    environ: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)


async def _far_ends(
    things: contextlib.AsyncExitStack, directory: Path, variant: str, exporter: Exporter
) -> FarEnds:
    """Start what the exporter writes to, and tell it."""
    if variant == "lite":
        return FarEnds(f"sqlite:///{exporter.database}")
    cluster = things.enter_context(running_postgres())
    database = _database(cluster)
    points = await things.enter_async_context(influx(directory / "influx"))
    found = FarEnds(cluster.dsn(database), points)
    exporter.environ |= {"DISCORD_EXPORTER_DSN": found.dsn, "INFLUXDB_TOKEN": points.token}
    exporter.settings["sinks"] = {
        "influxdb": {"url": points.url, "org": ORGANISATION, "token": "${INFLUXDB_TOKEN}"},
        "sql": {"dsn": "${DISCORD_EXPORTER_DSN}"},
    }
    found.environ = {
        "PGHOST": f"127.0.0.1:{cluster.port}",
        "PGDATABASE": database,
        "PGUSER": READER,
        "INFLUX_URL": points.url,
        "INFLUX_ORG": ORGANISATION,
        "INFLUX_BUCKET": BUCKET,
    }
    found.secrets = {"influxdb_token": points.token, "postgres_reader_password": READER_PASSWORD}
    return found


async def _remember(exporter: Exporter, far: FarEnds) -> list[Past]:
    """Prepare the stores as an operator does, and fill them with two months."""
    exporter.configure()
    role = ("--reader-role", READER) if far.points else ()
    code, out, err = await exporter.run_command("migrate", *role)
    assert code == 0, out + err
    pasts = tell(round(time.time() * 1000))
    await store_rows(far.dsn, pasts)
    if far.points:
        await store_points(far.points, pasts)
    return pasts


@contextlib.asynccontextmanager
async def _prometheus(directory: Path, exporter: Exporter, pasts: Sequence[Past]) -> AsyncIterator[str]:
    async with (
        exposition(present(pasts)) as past,
        prometheus(directory / "prometheus", f"127.0.0.1:{exporter.port}", past) as scraper,
    ):
        yield scraper


def _database(cluster: Postgres) -> str:
    """A database whose reader is made by the script that makes it in the container."""
    database = cluster.create_database()
    script = (ROOT / "provisioning" / "postgres" / "reader.sh").read_text()
    secret = cluster.directory / "reader"
    secret.write_text(READER_PASSWORD)
    environ = {
        "PATH": f"{cluster.bindir}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(cluster.port),
        "PGPASSWORD": PASSWORD,
        "POSTGRES_USER": USER,
        "POSTGRES_DB": database,
    }
    script = script.replace("/run/secrets/postgres_reader_password", str(secret))
    subprocess.run(["bash", "-c", script], env=environ, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return database


async def _act(things: contextlib.AsyncExitStack, directory: Path, exporter: Exporter, events: int) -> None:
    """Let people act, and go on acting; return when ``events`` of theirs were received and are delivered."""
    simulation = Simulation(directory)
    things.push_async_callback(simulation.stop)
    await simulation.start("--guilds", "4", "--members", "60", "--rate", RATE)
    exporter.api_url = simulation.url
    things.push_async_callback(exporter.stop)
    await exporter.start()

    async def enough() -> bool:
        return (await exporter.metrics()).total("discord_exporter_received_total") >= events

    await until(enough, f"{events} events", deadline=3600)
    await exporter.flush()


async def _scraped(scraper: str) -> None:
    """Return when Prometheus can tell how fast the exporter counts."""
    query = {"query": f'count_over_time(up{{job="{JOB}"}}[1m]) >= {SCRAPES}'}

    async def often() -> bool:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{scraper}/api/v1/query", params=query) as answer,
        ):
            return bool((await answer.json())["data"]["result"])

    await until(often, "Prometheus to have scraped")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.grafana.stack", description=__doc__)
    parser.add_argument("variant", choices=["full", "lite"])
    parser.add_argument("--events", type=int, default=2000, help="how many are received before it runs")
    parser.add_argument("command", nargs="+", help="after --, what to run over the stack")
    given = parser.parse_args()
    try:
        return asyncio.run(run(given.variant, given.events, given.command))
    except (MissingError, pytest.skip.Exception) as missing:
        print(f"error: {missing}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
