"""Renders one scrape in the requested format and encoding.

Invariants: the event loop runs other tasks after every ``TURN_BYTES`` of text, about 2 ms of work;
compression runs in a thread; scrapes are rendered one after the other, so that a dozen scrapers need the
memory of one. Everything counted before a scrape is requested is in it.
"""

from __future__ import annotations

import asyncio
import io
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client import Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from exporter.events.catalogue import Catalogue
from exporter.exposition.config import ExpositionConfig
from exporter.exposition.guilds import GuildText
from exporter.exposition.source import Source
from exporter.exposition.text import TextFormat, accepts_gzip, choose_format, readable
from exporter.telemetry import Telemetry

TURN_BYTES = 512 * 1024

_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 1
"""Text this repetitive shrinks to a tenth at the lowest level; the highest level takes six times as long and
saves little more."""


class RenderedMetrics(NamedTuple):
    """The response to a scrape, of which the headers name format and encoding."""

    body: bytes
    headers: Mapping[str, str]


class MetricsRenderer:
    """Renders the guild families and the exporter's own."""

    def __init__(
        self, source: Source, telemetry: Telemetry, catalogue: Catalogue, config: ExpositionConfig
    ) -> None:
        self._telemetry = telemetry
        self._guilds = GuildText(source, catalogue, config) if config.enabled else None
        self._lock = asyncio.Lock()
        telemetry.series_limit.set(config.max_series)

    async def render(self, accept: str | None, accept_encoding: str | None) -> RenderedMetrics:
        """The response to a request with these headers."""
        format_ = choose_format(accept)
        gzip = accepts_gzip(accept_encoding)
        headers = {"Content-Type": format_.value, "Vary": "Accept, Accept-Encoding"}
        if gzip:
            headers["Content-Encoding"] = "gzip"
        async with self._lock:
            body = await self._write(format_, _GzipBody() if gzip else _PlainBody())
        return RenderedMetrics(body, headers)

    async def _write(self, format_: TextFormat, body: _PlainBody | _GzipBody) -> bytes:
        size = 0
        for piece in self._pieces(format_):
            size += body.write(piece.encode("utf-8", "replace"))
            if size >= TURN_BYTES:
                await body.end_turn()
                size = 0
        body.write(self._own_families(format_))
        return await body.finish()

    def _pieces(self, format_: TextFormat) -> Iterator[str]:
        if self._guilds:
            yield from self._guilds.pieces(format_)
            self._telemetry.series.set(self._guilds.series)
            self._telemetry.guilds_folded.set(len(self._guilds.admission.excluded))

    def _own_families(self, format_: TextFormat) -> bytes:
        """The exporter's own families and, in OpenMetrics, the end mark."""
        encode = generate_openmetrics if format_ is TextFormat.OPENMETRICS else generate_latest
        return encode(ReadableFamilies(self._telemetry.registry))


class ReadableFamilies(Collector):
    """A registry's families as a scrape shows them: readable label values, and no ``_created`` series."""

    def __init__(self, registry: Collector) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """The families, changed in place: a registry makes them anew for each scrape."""
        for family in self._registry.collect():
            family.samples = [
                _readable_sample(sample) for sample in family.samples if not sample.name.endswith("_created")
            ]
            yield family


def _readable_sample(sample: Sample) -> Sample:
    """The sample itself if it can be shown, as nearly all can: a copy costs more than the encoding."""
    if all(map(str.isprintable, sample.labels.values())):
        return sample
    return sample._replace(labels={name: readable(text) for name, text in sample.labels.items()})


class _PlainBody:
    """Uncompressed text.

    The buffer grows in place and returns its content uncopied. Every piece is added to it by itself: joining
    100 MB blocks the loop for 90 ms, and a large temporary text costs more than writing it, in memory pages.
    """

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self.write = self._buffer.write

    async def end_turn(self) -> None:
        await asyncio.sleep(0)

    async def finish(self) -> bytes:
        return self._buffer.getvalue()


class _GzipBody:
    """Text compressed turn by turn, so that the whole of it is never in memory."""

    def __init__(self) -> None:
        self._turn = io.BytesIO()
        self._compressed = io.BytesIO()
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self.write = self._turn.write

    async def end_turn(self) -> None:
        data = self._turn.getvalue()
        self._turn.seek(0)
        self._turn.truncate()
        self._compressed.write(await asyncio.to_thread(self._stream.compress, data))

    async def finish(self) -> bytes:
        await self.end_turn()
        self._compressed.write(self._stream.flush())
        return self._compressed.getvalue()
