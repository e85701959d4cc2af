"""The exporter's own families as text, encoded by ``prometheus_client``.

Most of them are the same in one scrape as in the one before: a family is encoded again only where a sample of
it has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from exporter.exposition.text import TextFormat, readable

_END: Final = "# EOF\n"
"""The last line of OpenMetrics."""


class OwnFamilies:
    """Encodes the families of a registry."""

    def __init__(self, registry: Collector) -> None:
        self._registry = registry
        self._encoded: dict[tuple[TextFormat, str], tuple[list[Sample], str]] = {}

    def encode(self, format_: TextFormat) -> str:
        """All families and, in OpenMetrics, the end mark."""
        texts = [self._text(format_, family) for family in self._registry.collect()]
        if format_ is TextFormat.OPENMETRICS:
            texts.append(_END)
        return "".join(texts)

    def _text(self, format_: TextFormat, family: Metric) -> str:
        known = self._encoded.get((format_, family.name))
        if known is not None and known[0] == family.samples:
            return known[1]
        text = _encode(format_, family)
        self._encoded[format_, family.name] = (family.samples, text)
        return text


class ReadableFamilies(Collector):
    """Families as a scrape shows them: readable label values, and no ``_created`` series."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Copies of the families."""
        for family in self._families:
            shown = Metric(family.name, family.documentation, family.type)
            shown.samples = [
                _readable_sample(sample) for sample in family.samples if not sample.name.endswith("_created")
            ]
            yield shown


def _encode(format_: TextFormat, family: Metric) -> str:
    encode = generate_openmetrics if format_ is TextFormat.OPENMETRICS else generate_latest
    return encode(ReadableFamilies((family,))).decode().removesuffix(_END)


def _readable_sample(sample: Sample) -> Sample:
    """The sample itself if it can be shown, as nearly all can."""
    if all(map(str.isprintable, sample.labels.values())):
        return sample
    return sample._replace(labels={name: readable(text) for name, text in sample.labels.items()})
