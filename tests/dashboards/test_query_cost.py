"""What is measured of Prometheus is what the pages ask, and it is asked of series that are there."""

from __future__ import annotations

import shutil

import pytest

from benchmarks import queries
from benchmarks.result import Result


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """A measurement in small, by what was asked."""
    if shutil.which("promtool") is None:
        pytest.skip("Prometheus is not installed (Debian: apt install prometheus)")
    return {found.name.partition(" (first")[0]: found for found in queries.run(guilds=12)}


def test_everything_that_the_two_pages_ask_is_measured(results):
    assert {f"{page}/{where}" for page, where, _ in queries.EXPRESSIONS} < set(results)
    assert {f"rule {name}" for name in queries.RULES} < set(results)
    assert len(results) == len(queries.EXPRESSIONS) + len(queries.RULES)


def test_what_a_page_asks_is_found(results):
    silent = [name for name, found in results.items() if name[:5] != "rule " and " 0 series" in found.name]
    assert silent == []


@pytest.mark.parametrize("name", [each for each in queries.RULES if ":" in each])
def test_what_is_recorded_is_computed_for_every_guild_or_the_fleet(name, results):
    many = 1 if name.startswith("fleet:") else 12
    assert f" {many} series)" in results[f"rule {name}"].name
