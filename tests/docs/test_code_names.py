"""The pages name files, classes, components and saved tables as the code has them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import ManualClock
from exporter.dispatch.component import Component
from exporter.events.catalogue import full_catalogue
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.telemetry import Telemetry
from tests.memory_spool import MemorySpool

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted({*DOCS.rglob("*.md"), ROOT / "README.md"})
ARCHITECTURE = DOCS / "architecture.md"
TOP = (
    "exporter",
    "discord_simulator",
    "dashboards",
    "benchmarks",
    "tests",
    "scripts",
    "deploy",
    "docs",
    "provisioning",
)

OTHERS: Mapping[str, str] = {
    "AutoShardedClient": "of disnake",
    "PrometheusRule": "a resource of the Prometheus operator",
    "Point.to_line_protocol": "of influxdb-client",
}
"""Names in the form of a class that are none of ours, and whose they are."""

TO_BE_WRITTEN: Mapping[str, str] = {
    "exporter/events/milestones.py": "the example of a stateful event, built by a test from the page",
    "exporter/tracking/milestones/component.py": "as above",
    "jsonl_sink.py": "the example of a sink, built by a test from the page",
    "jsonl_harness.py": "as above",
}
"""Files that a page tells the reader to write."""


def spans(page: Path) -> Iterator[str]:
    """What a page has in backticks, outside blocks of code."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return iter(re.findall(r"`([^`\n]+)`", prose))


def exists(path: str) -> bool:
    pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
    return any(ROOT.glob(pattern))


@cache
def classes() -> frozenset[str]:
    return frozenset(
        node.name
        for top in ("exporter", "discord_simulator", "dashboards")
        for path in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )


@pytest.fixture(scope="module")
def components() -> tuple[Component, ...]:
    pipeline = Pipeline(
        full_catalogue(),
        MetricsConfig(),
        BatchingConfig(),
        PrivacyConfig(),
        MemorySpool(),
        ManualClock(),
        Telemetry(),
    )
    return tuple(pipeline._dispatcher.components)


def named(page: Path) -> set[str]:
    """The paths of this repository that a page names."""
    return {span for span in spans(page) if re.fullmatch(rf"(?:{'|'.join(TOP)})(?:/[\w.<>-]*)+", span)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_a_page_names_is_there(page: Path) -> None:
    missing = {path for path in named(page) - TO_BE_WRITTEN.keys() if not exists(path)}
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_a_page_names_is_there(page: Path) -> None:
    files = {span for span in spans(page) if re.fullmatch(r"\w+\.py", span)}
    known = {path.name for top in TOP for path in (ROOT / top).rglob("*.py")}
    assert files - TO_BE_WRITTEN.keys() <= known
    modules = r"(?:python -m |`)((?:exporter|discord_simulator|benchmarks|tests)\.[\w.]+)"
    dotted = re.findall(modules, page.read_text())
    assert {name for name in dotted if not exists(f"{name.replace('.', '/')}*")} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_class_a_page_names_is_one(page: Path) -> None:
    found = {span for span in spans(page) if re.fullmatch(r"(?:[A-Z][a-z0-9]+)+(?:\.\w+)?", span)}
    assert {name for name in found - OTHERS.keys() if name.partition(".")[0] not in classes()} == set()


def test_packages_and_participants_of_the_architecture_are_there() -> None:
    text = ARCHITECTURE.read_text()
    packages = {name for name in spans(ARCHITECTURE) if re.fullmatch(r"\w+/", name)}
    packages |= set(re.findall(r"(?<![\w/.])(\w+/)(?=<br>|\s)", text))
    packages |= set(re.findall(r"participant \w+ as (\w+/\w+)", text))
    assert packages >= {"discord/", "events/", "tracking/", "sinks/", "tracking/moderation", "sinks/sql"}
    assert {name for name in packages if not exists(name) and not exists(f"exporter/{name}")} == set()


def test_the_order_of_the_components_is_that_of_the_architecture(components: tuple[Component, ...]) -> None:
    ((order),) = re.findall(r"^(?:\w+ → [\w →\n]+)$", ARCHITECTURE.read_text(), flags=re.MULTILINE)
    assert re.findall(r"\w+", order) == [component.name for component in components]


def test_every_saved_table_is_on_the_page_of_the_formats(components: tuple[Component, ...]) -> None:
    tables = {f"{component.name}/{table.name}" for component in components for table in component.tables}
    names = "|".join(component.name for component in components)
    found = {span for span in spans(DOCS / "on-disk-formats.md") if re.fullmatch(rf"(?:{names})/\w+", span)}
    assert found == tables


def test_what_is_set_aside_is_in_use() -> None:
    said = {span for page in PAGES for span in spans(page)}
    assert OTHERS.keys() | TO_BE_WRITTEN.keys() <= said
