"""A throw-away VictoriaMetrics: takes InfluxDB's write API and gives back every sample it stored."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

START_TIMEOUT = 30.0


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
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await_http(f"http://{address}/health", process)
            yield Victoria(f"http://{address}")
        finally:
            process.terminate()
            process.wait(timeout=30)


def await_http(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return once the address answers with success."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"{process.args!r} ended with {process.returncode}")
        with contextlib.suppress(OSError, urllib.error.HTTPError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.02)
    pytest.fail(f"{url} did not answer within {START_TIMEOUT:.0f} s")


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def victoria() -> Iterator[Victoria]:
    """One server for the session, shared: tests tell their series apart by guild."""
    with running_victoria() as server:
        yield server
