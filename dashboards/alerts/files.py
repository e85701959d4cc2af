"""Which file holds what, below the root of the repository."""

from __future__ import annotations

from dashboards.alerts import grafana, prometheus, runbooks
from dashboards.alerts.catalogue import ALERTS, GROUPS
from dashboards.model import Variant


def files() -> dict[str, str]:
    """Content by path."""
    written = {
        "provisioning/prometheus/rules/discord.yml": prometheus.rules(GROUPS),
        "provisioning/contacts.example.yaml": grafana.CONTACTS,
        "docs/runbooks.md": runbooks.page(ALERTS),
    }
    for variant in Variant:
        written[f"provisioning/{variant.value}/alerting/discord.yaml"] = grafana.rules(GROUPS, variant)
    return written
