"""Data sources and dashboard providers, as Grafana reads them when it starts.

Panels and alerts hold the uids of the data sources, so the uids never change: Grafana stops reconciling a
whole file of data sources when a uid in it changes.

Values come from the environment and, where secret, from files; no secret is ever in these files. Grafana
replaces an undefined variable with nothing and reports no error, so the compose file sets each of them.
"""

from __future__ import annotations

import enum
from typing import Final

import yaml

from dashboards.model import Folder, Variant
from exporter.sinks.sql.views.dialect import POSTGRESQL, SQLITE, Dialect


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

DIALECTS: Final[dict[Variant, Dialect]] = {Variant.FULL: POSTGRESQL, Variant.LITE: SQLITE}
DATABASES: Final = {Variant.FULL: Source.POSTGRES, Variant.LITE: Source.SQLITE}


def reference(source: Source) -> dict[str, str]:
    """The data source as Grafana's JSON refers to it."""
    return {"type": TYPES[source], "uid": source.value}


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
    "Account created",
)
"""Columns that the SQLite plugin reads as times; it cannot know them from the values."""


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


HEADER: Final = "# Written by `make dashboards`; change dashboards/provisioning.py, not this file.\n"

SCRAPE: Final = "15s"
"""How often Prometheus scrapes; Grafana derives ``$__rate_interval`` from it."""

DASHBOARDS: Final = "/etc/grafana/dashboards"
FOLDER_UIDS: Final = {Folder.COMMUNITY: "discord-community", Folder.OPERATIONS: "discord-operations"}

_NAMES: Final = {
    Source.PROMETHEUS: "Discord Prometheus",
    Source.POSTGRES: "Discord PostgreSQL",
    Source.SQLITE: "Discord SQLite",
    Source.INFLUX: "Discord InfluxDB",
}
_DETAILS: Final[dict[Source, dict[str, object]]] = {
    Source.PROMETHEUS: {
        "url": "$PROMETHEUS_URL",
        "isDefault": True,
        "jsonData": {"httpMethod": "POST", "timeInterval": SCRAPE, "prometheusType": "Prometheus"},
    },
    Source.POSTGRES: {
        "url": "$PGHOST:5432",
        "user": "$PGUSER",
        # From 12.2 on the editor reads the database here and nowhere else.
        "jsonData": {
            "database": "$PGDATABASE",
            "sslmode": "disable",
            "postgresVersion": 1500,
            "timescaledb": False,
            "maxOpenConns": 10,
        },
        "secureJsonData": {"password": "$__file{/run/secrets/postgres_reader_password}"},
    },
    Source.INFLUX: {
        "url": "$INFLUX_URL",
        "jsonData": {
            "version": "Flux",
            "organization": "$INFLUX_ORG",
            "defaultBucket": "$INFLUX_BUCKET",
            "timeInterval": "1m",
            "tlsSkipVerify": False,
        },
        "secureJsonData": {"token": "$__file{/run/secrets/influxdb_token}"},
    },
    # Without "file:" the options are ignored; reading a WAL database still takes writing beside it.
    Source.SQLITE: {
        "jsonData": {"path": "/data/discord.db", "pathPrefix": "file:", "pathOptions": "mode=ro"},
    },
}


def sources(variant: Variant) -> tuple[Source, ...]:
    """The data sources of a variant."""
    common = (Source.PROMETHEUS, DATABASES[variant])
    return (*common, Source.INFLUX) if variant is Variant.FULL else common


def datasources(variant: Variant) -> str:
    """The file of data sources."""
    return _dump(
        {
            "apiVersion": 1,
            "prune": True,
            "datasources": [
                {
                    "name": _NAMES[source],
                    "uid": source.value,
                    "type": TYPES[source],
                    "access": "proxy",
                    "editable": False,
                    **_DETAILS[source],
                }
                for source in sources(variant)
            ],
        }
    )


def providers() -> str:
    """The file of dashboard providers: a folder for each audience, with an address that stays."""
    return _dump(
        {
            "apiVersion": 1,
            "providers": [
                {
                    "name": uid,
                    "orgId": 1,
                    "type": "file",
                    "folder": folder.value,
                    "folderUid": uid,
                    "disableDeletion": False,
                    "allowUiUpdates": False,
                    "updateIntervalSeconds": 30,
                    "options": {"path": f"{DASHBOARDS}/{folder.value}"},
                }
                for folder, uid in FOLDER_UIDS.items()
            ],
        }
    )


def _dump(document: object) -> str:
    return HEADER + yaml.safe_dump(document, sort_keys=False, width=110)
