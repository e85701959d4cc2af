"""What the fleet and the overview cost Prometheus where it holds the series of 50,000 guilds.

Series are what the exporter exposes by default, of the families that the two dashboards and the rules read.
Every guild is scraped each minute for the last 11 minutes, which is as far back as anything looks that reads
all of them, and once on each of the 15 days before, so that each day's index knows every series. The guild
that is looked at, the exporter itself and what rules record have all of the samples that are asked for.

Ours is the quickest of three tries in milliseconds: the others tell of the machine's neighbours. The name has
the first one, before anything was looked up. A panel has a second, a rule a tenth of the time between two of
its computations. ``EXPORTER_QUERY_GUILDS`` changes the number of guilds; 50,000 take five minutes.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.exposition import Totals
from benchmarks.result import Result
from dashboards.alerts import community, recordings
from dashboards.provisioning import Source
from dashboards.queries.moderation import REMOVALS
from exporter.events.catalogue import full_catalogue
from exporter.exposition.config import ExpositionConfig
from exporter.exposition.renderer import MetricsRenderer
from exporter.telemetry import Telemetry
from tests.dashboards.committed import asked
from tests.dashboards.curves import TARGET, own_curves, worked
from tests.dashboards.ranges import Filled, filled
from tests.servers.prometheus import Prometheus, remembering_prometheus, store

GUILDS = int(os.environ.get("EXPORTER_QUERY_GUILDS", "50000"))
PAGES = ("discord-fleet", "discord-guild")
LIMIT_MS = 1000.0
TRIES = 3

SCRAPE = 60
RECENT = 11 * 60
DAY = 86_400
DAYS = 15
"""A range of a week is compared with the week before it."""
WEEK = 7
GUILDS_OF_A_SHARD = 1000
"""About what Discord recommends."""

EXPRESSIONS = {
    (found.dashboard.uid, found.where, found.text): found
    for found in asked(Source.PROMETHEUS)
    if found.dashboard.uid in PAGES
}
"""Every query once: most are in both variants."""
_UNMEASURED = {recordings.USUAL_JOINS.name, recordings.USUAL_REMOVED.name}
"""They read as many series and samples as the week of messages does."""
RULES: Mapping[str, tuple[str, float]] = {
    each.name: (each.expr, 60 * float(group.interval.removesuffix("m")))
    for group in (*recordings.GROUPS, community.GROUPS[0])
    for each in (*group.recordings, *group.alerts)
    if each.name not in _UNMEASURED
}
"""Expression and seconds between two computations of what reads every guild."""


@dataclass(frozen=True)
class Series:
    """One series: everything before its value, and the value it has at first."""

    head: str
    value: int

    def at(self, moment: int) -> str:
        """Its line in the scrape of that second; it grows by one with each."""
        return f"{self.head} {self.value + moment // SCRAPE} {moment}\n"


def guild_series(guilds: int) -> list[Series]:
    """What the exporter shows of so many guilds, in the families that are read."""
    texts = [found.text for found in EXPRESSIONS.values()] + [text for text, _ in RULES.values()]
    families = {name for text in texts for name in re.findall(r"\bdiscord_\w+", text)}
    catalogue = full_catalogue()
    renderer = MetricsRenderer(Totals(catalogue, guilds), Telemetry(), catalogue, ExpositionConfig())
    body = asyncio.run(renderer.render(None, None)).body.decode()
    found = []
    for line in body.splitlines():
        name, _, rest = line.partition("{")
        if name in families and "guild_id=" in rest and _is_read(rest):
            labels, _, value = rest.rpartition(" ")
            found.append(Series(f"{name}{{{TARGET},{labels}", int(float(value))))
    return found


def _is_read(labels: str) -> bool:
    action = re.search(r'action="(\w+)"', labels)
    return action is None or action[1] in REMOVALS


def guild_ids(series: list[Series]) -> list[str]:
    """Every guild, in the order of the exposition."""
    return list(dict.fromkeys(re.findall(r'guild_id="(\d+)"', "".join(each.head for each in series))))


def own_lines(end: int, guilds: int) -> Iterator[str]:
    """A day of the exporter itself."""
    telemetry = worked()
    for shard in range(-(-guilds // GUILDS_OF_A_SHARD)):
        telemetry.gateway_connected.labels(f"{shard}").set(1)
        telemetry.gateway_latency.labels(f"{shard}").set(0.08)
        telemetry.gateway_resumes.labels(f"{shard}").inc(9)
    hours = [(end - hour * 3600) * 1000 for hour in reversed(range(25))]
    for curve in own_curves(telemetry, hours):
        yield from curve.samples(SCRAPE * 1000)


def fleet_lines(start: int, end: int) -> Iterator[str]:
    """What rules record of the fleet each minute."""
    for recording in recordings.GROUPS[0].recordings:
        if recording.name.startswith("fleet:"):
            yield from (f"{recording.name} 3.5 {moment}\n" for moment in range(start, end, SCRAPE))


def recent_lines(end: int, guilds: list[str]) -> Iterator[str]:
    """What rules record of guilds in an hour, as often as the hour's rule looks."""
    for recording in recordings.GROUPS[0].recordings:
        if recording.name.startswith("guild:"):
            yield from _of_guilds(recording.name, guilds, range(end - 3600, end + 1, 300))


