"""A metric held in a dictionary, for what moves with each frame or entry.

It has the interface of ``prometheus_client`` and is encoded by it; the library's own locked counter costs
three to nine times as much as a dictionary, and the whole program counts on one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

MetricType = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A family's declaration. ``name`` is the family's name without ``_total``."""

    name: str
    kind: MetricType
    help: str
    labels: tuple[str, ...] = ()

    @property
    def exposed_name(self) -> str:
        """The name queries use: a counter's ends in ``_total``."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


@dataclass(frozen=True, slots=True)
class PlainChild:
    """One series of a ``PlainMetric``."""

    values: dict[tuple[str, ...], float]
    key: tuple[str, ...]

    def inc(self, amount: float = 1) -> None:
        """Add ``amount``; the series starts at 0."""
        self.values[self.key] = self.values.get(self.key, 0) + amount

    def set(self, value: float) -> None:
        """Replace the value: of a gauge, or of a counter whose true value is kept elsewhere."""
        self.values[self.key] = value


class PlainMetric(Collector):
    """A counter or gauge held in a dictionary, by label values in the order of ``spec.labels``.

    For three uses: a hot path that writes ``values`` itself, a counter whose value the spool keeps, and a
    gauge that has no sample while its value is not known.
    """

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec
        self.values: dict[tuple[str, ...], float] = {}
        self._family = Metric(spec.name, spec.help, spec.kind)
        if spec.kind == "counter" and not spec.labels:
            self.set(0)

    def labels(self, *values: str) -> PlainChild:
        """The series with these label values."""
        return PlainChild(self.values, values)

    def inc(self, amount: float = 1) -> None:
        """Add to the only series of a family without labels."""
        self.labels().inc(amount)

    def set(self, value: float) -> None:
        """Set the only series of a family without labels."""
        self.labels().set(value)

    def collect(self) -> Iterator[Metric]:
        """The family with its samples."""
        name = self.spec.exposed_name
        self._family.samples = [
            Sample(name, dict(zip(self.spec.labels, labels, strict=True)), value)
            for labels, value in self.values.items()
        ]
        yield self._family
