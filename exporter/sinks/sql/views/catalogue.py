"""Every view there is."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views import activity, changes, invites, moderation, people, staying
from exporter.sinks.sql.views.view import View

VIEWS: Final[tuple[View, ...]] = (
    *activity.VIEWS,
    *people.VIEWS,
    *staying.VIEWS,
    *moderation.VIEWS,
    *changes.VIEWS,
    *invites.VIEWS,
)
"""In the order of the reference page; none reads another."""
