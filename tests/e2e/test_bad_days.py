"""Bad days at Discord and its proxies: what is answered in their course costs nothing after them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from tests.discord.fake_gateway import Connection, Gateway
from tests.discord.far_answers import FarAnswer, discords, page
from tests.e2e.programs import Exporter, Simulation, until

pytestmark = pytest.mark.timeout(180)

BLOCKS = (page(429), discords(403, {"message": "internal network error", "code": 40333}))
BLOCKED_SECONDS = 8
LONGEST_HOLD_SECONDS = 10
"""After this at most something is sent again."""
RESUME = 6


@dataclass
class Proxy:
    """Passes requests of the REST API on, or answers them itself with ``blocks`` in turn."""

    behind: str = ""
    blocks: tuple[FarAnswer, ...] = ()
    blocked: int = 0
    url: str = ""
    _runner: web.AppRunner | None = field(default=None, init=False)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/api/v10/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/api/v10"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if self.blocks:
            self.blocked += 1
            return await self.blocks[self.blocked % len(self.blocks)](request)
        address = f"{self.behind}/{request.match_info['path']}"
        own = {"Authorization": request.headers["Authorization"]}
        async with (
            aiohttp.ClientSession() as session,
            session.get(address, params=request.query, headers=own) as answer,
        ):
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name.lower().startswith("x-") or name in {"Content-Type", "Date", "Retry-After", "Via"}
            }
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    await proxy.start()
    yield proxy
    await proxy.stop()


async def test_joins_are_exact_again_after_a_proxy_answered_everything(
    simulation: Simulation, exporter: Exporter, proxy: Proxy
) -> None:
    await simulation.start("--scenario", "invite-storm", "--rate", "60", "--duration", "30s", "--seed", "3")
    proxy.behind = simulation.url
    exporter.api_url = proxy.url
    await exporter.start()

    async def exact() -> float:
        return (await exporter.metrics()).total("discord_invite_uses_total", method="invite")

    await until(exact, "joins that are attributed")
    proxy.blocks, began = BLOCKS, time.time()
    await asyncio.sleep(BLOCKED_SECONDS)  # the time it lasts; there is nothing to await
    proxy.blocks, ended = (), time.time()
    assert proxy.blocked < 100, "while all is blocked little is sent"
    before = await exact()

    async def again() -> bool:
        return await exact() > before

    await until(again, "joins that are attributed again", 30)
    await simulation.over()
    await exporter.flush()
    assert (await exporter.metrics()).total("discord_rest_answers_total", meaning="trouble") > 0
    assert (await exporter.terminate()) == 0
    with sqlite3.connect(exporter.database) as tables:
        rows = tables.execute(
            "SELECT unixepoch(at), confidence FROM invite_tracking WHERE unixepoch(at) >= ?", (began,)
        ).fetchall()
    assert len(rows) > 100
    given_up = [at for at, confidence in rows if confidence == "unknown"]
    assert len(given_up) <= len(rows) / 20, "joins of the block wait for the reading after it"
    recovered = ended + LONGEST_HOLD_SECONDS
    assert [at for at, confidence in rows if confidence == "exact" and at > recovered]


async def test_a_session_that_is_never_resumed_is_replaced_within_minutes(exporter: Exporter) -> None:
    gateway = Gateway()
    await gateway.start()
    exporter.api_url = gateway.url

    async def close_resumes(connection: Connection) -> None:
        await connection.hello()
        command = await connection.command()
        if command["op"] == RESUME:
            await connection.close(1011)
            return
        await connection.ready()
        gateway.live = connection
        gateway.welcomed.release()
        await connection.closed.wait()

    try:
        gateway.default = close_resumes
        await exporter.start()
        first = await gateway.connected()
        assert first.socket._req is not None
        assert first.socket._req.transport is not None
        first.socket._req.transport.abort()
        await asyncio.wait_for(gateway.welcomed.acquire(), 120)
        assert [command["op"] for command in gateway.commands] == [2, *[RESUME] * 5, 2]
        await until(exporter.is_ready, "the exporter to be ready again")
        assert (await exporter.terminate()) == 0
    finally:
        await gateway.stop()
