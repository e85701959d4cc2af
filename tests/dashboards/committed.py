"""The dashboards as they are committed: what Grafana will read, taken apart for the tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROVISIONING = ROOT / "provisioning"
VARIANTS = ("full", "lite")
PROMETHEUS, POSTGRES, SQLITE, INFLUX = (
    "discord-prometheus",
    "discord-postgres",
    "discord-sqlite",
    "discord-influx",
)


@dataclass(frozen=True)
class Dashboard:
    """One file."""

    variant: str
    path: Path
    model: dict

    @property
    def uid(self) -> str:
        return self.model["uid"]

    @property
    def panels(self) -> list[dict]:
        """Every panel but rows, those in folded rows too."""
        found = []
        for panel in self.model["panels"]:
            found += panel.get("panels") or [] if panel["type"] == "row" else [panel]
        return found

    @property
    def variables(self) -> list[dict]:
        return self.model.get("templating", {}).get("list", [])

    @property
    def annotations(self) -> list[dict]:
        return self.model.get("annotations", {}).get("list", [])


@dataclass(frozen=True)
class Asked:
    """One query, with where it stands."""

    dashboard: Dashboard
    where: str
    source: str
    text: str
    target: dict

    def __str__(self) -> str:
        return f"{self.dashboard.variant}/{self.dashboard.uid}/{self.where}"


def dashboards() -> list[Dashboard]:
    return [
        Dashboard(variant, path, json.loads(path.read_text()))
        for variant in VARIANTS
        for path in sorted((PROVISIONING / "dashboards" / variant).glob("*/*.json"))
    ]


DASHBOARDS = dashboards()


def asked(*sources: str) -> list[Asked]:
    """Every query of panels, variables and annotations to one of the data sources."""
    return [found for dashboard in DASHBOARDS for found in _asked(dashboard) if found.source in sources]


def _asked(dashboard: Dashboard) -> Iterator[Asked]:
    for panel in dashboard.panels:
        for target in panel.get("targets", []):
            where = f"{panel['title']}/{target['refId']}"
            yield Asked(dashboard, where, target["datasource"]["uid"], text_of(target), target)
    for variable in dashboard.variables:
        if variable["type"] == "query":
            yield Asked(
                dashboard,
                f"${variable['name']}",
                variable["datasource"]["uid"],
                variable["query"],
                variable,
            )
    for annotation in dashboard.annotations:
        target = annotation.get("target") or annotation
        yield Asked(dashboard, annotation["name"], annotation["datasource"]["uid"], text_of(target), target)


def text_of(target: dict) -> str:
    """The query itself, whatever the data source calls it."""
    for name in ("expr", "rawSql", "queryText", "query"):
        if isinstance(target.get(name), str):
            return target[name]
    raise AssertionError(f"no query in {target}")


def variables_in(text: str) -> set[str]:
    """The names of dashboard variables used, Grafana's own apart."""
    names = re.findall(r"\$\{(\w+)[:}]|\$([a-z]\w*)", text)
    return {name for pair in names for name in pair if name and not name.startswith("__")}


def titled(found: list[Asked]) -> dict:
    """For parametrize: values and ids."""
    return {"argvalues": found, "ids": [str(one).replace(" ", "-") for one in found]}
