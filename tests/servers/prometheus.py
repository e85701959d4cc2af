"""A throw-away Prometheus, which scrapes each 200 ms or holds what was backfilled; promtool beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import free_port, running

_SETTINGS = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: exporter
    static_configs: [{{targets: ["{target}"]}}]
"""


class RefusedError(Exception):
    """Prometheus does not answer the query, for the reason it gives."""


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str

    def query(self, expression: str) -> dict[frozenset[tuple[str, str]], float]:
        """What an instant query gives: value by labels, without job and instance."""
        answer = self._get("/api/v1/query", query=expression)
        return {
            frozenset((k, v) for k, v in item["metric"].items() if k not in {"job", "instance"}): float(
                item["value"][1]
            )
            for item in answer["result"]
        }

    def targets(self) -> list[dict[str, str]]:
        """The targets with their health and the last error."""
        return list(self._get("/api/v1/targets")["activeTargets"])

    async def until(self, expression: str, within: float = 20.0) -> dict[frozenset[tuple[str, str]], float]:
        """The first answer that is not empty; end ``expression`` in a comparison to wait for a value."""
        async with asyncio.timeout(within):
            while True:
                if found := await asyncio.to_thread(self.query, expression):
                    return found
                await asyncio.sleep(0.05)

    def ask(self, expression: str, at: float) -> list[dict[str, Any]]:
        """Each series with its one value at ``at`` (Unix seconds)."""
        return list(self._get("/api/v1/query", query=expression, time=f"{at}")["result"])

    def ask_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Each series with its values from ``start`` to ``end`` (Unix seconds)."""
        span = {"start": f"{start}", "end": f"{end}", "step": f"{step}"}
        return list(self._get("/api/v1/query_range", query=expression, **span)["result"])

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"{self.url}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise RefusedError(error.read().decode()) from None


@contextlib.contextmanager
def running_prometheus(target: str) -> Iterator[Prometheus]:
    """A new server that scrapes ``host:port``; skips the test where Prometheus is not installed."""
    with (
        tempfile.TemporaryDirectory(prefix="exporter-prometheus-") as directory,
        _serving(Path(directory), _SETTINGS.format(target=target)) as server,
    ):
        yield server


@contextlib.contextmanager
def remembering_prometheus(directory: Path) -> Iterator[Prometheus]:
    """A server that scrapes nothing and holds the blocks that ``store`` put into ``directory``."""
    with _serving(directory, "") as server:
        yield server


@contextlib.contextmanager
def _serving(directory: Path, settings: str) -> Iterator[Prometheus]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed (Debian: apt install prometheus)")
    (directory / "prometheus.yml").write_text(settings)
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        # Backfilled blocks may be older than the 15 days of the default.
        "--storage.tsdb.retention.time=10y",
        "--storage.tsdb.max-block-duration=2h",  # compaction leaves them as they are
        f"--web.listen-address={address}",
        "--log.level=error",
    ]
    with running(command, f"http://{address}/-/ready"):
        yield Prometheus(f"http://{address}")


def store(lines: Iterable[str], directory: Path) -> None:
    """Make blocks of OpenMetrics lines with timestamps, for a server that is started afterwards."""
    text = directory / "past.txt"
    with text.open("w") as file:
        file.writelines(lines)
        file.write("# EOF\n")
    command = [_promtool(), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
    # For each block the whole text is read again, so one block of any length.
    command += ["--max-block-duration=2400h", f"{text}", f"{directory}/data"]
    subprocess.run(command, check=True, timeout=600)
    text.unlink()


def promtool_check(exposition: bytes) -> str:
    """What ``promtool check metrics`` says to an exposition: nothing when it is right."""
    done = subprocess.run(
        [_promtool(), "check", "metrics"], input=exposition, capture_output=True, check=False, timeout=60
    )
    return (done.stdout + done.stderr).decode()


def _promtool() -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    return program
