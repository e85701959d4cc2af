"""Totals of what is gone are kept for a while and then forgotten; what comes back in time goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exporter.aggregation.running_totals import GRACE_MS
from exporter.exposition.config import ExpositionConfig
from exporter.exposition.renderer import MetricsRenderer
from tests.site import Site

GUILD = 197038439483310086
CHANNEL = 197038439483310087
Payload = Callable[[str, str], dict[str, Any]]

GRACE = GRACE_MS // 1000


async def begin(site: Site, payload: Payload) -> Any:
    pipeline = await site.start()
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    see(site, pipeline, payload)
    write(site, pipeline, payload)
    await pipeline.tick()
    assert pipeline.totals("messages", "human") == {GUILD: 1}
    assert pipeline.channel_totals("messages") == {GUILD: {CHANNEL: 1}}
    return pipeline


def see(site: Site, pipeline: Any, payload: Payload, **fields: object) -> None:
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full") | {"voice_states": []} | fields)


def write(site: Site, pipeline: Any, payload: Payload) -> None:
    at = site.clock.now_ms()
    message = payload("MESSAGE_CREATE", "human") | {"id": str((at - 1_420_070_400_000) << 22)}
    site.feed(pipeline, "MESSAGE_CREATE", message)


def delete(site: Site, pipeline: Any) -> None:
    body = {"id": str(CHANNEL), "type": 0, "guild_id": str(GUILD), "name": "general"}
    site.feed(pipeline, "CHANNEL_DELETE", body)


async def later(site: Site, pipeline: Any, seconds: float) -> None:
    site.clock.advance(seconds)
    await pipeline.tick()


async def test_a_removed_guild_s_totals_are_forgotten_after_the_grace(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_DELETE", {"id": str(GUILD)})
    await later(site, pipeline, GRACE - 1)
    assert pipeline.totals("messages", "human") == {GUILD: 1}
    await later(site, pipeline, 1)
    assert pipeline.totals("messages", "human") == {}
    assert pipeline.channel_totals("messages") == {}
    (expiry,) = (found for found in pipeline._dispatcher.components if found.name == "series_expiry")
    assert len(expiry) == 0


async def test_a_guild_that_comes_back_in_time_goes_on_counting(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_DELETE", {"id": str(GUILD)})
    await later(site, pipeline, GRACE - 1)
    see(site, pipeline, payload)
    await later(site, pipeline, GRACE)
    assert pipeline.totals("messages", "human") == {GUILD: 1}


async def test_an_outage_forgets_nothing(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_DELETE", {"id": str(GUILD), "unavailable": True})
    await later(site, pipeline, 2 * GRACE)
    assert pipeline.totals("messages", "human") == {GUILD: 1}
    assert pipeline.channel_totals("messages") == {GUILD: {CHANNEL: 1}}


async def test_a_deleted_channel_is_forgotten_and_its_guild_is_not(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    delete(site, pipeline)
    await later(site, pipeline, GRACE - 1)
    assert pipeline.channel_totals("messages") == {GUILD: {CHANNEL: 1}}
    await later(site, pipeline, 1)
    assert pipeline.channel_totals("messages") == {GUILD: {}}
    assert pipeline.totals("messages", "human") == {GUILD: 1}


async def test_a_channel_deleted_unseen_is_found_missing_at_the_next_sync(
    site: Site, payload: Payload
) -> None:
    pipeline = await begin(site, payload)
    see(site, pipeline, payload, channels=[], threads=[])
    await later(site, pipeline, GRACE - 1)
    see(site, pipeline, payload, channels=[], threads=[])
    await later(site, pipeline, 1)
    assert pipeline.channel_totals("messages") == {GUILD: {}}, "another sync does not put it off"


async def test_a_channel_seen_again_is_kept(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    see(site, pipeline, payload, channels=[], threads=[])
    see(site, pipeline, payload)
    delete(site, pipeline)
    body = {"id": str(CHANNEL), "type": 0, "guild_id": str(GUILD), "name": "general"}
    site.feed(pipeline, "CHANNEL_UPDATE", body)
    await later(site, pipeline, 2 * GRACE)
    assert pipeline.channel_totals("messages") == {GUILD: {CHANNEL: 1}}


async def test_losing_a_channel_twice_waits_from_the_second_time(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    delete(site, pipeline)
    await later(site, pipeline, GRACE / 2)
    site.feed(pipeline, "GUILD_DELETE", {"id": str(GUILD + 1)})
    delete(site, pipeline)
    await later(site, pipeline, GRACE - 1)
    assert pipeline.channel_totals("messages") == {GUILD: {CHANNEL: 1}}
    await later(site, pipeline, 1)
    assert pipeline.channel_totals("messages") == {GUILD: {}}


async def test_a_removed_guild_stays_on_metrics_for_the_grace(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    renderer = MetricsRenderer(pipeline, site.telemetry, pipeline._catalogue, ExpositionConfig())

    async def shown() -> set[str]:
        text = (await renderer.render(None, None)).body.decode()
        return {line.partition("{")[0] for line in text.splitlines() if f'guild_id="{GUILD}"' in line}

    assert {"discord_messages_total", "discord_guild_info", "discord_guild_members"} <= await shown()
    site.feed(pipeline, "GUILD_DELETE", {"id": str(GUILD)})
    assert "discord_messages_total" in await shown()
    assert not {"discord_guild_info", "discord_guild_members"} & await shown()
    await later(site, pipeline, GRACE - 1)
    assert "discord_messages_total" in await shown()
    await later(site, pipeline, 1)
    assert await shown() == set()
