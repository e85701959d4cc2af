"""The generated files: their paths, their text, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dashboards.alerts import GROUPS, grafana, prometheus
from dashboards.cookbook import SECTIONS
from dashboards.cookbook.page import page as cookbook
from dashboards.documentation import gallery, runbooks
from dashboards.model import Variant
from dashboards.pages import pages
from dashboards.postprocess import finish
from dashboards.provisioning import datasources, providers
from dashboards.render import render


def files() -> Mapping[str, str]:
    """The text of every file by its path below the root of the repository."""
    found: dict[str, str] = {
        "provisioning/prometheus/rules/discord.yml": prometheus.rules(GROUPS),
        "deploy/kubernetes/monitoring/rules.yaml": prometheus.resource(GROUPS),
        "provisioning/contacts.example.yaml": grafana.CONTACTS,
        "docs/cookbook.md": cookbook(SECTIONS),
        "docs/gallery.md": gallery(pages()),
        "docs/runbooks.md": runbooks(GROUPS),
    }
    for variant in Variant:
        found[f"provisioning/{variant}/alerting/discord.yaml"] = grafana.rules(GROUPS, variant)
        found[f"provisioning/{variant}/datasources/discord.yaml"] = datasources(variant)
        found[f"provisioning/{variant}/dashboards/discord.yaml"] = providers()
        for page in pages():
            path = f"provisioning/dashboards/{variant}/{page.folder}/{page.uid}.json"
            found[path] = finish(render(page, variant))
    return found


def write(root: Path) -> None:
    """Write every file and remove dashboards that are no longer generated.

    A file is replaced as a whole: Grafana reads the folder every few seconds and reports half a file.
    """
    wanted = files()
    for path in (root / "provisioning" / "dashboards").glob("*/*/*.json"):
        if path.relative_to(root).as_posix() not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
