"""A sink of another distribution: the one that docs/contributing.md walks through, built from that page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contributing.md"
SECTION = re.compile(r"^## Adding a sink$(.*?)^## ", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"`([\w.]+)`[^\n`]*:\n\n```(?:python|toml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SUITE = re.compile(r"^```sh\nSINK_HARNESS=(\S+) python -m pytest (\S+)\n```$", re.MULTILINE)
TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.abcdefghijklmnopqrstuvwxyz0123456789ab"


def section() -> str:
    found = SECTION.search(PAGE.read_text())
    assert found
    return found[1]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with the files of the page and what an installer makes of its pyproject.toml."""
    directory = tmp_path / "site"
    directory.mkdir()
    files = dict(FILE.findall(section()))
    assert files.keys() == {"jsonl_sink.py", "pyproject.toml", "jsonl_harness.py"}
    for name, text in files.items():
        (directory / name).write_text(text)
    project = tomllib.loads(files["pyproject.toml"])["project"]
    info = directory / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    ((group, points),) = project["entry-points"].items()
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    return directory


def run(site: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def run_suite(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    ((harness, suite),) = SUITE.findall(section())
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments)
    return run(site, "pytest", suite, *options, SINK_HARNESS=harness)


def test_the_contract_suite_passes(site: Path) -> None:
    done = run_suite(site)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^(\d+) passed in", done.stdout, re.MULTILINE), done.stdout


SPOILT: Mapping[str, tuple[str, str, str]] = {
    "rows that come again are stored again": (
        "if row.position > self._last.get(key, -1)",
        "if True",
        "test_a_batch_that_comes_again_has_one_effect",
    ),
    "positions are known by source only": (
        "key = batch.source, batch.lane",
        "key = batch.source",
        "test_lanes_are_independent_of_one_another",
    ),
    "a row is answered as stored before it is": (
        "rejected = await asyncio.to_thread(self._append, batch)",
        "rejected = asyncio.get_running_loop().call_later(1, self._append, batch) and ()",
        "test_what_is_stored_can_be_read_before_the_sink_is_closed",
    ),
    "a cancelled delivery is repeated beside itself": (
        "with self._lock:",
        "if True:",
        "test_a_delivery_cancelled_at_any_point",
    ),
    "an error of the far end is raised": (
        "except OSError as error:",
        "except KeyError as error:",
        "test_a_far_end_that_is_away_is_a_retry",
    ),
    "a bad row is dropped in silence": (
        "for position, line in lines if len(line) > self._config.max_line",
        "for position, line in lines if False",
        "test_a_bad_row_becomes_a_dead_letter",
    ),
    "the probe writes": (
        "        path = self._config.path\n",
        "        path = self._config.path\n        path.touch()\n",
        "test_a_probe_changes_nothing",
    ),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_the_contract_suite_finds(site: Path, fault: str) -> None:
    good, bad, test = SPOILT[fault]
    text = (site / "jsonl_sink.py").read_text()
    assert text.count(good) == 1
    (site / "jsonl_sink.py").write_text(text.replace(good, bad))
    done = run_suite(site, "-k", test)
    assert done.returncode == 1, done.stdout
    assert re.search(r"^1 failed", done.stdout, re.MULTILINE), done.stdout


def test_its_section_is_configured_checked_and_part_of_the_schema(site: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    sinks = f"sinks: {{jsonlines: {{enabled: true, max_line: 100}}}}\ndata_dir: {tmp_path / 'data'}\n"
    config.write_text(sinks)
    environ = {"DISCORD_TOKEN": TOKEN, "JSONLINES_PATH": str(tmp_path / "entries.jsonl")}
    done = run(site, "exporter", "check", "--config", str(config), "--format", "json", **environ)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    answers = {sink["name"]: sink for sink in report["sinks"]}
    assert answers["jsonlines"]["detail"] == f"{tmp_path / 'entries.jsonl'} can be written to"
    assert report["settings"]["sinks"]["jsonlines"]["max_line"] == 100
    schema = json.loads(run(site, "exporter", "schema").stdout)
    assert "max_line" in schema["$defs"]["JsonLinesConfig"]["properties"]
    assert "jsonlines" in schema["$defs"]["SinksConfig"]["properties"]
    events = json.loads(run(site, "exporter", "events", "--format", "json").stdout)
    assert all("jsonlines" in event for event in events)


def test_a_wrong_setting_of_its_section_is_reported_with_its_line(site: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("sinks:\n  jsonlines:\n    max_lin: 100\n    max_line: 0\n")
    done = run(site, "exporter", "check", "--config", str(config))
    assert done.returncode == 78
    assert f"{config}:3 sinks.jsonlines.max_lin: is unknown; did you mean max_line?" in done.stderr
    assert f"{config}:4 sinks.jsonlines.max_line: is 0; " in done.stderr


@pytest.mark.parametrize("command", ["check", "migrate", "run", "schema"])
def test_a_distribution_that_cannot_be_imported_ends_each_command_with_one_line(
    site: Path, command: str
) -> None:
    (site / "jsonl_sink.py").write_text("import no_such_module\n")
    done = run(site, "exporter", command, DISCORD_TOKEN=TOKEN)
    assert done.returncode == 78
    assert done.stderr == (
        "error: sink plug-in jsonlines of jsonl-sink 1.0: jsonl_sink:SINK cannot be loaded "
        "(ModuleNotFoundError: No module named 'no_such_module'); repair or uninstall the distribution\n"
    )


def test_without_the_distribution_its_section_is_unknown(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("sinks: {jsonlines: {enabled: true}}\n")
    done = run(tmp_path, "exporter", "check", "--config", str(config))
    assert done.returncode == 78
    assert "sinks.jsonlines: is unknown; known are influxdb, prometheus, sql" in done.stderr
