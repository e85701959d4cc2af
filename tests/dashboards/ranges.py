"""PromQL as Grafana sends it: variables filled in, with the range and step of its panel."""

from __future__ import annotations

from dataclasses import dataclass

from tests.dashboards.committed import Asked

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
POINTS = 500
"""Grafana draws no more points than a panel has pixels."""


@dataclass(frozen=True)
class Filled:
    """What is sent; range and step in seconds."""

    text: str
    span: int
    step: int
    instant: bool


def filled(found: Asked, guild: int, scrape: int) -> Filled:
    """The query on the page as it opens, with the data source's ``scrape`` interval in seconds."""
    panel = _panel_of(found)
    since = panel.get("timeFrom") or found.dashboard.model["time"]["from"].removeprefix("now-")
    span = seconds(since)
    step = max(seconds(panel.get("interval") or found.target.get("step") or f"{scrape}s"), span // POINTS)
    text = found.text
    for name, value in (
        ("$__rate_interval", f"{max(step + scrape, 4 * scrape)}s"),
        ("$__interval_ms", f"{step * 1000}"),
        ("$__interval", f"{step}s"),
        ("$__range", f"{span}s"),
        ("$guild", f"{guild}"),
    ):
        text = text.replace(name, value)
    return Filled(text, span, step, bool(found.target.get("instant")))


def seconds(text: str) -> int:
    """A duration such as ``5m``."""
    return int(text[:-1]) * UNITS[text[-1]]


def _panel_of(found: Asked) -> dict:
    titles = {panel["title"]: panel for panel in found.dashboard.panels}
    return titles.get(found.where.rpartition("/")[0], {})
