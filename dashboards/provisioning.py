"""Data sources and dashboard providers, as Grafana reads them when it starts.

Values come from the environment and, where secret, from files; no secret is ever in these files. Grafana
turns an undefined variable into nothing without a word, so each is one that the compose file sets.
"""

from __future__ import annotations

from typing import Final

import yaml

from dashboards.model import Folder, Variant
from dashboards.sources import DATABASES, TYPES, Source

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
