"""Line protocol: our encoder against ``influxdb_client.Point.to_line_protocol``, for the same points."""

from __future__ import annotations

import random

from influxdb_client.client.write.point import Point
from influxdb_client.domain.write_precision import WritePrecision

from benchmarks.result import Result, compare
from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.events.records.snapshots import ActiveMember, Delta, MemberActivitySnapshot, MetricsSnapshot
from exporter.events.spec import Dimension, Unit
from exporter.model import Entry, EntryData, Priority, Row
from exporter.sinks.influx.line_protocol import Encoder, salt_of, timestamp_ns

SOURCE = "benchmark"
WINDOW = (1_700_000_040_000, 1_700_000_100_000)
PERIOD = {"period_start": WINDOW[0], "period_end": WINDOW[1], "period_duration": 60}
GUILDS = 100
CHANNELS = 12
EMOJIS = ("👍", "🎉", "1185034534534534534", "❤️", "party blob")


def snapshot_rows(catalogue: Catalogue) -> tuple[Row, ...]:
    """A minute of a hundred guilds with a dozen active channels each."""
    chance = random.Random(1)
    rows = []
    for index in range(GUILDS):
        series: list[Delta] = []
        for measure in catalogue.measures.values():
            if measure.by == {Dimension.MEMBER}:
                continue
            for value in measure.values:
                for nth in range(CHANNELS if Dimension.CHANNEL in measure.by else 1):
                    channel = 900_000_000_000_000_000 + nth if Dimension.CHANNEL in measure.by else 0
                    emoji = chance.choice(EMOJIS) if Dimension.EMOJI in measure.by else ""
                    series.append((measure.name, value, channel, emoji, chance.randrange(1, 90_000)))
        rows.append(_row(index, METRICS_SNAPSHOT, MetricsSnapshot(**PERIOD, series=series, gauges={})))
    return tuple(rows)


def member_rows() -> tuple[Row, ...]:
    """Activity of 5,000 members."""
    deltas = [
        ("messages", "human", 1, 7),
        ("voice_seconds", "active", 2, 61_500),
        ("reactions", "normal", 1, 3),
    ]
    rows = []
    for index in range(GUILDS):
        members = [ActiveMember(10**18 + n, "member", *WINDOW, False, deltas) for n in range(50)]
        data = MemberActivitySnapshot(**PERIOD, members=members)
        rows.append(_row(index, MEMBER_ACTIVITY_SNAPSHOT, data))
    return tuple(rows)


def _row(index: int, kind: str, data: EntryData) -> Row:
    guild_id = 800_000_000_000_000_000 + index
    return Row(index, Entry(kind, guild_id, WINDOW[0], f"{kind}:{index}", Priority.SLOW, data))


def series_points(catalogue: Catalogue, rows: tuple[Row, ...]) -> list[str]:
    """The lines of snapshots, built the public way."""
    measures, salt, lines = catalogue.measures, salt_of(SOURCE), []
    for row in rows:
        at = timestamp_ns(*WINDOW, row.position, salt)
        for name, value, channel_id, emoji, amount in row.entry.data.series:
            measure = measures[name]
            point = Point(measure.measurement).tag("guild_id", row.entry.guild_id)
            if measure.label:
                point.tag(measure.label, value)
            if channel_id:
                point.tag("channel_id", channel_id)
            if emoji:
                point.tag("emoji", emoji)
            point.field(measure.field, amount / 1000 if measure.unit is Unit.MILLISECONDS else amount)
            lines.append(point.time(at, WritePrecision.NS).to_line_protocol())
    return lines


def member_points(rows: tuple[Row, ...]) -> list[str]:
    """The lines of members' activity, built the public way."""
    salt, lines = salt_of(SOURCE), []
    for row in rows:
        at = timestamp_ns(*WINDOW, row.position, salt)
        for member in row.entry.data.members:
            point = Point("discord_member_activity").tag("guild_id", row.entry.guild_id)
            point.tag("user_id", member.user_id)
            point.field("messages", 7).field("voice_seconds", 61.5).field("reactions_given", 3)
            lines.append(point.time(at, WritePrecision.NS).to_line_protocol())
    return lines


def run() -> list[Result]:
    """CPU per point, for both kinds of snapshot."""
    catalogue = full_catalogue()
    encoder = Encoder(catalogue)
    snapshots, members = snapshot_rows(catalogue), member_rows()
    return [
        compare(
            "line protocol, per point of a snapshot",
            lambda: encoder.encode(SOURCE, snapshots),
            lambda: series_points(catalogue, snapshots),
            per=len(encoder.encode(SOURCE, snapshots)),
            target=1 / 8,
        ),
        compare(
            "line protocol, per member's point",
            lambda: encoder.encode(SOURCE, members),
            lambda: member_points(members),
            per=len(encoder.encode(SOURCE, members)),
            target=1 / 8,
        ),
    ]


if __name__ == "__main__":
    for result in run():
        print(result)
