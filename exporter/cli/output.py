"""Tables on stdout: drawn on a terminal, aligned columns in a pipe, where no cell is cut."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print a table on stdout."""
    if sys.stdout.isatty():
        table = Table(*head, title=title or None, title_justify="left")
        for row in rows:
            table.add_row(*row)
        Console().print(table)
        return
    lines = [head, *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    if title:
        sys.stdout.write(f"{title}\n")
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
