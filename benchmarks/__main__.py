"""``python -m benchmarks``: all measurements in one run, as a table and as ``bench.json``."""

from __future__ import annotations

import importlib
import json
import pathlib
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks.result import Result

MODULES = ("gateway_cpu", "exposition", "line_protocol", "spool", "end_to_end", "views", "queries")
OUTPUT = pathlib.Path("bench.json")


def measure(names: tuple[str, ...]) -> list[Result]:
    """Run the named measurements one after the other."""
    results: list[Result] = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr)
        results += importlib.import_module(f"benchmarks.{name}").run()
    return results


def show(results: list[Result]) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False)
    table.add_column("what")
    for heading in ("ours", "other", "ratio", "target"):
        table.add_column(heading, justify="right")
    table.add_column("unit")
    table.add_column("")
    for row in results:
        verdict = "ok" if row.met else "MISSED"
        ratio, target = f"{row.ratio:.3f}", f"≤ {row.target:.3f}"
        table.add_row(row.name, f"{row.ours:,.2f}", f"{row.other:,.2f}", ratio, target, row.unit, verdict)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def main() -> int:
    """Measure what the command line names, everything by default; 1 if a target is missed."""
    results = measure(tuple(sys.argv[1:]) or MODULES)
    show(results)
    OUTPUT.write_text(json.dumps([asdict(row) for row in results], indent=2, ensure_ascii=False) + "\n")
    return 0 if all(row.met for row in results) else 1


if __name__ == "__main__":
    sys.exit(main())
