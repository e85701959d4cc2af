"""What people and dashboards read: views with stable names over the tables, the same in both dialects."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views import activity, channels, cohorts, invites, members, moderation
from exporter.sinks.sql.views.view import View

VIEWS: Final[tuple[View, ...]] = (
    *activity.VIEWS,
    *channels.VIEWS,
    *members.VIEWS,
    *cohorts.VIEWS,
    *moderation.VIEWS,
    *invites.VIEWS,
)
"""In the order of the reference page; none reads another."""
