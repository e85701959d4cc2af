"""Aggregates: the windows of counted facts, as entries (``records.snapshots``)."""

from __future__ import annotations

from exporter.events.records import MemberActivitySnapshot, MetricsSnapshot
from exporter.events.spec import EventSpec, Family
from exporter.model import Priority

METRICS_SNAPSHOT = "METRICS_SNAPSHOT"
MEMBER_ACTIVITY_SNAPSHOT = "MEMBER_ACTIVITY_SNAPSHOT"

FAMILY = Family(
    "aggregates",
    "What was counted, window by window.",
    (
        EventSpec(
            type=METRICS_SNAPSHOT,
            family="aggregates",
            help="A guild's activity in one window, by channel, emoji and member.",
            priority=Priority.SLOW,
            table="metrics_snapshots",
            record=MetricsSnapshot,
        ),
        EventSpec(
            type=MEMBER_ACTIVITY_SNAPSHOT,
            family="aggregates",
            help="Every active member's activity in one window.",
            priority=Priority.SLOW,
            table="member_daily",
            record=MemberActivitySnapshot,
        ),
    ),
)
