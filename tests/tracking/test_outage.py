"""A guild that is away for a while is not gone, and one that comes back is not new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exporter.events.guilds import BOOSTS, MEMBERS
from exporter.telemetry import value
from tests.entry_data import fields_of

GUILD = 197038439483310086
Payload = Callable[[str, str], dict[str, Any]]
Site = Any  # the class stands in conftest, which cannot be imported

AWAY = {"id": str(GUILD), "unavailable": True}
GONE = {"id": str(GUILD)}


def whole(payload: Payload, **fields: object) -> dict[str, Any]:
    return payload("GUILD_CREATE", "full") | {"voice_states": []} | fields


async def begin(site: Site, payload: Payload, **fields: object) -> Any:
    pipeline = await site.start()
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    site.feed(pipeline, "GUILD_CREATE", whole(payload, **fields))
    return pipeline


async def rows(site: Site, pipeline: Any) -> list[str]:
    """The types of the guild's exact rows so far."""
    await pipeline.flush()
    return [entry.type for entry in await site.entries() if entry.type.startswith("GUILD_")]


async def test_ten_minutes_of_an_outage_leave_no_row_and_no_dip(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    assert await rows(site, pipeline) == ["GUILD_SYNC"]
    seen = set()
    site.feed(pipeline, "GUILD_DELETE", AWAY)
    for _ in range(600):
        site.clock.advance(1)
        await pipeline.tick()
        seen.add((pipeline.gauges(MEMBERS.name)[GUILD], pipeline.gauges(BOOSTS.name)[GUILD]))
        assert pipeline.guilds() == {GUILD: "Friendly place"}
    assert seen == {(7, 3)}
    site.feed(pipeline, "GUILD_CREATE", whole(payload))
    assert pipeline.gauges(MEMBERS.name) == {GUILD: 7}
    assert await rows(site, pipeline) == ["GUILD_SYNC"]


async def test_what_changed_meanwhile_is_recorded_when_it_is_back(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_DELETE", AWAY)
    site.feed(pipeline, "GUILD_CREATE", whole(payload, name="Other place", member_count=9))
    assert await rows(site, pipeline) == ["GUILD_SYNC", "GUILD_UPDATE"]
    (update,) = await site.entries("GUILD_UPDATE")
    assert fields_of(update)["changes"] == {"name": {"old": "Friendly place", "new": "Other place"}}
    assert pipeline.gauges(MEMBERS.name) == {GUILD: 9}


async def test_an_outage_in_which_a_new_session_begins_is_still_no_removal(
    site: Site, payload: Payload
) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_DELETE", AWAY)
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    assert pipeline.gauges(MEMBERS.name) == {GUILD: 7}
    site.feed(pipeline, "GUILD_CREATE", AWAY)
    assert pipeline.gauges(MEMBERS.name) == {GUILD: 7}
    site.feed(pipeline, "GUILD_CREATE", whole(payload))
    assert "GUILD_DELETE" not in await rows(site, pipeline)
    assert "GUILD_CREATE" not in await rows(site, pipeline)


async def test_a_removal_is_a_row_and_takes_the_gauges_with_it(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_DELETE", GONE)
    assert pipeline.gauges(MEMBERS.name) == {}
    assert await rows(site, pipeline) == ["GUILD_SYNC", "GUILD_DELETE"]


async def test_a_guild_removed_during_its_outage_is_a_removal(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_DELETE", AWAY)
    site.feed(pipeline, "GUILD_DELETE", GONE)
    assert await rows(site, pipeline) == ["GUILD_SYNC", "GUILD_DELETE"]


async def test_an_invitation_after_a_removal_is_an_invitation(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_DELETE", GONE)
    site.feed(pipeline, "GUILD_CREATE", whole(payload))
    assert await rows(site, pipeline) == ["GUILD_SYNC", "GUILD_DELETE", "GUILD_CREATE", "GUILD_SYNC"]


async def test_a_guild_part_of_which_cannot_be_read_is_not_taken_by_halves(
    site: Site, payload: Payload
) -> None:
    """Its roles are read apart from its name and channels."""
    pipeline = await begin(site, payload)
    site.feed(pipeline, "GUILD_CREATE", whole(payload, name="Half", roles="none of this"))
    assert pipeline.guilds() == {GUILD: "Friendly place"}
    assert value(site.telemetry.rejected, "GUILD_CREATE", "shape") == 1
    assert await rows(site, pipeline) == ["GUILD_SYNC"]
