"""Two months of two communities in the SQL database and InfluxDB, written by the real sinks.

What people did comes from ``tests.dashboards.past``; here it ends now, so that a page shows it as present.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from pydantic import SecretStr

from exporter.clock import SystemClock
from exporter.events.catalogue import full_catalogue
from exporter.model import STORED, Batch, Entry, Priority, Row
from exporter.sinks.base import Sink
from exporter.sinks.influx.config import InfluxConfig
from exporter.sinks.influx.sink import InfluxSink
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.sink import SqlSink
from tests.dashboards.past import ATTIC, DAY, MEADOW, MINUTE, Past
from tests.grafana.far_ends import ORGANISATION, Influx

DAYS = 60
MEMBER_DAYS = 29
"""InfluxDB refuses points of members that are older than their bucket keeps."""

PEOPLE = {MEADOW: ("The Meadow", 260), ATTIC: ("Attic", 40)}
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
