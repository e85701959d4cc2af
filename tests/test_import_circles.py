"""No module of the distribution imports itself through others, imports for type checking included.

import-linter holds packages to it where they are free of circles already; this test covers every module.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("exporter", "discord_simulator", "dashboards")


def module_files() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST, modules: set[str]) -> Iterator[str]:
    """The modules that a source names in an import statement, wherever that stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                child = f"{node.module}.{alias.name}"
                yield from ({child, node.module} & modules if child not in modules else (child,))


def imports_of(sources: dict[str, str]) -> dict[str, set[str]]:
    modules = set(sources)
    return {name: set(imported(ast.parse(text), modules)) - {name} for name, text in sources.items()}


def find_circle(imports: dict[str, set[str]]) -> list[str]:
    """One circle as a list that ends with its first module; empty if there is none."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_through_others() -> None:
    sources = {name: path.read_text("utf-8") for name, path in module_files().items()}
    assert len(sources) > 100
    assert find_circle(imports_of(sources)) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("import a.two", "import a.one"),
        ("from a import two", "from a.one import X"),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a.two import Y",
            "from a.one import X",
        ),
        ("def f():\n    from a.two import Y", "from a import one"),
    ],
)
def test_a_circle_is_found_however_it_is_written(first: str, second: str) -> None:
    found = find_circle(imports_of({"a": "", "a.one": first, "a.two": second}))
    assert set(found) == {"a.one", "a.two"}


def test_the_comparison_with_a_ledger_imports_nothing_of_the_simulator() -> None:
    imports = imports_of({name: path.read_text("utf-8") for name, path in module_files().items()})
    inside = {name: found for name, found in imports.items() if name.startswith("discord_simulator.verify.")}
    assert inside
    assert all(each.startswith("discord_simulator.verify") for found in inside.values() for each in found)
