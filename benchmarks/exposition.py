"""Exposition: a scrape against ``prometheus_client.exposition.generate_latest``, for the same samples.

The alternative is measured twice, with plain counters and with a collector that builds families from the
same dictionaries; the target holds against the faster one. What a scrape of 50,000 guilds does to the event
loop is measured as the longest time the loop did not turn.
"""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Collection, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from benchmarks.result import Result, compare
from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.events.spec import EventSpec, Family, Measure
from exporter.exposition.config import ExpositionConfig
from exporter.exposition.guilds import GuildText
from exporter.exposition.renderer import MetricsRenderer
from exporter.exposition.text import TextFormat
from exporter.model import Priority
from exporter.telemetry import Telemetry

SAMPLES = 10_000
LABELS = ("guild_id", "kind")
LARGE = 50_000
BLOCKED_TARGET_MS = 50.0
CLIENT_ROUNDS = 5


class Totals:
    """A source held in dictionaries, as the pipeline holds it."""

    def __init__(self, catalogue: Catalogue, guilds: int) -> None:
        chance = random.Random(1)
        first = 800_000_000_000_000_000
        self.names = {first + n: f"guild {n}" for n in range(guilds)}
        self.amounts: dict[tuple[str, str], dict[int, int]] = {
            (measure.name, value): {guild: chance.randrange(1, 10_000_000) for guild in self.names}
            for measure in catalogue.measures.values()
            for value in measure.values
        }
        self.states = {name: dict.fromkeys(self.names, 250) for name in catalogue.gauges}

    def refresh(self) -> None:
        """Always up to date."""

    def guilds(self) -> Mapping[int, str]:
        """Names by guild."""
        return self.names

    def departed(self) -> Collection[int]:
        """None."""
        return ()

    def totals(self, measure: str, value: str) -> Mapping[int, int]:
        """Amounts by guild."""
        return self.amounts[measure, value]

    def channel_totals(self, measure: str) -> Mapping[int, Mapping[int, int]]:  # noqa: ARG002 - the protocol's parameter; channels are off here
        """Channels are off."""
        return {}

    def gauges(self, gauge: str) -> Mapping[int, float]:
        """States by guild."""
        return self.states[gauge]


class Families(Collector):
    """The public way with a collector of one's own."""

    def __init__(self, measures: Iterable[Measure], totals: Totals) -> None:
        self._measures = list(measures)
        self._totals = totals

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Families built from the dictionaries."""
        for measure in self._measures:
            family = CounterMetricFamily(measure.metric or "", measure.help, labels=LABELS)
            for value in measure.values:
                for guild, amount in self._totals.totals(measure.name, value).items():
                    family.add_metric((str(guild), value), amount)
            yield family


def _catalogue(families: int, values: int) -> Catalogue:
    measures = tuple(
        Measure(
            name=f"m{n}",
            help="A measure.",
            metric=f"discord_measure_{n}",
            measurement="m",
            field=f"f{n}",
            label="kind",
            values=tuple(f"v{i}" for i in range(values)),
        )
        for n in range(families)
    )
    event = EventSpec(type="E", help="An event.", priority=Priority.SLOW, measures=measures)
    return Catalogue([Family("f", "A family.", (event,))])


def _children(measures: Iterable[Measure], totals: Totals) -> CollectorRegistry:
    registry = CollectorRegistry()
    for measure in measures:
        counter = Counter(measure.metric or "", measure.help, LABELS, registry=registry)
        for value in measure.values:
            for guild, amount in totals.totals(measure.name, value).items():
                counter.labels(str(guild), value).inc(amount)
    return registry


def _against_client() -> list[Result]:
    catalogue = _catalogue(families=5, values=2)
    totals = Totals(catalogue, SAMPLES // 10)
    measures = list(catalogue.measures.values())
    families = CollectorRegistry()
    families.register(Families(measures, totals))
    children = _children(measures, totals)
    # The whole of a scrape, with names, exporter's own meters and all: more than the alternative writes.
    renderer = MetricsRenderer(totals, Telemetry(), catalogue, ExpositionConfig())
    # Not Runner.run: it makes the text of a task, and with it of the task's result, on every call.
    loop = asyncio.new_event_loop()
    try:
        return [
            compare(
                f"exposition, per sample of {SAMPLES:,}, against {name}",
                lambda: loop.run_until_complete(renderer.render(None, None)),
                functools.partial(generate_latest, registry),
                per=SAMPLES,
                target=0.1,
                rounds=CLIENT_ROUNDS,
            )
            for name, registry in (("a collector", families), ("plain counters", children))
        ]
    finally:
        loop.close()


async def _longest_block(work: MetricsRenderer, encoding: str | None) -> tuple[float, float, int]:
    longest = 0.0
    running = True

    async def watch() -> None:
        nonlocal longest
        last = time.perf_counter()
        while running:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest = max(longest, now - last)
            last = now

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0)
    started = time.perf_counter()
    answer = await work.render(None, encoding)
    took = time.perf_counter() - started
    running = False
    await watcher
    return longest * 1000, took, len(answer.body)


def _large(name: str, catalogue: Catalogue) -> list[Result]:
    totals = Totals(catalogue, LARGE)
    renderer = MetricsRenderer(totals, Telemetry(), catalogue, ExpositionConfig())
    results = []
    for encoding in (None, "gzip"):
        blocked, took, size = min(asyncio.run(_longest_block(renderer, encoding)) for _ in range(3))
        title = (
            f"longest block of the loop, {name}, {encoding or 'plain'} ({took:.2f} s, {size / 1e6:.1f} MB)"
        )
        results.append(
            Result(title, blocked, BLOCKED_TARGET_MS, blocked / BLOCKED_TARGET_MS, target=1.0, unit="ms")
        )
    return results


def _zeros() -> Result:
    """What it costs to show a guild's counters before anything happened in it."""
    catalogue = full_catalogue()
    busy, idle = Totals(catalogue, 1000), Totals(catalogue, 1000)
    idle.amounts = {key: {} for key in idle.amounts}
    write = [GuildText(totals, catalogue, ExpositionConfig()) for totals in (idle, busy)]
    return compare(
        "exposition, per sample, of idle guilds against busy ones",
        lambda: list(write[0].pieces(TextFormat.TEXT)),
        lambda: list(write[1].pieces(TextFormat.TEXT)),
        per=sum(
            1 for piece in write[0].pieces(TextFormat.TEXT) for line in piece.splitlines() if line[0] != "#"
        ),
        target=1.0,
    )


def run() -> list[Result]:
    """CPU per sample, and the longest block of the loop."""
    return [
        *_against_client(),
        *_large("50,000 guilds × 12 counters", _catalogue(families=6, values=2)),
        *_large("50,000 guilds, whole catalogue", full_catalogue()),
        _zeros(),
    ]


if __name__ == "__main__":
    for result in run():
        print(result)
