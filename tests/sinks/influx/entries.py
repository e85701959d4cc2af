"""Entries as the pipeline makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.model import Batch, Entry, Json, Priority, Row

START = 1_700_000_040_000
MINUTE = 60_000


def snapshot(
    position: int,
    series: Sequence[Sequence[Json]],
    *,
    guild: int = 10,
    start: int = START,
    length: int = MINUTE,
    gauges: Mapping[str, Json] | None = None,
) -> Row:
    data: dict[str, Json] = {
        "period_start": start,
        "period_end": start + length,
        "period_duration": length // 1000,
        "series": series,
        "members": [["messages", "human", 77, 3]],
        "gauges": gauges or {},
    }
    return Row(position, Entry(METRICS_SNAPSHOT, guild, start, f"metrics:{position}", Priority.SLOW, data))


def activity(
    position: int,
    members: Sequence[Sequence[Json]],
    *,
    guild: int = 10,
    start: int = START,
    length: int = 300_000,
) -> Row:
    data: dict[str, Json] = {
        "period_start": start,
        "period_end": start + length,
        "period_duration": length // 1000,
        "members": members,
    }
    return Row(
        position,
        Entry(MEMBER_ACTIVITY_SNAPSHOT, guild, start, f"activity:{position}", Priority.SLOW, data),
    )


def member(user: int, *deltas: tuple[str, str, int, int]) -> list[Json]:
    return [user, "somebody", START, START, False, [list(delta) for delta in deltas]]


def record(
    position: int, kind: str = "GUILD_BAN_ADD", *, guild: int = 10, at: int = START, amends: bool = False
) -> Row:
    return Row(position, Entry(kind, guild, at, f"key:{position}", Priority.CRITICAL, {}, amends))


def batch(*rows: Row, source: str = "spool-1") -> Batch:
    return Batch(source, Priority.SLOW, rows)
