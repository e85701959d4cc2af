"""A throw-away Prometheus that scrapes one target every 200 ms, and promtool beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.victoria import await_http, free_port

_SETTINGS = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: exporter
    static_configs: [{{targets: ["{target}"]}}]
"""


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

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"{self.url}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]


@contextlib.contextmanager
def running_prometheus(target: str) -> Iterator[Prometheus]:
    """A new server that scrapes ``host:port``; skips the test where Prometheus is not installed."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed (Debian: apt install prometheus)")
    with tempfile.TemporaryDirectory(prefix="exporter-prometheus-") as directory:
        settings = Path(directory) / "prometheus.yml"
        settings.write_text(_SETTINGS.format(target=target))
        address = f"127.0.0.1:{free_port()}"
        command = [
            program,
            f"--config.file={settings}",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address={address}",
            "--log.level=error",
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await_http(f"http://{address}/-/ready", process)
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()
            process.wait(timeout=30)


def promtool_check(exposition: bytes) -> str:
    """What ``promtool check metrics`` says to an exposition: nothing when it is right."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    done = subprocess.run(
        [program, "check", "metrics"], input=exposition, capture_output=True, check=False, timeout=60
    )
    return (done.stdout + done.stderr).decode()
