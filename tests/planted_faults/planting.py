"""Plants a fault in a copy of the tree, and runs there the tests that must fail by it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.planted_faults import commits, disk, intake, knowledge, stores
from tests.planted_faults.fault import Fault

ROOT = Path(__file__).parents[2]

FAULTS: tuple[Fault, ...] = (
    *intake.FAULTS,
    *commits.FAULTS,
    *disk.FAULTS,
    *stores.FAULTS,
    *knowledge.FAULTS,
)

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "pictures")

TIMEOUT_SECONDS = 120
"""A fault may make a test wait for ever; a busy machine takes long for the failing examples of a property."""

_FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)


def copy_tree(target: Path) -> Path:
    """Copy what tests need of the tree."""
    return shutil.copytree(ROOT, target, ignore=LEFT_OUT)


@contextlib.contextmanager
def planted(tree: Path, fault: Fault) -> Iterator[None]:
    """Within this context the copy has the fault."""
    file = tree / fault.file
    sound = file.read_text(encoding="utf-8")
    _write(file, sound.replace(fault.text, fault.planted))
    try:
        yield
    finally:
        _write(file, sound)


def _write(file: Path, source: str) -> None:
    file.write_text(source, encoding="utf-8")
    # Python recognises a change by second and size; a fault may be as long as what it replaces.
    Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)


def failing(tree: Path, tests: Sequence[str]) -> tuple[str, ...] | None:
    """Run tests up to the first that fails: its id, none if all pass; None if they cannot be run."""
    # As if it were started by hand: neither a worker of this test run nor measured for coverage.
    inherited = {
        name: text for name, text in os.environ.items() if not name.startswith(("PYTEST_", "COVERAGE_"))
    }
    options = ("-x", "-q", "-rf", "--tb=no", "-p", "no:cacheprovider", "--timeout", str(TIMEOUT_SECONDS))
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=tree,
            env=inherited | {"PYTHONPATH": str(tree), "COLUMNS": "300"},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS * (len(tests) + 1),
        )
    except subprocess.TimeoutExpired:
        return None
    if run.returncode == 0:
        return ()
    # Any other code: a test is not there or cannot be loaded, which shows nothing about the fault.
    return (tuple(_FAILED.findall(run.stdout)) or None) if run.returncode == 1 else None
