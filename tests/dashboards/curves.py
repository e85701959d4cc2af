"""What Prometheus would have scraped from an exporter that saw the past."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from exporter.events.catalogue import full_catalogue
from exporter.exposition.own_families import ReadableFamilies
from exporter.exposition.text import escape_label
from exporter.telemetry import Telemetry
from tests.dashboards.past import HOUR, Past

CATALOGUE = full_catalogue()
OBSERVATIONS = 9_000
"""Of each histogram: enough for a rate in every hour of the past."""
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
        for value, slot in measure.series_of.items() if measure.metric else ():
            unit = measure.unit.expose(1)
            sums = [total * unit for total in accumulate(counts[slot] for _, counts, _ in hours)]
            labels = f'{guild},{measure.label}="{value}"' if measure.label else guild
            yield Curve(f"{measure.metric}_total", labels, times, sums)


def own_curves(telemetry: Telemetry, times: list[int]) -> Iterator[Curve]:
    """Every series of the exporter's own, which over ``times`` came to what it is now."""
    for family in ReadableFamilies(telemetry.registry.collect()).collect():
        for sample in family.samples:
            state = family.type == "gauge"
            values = [
                sample.value if state else sample.value * (place + 1) / len(times)
                for place in range(len(times))
            ]
            labels = (f'{name}="{escape_label(text)}"' for name, text in sample.labels.items())
            yield Curve(sample.name, ",".join((TARGET, *labels)), times, values, state)
    yield Curve("up", TARGET, times, [1.0] * len(times), state=True)


def worked() -> Telemetry:
    """The meters of an exporter with every trouble there is, one shard being away."""
    found = Telemetry()
    for name in ("MESSAGE_CREATE", "GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE", "TYPING_START"):
        found.gateway_events.labels(name).inc(90_000)
    for shard, connected in (("0", 1), ("1", 0)):
        found.gateway_connected.labels(shard).set(connected)
        found.gateway_latency.labels(shard).set(0.08)
        found.gateway_resumes.labels(shard).inc(300)
        found.gateway_identifies.labels(shard).inc(200)
    found.identifies_remaining.set(900)
    found.clock_offset.set(0.2)
    found.unsaved_seconds.set(4)
    found.pending_decisions.labels("membership").set(3)
    for status in ("200", "403", "429"):
        found.rest_requests.labels("/guilds/{guild.id}/invites", status).inc(30_000)
    found.rest_answers.labels("trouble").inc(900)
    for meter in (found.received, found.accepted, found.offered):
        meter.labels("MESSAGE_CREATE").inc(90_000)
    _deliver(found)
    for _ in range(OBSERVATIONS):
        found.commit_seconds.observe(0.002)
        found.loop_lag.observe(0.002)
    found.requests_submitted.labels("INVITES").inc(3_000)
    found.requests_merged.labels("INVITES").inc(900)
    found.requests_completed.labels("INVITES", "answered").inc(3_000)
    found.repeated.labels("MESSAGE_CREATE").inc(900)
    found.rejected.labels("MESSAGE_CREATE", "shape").inc(900)
    found.rejected_elements.labels("GUILD_CREATE", "$.members[]").inc(900)
    found.dropped.labels("full").inc(900)
    found.shed.labels("counts").inc(900)
    found.damaged_state.inc(900)
    found.component_errors.labels("voice").inc(900)
    found.component_skipped.labels("voice").inc(900)
    for meter in (found.member_corrections, found.member_drift, found.levels_forgotten, found.audit_gaps):
        meter.inc(900)
    found.spooled.set(200_000)
    for file, size in (("database", 4_000_000), ("wal", 400_000)):
        found.spool_bytes.labels(file).set(size)
    found.spool_limit.set(512_000_000)
    found.volume_free.set(50_000_000_000)
    found.series.set(130)
    found.series_limit.set(4_000_000)
    found.guilds_folded.set(1)
    found.blind.labels("INVITE_CREATE", "manage_guild").set(2)
    found.start_time.set(1_700_000_000)
    found.build_info.labels("1.0.0", "3.11.2", "2.10.1").set(1)
    return found


def _deliver(found: Telemetry) -> None:
    for sink in ("sql", "influxdb"):
        for meter in (found.delivered, found.dead, found.evicted, found.withheld, found.sink_lost):
            meter.labels(sink).inc(9_000)
        found.pending.labels(sink).set(40)
        found.oldest_unsent.labels(sink).set(4)
        found.sink_up.labels(sink).set(1)
        found.sink_failures.labels(sink, "unreachable").inc(900)
        for _ in range(OBSERVATIONS):
            found.deliver_seconds.labels(sink).observe(0.004)
