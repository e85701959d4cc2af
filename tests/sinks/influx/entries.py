"""Entries as the pipeline makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.model import Batch, Entry, Json, Priority, Row
from tests.entry_data import entry_of

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
    return Row(position, _entry(METRICS_SNAPSHOT, data, guild, start, f"metrics:{position}"))


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
    return Row(position, _entry(MEMBER_ACTIVITY_SNAPSHOT, data, guild, start, f"activity:{position}"))


def _entry(kind: str, data: Mapping[str, Json], guild: int, start: int, key: str) -> Entry:
    return entry_of(kind, data, guild=guild, at=start, key=key)


def member(user: int, *deltas: tuple[str, str, int, int]) -> list[Json]:
    return [user, "ann", START, START, False, [list(delta) for delta in deltas]]


def record(
    position: int, kind: str = "GUILD_BAN_ADD", *, guild: int = 10, at: int = START, amends: bool = False
) -> Row:
    return Row(position, entry_of(kind, {}, guild=guild, at=at, key=f"key:{position}", amends=amends))


def batch(*rows: Row, source: str = "spool-1") -> Batch:
    return Batch(source, Priority.SLOW, rows)
