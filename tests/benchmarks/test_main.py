from __future__ import annotations

import json
import sys
import types

import pytest

from benchmarks.__main__ import main, measure, show
from benchmarks.result import Result, Skipped

ROW = Result("scrape", 1.0, 30.0, 1 / 30, 0.05, "µs CPU")


@pytest.fixture
def module(monkeypatch):
    def add(name, run):
        made = types.ModuleType(f"benchmarks.{name}")
        made.run = run
        monkeypatch.setitem(sys.modules, f"benchmarks.{name}", made)

    return add


def read(path):
    return [row["name"] for row in json.loads(path.read_text())]


def test_a_server_that_is_missing_gives_a_row_with_the_reason(module, tmp_path, capsys):
    module("here", lambda: [ROW])
    module("missing", lambda: pytest.skip("Prometheus is not installed"))
    rows = measure(["missing", "here"], tmp_path / "bench.json")
    assert rows == [Skipped("missing", "Prometheus is not installed"), ROW]
    assert read(tmp_path / "bench.json") == ["missing", "scrape"]
    show(rows)
    assert "skipped: Prometheus is not installed" in capsys.readouterr().out


@pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_the_results_so_far(module, tmp_path, end):
    def stop():
        raise end

    module("here", lambda: [ROW])
    module("broken", stop)
    with pytest.raises(end):
        measure(["here", "broken"], tmp_path / "bench.json")
    assert read(tmp_path / "bench.json") == ["scrape"]


@pytest.mark.parametrize(("ratio", "code"), [(0.01, 0), (2.0, 1)])
def test_a_missed_target_is_the_exit_code_and_a_skipped_row_is_not(
    module, tmp_path, monkeypatch, ratio, code
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "here", "missing"])
    module("here", lambda: [Result("scrape", ratio, 1.0, ratio, 1.0, "ms")])
    module("missing", lambda: pytest.skip("no server"))
    assert main() == code
