"""Two months of two communities in every store, written by the real sinks and by promtool.

What people did is told by ``tests.dashboards.past``; here it ends now, so that a page shows it as present.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from pydantic import SecretStr

from exporter.clock import SystemClock
from exporter.events.catalogue import full_catalogue
from exporter.model import STORED, Batch, Entry, Priority, Row
from exporter.sinks.base import Sink
from exporter.sinks.influx.config import InfluxConfig
from exporter.sinks.influx.sink import InfluxSink
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.sink import SqlSink
from tests.dashboards.past import ATTIC, DAY, HOUR, MEADOW, MINUTE, Past
from tests.grafana.far_ends import ORGANISATION, Influx, find

DAYS = 60
SCRAPED_DAYS = 35
MEMBER_DAYS = 29
"""InfluxDB refuses points of members that are older than their bucket keeps."""

PEOPLE = {MEADOW: ("The Meadow", 260), ATTIC: ("Attic", 40)}
SCRAPE = 4 * MINUTE
"""Within the five minutes after which Prometheus takes a series for gone."""

ROWS = 2000
CATALOGUE = full_catalogue()


def tell(now: int) -> list[Past]:
    """The same people at each call; everything up to ``now`` (ms), in the order of time."""
    chance = random.Random(7)
    end = now // MINUTE * MINUTE
    found = [Past(guild, name, end - DAYS * DAY, end, chance, size) for guild, (name, size) in PEOPLE.items()]
    for past in found:
        list(past.tell())
    return found


async def store_rows(dsn: str, pasts: Sequence[Past]) -> None:
    """Write everything to the SQL database at ``dsn``, which has its tables."""
    config = SqlConfig(dsn=SecretStr(dsn))
    sink = SqlSink(config, clock=SystemClock(), catalogue=CATALOGUE)
    await _deliver(sink, [entry for past in pasts for entry in past.entries])


async def store_points(server: Influx, pasts: Sequence[Past]) -> None:
    """Write everything to InfluxDB, which has its buckets."""
    config = InfluxConfig(url=server.url, org=ORGANISATION, token=SecretStr(server.token))
    entries = [
        entry
        for past in pasts
        for entry in past.entries
        if entry.type != "MEMBER_ACTIVITY_SNAPSHOT" or entry.at > past.end - MEMBER_DAYS * DAY
    ]
    await _deliver(InfluxSink(config, CATALOGUE, SystemClock()), entries)


async def _deliver(sink: Sink, entries: Sequence[Entry]) -> None:
    rows = [Row(position, entry) for position, entry in enumerate(entries, 1)]
    await sink.open()
    for lane in Priority:
        waiting = [row for row in rows if row.entry.priority is lane]
        for start in range(0, len(waiting), ROWS):
            verdict = await sink.deliver(Batch("past", lane, tuple(waiting[start : start + ROWS])))
            assert verdict == STORED, verdict
    await sink.close()


def store_samples(directory: Path, pasts: Sequence[Past]) -> None:
    """Make blocks of a Prometheus that is not started yet, as if it had scraped all the time."""
    directory.mkdir(parents=True)
    text = directory.parent / "past.txt"
    with text.open("w") as file:
        for past in pasts:
            for curve in _curves(past):
                file.writelines(curve.samples())
        file.write("# EOF\n")
    command = [find("PROMTOOL", "promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
    # One block: for each the whole text is read again.
    subprocess.run([*command, "--max-block-duration=2400h", text, directory], check=True, timeout=300)


def present(pasts: Sequence[Past]) -> str:
    """What a scrape of the exporter that saw all this would show now; its labels are to be honoured."""
    curves = [curve for past in pasts for curve in _curves(past)]
    return "".join(f"{curve.metric}{{{curve.labels}}} {curve.values[-1]:.0f}\n" for curve in curves)


@dataclass(frozen=True)
class Curve:
    """A series with its value at the end of each hour; a counter grows evenly, a state lasts an hour."""

    metric: str
    labels: str
    times: list[int]
    values: list[float]
    state: bool = False

    def samples(self) -> Iterator[str]:
        """The lines of OpenMetrics."""
        before = self.values[0] if self.state else 0.0
        for end, value in zip(self.times, self.values, strict=True):
            for at in range(end - HOUR, end, SCRAPE):
                between = value if self.state else before + (value - before) * (at - end + HOUR) / HOUR
                yield f"{self.metric}{{{self.labels}}} {between:.0f} {at // 1000}\n"
            before = value


def _curves(past: Past) -> Iterator[Curve]:
    hours = past.counters[-SCRAPED_DAYS * 24 :]
    times = [at for at, _, _ in hours]
    guild = f'job="discord-exporter",instance="past",guild_id="{past.guild_id}"'
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
