"""What a dashboard is made of, as values without a trace of Grafana's JSON.

A panel is described once; its queries may differ between the variants. A panel without queries in a variant
is left out there and its neighbours take its room.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from dashboards.style import Colour, Unit
from exporter.sinks.sql.views.dialect import Dialect

WIDTH: Final = 24
"""Columns of Grafana's grid."""

NOTHING: Final[Mapping[str, Colour]] = MappingProxyType({})


class Variant(enum.StrEnum):
    """What the dashboards read."""

    FULL = "full"
    """PostgreSQL, InfluxDB and Prometheus."""
    LITE = "lite"
    """SQLite and Prometheus."""


class Folder(enum.StrEnum):
    """Where a dashboard lies in Grafana: a folder for each audience."""

    COMMUNITY = "Community"
    OPERATIONS = "Operations"


@dataclass(frozen=True, slots=True)
class Prom:
    """A PromQL query. ``instant`` asks for the end of the range alone; ``rows`` makes a table of it."""

    expr: str
    legend: str = ""
    instant: bool = False
    rows: bool = False
    step: str = ""
    heatmap: bool = False


@dataclass(frozen=True, slots=True)
class Sql:
    """A question to the views, written for either dialect. ``series`` reads columns ``time`` and values."""

    question: Callable[[Dialect], str]
    series: bool = False


@dataclass(frozen=True, slots=True)
class Flux:
    """A Flux query."""

    text: str


Query = Prom | Sql | Flux


@dataclass(frozen=True, slots=True)
class Step:
    """From ``value`` on things are ``colour``; the first step of a scale has no value."""

    colour: Colour
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A data link; ``url`` may use Grafana's ``${__data.fields...}`` and variables."""

    title: str
    url: str
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """How the column ``name`` of a table, or the series of that name, is shown; ``header`` renames it."""

    name: str
    unit: Unit | None = None
    header: str = ""
    steps: tuple[Step, ...] = ()
    links: tuple[Link, ...] = ()
    width: int | None = None
    bar: bool = False
    line: bool = False
    """Draw this series as a line among bars."""
    coloured: bool = False
    hidden: bool = False
    colours: Mapping[str, Colour] = field(default_factory=lambda: NOTHING)
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    decimals: int | None = None


class Trend(enum.Enum):
    """Which direction of a change is good news."""

    UP = "standard"
    DOWN = "inverted"
    NEITHER = "same_as_value"


@dataclass(frozen=True, slots=True)
class Stat:
    """One number. With ``trend`` the change against the first value is shown and coloured."""

    trend: Trend | None = None
    sparkline: bool = False
    filled: bool = False
    names: bool = False
    label_only: bool = False
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Series:
    """Lines, or bars, over time; ``downwards`` names series drawn below zero."""

    bars: bool = False
    stacked: bool = False
    downwards: tuple[str, ...] = ()
    threshold_line: bool = False
    fill: int = 10
    minimum: float | None = 0
    legend: bool = True


@dataclass(frozen=True, slots=True)
class Bars:
    """A ranking of named values. ``all_values`` takes each row as a bar, as SQL answers need."""

    all_values: bool = False
    limit: int = 15


@dataclass(frozen=True, slots=True)
class Rows:
    """A table."""

    columns: tuple[Column, ...] = ()
    heat: bool = False
    tall: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """States over time."""

    texts: Mapping[str, tuple[str, Colour]]
    many: bool = False
    """There may be more than fit: in pages."""


@dataclass(frozen=True, slots=True)
class Heat:
    """The buckets of a histogram of seconds over time."""


View = Stat | Series | Bars | Rows | Timeline | Heat


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One question and its answer.

    ``about`` says the question, what a bad value means and what to do. ``empty`` is shown where there is
    nothing. ``queries`` serve both variants unless ``lite`` replaces them; an empty ``lite`` leaves the panel
    out there.
    """

    slug: str
    title: str
    about: str
    view: View
    unit: Unit = Unit.COUNT
    queries: tuple[Query, ...] = ()
    lite: tuple[Query, ...] | None = None
    empty: str = ""
    steps: tuple[Step, ...] = ()
    colour: Colour | None = None
    colours: Mapping[str, Colour] = field(default_factory=lambda: NOTHING)
    columns: tuple[Column, ...] = ()
    links: tuple[Link, ...] = ()
    transformations: tuple[tuple[str, Mapping[str, object]], ...] = ()
    width: int = 1
    step: str = ""
    decimals: int | None = None
    maximum: float | None = None
    label: str = ""
    """Name of each series, where the data source gives it as a label."""

    def asked(self, variant: Variant) -> tuple[Query, ...]:
        """The queries of a variant."""
        return self.queries if variant is Variant.FULL or self.lite is None else self.lite

    def shown(self, variant: Variant) -> bool:
        """Whether the panel exists in a variant."""
        return bool(self.asked(variant))


@dataclass(frozen=True, slots=True)
class Band:
    """Panels side by side, all ``height`` high, sharing the width in proportion to their own."""

    height: int
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Bands under a heading; the first one has none."""

    title: str
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice at the top of a dashboard: options from SQL, ``options``, or free text with neither."""

    name: str
    label: str
    question: Callable[[Dialect], str] | None = None
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    multi: bool = False
    everything: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Moments marked on every graph. ``value_is_time`` marks the moment that the value tells."""

    name: str
    query: Prom | Sql
    colour: Colour
    title: str = ""
    text: str = ""
    value_is_time: bool = False
    on: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A dashboard."""

    uid: str
    title: str
    about: str
    folder: Folder
    sections: tuple[Section, ...]
    variables: tuple[Variable, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    since: str = "7d"
    refresh: str = "5m"
