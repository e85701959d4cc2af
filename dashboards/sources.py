"""The data sources: their uids are written in every panel and in every alert, so they never change.

Grafana stops reconciling a whole file of data sources when a uid in it changes.
"""

from __future__ import annotations

import enum
from typing import Final

from dashboards.dialect import Dialect, Postgres, Sqlite
from dashboards.model import Variant


class Source(enum.StrEnum):
    """A data source by uid."""

    PROMETHEUS = "discord-prometheus"
    POSTGRES = "discord-postgres"
    SQLITE = "discord-sqlite"
    INFLUX = "discord-influx"


TYPES: Final = {
    Source.PROMETHEUS: "prometheus",
    Source.POSTGRES: "grafana-postgresql-datasource",
    Source.SQLITE: "frser-sqlite-datasource",
    Source.INFLUX: "influxdb",
}

DIALECTS: Final[dict[Variant, Dialect]] = {Variant.FULL: Postgres(), Variant.LITE: Sqlite()}
DATABASES: Final = {Variant.FULL: Source.POSTGRES, Variant.LITE: Source.SQLITE}


def reference(source: Source) -> dict[str, str]:
    """The data source as Grafana's JSON refers to it."""
    return {"type": TYPES[source], "uid": source.value}
