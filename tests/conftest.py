from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from exporter.model import Entry
from tests.entry_data import fields_of
from tests.scale import scaled
from tests.site import FIXTURES, Site

# For the property tests that leave the number of examples to Hypothesis.
# Without a deadline: how long an example takes says how busy the machine is, and nothing of the program.
settings.register_profile("scaled", max_examples=scaled(100), deadline=None)
settings.load_profile("scaled")


WAITING = ("e2e", "crash")
"""Directories of tests that start programs, and wait for them most of the time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the tests that wait among those that compute, so that the workers never all do the same.

    They are put between modules, since a module in two parts would set up its fixtures twice, and none among
    the last: one of them alone at the end would keep every other worker waiting.
    """
    here = Path(__file__).parent
    waiting: list[pytest.Item] = []
    modules: list[list[pytest.Item]] = []
    for path, found in itertools.groupby(items, key=lambda item: item.path):
        if path.relative_to(here).parts[0] in WAITING:
            waiting += found
        else:
            modules.append(list(found))
    computing = sum(map(len, modules))
    items.clear()
    done = placed = 0
    for module in modules:
        due = min(len(waiting), len(waiting) * done * 10 // (computing * 9))
        items += (*waiting[placed:due], *module)
        placed = due
        done += len(module)
    items += waiting[placed:]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path / "spool")
    yield site
    await site.close()


@pytest.fixture(scope="session")
def payload() -> Callable[[str, str], dict[str, Any]]:
    """The recorded payload of a dispatch, by the name of its case."""

    def find(dispatch: str, name: str) -> dict[str, Any]:
        cases = json.loads((FIXTURES / f"{dispatch}.json").read_text(encoding="utf-8"))["cases"]
        (found,) = (case["d"] for case in cases if case["name"] == name)
        return dict(found)

    return find


@pytest.fixture(scope="session")
def sum_series() -> Callable[[Sequence[Entry]], Counter[tuple[Any, ...]]]:
    """Amounts of METRICS_SNAPSHOT entries by guild, measure, value, channel and emoji."""

    def add_up(entries: Sequence[Entry]) -> Counter[tuple[Any, ...]]:
        sums: Counter[tuple[Any, ...]] = Counter()
        for entry in entries:
            if entry.type == "METRICS_SNAPSHOT":
                for *cell, amount in fields_of(entry)["series"]:
                    sums[(entry.guild_id, *cell)] += amount  # type: ignore[arg-type]  # JSON
        return sums

    return add_up
