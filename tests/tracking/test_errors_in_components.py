"""An error in a component of the whole pipeline: what goes on, and what it goes on from."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from exporter.events.facts.guilds import ShardStateChanged
from exporter.events.voice import JOINS, SECONDS
from exporter.telemetry import value
from tests.entry_data import fields_of

Payload = Callable[[str, str], dict[str, Any]]
Site = Any  # the class stands in conftest, which cannot be imported

GUILD = 197038439483310086
NELLY, MASON, OTHER = 80351110224678912, 53908232506183680, 80351110224678999


def fail(*_: object) -> Any:
    raise LookupError


async def begin(site: Site, payload: Payload) -> Any:
    pipeline = await site.start()
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full") | {"voice_states": []})
    return pipeline


async def pass_time(site: Site, pipeline: Any, seconds: int) -> None:
    for _ in range(seconds):
        site.clock.advance(1)
        await pipeline.tick()


def find(pipeline: Any, name: str) -> Any:
    return next(found for found in pipeline._dispatcher.components if found.name == name)


def voice_total(pipeline: Any) -> int:
    """Milliseconds in voice since the start, as /metrics shows them."""
    return sum(pipeline.totals("voice_seconds", state).get(GUILD, 0) for state in SECONDS.series_of)


async def voice_windows(site: Site) -> Counter[int]:
    """Milliseconds in voice by member, as the windows say."""
    sums: Counter[int] = Counter()
    for entry in await site.entries("METRICS_SNAPSHOT"):
        for measure, _, user_id, amount in fields_of(entry)["members"]:
            sums[user_id] += amount * (measure == SECONDS.name)
    return sums


@pytest.fixture
async def in_voice(site: Site, payload: Payload) -> Any:
    """Nelly and Mason are in voice for ten seconds."""
    pipeline = await begin(site, payload)
    for user in (NELLY, MASON):
        state = payload("VOICE_STATE_UPDATE", "enter") | {"user_id": str(user)}
        site.feed(pipeline, "VOICE_STATE_UPDATE", state)
    await pass_time(site, pipeline, 10)
    return pipeline


async def test_voice_sessions_go_on_after_an_error_in_their_component(
    site: Site, payload: Payload, in_voice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, enter = in_voice, payload("VOICE_STATE_UPDATE", "enter")
    with monkeypatch.context() as broken:
        broken.setattr(pipeline.voice.sessions, "apply", fail)
        site.feed(pipeline, "VOICE_STATE_UPDATE", enter | {"user_id": str(NELLY), "self_mute": True})
    # While the component is suspended, one leaves and another enters.
    site.feed(pipeline, "VOICE_STATE_UPDATE", enter | {"user_id": str(MASON), "channel_id": None})
    site.feed(pipeline, "VOICE_STATE_UPDATE", enter | {"user_id": str(OTHER)})
    assert list(pipeline._dispatcher.states.suspended) == [pipeline.voice]
    await pass_time(site, pipeline, 20)
    assert not list(pipeline._dispatcher.states.suspended)
    assert pipeline.voice.members(GUILD) == 2
    assert pipeline.totals("voice_joins", "") == {GUILD: 3}, "no join is counted twice"
    assert voice_total(pipeline) == 30_000 + 11_000 + 20_000, "Mason is taken to leave when that is seen"
    await pipeline.flush()
    assert await voice_windows(site) == {NELLY: 30_000, MASON: 11_000, OTHER: 20_000}


async def test_no_row_is_left_of_sessions_that_ended_before_an_error(
    site: Site, payload: Payload, in_voice: Any
) -> None:
    pipeline = in_voice
    for user in (NELLY, MASON):
        leave = payload("VOICE_STATE_UPDATE", "enter") | {"user_id": str(user), "channel_id": None}
        site.feed(pipeline, "VOICE_STATE_UPDATE", leave)
    pipeline._dispatcher.guard(pipeline.voice, fail)
    await pass_time(site, pipeline, 10)
    again = await site.start()
    assert again.voice.members(GUILD) == 0
    assert not await site.spool.state("voice/guilds")


async def test_voice_sessions_of_a_guild_in_doubt_wait_for_its_states_after_an_error(
    site: Site, payload: Payload, in_voice: Any
) -> None:
    pipeline = in_voice
    pipeline._dispatcher.guard(pipeline.voice, fail)
    site.feed(pipeline, "GUILD_DELETE", {"id": str(GUILD), "unavailable": True})
    await pass_time(site, pipeline, 10)
    assert voice_total(pipeline) == 20_000, "nothing is known of them in an outage"
    enter = payload("VOICE_STATE_UPDATE", "enter")
    states = [enter | {"user_id": str(user)} for user in (NELLY, MASON)]
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full") | {"voice_states": states})
    await pass_time(site, pipeline, 1)
    assert voice_total(pipeline) == 42_000, "they stayed"


async def test_voice_states_of_a_replay_are_taken_after_it_if_an_error_came_meanwhile(
    site: Site, payload: Payload, in_voice: Any
) -> None:
    pipeline, dispatcher = in_voice, in_voice._dispatcher
    dispatcher.dispatch(ShardStateChanged(0, "lost"))
    dispatcher.dispatch(ShardStateChanged(0, "resuming"))
    dispatcher.guard(pipeline.voice, fail)
    leave = payload("VOICE_STATE_UPDATE", "enter") | {"user_id": str(MASON), "channel_id": None}
    site.feed(pipeline, "VOICE_STATE_UPDATE", leave)
    await pass_time(site, pipeline, 5)
    assert voice_total(pipeline) == 20_000, "the shard is silent"
    dispatcher.dispatch(ShardStateChanged(0, "settled"))
    assert pipeline.voice.members(GUILD) == 1
    await pass_time(site, pipeline, 5)
    assert voice_total(pipeline) == 20_000 + 2 * 5_000 + 5_000, "both were there when last heard of"


async def test_an_error_in_the_time_of_one_guild_costs_no_other_guild_anything(
    site: Site, payload: Payload, in_voice: Any
) -> None:
    pipeline = in_voice
    enter = payload("VOICE_STATE_UPDATE", "enter")
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full") | {"id": "5", "voice_states": []})
    site.feed(pipeline, "VOICE_STATE_UPDATE", enter | {"guild_id": "5"})
    session = pipeline.voice.guilds[5].sessions[NELLY]
    session.accrued_until = "broken"
    pipeline.voice.guilds[GUILD] = pipeline.voice.guilds.pop(GUILD)  # behind the other
    await pass_time(site, pipeline, 10)
    assert voice_total(pipeline) == 40_000
    assert value(site.telemetry.component_errors, "voice") == 1, "its sessions begin anew"
    assert pipeline.totals("voice_seconds", "alone").get(5) == 9_000
    assert pipeline.totals(JOINS.name, "").get(5) == 1
    assert not list(pipeline._dispatcher.states.suspended)


async def test_a_component_is_reverted_to_the_rows_of_a_commit_in_flight(
    site: Site, payload: Payload
) -> None:
    site.switches = {"XP_GAIN": True}
    pipeline = await begin(site, payload)
    await pass_time(site, pipeline, 6)
    levels, spool = find(pipeline, "levels"), site.spool
    site.feed(pipeline, "MESSAGE_CREATE", payload("MESSAGE_CREATE", "human"))
    written, may_write, reads = asyncio.Event(), asyncio.Event(), 0
    append, state = spool.append, spool.state

    async def held_append(*arguments: Any, **saved: Any) -> Any:
        written.set()
        await may_write.wait()
        return await append(*arguments, **saved)

    async def counted_state(prefix: str) -> Any:
        nonlocal reads
        reads += 1
        return await state(prefix)

    spool.append, spool.state = held_append, counted_state
    commit = asyncio.create_task(pipeline.checkpoint.commit())
    await written.wait()
    pipeline._dispatcher.guard(levels, fail)
    tick = asyncio.create_task(pipeline.tick())
    for _ in range(10):
        await asyncio.sleep(0)
    assert reads == 0, "the rows on the disk are about to be older than what is committed"
    may_write.set()
    assert await commit
    await tick
    assert reads == 1
    await pass_time(site, pipeline, 1)
    ((_, experience),) = levels._members.items()
    assert experience.xp == site.levels.message


async def test_what_changes_while_the_disk_refuses_is_encoded_tick_by_tick(
    site: Site, payload: Payload
) -> None:
    site.switches = {"XP_GAIN": True}
    pipeline = await begin(site, payload)
    site.full = True
    await pass_time(site, pipeline, 10)
    assert pipeline.checkpoint.problem
    site.feed(pipeline, "MESSAGE_CREATE", payload("MESSAGE_CREATE", "human"))
    levels = find(pipeline, "levels")
    (table,) = levels.tables
    await pass_time(site, pipeline, 1)
    assert len(table) == 1
    levels._members.clear()
    site.full = False
    await pass_time(site, pipeline, 10)
    (row,) = await site.spool.state("levels/members")
    assert row.value is not None, "encoded before, while the member was there"


async def test_bans_that_moderation_does_not_handle_after_an_error_are_counted(
    site: Site, payload: Payload
) -> None:
    pipeline = await begin(site, payload)
    ban = payload("GUILD_BAN_ADD", "person")

    def feed(numbers: range) -> None:
        for number in numbers:
            user = ban["user"] | {"id": str(1_000 + number)}
            site.feed(pipeline, "GUILD_BAN_ADD", ban | {"guild_id": str(GUILD), "user": user})

    feed(range(5))
    await pipeline.checkpoint.commit()
    pipeline._dispatcher.guard(find(pipeline, "moderation"), fail)
    feed(range(5, 20))
    await pipeline.tick()
    feed(range(20, 30))
    await pipeline.flush()
    rows = await site.entries("GUILD_BAN_ADD")
    assert len({entry.key for entry in rows}) == 15
    assert value(site.telemetry.received, "GUILD_BAN_ADD") == 30
    assert value(site.telemetry.component_skipped, "moderation") == 15
