"""Every rule there is."""

from __future__ import annotations

from typing import Final

from dashboards.alerts import community, recordings, service
from dashboards.alerts.rule import Alert, Group

GROUPS: Final[tuple[Group, ...]] = (*recordings.GROUPS, service.GROUP, *community.GROUPS)
ALERTS: Final[tuple[Alert, ...]] = tuple(alert for group in GROUPS for alert in group.alerts)
