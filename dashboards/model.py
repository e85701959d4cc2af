"""Dashboards, panels and queries as values, independent of Grafana's JSON.

A panel is described once; its queries may differ between the variants. A panel without queries in a variant
is omitted there, and the panels beside it use its space.
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
    """The set of stores that the dashboards read."""

    FULL = "full"
    """PostgreSQL, InfluxDB and Prometheus."""
    LITE = "lite"
    """SQLite and Prometheus."""


class Folder(enum.StrEnum):
    """The folder of a dashboard in Grafana: one for each audience."""

    COMMUNITY = "Community"
    OPERATIONS = "Operations"


@dataclass(frozen=True, slots=True)
class Prom:
    """A PromQL query. ``instant`` evaluates the end of the range only; ``rows`` returns a table."""

    expr: str
    legend: str = ""
    instant: bool = False
    rows: bool = False
    step: str = ""
    heatmap: bool = False


@dataclass(frozen=True, slots=True)
class Sql:
    """A query of the views, in either dialect. ``series`` reads the columns ``time`` and values."""

    query: Callable[[Dialect], str]
    series: bool = False


@dataclass(frozen=True, slots=True)
class Flux:
    """A Flux query."""

    text: str


Query = Prom | Sql | Flux


@dataclass(frozen=True, slots=True)
class Step:
    """The colour of values from ``value`` on; the first step of a scale has no value."""

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
    """The display of the column ``name`` of a table, or of the series of that name; ``header`` renames it."""

    name: str
    unit: Unit | None = None
    header: str = ""
    steps: tuple[Step, ...] = ()
    links: tuple[Link, ...] = ()
    width: int | None = None
    bar: bool = False
    line: bool = False
    """Draws the series as a line among bars."""
    coloured: bool = False
    hidden: bool = False
    colours: Mapping[str, Colour] = field(default_factory=lambda: NOTHING)
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    decimals: int | None = None


class Trend(enum.Enum):
    """Which direction of a change is good."""

    UP = "standard"
    DOWN = "inverted"
    NEITHER = "same_as_value"


@dataclass(frozen=True, slots=True)
class Stat:
    """One number. With ``trend`` the change from the first value is shown and coloured."""

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
    """A ranking of named values. ``all_values`` draws each row as a bar, as results of SQL need."""

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
    """There may be more states than fit; they are shown in pages."""


@dataclass(frozen=True, slots=True)
class Heat:
    """The buckets of a histogram of seconds over time."""


View = Stat | Series | Bars | Rows | Timeline | Heat


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    ``about`` holds the question, the meaning of a bad value and the action to take. ``empty`` is the text of
    a panel without data. ``queries`` apply to both variants unless ``lite`` replaces them; an empty ``lite``
    omits the panel there.
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
    """Name of each series, if the data source returns it as a label."""

    def queries_of(self, variant: Variant) -> tuple[Query, ...]:
        """The queries of a variant."""
        return self.queries if variant is Variant.FULL or self.lite is None else self.lite

    def shown(self, variant: Variant) -> bool:
        """Whether the panel exists in a variant."""
        return bool(self.queries_of(variant))


@dataclass(frozen=True, slots=True)
class Band:
    """Panels side by side, all ``height`` high, sharing the width in proportion to their own."""

    height: int
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Bands under a heading; the first section has none."""

    title: str
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of a dashboard, with options from SQL or from ``options``."""

    name: str
    label: str
    query: Callable[[Dialect], str] | None = None
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    multi: bool = False
    include_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Moments marked on every graph. With ``value_is_time`` the value is the moment to mark."""

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
