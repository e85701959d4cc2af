"""Query models in the form of Grafana's data sources.

The SDK has no builder for SQL and Flux; ``Raw`` passes a finished query model to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.model import Flux, Prom, Query, Sql, Variant
from dashboards.provisioning import DATABASES, DIALECTS, Source, reference, sql_model
from dashboards.sdk import cog, variants


class Raw(variants.Dataquery):
    """A query model that is written unchanged."""

    def __init__(self, model: Mapping[str, object]) -> None:
        self._model = dict(model)

    def to_json(self) -> dict[str, object]:
        """The model."""
        return self._model


class RawBuilder(cog.Builder[variants.Dataquery]):
    """The builder that the SDK requires for a query."""

    def __init__(self, model: Mapping[str, object]) -> None:
        self._raw = Raw(model)

    def build(self) -> variants.Dataquery:
        """The query."""
        return self._raw


def source_of(query: Query, variant: Variant) -> Source:
    """The data source of a query."""
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
            return head | sql_model(query.query(DIALECTS[variant]), variant, series=query.series)


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
