"""A real Prometheus scrapes what we write, in the format and encoding it asks for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from exporter.exposition.renderer import MetricsRenderer, RenderedMetrics
from tests.exposition.held import CATALOGUE, Held, rendering
from tests.servers.prometheus import Prometheus, running_prometheus

GUILDS = 40


@asynccontextmanager
async def served(by: MetricsRenderer, asked: list[RenderedMetrics]) -> AsyncIterator[str]:
    async def metrics(request: web.Request) -> web.Response:
        answer = await by.render(request.headers.get("Accept"), request.headers.get("Accept-Encoding"))
        asked.append(answer)
        headers = answer.headers
        return web.Response(body=answer.body, headers=headers)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield "{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


@pytest.fixture
async def scraped() -> AsyncIterator[tuple[Held, Prometheus, list[RenderedMetrics]]]:
    source = Held({guild: f'guild "{guild}"\\' for guild in range(1, GUILDS + 1)})
    asked: list[RenderedMetrics] = []
    async with served(rendering(source, channels=True), asked) as address:
        running = running_prometheus(address)
        # Prometheus scrapes while it starts, so the loop must be free to answer.
        server = await asyncio.to_thread(running.__enter__)
        try:
            yield source, server, asked
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


async def test_promql_gives_the_totals_and_the_first_event_is_an_increase(
    scraped: tuple[Held, Prometheus, list[RenderedMetrics]],
) -> None:
    source, server, asked = scraped
    await server.until("count(discord_messages_total) > 0")
    await server.until("count(count_over_time(discord_messages_total[1m]) > 1) > 0")
    for guild in source.names:
        for measure in CATALOGUE.measures.values():
            for nth, value in enumerate(measure.values):
                source.add(measure.name, value, guild, 1000 * guild + nth, channel=900 + nth)
    messages = sum(
        sum(source.totals("messages", value).values()) for value in ("human", "bot", "webhook", "system")
    )
    assert await server.until(f"sum(discord_messages_total) == {messages}") == {frozenset(): messages}
    seconds = sum(
        sum(source.totals("voice_seconds", v).values()) for v in CATALOGUE.measures["voice_seconds"].values
    )
    assert await server.until(f"abs(sum(discord_voice_seconds_total) - {seconds / 1000}) < 0.001")
    assert await server.until(f"sum(discord_channel_messages_total) == {messages}")
    assert await server.until("sum(increase(discord_messages_total[1m])) > 0")
    names = await asyncio.to_thread(server.query, "discord_guild_info == 1")
    assert {dict(labels)["guild_name"] for labels in names} == set(source.names.values())
    (target,) = await asyncio.to_thread(server.targets)
    assert (target["health"], target["lastError"]) == ("up", "")
    assert {(a.headers["Content-Type"].split(";")[0], a.headers.get("Content-Encoding")) for a in asked} == {
        ("application/openmetrics-text", "gzip")
    }
