"""The provisioning directory of a variant, moved from the places of the containers to those of a test."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.grafana.far_ends import ROOT

DASHBOARDS = "/etc/grafana/dashboards"
SECRETS = "/run/secrets"
DATABASE = "/data/discord.db"


def lay_out(directory: Path, variant: str, secrets: Mapping[str, str], database: Path) -> Path:
    """Copy what Grafana of ``variant`` is provisioned with; gives the directory to hand to Grafana.

    Only the paths that docker-compose.yml mounts are changed, PostgreSQL's port, and how long one has to wait
    for the first evaluation of a rule.
    """
    for name, value in secrets.items():
        (directory / "secrets").mkdir(exist_ok=True)
        (directory / "secrets" / name).write_text(value)
    places = {
        DASHBOARDS: str(ROOT / "provisioning" / "dashboards" / variant),
        SECRETS: str(directory / "secrets"),
        DATABASE: str(database),
        "$PGHOST:5432": "$PGHOST",
        "interval: 5m": "interval: 1m",
    }
    copied = Path(shutil.copytree(ROOT / "provisioning" / variant, directory / "provisioning"))
    for file in copied.rglob("*.y*ml"):
        text = file.read_text()
        for there, here in places.items():
            text = text.replace(there, here)
        file.write_text(text)
    return copied