def _of_guilds(name: str, guilds: list[str], moments: range) -> Iterator[str]:
    for moment in moments:
        yield from (f'{name}{{guild_id="{guild}"}} 0.01 {moment}\n' for guild in guilds)


def hourly_lines(start: int, end: int, guilds: list[str]) -> Iterator[str]:
    """The hours of messages that a week's rule reads."""
    return _of_guilds(recordings.MESSAGES.name, guilds, range(start - start % 3600 + 3600, end + 1, 3600))


def day_lines(series: list[Series], chosen: list[Series], end: int, recent: int = 0) -> Iterator[str]:
    """A day up to ``end``: the chosen guild each minute, every other in the last ``recent`` seconds."""
    for moment in range(end - DAY + SCRAPE, end + 1, SCRAPE):
        yield from (each.at(moment) for each in (series if moment >= end - recent else chosen))


def fill(directory: Path, guilds: int, end: int) -> list[str]:
    """A block for each day; the ids of the guilds."""
    series = guild_series(guilds)
    ids = guild_ids(series)
    chosen = [each for each in series if f'"{ids[0]}"' in each.head]
    for day in range(DAYS, 0, -1):
        over = end - day * DAY
        hours = hourly_lines(over - DAY, over, ids) if day < WEEK else iter(())
        store(itertools.chain(day_lines(series, chosen, over), hours), directory)
    today = (
        day_lines(series, chosen, end, RECENT),
        fleet_lines(end - DAY + SCRAPE, end + 1),
        recent_lines(end, ids),
        hourly_lines(end - DAY, end, ids),
        own_lines(end, guilds),
    )
    store(itertools.chain.from_iterable(today), directory)
    return ids


def clock(ask: Callable[[], Sequence[object]]) -> tuple[list[float], int]:
    """Milliseconds of each try, and how many series were answered."""
    spent, found = [], 0
    for _ in range(TRIES):
        began = time.perf_counter()
        found = len(ask())
        spent.append((time.perf_counter() - began) * 1000)
    return spent, found


def ask_all(server: Prometheus, guild: int, end: int) -> list[Result]:
    """Every expression of the two dashboards as it is sent when they are opened, then the rules."""
    results = []
    for (page, where, _), found in EXPRESSIONS.items():
        query = filled(found, guild, SCRAPE)
        results.append(_result(f"{page}/{where}", functools.partial(_ask, server, query, end), LIMIT_MS))
    for name, (text, seconds) in RULES.items():
        results.append(_result(f"rule {name}", functools.partial(server.ask, text, end), seconds * 1000 / 10))
    return results


def _ask(server: Prometheus, query: Filled, end: int) -> Sequence[object]:
    if query.instant:
        return server.ask(query.text, end)
    return server.ask_range(query.text, end - query.span, end, query.step)


def _result(name: str, ask: Callable[[], Sequence[object]], limit: float) -> Result:
    spent, found = clock(ask)
    ours = min(spent)
    return Result(f"{name} (first {spent[0]:.0f} ms, {found:,} series)", ours, limit, ours / limit, 1.0, "ms")


def run(guilds: int = GUILDS) -> list[Result]:
    """Measure."""
    end = int(time.time()) // 3600 * 3600
    with tempfile.TemporaryDirectory(prefix="exporter-bench-") as name:
        ids = fill(Path(name), guilds, end)
        with remembering_prometheus(Path(name)) as server:
            return ask_all(server, int(ids[0]), end)
