"""Every view there is."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views import activity, changes, cohorts, invites, members, moderation
from exporter.sinks.sql.views.view import View

VIEWS: Final[tuple[View, ...]] = (
    *activity.VIEWS,
    *members.VIEWS,
    *cohorts.VIEWS,
    *moderation.VIEWS,
    *changes.VIEWS,
    *invites.VIEWS,
)
"""In the order of the reference page; none reads another."""
