"""A component that cannot answer what others read of it: the answer is missing, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from exporter.events.aggregates import METRICS_SNAPSHOT
from exporter.telemetry import value
from tests.entry_data import fields_of
from tests.site import GUILD, Site

Payload = Callable[[str, str], dict[str, Any]]


def fail(*_: object) -> Any:
    raise LookupError


async def begin(site: Site, payload: Payload) -> Any:
    """A member is in voice, and one message was written."""
    pipeline = await site.start()
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full") | {"voice_states": []})
    site.feed(pipeline, "VOICE_STATE_UPDATE", payload("VOICE_STATE_UPDATE", "enter"))
    site.feed(pipeline, "MESSAGE_DELETE", {"id": "5", "channel_id": "7", "guild_id": str(GUILD)})
    for _ in range(3):
        site.clock.advance(1)
        await pipeline.tick()
    return pipeline


async def deletions(site: Site) -> int:
    """Deleted messages in all snapshots so far."""
    entries = await site.entries(METRICS_SNAPSHOT)
    return sum(
        amount
        for entry in entries
        for measure, *_, amount in fields_of(entry)["series"]
        if measure == "message_deletes"
    )


def break_answer(pipeline: Any, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, _, name = answer.rpartition(".")
    found = pipeline
    for part in owner.split("."):
        found = getattr(found, part)
    monkeypatch.setattr(found, name, fail)


@pytest.mark.parametrize(
    ("answer", "component"),
    [
        ("voice.peaks", "voice"),
        ("voice.members", "voice"),
        ("voice.reset_peaks", "voice"),
        ("voice.time.slices", "voice"),
        ("guild_cache.channel_names", "guild_cache"),
        ("_recorder.forget_newcomers", "event_recorder"),
    ],
)
async def test_counts_leave_though_a_component_cannot_say_its_part_of_a_snapshot(
    answer: str, component: str, site: Site, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = await begin(site, payload)
    break_answer(pipeline, answer, monkeypatch)
    site.clock.advance(3_600)
    for _ in range(3):
        await pipeline.tick()
        site.clock.advance(1)
    assert await deletions(site) == 1
    assert not pipeline._windows.due()
    assert pipeline.component_errors.keys() == {component}
    assert value(site.telemetry.component_errors, component) >= 1
    assert not list(pipeline._dispatcher.states.suspended), "what is only read changes nothing"


@pytest.mark.parametrize("answer", ["voice.time.slices", "_settling.settle", "_dispatcher.tick"])
@pytest.mark.parametrize("end", ["stop", "flush"])
async def test_everything_is_saved_though_something_fails_before_the_commit(
    answer: str, end: str, site: Site, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = await begin(site, payload)
    break_answer(pipeline, answer, monkeypatch)
    assert await getattr(pipeline, end)()
    monkeypatch.undo()
    again = await site.start()
    await again.flush()
    assert await deletions(site) == 1


async def test_metrics_are_written_though_permissions_and_gauges_cannot_be_read(
    site: Site, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = await begin(site, payload)
    assert pipeline.blind()
    break_answer(pipeline, "permissions.blind", monkeypatch)
    break_answer(pipeline, "voice.members", monkeypatch)
    pipeline.refresh()
    assert pipeline.blind() == ()
    assert pipeline.gauges("voice_members") == {}
    assert pipeline.gauges("members")
    assert pipeline.component_errors == {"permissions": 2, "voice": 1}


async def test_a_component_is_put_back_before_the_next_tick(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    reverting = asyncio.create_task(pipeline._reverting.run())
    reads = 0
    state = site.spool.state

    async def counted_state(prefix: str) -> Any:
        nonlocal reads
        reads += 1
        return await state(prefix)

    site.spool.state = counted_state  # type: ignore[method-assign]
    try:
        async with asyncio.timeout(10):
            pipeline._dispatcher.guard(pipeline.voice, fail)
            while list(pipeline._dispatcher.states.suspended):
                await asyncio.sleep(0)
        pipeline._dispatcher.guard(pipeline.voice, fail)
        for _ in range(100):
            await asyncio.sleep(0)
        assert reads == 1, "one that fails again waits"
    finally:
        reverting.cancel()
