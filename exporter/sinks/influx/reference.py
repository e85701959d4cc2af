"""Measurements, fields and tags in InfluxDB, for the reference pages."""

from __future__ import annotations

from typing import Final

from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.spec import Dimension, EventSpec, Gauge, Measure, Unit
from exporter.markdown import code, page, table
from exporter.sinks.influx.line_protocol import EVENT_MEASUREMENT, MEMBER_MEASUREMENT

_INFLUXDB: Final = """
Points in the bucket `sinks.influxdb.bucket`, but for members, who have a bucket of their own. Every
value of a window is a delta: sum it. The time of a point lies within its window, below the millisecond
at a place no other point of the series can have, so a redelivery overwrites exactly itself.
"""
_LONG_TERM: Final = """
`discord-exporter migrate` makes the buckets and installs tasks, which InfluxDB runs: they write each
measurement above but the members' as hours and days into `sinks.influxdb.bucket_longterm`, where nothing
expires: `discord_messages_1h`, `discord_messages_1d` and so on, with the same tags and fields, at the start
of their window in UTC. Deltas are summed, of states the last is kept. The token needs the right to manage
buckets and tasks for that; to run, writing is enough.
"""
_RECORDS: Final = """
One point for each recorded event, tags `guild_id` and `type`, field `count` = 1. Actor and
reason are stored in SQL.
"""
_TAGS: Final = {Dimension.CHANNEL: "channel_id", Dimension.EMOJI: "emoji"}


def places(spec: EventSpec) -> tuple[str, ...]:
    """Measurement and field of each number of a type, or a measurement with the fields of other types."""
    return (
        *(f"{measure.measurement}.{measure.field}" for measure in spec.measures),
        *(f"{gauge.measurement}.{gauge.field}" for gauge in spec.gauges),
        *_entry_places(spec),
    )


def _entry_places(spec: EventSpec) -> tuple[str, ...]:
    """What the type's entries are, apart from what is counted of them."""
    if spec.type == MEMBER_ACTIVITY_SNAPSHOT:
        return (MEMBER_MEASUREMENT,)  # its fields are those of other types' measures
    is_listed = spec.table is not None and spec.type != METRICS_SNAPSHOT
    return (f"{EVENT_MEASUREMENT}.count",) if is_listed else ()


def influxdb_page(catalogue: Catalogue) -> str:
    """The page on measurements, fields and tags."""
    rows: dict[str, list[tuple[str, str, str, str]]] = {}
    for measure in catalogue.measures.values():
        rows.setdefault(measure.measurement, []).append(_field(measure))
    for gauge in catalogue.gauges.values():
        rows.setdefault(gauge.measurement, []).append(_field(gauge))
    members = (
        (f"`{measure.name}`", "seconds" if measure.unit is Unit.MILLISECONDS else "count", measure.help)
        for measure in catalogue.measures.values()
        if Dimension.MEMBER in measure.by
    )
    parts = [_INFLUXDB]
    for measurement, fields in rows.items():
        parts += [f"## {measurement}", table(("field", "kind", "tags beside `guild_id`", "what"), fields)]
    parts += [
        f"## {EVENT_MEASUREMENT}",
        _RECORDS,
        f"## {MEMBER_MEASUREMENT}",
        "In the bucket `sinks.influxdb.bucket_members`, tags `guild_id` and `user_id`. Fields are those of:",
        table(("measure", "kind", "what"), members),
        "## The long term",
        _LONG_TERM,
    ]
    return page("InfluxDB", *parts)


def _field(found: Measure | Gauge) -> tuple[str, str, str, str]:
    if isinstance(found, Gauge):
        return f"`{found.field}`", "state", "", found.help
    tags = [f"`{found.label}` ({code(*found.values)})"] if found.label else []
    tags += [f"`{_TAGS[name]}`" for name in _TAGS if name in found.by]
    kind = "delta, seconds" if found.unit is Unit.MILLISECONDS else "delta"
    return f"`{found.field}`", kind, ", ".join(tags), found.help
