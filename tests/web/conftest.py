from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest

from exporter.clock import ManualClock
from exporter.web.config import WebConfig
from exporter.web.server import WebServer
from exporter.web.status import ShardConnection, SinkStatus, Status

STARTED = 1_700_000_000_000 - 90_000


Rendered = tuple[bytes, dict[str, str]]
RENDERED = (b"a_total 1\n", {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


@dataclass
class Stages:
    """What stands behind the server; tests change it while the server runs."""

    status: Status = field(
        default_factory=lambda: Status(
            STARTED,
            connected=True,
            shards=(ShardConnection(0, connected=True),),
            sinks=(SinkStatus("sql", up=True),),
        )
    )
    rendered: Rendered = RENDERED
    accepted: list[tuple[str, str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    flushes: int = 0
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.gate.set()

    async def render(self, accept: str, encoding: str) -> Rendered:
        self.accepted.append((accept, encoding))
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        if self.error:
            raise self.error
        return self.rendered

    async def flush(self) -> None:
        self.flushes += 1
        await self.gate.wait()
        if self.error:
            raise self.error


@pytest.fixture
async def stages() -> Stages:
    return Stages()


@pytest.fixture
async def address(stages: Stages) -> AsyncIterator[str]:
    server = WebServer(
        WebConfig(listen="127.0.0.1:0"),
        render=stages.render,
        status=lambda: stages.status,
        flush=stages.flush,
        clock=ManualClock(),
    )
    port = await server.start()
    yield f"http://127.0.0.1:{port}"
    stages.gate.set()
    await server.stop()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session
