"""A throw-away VictoriaMetrics: takes InfluxDB's write API and gives back every sample it stored."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.servers.process import free_port, running


@dataclass(frozen=True)
class Victoria:
    """A running server."""

    url: str

    def export(self, selector: str = '{__name__!=""}') -> list[dict[str, object]]:
        """Every stored series that matches: ``metric``, ``values``, ``timestamps`` in ms."""
        self._get("/internal/force_flush")
        query = urllib.parse.urlencode({"match[]": selector, "start": "0", "end": "4102444800"})
        return [json.loads(line) for line in self._get(f"/api/v1/export?{query}").splitlines()]

    def sums(self, selector: str = '{__name__!=""}') -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """The sum of each stored series, by name and labels."""
        found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for series in self.export(selector):
            metric: dict[str, str] = dict(series["metric"])  # type: ignore[call-overload] # as JSON came
            name = metric.pop("__name__")
            found[name, frozenset(metric.items())] = sum(series["values"])  # type: ignore[call-overload] # as above
        return found

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return str(answer.read().decode())


@contextlib.contextmanager
def running_victoria(*arguments: str) -> Iterator[Victoria]:
    """A new, empty server, gone afterwards; skips the test where it is not installed."""
    program = shutil.which("victoria-metrics")
    if program is None:
        pytest.skip("VictoriaMetrics is not installed (Debian: apt install victoria-metrics)")
    with tempfile.TemporaryDirectory(prefix="exporter-victoria-") as directory:
        address = f"127.0.0.1:{free_port()}"
        command = [
            program,
            f"-storageDataPath={directory}",
            f"-httpListenAddr={address}",
            "-retentionPeriod=100y",
            "-memory.allowedBytes=67108864",
            "-loggerLevel=ERROR",
            *arguments,
        ]
        with running(command, f"http://{address}/health"):
            yield Victoria(f"http://{address}")


@pytest.fixture(scope="session")
def victoria() -> Iterator[Victoria]:
    """One server for the session, shared: tests tell their series apart by guild."""
    with running_victoria() as server:
        yield server
