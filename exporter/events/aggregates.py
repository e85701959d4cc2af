"""Aggregates: the windows of counted facts, as entries (``records.snapshots``)."""

from __future__ import annotations

from exporter.events.records.snapshots import MemberActivitySnapshot, MetricsSnapshot
from exporter.events.spec import EventSpec, Family

METRICS_SNAPSHOT = "METRICS_SNAPSHOT"
MEMBER_ACTIVITY_SNAPSHOT = "MEMBER_ACTIVITY_SNAPSHOT"

FAMILY = Family(
    "aggregates",
    "What was counted, window by window.",
    (
        EventSpec(
            METRICS_SNAPSHOT,
            "A guild's activity in one window, by channel, emoji and member.",
            table="metrics_snapshots",
            record=MetricsSnapshot,
        ),
        EventSpec(
            MEMBER_ACTIVITY_SNAPSHOT,
            "Every active member's activity in one window.",
            table="member_daily",
            record=MemberActivitySnapshot,
        ),
    ),
)
