"""An HTTP server that responds as a script says, down to the bytes and the way it closes."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import gzip
import json
import urllib.parse
from dataclasses import dataclass


class Manner(enum.Enum):
    """What to do other than answer."""

    HANG = enum.auto()
    RESET = enum.auto()
    CLOSE = enum.auto()


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def lines(self) -> list[str]:
        return self.body.decode().split("\n") if self.body else []


def answer(status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> bytes:
    """A raw answer; ``length`` promises more or less than there is."""
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def problem(status: int, message: str, **headers: str) -> bytes:
    """An answer as InfluxDB words it."""
    body = json.dumps({"code": "words", "message": message}).encode()
    return answer(status, body, Content_Type="application/json", **headers)


class FarEnd:
    """Answers writes from ``script`` in turn, then with 204; anything else from ``pages``."""

    def __init__(self) -> None:
        self.script: list[bytes | Manner] = []
        self.limit: int | None = None
        """Bytes of the largest body that is taken; of lines, not as they are compressed."""
        self.pages: dict[str, bytes] = {"/health": answer(200, b'{"status":"pass"}')}
        self.requests: list[Request] = []
        self.arrived = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def taken(self) -> list[str]:
        """The lines of all bodies within the limit."""
        limit = self.limit or 0
        return [line for request in self.writes if len(request.body) <= limit for line in request.lines]

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.path == "/api/v2/write"]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._serve(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _read(reader)
        self.requests.append(request)
        self.arrived.set()
        if request.path == "/api/v2/write":
            what = self.script.pop(0) if self.script else answer(204)
            if self.limit is not None and len(request.body) > self.limit:
                what = problem(413, "request entity too large")
        else:
            what = self.pages.get(request.path, answer(404))
        if isinstance(what, bytes):
            writer.write(what)
            await writer.drain()
            return b"truncated" not in what
        if what is Manner.HANG:
            await asyncio.Event().wait()
        if what is Manner.RESET:
            writer.transport.abort()
        return False


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *rest = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    parts = urllib.parse.urlsplit(target)
    return Request(method, parts.path, dict(urllib.parse.parse_qsl(parts.query)), headers, body)
