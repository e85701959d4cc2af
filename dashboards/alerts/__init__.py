"""Alerts with their runbooks, and the recorded series that they and the panels read."""

from __future__ import annotations

from typing import Final

from dashboards.alerts import community, delivery, reception, recordings
from dashboards.alerts.rule import Alert, Group

GROUPS: Final[tuple[Group, ...]] = (
    *recordings.GROUPS,
    Group("discord-exporter", "1m", alerts=(*reception.ALERTS, *delivery.ALERTS)),
    *community.GROUPS,
)
ALERTS: Final[tuple[Alert, ...]] = tuple(alert for group in GROUPS for alert in group.alerts)
