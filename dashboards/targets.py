"""Queries as Grafana's data sources read them.

The SDK has no builder for SQL and Flux; ``Raw`` hands it a finished query model.
"""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.model import Flux, Prom, Query, Sql, Variant
from dashboards.sdk import cog, variants
from dashboards.sources import DATABASES, DIALECTS, Source, reference

TIME_COLUMNS = (
    "time",
    "When",
    "Until",
    "Last",
    "Last used",
    "Last ban",
    "Joined at",
    "Left at",
    "Last active",
    "Account made",
)
"""Columns that the SQLite plugin takes for times; it cannot tell from the values."""


class Raw(variants.Dataquery):
    """A query model that is written as it stands."""

    def __init__(self, model: Mapping[str, object]) -> None:
        self._model = dict(model)

    def to_json(self) -> dict[str, object]:
        """The model."""
        return self._model


class RawBuilder(cog.Builder[variants.Dataquery]):
    """What the SDK asks to be given in place of a query."""

    def __init__(self, model: Mapping[str, object]) -> None:
        self._raw = Raw(model)

    def build(self) -> variants.Dataquery:
        """The query."""
        return self._raw


def source_of(query: Query, variant: Variant) -> Source:
    """Where a query is asked."""
    match query:
        case Prom():
            return Source.PROMETHEUS
        case Flux():
            return Source.INFLUX
        case Sql():
            return DATABASES[variant]


def target(query: Query, variant: Variant, ref: str) -> dict[str, object]:
    """The query model with its ``refId``."""
    head: dict[str, object] = {"refId": ref, "datasource": reference(source_of(query, variant))}
    match query:
        case Prom():
            return head | _prometheus(query)
        case Flux():
            return head | {"query": query.text}
        case Sql():
            return head | sql_model(query.question(DIALECTS[variant]), variant, series=query.series)


def sql_model(text: str, variant: Variant, *, series: bool = False) -> dict[str, object]:
    """The part of a SQL query model that differs between the databases."""
    if variant is Variant.FULL:
        return {
            "rawSql": text,
            "rawQuery": True,
            "editorMode": "code",
            "format": "time_series" if series else "table",
        }
    return {
        "rawQueryText": text,
        "queryText": text,  # alerts and the query API read this one, the browser the other
        "queryType": "time series" if series else "table",
        "timeColumns": ["time"] if series else time_columns(text),
    }


def time_columns(text: str) -> list[str]:
    """The columns of a SQLite answer that are times."""
    return [name for name in TIME_COLUMNS if f'AS "{name}"' in text or f"AS {name}" in text]


def _prometheus(query: Prom) -> dict[str, object]:
    model: dict[str, object] = {
        "expr": query.expr,
        "editorMode": "code",
        "instant": query.instant,
        "range": not query.instant,
        "format": "table" if query.rows else "heatmap" if query.heatmap else "time_series",
    }
    if query.legend:
        model["legendFormat"] = query.legend
    if query.step:
        model["interval"] = query.step
    return model
