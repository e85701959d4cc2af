"""A source held in dictionaries, and expositions read back by prometheus-client's parsers."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.exposition.config import ExpositionConfig
from exporter.exposition.renderer import MetricsRenderer, RenderedMetrics
from exporter.telemetry import Telemetry

CATALOGUE = full_catalogue()
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
Sample = tuple[str, frozenset[tuple[str, str]]]


@dataclass
class Held:
    """What the pipeline would hold."""

    names: dict[int, str] = field(default_factory=dict)
    amounts: dict[tuple[str, str], dict[int, int]] = field(default_factory=dict)
    by_channel: dict[str, dict[int, dict[int, int]]] = field(default_factory=dict)
    states: dict[str, dict[int, float]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    refreshed: int = 0

    def add(self, measure: str, value: str, guild: int, amount: int, channel: int = 0) -> None:
        self.names.setdefault(guild, f"guild {guild}")
        column = self.amounts.setdefault((measure, value), {})
        column[guild] = column.get(guild, 0) + amount
        if channel:
            channels = self.by_channel.setdefault(measure, {}).setdefault(guild, {})
            channels[channel] = channels.get(channel, 0) + amount

    def leave(self, guild: int) -> None:
        self.gone.discard(guild)
        for column in (self.names, *self.amounts.values(), *self.by_channel.values(), *self.states.values()):
            column.pop(guild, None)

    def depart(self, guild: int) -> None:
        """The bot has left; the totals are kept for a while."""
        self.gone.add(guild)
        for column in (self.names, *self.states.values()):
            column.pop(guild, None)

    def departed(self) -> Collection[int]:
        return self.gone

    def refresh(self) -> None:
        self.refreshed += 1

    def guilds(self) -> Mapping[int, str]:
        return self.names

    def totals(self, measure: str, value: str) -> Mapping[int, int]:
        return self.amounts.get((measure, value), {})

    def channel_totals(self, measure: str) -> Mapping[int, Mapping[int, int]]:
        return self.by_channel.get(measure, {})

    def gauges(self, gauge: str) -> Mapping[int, float]:
        return self.states.get(gauge, {})


def rendering(
    source: Held, telemetry: Telemetry | None = None, catalogue: Catalogue = CATALOGUE, **settings: object
) -> MetricsRenderer:
    config = ExpositionConfig.model_validate(settings)
    return MetricsRenderer(source, telemetry or Telemetry(), catalogue, config)


def families(exposition: RenderedMetrics) -> list[Metric]:
    body = gzip.decompress(exposition.body) if exposition.headers.get("Content-Encoding") else exposition.body
    parse = (
        parse_openmetrics
        if exposition.headers["Content-Type"].startswith("application/openmetrics")
        else parse_text
    )
    return list(parse(body.decode()))


def samples(exposition: RenderedMetrics) -> dict[Sample, float]:
    found: dict[Sample, float] = {}
    for sample in _samples(exposition):
        assert sample[0] not in found, f"{sample[0]} stands twice"
        found[sample[0]] = sample[1]
    return found


def _samples(exposition: RenderedMetrics) -> Iterator[tuple[Sample, float]]:
    for family in families(exposition):
        for sample in family.samples:
            yield (sample.name, frozenset(sample.labels.items())), float(sample.value)


def key(name: str, **labels: object) -> Sample:
    return name, frozenset((name, str(value)) for name, value in labels.items())


async def scrape(
    source: Held | MetricsRenderer, accept: str | None = None, **settings: object
) -> dict[Sample, float]:
    by = source if isinstance(source, MetricsRenderer) else rendering(source, **settings)  # type: ignore[arg-type] # passed on
    return samples(await by.render(accept, None))
