"""The dashboards as their files describe them: what a browser must find on the page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.grafana.far_ends import ROOT

ROW_HEIGHT = 38
"""Pixels of a row of Grafana's grid with the gap below it."""

ABOVE = 180
"""Pixels over the grid: variables and the time range."""


@dataclass(frozen=True)
class Panel:
    """A panel that shows something; rows are none."""

    number: int
    title: str
    kind: str
    references: tuple[str, ...]
    empty: str
    """What the panel says where there is nothing."""


@dataclass(frozen=True)
class Board:
    """One dashboard file."""

    uid: str
    folder: str
    title: str
    panels: tuple[Panel, ...]
    height: int
    """Pixels of the whole page: a panel below the window asks nothing."""


def boards(variant: str) -> list[Board]:
    """Every dashboard of ``full`` or ``lite``, in the order of their files."""
    files = sorted((ROOT / "provisioning" / "dashboards" / variant).glob("*/*.json"))
    return [_board(file) for file in files]


def _board(file: Path) -> Board:
    model = json.loads(file.read_text())
    outer = model["panels"]
    every = [*outer, *(inner for row in outer for inner in row.get("panels", []))]
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in every)
    shown = tuple(_panel(panel) for panel in every if panel["type"] != "row")
    return Board(model["uid"], file.parent.name, model["title"], shown, bottom * ROW_HEIGHT + ABOVE)


def _panel(model: dict) -> Panel:
    references = tuple(target["refId"] for target in model.get("targets", ()) if not target.get("hide"))
    empty = model.get("fieldConfig", {}).get("defaults", {}).get("noValue", "")
    return Panel(model["id"], model["title"], model["type"], references, empty)
