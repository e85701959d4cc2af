"""A heat map of the week: a table of seven days by twenty-four hours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dashboards.model import Column, Flux, Panel, Prom, Rows
from dashboards.pages.parts import WEEKDAYS
from dashboards.queries import flux, promql
from dashboards.style import Colour, Unit

_CELL: Final = "weekday\\hour"
"""Grafana's name for the first column of the matrix."""


def _sorted_by(field: str) -> tuple[str, Mapping[str, object]]:
    return "sortBy", {"fields": {}, "sort": [{"field": field, "desc": False}]}


def week_heatmap(
    slug: str,
    measure: str,
    only: tuple[str, str] | None,
    matcher: str,
    *,
    noun: str,
    colour: Colour = Colour.MESSAGE,
    unit: Unit = Unit.COUNT,
    width: int = 1,
) -> Panel:
    """A measure by UTC weekday and hour."""
    days = Column(_CELL, header="Day", texts=WEEKDAYS, width=60)
    return Panel(
        slug=slug,
        title=f"{noun} by weekday and hour (UTC)",
        about="At which hours is the server active? Dark cells are hours with much activity: schedule "
        "events and moderators for them, and avoid announcements in pale ones.",
        view=Rows((days,), heat=True),
        queries=(Flux(flux.by_hour(measure, only=only)),),
        lite=(Prom(promql.by_hour(measure, matcher), instant=True, rows=True),),
        unit=unit,
        decimals=0,
        colour=colour,
        transformations=(
            _sorted_by("hour"),
            (
                "groupingToMatrix",
                {"columnField": "hour", "rowField": "weekday", "valueField": "Value", "emptyValue": "null"},
            ),
            _sorted_by(_CELL),
        ),
        empty="No activity in this range",
        width=width,
    )
