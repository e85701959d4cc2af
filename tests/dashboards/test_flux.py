"""Every Flux query is right to InfluxDB's own semantic checker, filled in as Grafana does.

The checker is the npm package ``@influxdata/flux-lsp-node``; ``FLUX_LSP`` names a directory where it is
installed, otherwise npm is asked for it.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dashboards.provisioning import Source
from tests.dashboards.asking import Points
from tests.dashboards.committed import asked, titled
from tests.dashboards.past import DAY, MEADOW, Past

PACKAGE = "@influxdata/flux-lsp-node@0.8.40"
"""The last release."""
QUERIES = [found for found in asked(Source.INFLUX) if found.dashboard.variant == "full"]
SCRIPT = """
const { is_valid_flux } = require('@influxdata/flux-lsp-node');
const queries = JSON.parse(require('fs').readFileSync(0));
console.log(JSON.stringify(queries.map(is_valid_flux)));
"""
FILLED = {
    "v.timeRangeStart": "2026-01-01T00:00:00Z",
    "v.timeRangeStop": "2026-01-08T00:00:00Z",
    "v.windowPeriod": "1h0m0s",
    "v.defaultBucket": '"discord"',
    "${guild}": "1185034534534534145",
}


@pytest.fixture(scope="session")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the checker in it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed (Debian: apt install nodejs npm)")
    if "FLUX_LSP" in os.environ:
        return Path(os.environ["FLUX_LSP"])
    directory = tmp_path_factory.mktemp("flux")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(directory), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    if done.returncode:
        pytest.skip(f"npm cannot install {PACKAGE}: {done.stderr.strip()[-200:]}")
    return directory


def valid(checker: Path, texts: list[str]) -> list[bool]:
    done = subprocess.run(
        ["node", "-e", SCRIPT], input=json.dumps(texts), capture_output=True, text=True, check=True,
        cwd=checker, timeout=60,
    )  # fmt: skip
    return json.loads(done.stdout.strip().splitlines()[-1])


def filled(text: str) -> str:
    for name, value in FILLED.items():
        text = text.replace(name, value)
    assert "$" not in text
    assert "v." not in text.replace("(v: ", "")
    return text


def test_every_query_is_valid(checker):
    answers = valid(checker, [filled(found.text) for found in QUERIES])
    assert [str(found) for found, right in zip(QUERIES, answers, strict=True) if not right] == []
    assert len(answers) > 10


@pytest.mark.parametrize("found", **titled(QUERIES))
def test_a_query_finds_something(found, influx: Points, past: tuple[Past, Past]):
    start, stop = (
        dt.datetime.fromtimestamp(at / 1000, dt.UTC).isoformat()
        for at in (past[0].end - 7 * DAY, past[0].end)
    )
    tables = influx.ask(found.text, start, stop, "1h", MEADOW)
    assert any(table.records for table in tables)


def test_the_checker_refuses_what_is_wrong(checker):
    wrong = [
        'from(bucket: "b") |> rnge(start: -1h)',
        'x = 1 + "a"',
        'from(bucket: "b") |> sum(colum: "x")',
        "from(",
    ]
    assert valid(checker, wrong) == [False] * len(wrong)
