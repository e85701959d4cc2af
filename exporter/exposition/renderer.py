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

from exporter.events.catalogue import Catalogue
from exporter.exposition.config import ExpositionConfig
from exporter.exposition.guilds import GuildText
from exporter.exposition.own_families import OwnFamilies
from exporter.exposition.source import Source
from exporter.exposition.text import TextFormat, accepts_gzip, choose_format
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
        self._own_families = OwnFamilies(telemetry.registry)
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
        turn: list[str] = []
        size = 0
        for piece in self._pieces(format_):
            turn.append(piece)
            size += len(piece)
            if size >= TURN_BYTES:
                await body.add("".join(turn))
                turn.clear()
                size = 0
        turn.append(self._own_families.encode(format_))
        await body.add("".join(turn))
        return body.finish()

    def _pieces(self, format_: TextFormat) -> Iterator[str]:
        if self._guilds:
            yield from self._guilds.pieces(format_)
            self._telemetry.series.set(self._guilds.series)
            self._telemetry.guilds_folded.set(len(self._guilds.admission.excluded))


class _PlainBody:
    """Uncompressed text.

    The buffer grows in place and returns its content uncopied: joining 100 MB blocks the loop for 90 ms.
    """

    def __init__(self) -> None:
        self._buffer = io.BytesIO()

    async def add(self, text: str) -> None:
        self._buffer.write(text.encode("utf-8", "replace"))
        await asyncio.sleep(0)

    def finish(self) -> bytes:
        return self._buffer.getvalue()


class _GzipBody:
    """Text compressed turn by turn, so that the whole of it is never in memory."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)

    async def add(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        self._buffer.write(await asyncio.to_thread(self._stream.compress, data))

    def finish(self) -> bytes:
        self._buffer.write(self._stream.flush())
        return self._buffer.getvalue()
