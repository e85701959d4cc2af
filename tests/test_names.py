"""The shape of ``exporter/``: each class name used once, and no module so small that it only forwards."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXPORTER = ROOT / "exporter"
MIN_LINES = 50

SMALL: Mapping[str, str] = {
    "cli/*.py": "a command each, loaded only when it is called",
    "*config.py": "the section of the configuration that belongs to a package",
    "config/problems.py": "what every check of the configuration reports, below all of them",
    "config/schema.py": "an output of the configuration's model, which the model does not need",
    "settings.py": "the base of every section of the configuration",
    "backoff.py": "a value that discord and sinks share, below both",
    "markdown.py": "how a page is written, shared by the reference pages and the sinks' own",
    "gc_tuning.py": "process-wide settings of the interpreter, apart from the composition root",
    "reference/__main__.py": "`python -m exporter.reference`",
    "checkpoint/reverting.py": "when components are reverted, between the checkpoint and the states",
    "exposition/other_bucket.py": "a counter that guilds and channels both use",
    "exposition/source.py": "the port through which exposition reads the totals",
    "discord/gateway/dispatches.py": "a table",
    "events/aggregates.py": "declarations of one family of events",
    "events/levels.py": "declarations of one family of events",
    "sinks/sql/migrations/*.py": "a migration each; Alembic loads them by file",
}
"""Modules under ``MIN_LINES`` lines, by pattern of their path, and why each is a module of its own."""


def class_names() -> Mapping[str, list[str]]:
    found = defaultdict(list)
    for path in sorted(EXPORTER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_a_class_name_stands_for_one_thing():
    repeated = {name: places for name, places in class_names().items() if len(places) > 1}
    assert not repeated


def test_a_small_module_has_a_reason():
    small = {
        path.relative_to(EXPORTER).as_posix()
        for path in EXPORTER.rglob("*.py")
        if path.name != "__init__.py" and len(path.read_text().splitlines()) < MIN_LINES
    }
    unexplained = {path for path in small if not any(fnmatch(path, pattern) for pattern in SMALL)}
    assert not unexplained
    unused = {pattern for pattern in SMALL if not any(fnmatch(path, pattern) for path in small)}
    assert not unused, "these reasons explain no module"
