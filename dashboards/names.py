"""The names that queries use, from the exporter's declarations; an unknown name fails the build.

No name is repeated here: a renamed metric, field or column fails the build of the dashboards instead of
leaving a panel empty.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from exporter.events.catalogue import full_catalogue
from exporter.events.spec import Dimension, Gauge, Measure
from exporter.exposition.guilds import CHANNEL_MEASURES
from exporter.sinks.sql.views import VIEWS
from exporter.telemetry import metric_specs

GUILD_INFO: Final = "discord_guild_info"
"""The only family of guilds that is neither a measure nor a gauge."""


class UnknownNameError(LookupError):
    """A query uses a name that the exporter does not declare."""


def counter(measure: str) -> str:
    """The Prometheus counter of a measure, such as ``discord_messages_total`` of ``messages``.

    Raises:
        UnknownNameError: there is no such measure, or it is not exposed to Prometheus.
    """
    found = _measure(measure)
    if found.metric is None:
        msg = f"the measure {measure} is not exposed to Prometheus"
        raise UnknownNameError(msg)
    return f"{found.metric}_total"


def channel_counter(measure: str) -> str:
    """The Prometheus counter of a measure by channel."""
    if measure not in CHANNEL_MEASURES:
        msg = f"{measure} is not exposed by channel"
        raise UnknownNameError(msg)
    return counter(measure).replace("discord_", "discord_channel_", 1)


def gauge(name: str) -> str:
    """The Prometheus family of a guild's gauge, such as ``discord_guild_members`` of ``members``."""
    return _gauge(name).metric


def meter(name: str) -> str:
    """The name of one of the exporter's own families, checked against its declaration.

    A counter ends in ``_total``; a histogram is named without its suffix.
    """
    if name not in _meters():
        msg = f"the exporter has no metric {name}"
        raise UnknownNameError(msg)
    return name


def label_value(measure: str, value: str) -> str:
    """The value, checked to be a value of the measure's label."""
    if value not in _measure(measure).values:
        msg = f"{measure} has no value {value!r}"
        raise UnknownNameError(msg)
    return value


def label_values(measure: str) -> tuple[str, ...]:
    """Every value of the measure's label."""
    return _measure(measure).values


def dispatched(type_: str) -> str:
    """The name of a dispatch, checked to be one that the exporter handles."""
    if type_ not in full_catalogue().events:
        msg = f"the exporter does not handle the dispatch {type_}"
        raise UnknownNameError(msg)
    return type_


def field(name: str) -> tuple[str, str]:
    """Measurement and field in InfluxDB of a measure or gauge."""
    catalogue = full_catalogue()
    found: Measure | Gauge = catalogue.gauges[name] if name in catalogue.gauges else _measure(name)
    return found.measurement, found.field


def has_tag(measure: str, dimension: Dimension) -> bool:
    """Whether the points of a measure have the tag of ``dimension``."""
    return dimension in _measure(measure).by


def exposed() -> frozenset[str]:
    """Every family on ``/metrics``, by its name in queries."""
    catalogue = full_catalogue()
    counters = {f"{found.metric}_total" for found in catalogue.measures.values() if found.metric}
    channels = {channel_counter(name) for name in CHANNEL_MEASURES if name in catalogue.measures}
    gauges = {found.metric for found in catalogue.gauges.values()}
    return frozenset({GUILD_INFO} | counters | channels | gauges | _meters())


@cache
def _meters() -> frozenset[str]:
    return frozenset(spec.exposed_name for spec in metric_specs())


def _measure(name: str) -> Measure:
    try:
        return full_catalogue().measures[name]
    except KeyError:
        msg = f"there is no measure {name}"
        raise UnknownNameError(msg) from None


def _gauge(name: str) -> Gauge:
    try:
        return full_catalogue().gauges[name]
    except KeyError:
        msg = f"there is no gauge {name}"
        raise UnknownNameError(msg) from None


class Relation:
    """A view and its columns: ``str()`` is its name, an attribute a column's, checked to exist."""

    __slots__ = ("_columns", "_name")

    def __init__(self, name: str, columns: frozenset[str]) -> None:
        self._name = name
        self._columns = columns

    def __str__(self) -> str:
        return self._name

    def __getattr__(self, column: str) -> str:
        if column not in self._columns:
            msg = f"the view {self._name} has no column {column}"
            raise UnknownNameError(msg)
        return column


@cache
def view(name: str) -> Relation:
    """A view of the SQL sink.

    Raises:
        UnknownNameError: there is no such view.
    """
    for found in VIEWS:
        if found.name == name:
            return Relation(name, frozenset(column.name for column in found.columns))
    msg = f"there is no view {name}"
    raise UnknownNameError(msg)
