"""The sink that writes to InfluxDB 2.

influxdb-client's async client gives connection, TLS and authorisation. Its batching is not used: it
reports a failed write to a callback and drops the points, while here the runner must know.

Redirects are not followed: a POST that is redirected becomes a GET, whose answer says nothing about the
points.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

from exporter.clock import Clock
from exporter.events.catalogue import Catalogue
from exporter.events.records.snapshots import SnapshotDetail
from exporter.model import STORED, Batch, Outcome, Verdict
from exporter.sinks.base import Probe
from exporter.sinks.influx.config import InfluxConfig
from exporter.sinks.influx.line_protocol import Encoder, Lines, salt_of
from exporter.sinks.influx.responses import TOO_LARGE, read_response, redact

LINES_PER_TURN = 2000
"""Encoding yields to the event loop after about 2 ms of work."""

MAX_ANSWER = 64 * 1024
"""Responses are a line of JSON; a longer one is a page of a proxy, which its beginning identifies."""

INLINE_BYTES = 16 * 1024
"""Below this, handing the body to a thread costs more than compressing it."""

MAX_REFUSED_LINES = 8
"""Lines of one row that are too large one by one, after which the rest of the row is given up too: a far end
that takes no line at all would be asked twice for each."""

_GZIP = 16 + zlib.MAX_WBITS
_HTTP_OK = 200
_HTTP_SERVER_ERROR = 500

_PROBE_WORDS = {
    "unauthorized": "the token is missing or not valid; set sinks.influxdb.token",
    "forbidden": "the token may not write to it; give the token write access",
    "not_found": "the bucket or the organisation does not exist; create it or correct its name",
}


class InfluxSink:
    """Writes entries as points; ``source`` and position of a row make its points' identity."""

    name = "influxdb"
    needs: frozenset[SnapshotDetail] = frozenset()

    def __init__(self, config: InfluxConfig, catalogue: Catalogue, clock: Clock) -> None:
        self._config = config
        self._encoder = Encoder(catalogue)
        self._clock = clock
        self._secret = config.token.get_secret_value()
        self._client: InfluxDBClientAsync | None = None

    async def open(self) -> None:
        """Make the connection pool; the server need not be there."""
        if self._client is not None:
            return
        limits = self._config.timeout
        self._client = InfluxDBClientAsync(
            url=self._config.url or "",
            token=self._secret,
            org=self._config.org,
            timeout=aiohttp.ClientTimeout(
                total=limits.total, connect=limits.connect, sock_connect=limits.connect, sock_read=limits.read
            ),
            allow_redirects=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call] # influxdb-client annotates in part

    async def deliver(self, batch: Batch) -> Verdict:
        """Write the batch's points: one request for each bucket, more for a single row that is too large."""
        lines = await self._encode(batch)
        for bucket, found in (
            (self._config.bucket, lines.activity),
            (self._config.bucket_members, lines.members),
        ):
            if not found:
                continue
            write = self._write_in_parts if len(batch.rows) == 1 else self._write_lines
            verdict = await write(bucket, found)
            if verdict.outcome is not Outcome.STORED:
                return verdict
        return Verdict(Outcome.STORED, rejected=tuple(lines.rejected)) if lines.rejected else STORED

    async def probe(self) -> Probe:
        """Say what answers at the address and whether each bucket may be written to.

        A write without points is refused only after organisation, bucket and permission were checked, so that
        it checks all three, needs no permission beyond the sink's own and changes nothing.
        """
        opened_here = self._client is None
        await self.open()
        try:
            return await self._probe()
        finally:
            if opened_here:
                await self.close()

    async def _probe(self) -> Probe:
        try:
            status, _, _ = await self._request("GET", "/health", {}, {}, None)
            if status == _HTTP_SERVER_ERROR + 3:
                return Probe(ok=False, detail=f"{self._config.url} answers that it is not healthy")
            if status != _HTTP_OK:
                status, _, _ = await self._request("GET", "/ping", {}, {}, None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Probe(ok=False, detail=f"{self._config.url} does not answer: {self._describe(error)}")
        for bucket in (self._config.bucket, self._config.bucket_members):
            verdict = await self._write(bucket, b"")
            if verdict.outcome is Outcome.STORED or verdict.reason == "parse":
                continue
            words = _PROBE_WORDS.get(verdict.reason, verdict.detail)
            return Probe(ok=False, detail=f"bucket {bucket!r} of {self._config.org!r}: {words}")
        return Probe(
            ok=True,
            detail=f"{self._config.url} takes writes to {self._config.bucket}, {self._config.bucket_members}",
        )

    async def _encode(self, batch: Batch) -> Lines:
        lines = Lines()
        salt = salt_of(batch.source)
        turn = LINES_PER_TURN
        for row in batch.rows:
            self._encoder.encode_row(salt, row, lines)
            if len(lines) >= turn:
                turn = len(lines) + LINES_PER_TURN
                await asyncio.sleep(0)
        return lines

    async def _write_in_parts(self, bucket: str, lines: list[str]) -> Verdict:
        """Write the lines of one row, in halves while they are too large: the runner cannot halve a row.

        Lines that are too large one by one are left out; the answer to the last of them is the verdict.
        """
        parts, refused = [lines], []
        while parts:
            part = parts.pop()
            verdict = await self._write_lines(bucket, part)
            if verdict.reason != TOO_LARGE:
                if verdict.outcome is not Outcome.STORED:
                    return verdict
            elif len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            else:
                refused.append(verdict)
                if len(refused) >= MAX_REFUSED_LINES:
                    break
        return refused[-1] if refused else STORED

    async def _write_lines(self, bucket: str, lines: list[str]) -> Verdict:
        return await self._write(bucket, "\n".join(lines).encode())

    async def _write(self, bucket: str, body: bytes) -> Verdict:
        headers = {"Content-Type": "text/plain; charset=utf-8", "Accept": "application/json"}
        if self._config.gzip and body:
            headers["Content-Encoding"] = "gzip"
            body = _compress(body) if len(body) < INLINE_BYTES else await asyncio.to_thread(_compress, body)
        query = {"org": self._config.org, "bucket": bucket, "precision": "ns"}
        try:
            status, retry_after, answer = await self._request("POST", "/api/v2/write", query, headers, body)
        except TimeoutError as error:
            return Verdict(Outcome.RETRY, reason="timeout", detail=self._describe(error))
        except aiohttp.ClientPayloadError as error:
            return Verdict(Outcome.RETRY, reason="truncated", detail=self._describe(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Verdict(Outcome.RETRY, reason="connection", detail=self._describe(error))
        return read_response(status, retry_after, answer, self._clock, self._secret)

    async def _request(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, str | None, bytes]:
        if self._client is None:
            msg = "the sink is not open"
            raise aiohttp.ClientConnectionError(msg)
        api = self._client.api_client
        response: aiohttp.ClientResponse = await api.rest_client.request(  # type: ignore[no-untyped-call] # as in close
            method,
            f"{self._config.url}{path}",
            query_params=query,
            headers={**api.default_headers, **headers},
            body=body,
            _preload_content=False,
        )
        async with response:
            answer = bytearray()
            async for piece in response.content.iter_any():
                answer += piece
                if len(answer) > MAX_ANSWER:
                    break
            return response.status, response.headers.get("Retry-After"), bytes(answer[:MAX_ANSWER])

    def _describe(self, error: BaseException) -> str:
        return redact(f"{type(error).__name__}: {error}".removesuffix(": "), self._secret)


def _compress(body: bytes) -> bytes:
    # Level 1: lines repeat themselves so much that a higher level saves little for its time.
    return zlib.compress(body, 1, _GZIP)
