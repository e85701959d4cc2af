"""What Prometheus would have scraped from an exporter that saw the past."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from exporter.events.catalogue import full_catalogue
from exporter.exposition.meters import write_family
from exporter.exposition.text import Format
from exporter.telemetry import Telemetry
from tests.dashboards.past import HOUR, Past

CATALOGUE = full_catalogue()
TARGET = 'job="discord-exporter",instance="past"'


@dataclass(frozen=True)
class Curve:
    """A series with its value at the end of each hour; a counter grows evenly, a state lasts an hour."""

    metric: str
    labels: str
    times: list[int]
    values: list[float]
    state: bool = False

    def samples(self, scrape: int, phase: int = 0) -> Iterator[str]:
        """The lines of OpenMetrics, one each ``scrape`` ms, ``phase`` ms after the hour."""
        before = self.values[0] if self.state else 0.0
        for end, value in zip(self.times, self.values, strict=True):
            for at in range(end - HOUR + phase, end, scrape):
                between = value if self.state else before + (value - before) * (at - end + HOUR) / HOUR
                yield f"{self.metric}{{{self.labels}}} {between:.9g} {at // 1000}\n"
            before = value


def curves(past: Past, days: int) -> Iterator[Curve]:
    """Every series of the guild over the last ``days``."""
    hours = past.counters[-days * 24 :]
    times = [at for at, _, _ in hours]
    guild = f'{TARGET},guild_id="{past.guild_id}"'
    named = f'{guild},guild_name="{past.name}"'
    yield Curve("discord_guild_info", named, times, [1.0] * len(times), state=True)
    for gauge in CATALOGUE.gauges.values():
        values = [float(gauges[gauge.name]) for _, _, gauges in hours]
        yield Curve(gauge.metric, guild, times, values, state=True)
    for measure in CATALOGUE.measures.values():
        for value, slot in measure.slots.items() if measure.metric else ():
            unit = measure.unit.expose(1)
            sums = [total * unit for total in accumulate(counts[slot] for _, counts, _ in hours)]
            labels = f'{guild},{measure.label}="{value}"' if measure.label else guild
            yield Curve(f"{measure.metric}_total", labels, times, sums)


def own_curves(telemetry: Telemetry, times: list[int]) -> Iterator[Curve]:
    """Every series of the exporter's own, which over ``times`` came to what it is now."""
    for family in telemetry.families():
        for line in write_family(Format.OPENMETRICS, family).splitlines():
            if line.startswith("#"):
                continue
            metric, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            last = float(value)
            state = family.spec.kind == "gauge"
            values = [last if state else last * (place + 1) / len(times) for place in range(len(times))]
            yield Curve(metric, ",".join(filter(None, (TARGET, labels))), times, values, state)
    yield Curve("up", TARGET, times, [1.0] * len(times), state=True)


def worked() -> Telemetry:
    """The meters of an exporter with every trouble there is, one shard being away."""
    found = Telemetry()
    for name in ("MESSAGE_CREATE", "GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE", "TYPING_START"):
        found.gateway_events.add(name, amount=90_000)
    for shard, connected in (("0", 1), ("1", 0)):
        found.gateway_connected.set(connected, shard)
        found.gateway_latency.set(0.08, shard)
        found.gateway_resumes.add(shard, amount=300)
        found.gateway_identifies.add(shard, amount=200)
    found.identifies_remaining.set(900)
    for status in ("200", "403", "429"):
        found.rest_requests.add("/guilds/{guild.id}/invites", status, amount=30_000)
    for meter in (found.received, found.accepted, found.offered):
        meter.add("MESSAGE_CREATE", amount=90_000)
    for sink in ("sql", "influxdb"):
        for meter in (found.delivered, found.dead, found.evicted):
            meter.add(sink, amount=9_000)
        found.pending.set(40, sink)
        found.oldest_unsent.set(4, sink)
        found.sink_up.set(1, sink)
        found.sink_failures.add(sink, "unreachable", amount=900)
        found.deliver_seconds.observe(0.004, sink)
        found.deliver_seconds.buckets[(sink,)] = [
            count * 9_000 for count in found.deliver_seconds.buckets[(sink,)]
        ]
    for histogram in (found.commit_seconds, found.loop_lag):
        histogram.observe(0.002)
        histogram.buckets[()] = [count * 90_000 for count in histogram.buckets[()]]
    found.inquiries_asked.add("INVITES", amount=3_000)
    found.inquiries_merged.add("INVITES", amount=900)
    found.inquiries_answered.add("INVITES", "answered", amount=3_000)
    found.rejected.add("MESSAGE_CREATE", "shape", amount=900)
    found.dropped.add("full", amount=900)
    for meter in (found.member_corrections, found.member_drift, found.levels_forgotten):
        meter.add(amount=900)
    found.spooled.set(200_000)
    for file, size in (("database", 4_000_000), ("wal", 400_000)):
        found.spool_bytes.set(size, file)
    found.spool_limit.set(512_000_000)
    found.volume_free.set(50_000_000_000)
    found.series.set(130)
    found.series_limit.set(4_000_000)
    found.guilds_folded.set(1)
    found.blind.set(2, "INVITE_CREATE", "manage_guild")
    found.start_time.set(1_700_000_000)
    found.build_info.set(1, "1.0.0", "3.11.2", "2.10.1")
    return found
