"""``python -m benchmarks``: all measurements in one run, as a table and as ``bench.json``."""

from __future__ import annotations

import importlib
import json
import pathlib
import sys
from collections.abc import Sequence
from dataclasses import asdict

import pytest
from rich.console import Console
from rich.table import Table

from benchmarks.result import Result, Skipped

MODULES = (
    "gateway_cpu",
    "guild_memory",
    "exposition",
    "line_protocol",
    "spool",
    "end_to_end",
    "views",
    "queries",
)
OUTPUT = pathlib.Path("bench.json")


def measure(names: Sequence[str], output: pathlib.Path = OUTPUT) -> list[Result | Skipped]:
    """Run the named modules one after the other; writes the rows so far to ``output`` after each."""
    rows: list[Result | Skipped] = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr)
        rows += run_module(name)
        write(rows, output)
    return rows


def run_module(name: str) -> list[Result | Skipped]:
    """The rows of one module; one row with the reason if a server it needs is not installed."""
    try:
        rows: list[Result | Skipped] = importlib.import_module(f"benchmarks.{name}").run()
    except pytest.skip.Exception as missing:  # the servers are those of the tests, which skip
        return [Skipped(name, str(missing.msg))]
    return rows


def write(rows: Sequence[Result | Skipped], output: pathlib.Path) -> None:
    """Replace the file as a whole, so that an interruption leaves the rows before."""
    part = output.with_suffix(".part")
    part.write_text(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False) + "\n")
    part.replace(output)


def show(rows: Sequence[Result | Skipped]) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False)
    table.add_column("what")
    for heading in ("ours", "other", "ratio", "target"):
        table.add_column(heading, justify="right")
    table.add_column("unit")
    table.add_column("")
    for row in rows:
        if isinstance(row, Skipped):
            table.add_row(row.name, "", "", "", "", "", f"skipped: {row.skipped}")
            continue
        verdict = "ok" if row.met else "MISSED"
        ratio, target = f"{row.ratio:.3f}", f"≤ {row.target:.3f}"
        table.add_row(row.name, f"{row.ours:,.2f}", f"{row.other:,.2f}", ratio, target, row.unit, verdict)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def main() -> int:
    """Measure the modules that the command line names, by default all; 1 if a target is missed."""
    rows = measure(sys.argv[1:] or MODULES)
    show(rows)
    return 0 if all(row.met for row in rows if isinstance(row, Result)) else 1


if __name__ == "__main__":
    sys.exit(main())
