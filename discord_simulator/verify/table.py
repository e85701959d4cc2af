"""Writes the result of a comparison as a terminal table, as plain text and as JSON.

``628 + 3 removed``: three belong to a guild that the bot was removed from and that the store does not show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from discord_simulator.verify.differences import ComparisonLine
    from discord_simulator.verify.quantities import Expected


def stores_of(lines: Sequence[ComparisonLine]) -> list[str]:
    """The stores of all lines, in order of appearance."""
    return list(dict.fromkeys(store for line in lines for store in line.stores))


def rich_table(lines: Sequence[ComparisonLine]) -> Table:
    """A table for a terminal, with a dash for quantities that a store does not keep."""
    stores = stores_of(lines)
    table = Table(title="ledger against stores", title_justify="left")
    table.add_column("quantity")
    table.add_column("by")
    for name in ("keys", "ledger", *stores):
        table.add_column(name, justify="right")
    table.add_column("")
    for line in lines:
        style = None if line.ok else "red"
        table.add_row(*_cells(line, stores), style=style)
    return table


def plain(lines: Sequence[ComparisonLine]) -> str:
    """The table as text with aligned columns, followed by the differences."""
    stores = stores_of(lines)
    rows = [["quantity", "by", "keys", "ledger", *stores, ""], *(_cells(line, stores) for line in lines)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    text = [
        "  ".join(
            cell.ljust(width) if number < _LEFT else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*text, *differences(lines)])


def differences(lines: Sequence[ComparisonLine]) -> list[str]:
    """One line for each difference shown, and the number of those not shown."""
    found: list[str] = []
    for line in lines:
        found += [f"{line.quantity}: {difference}" for difference in line.differences]
        if hidden := line.differing - len(line.differences):
            noun = "difference" if hidden == 1 else "differences"
            found.append(f"{line.quantity}: {hidden} more {noun} by {line.scope}")
    return found


def as_json(expected: Expected, lines: Sequence[ComparisonLine]) -> dict[str, object]:
    """The comparison as a JSON object; ids are text, since JSON readers round large numbers."""
    return {
        "ok": all(line.ok for line in lines),
        "complete": expected.complete,
        "unseen": dict(expected.unseen),
        "lines": [
            {
                "quantity": line.quantity,
                "scope": line.scope.value,
                "keys": line.keys,
                "ledger": line.ledger,
                "stores": dict(line.stores),
                "differing": line.differing,
                "differences": [str(difference) for difference in line.differences],
                "gone": dict(line.removed),
                "ok": line.ok,
            }
            for line in lines
        ],
    }


_LEFT = 2
"""Number of left-aligned text columns; the others are numbers."""


def _cells(line: ComparisonLine, stores: Sequence[str]) -> list[str]:
    totals = [_total(line, store) for store in stores]
    verdict = "ok" if line.ok else f"{line.differing} {'differs' if line.differing == 1 else 'differ'}"
    return [line.quantity, line.scope.value, str(line.keys), _number(line.ledger), *totals, verdict]


def _total(line: ComparisonLine, store: str) -> str:
    if store not in line.stores:
        return "-"
    removed = line.removed.get(store)
    return _number(line.stores[store]) + (f" + {_number(removed)} removed" if removed else "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
