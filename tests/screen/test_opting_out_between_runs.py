"""A person who opts out between two runs is not written any more, whatever was open of theirs at the kill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from logging import ERROR
from typing import Any

import msgspec
import pytest

from exporter.model import Priority
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.spool.ports import StateRow
from tests.site import GUILD, Site

OUT, MODERATOR, ELSE = 80351110224678912, 53908099506183680, 90351110224678913
NAME, MODERATOR_NAME = "nelly-who-left", "mason-who-left"
EPOCH_MS = 1_420_070_400_000
Payload = Callable[[str, str], dict[str, Any]]


def user(user_id: int = OUT, name: str = NAME) -> dict[str, Any]:
    return {"id": str(user_id), "username": name, "discriminator": "0"}


def snowflake(site: Site, number: int = 0) -> str:
    return str(((site.clock.now_ms() - EPOCH_MS) << 22) + number)


def iso(site: Site, seconds: int) -> str:
    return datetime.fromtimestamp(site.clock.now_ms() / 1000 + seconds, UTC).isoformat()


def act(site: Site, pipeline: Pipeline, payload: Payload) -> None:
    """Everything that can be open of a person: done by them, done to them, and by them as a moderator."""
    guild = {"guild_id": str(GUILD)}
    member = payload("GUILD_MEMBER_UPDATE", "a member") | guild
    site.feed(pipeline, "GUILD_MEMBER_ADD", payload("GUILD_MEMBER_ADD", "person") | {"user": user()})
    site.feed(
        pipeline,
        "GUILD_MEMBER_UPDATE",
        member | {"user": user(), "communication_disabled_until": iso(site, 60)},
    )
    state = payload("VOICE_STATE_UPDATE", "enter")
    site.feed(
        pipeline,
        "VOICE_STATE_UPDATE",
        state | {"user_id": str(OUT), "member": state["member"] | {"user": user()}},
    )
    message = payload("MESSAGE_CREATE", "human")
    for number in range(5):
        site.feed(
            pipeline, "MESSAGE_CREATE", message | {"id": snowflake(site, number), "author": user()} | guild
        )
    invite = payload("INVITE_CREATE", "for a week")
    site.feed(pipeline, "INVITE_CREATE", invite | {"inviter": user()})
    entry = payload("GUILD_AUDIT_LOG_ENTRY_CREATE", "ban") | guild
    by_moderator = {"user_id": str(MODERATOR)}
    site.feed(
        pipeline,
        "GUILD_AUDIT_LOG_ENTRY_CREATE",
        entry | by_moderator | {"id": snowflake(site, 7), "target_id": str(ELSE)},
    )
    site.feed(
        pipeline,
        "GUILD_AUDIT_LOG_ENTRY_CREATE",
        entry | {"id": snowflake(site, 8), "target_id": str(OUT), "user_id": str(ELSE)},
    )
    site.feed(pipeline, "GUILD_MEMBER_REMOVE", guild | {"user": user()})
    site.feed(pipeline, "GUILD_MEMBER_REMOVE", guild | {"user": user(ELSE, "else")})
    site.feed(pipeline, "GUILD_AUDIT_LOG_ENTRY_CREATE", entry | by_moderator | {"id": snowflake(site, 9)})


async def pass_time(site: Site, pipeline: Pipeline, seconds: int) -> None:
    for _ in range(seconds):
        site.clock.advance(1)
        site.feed(pipeline, "SHARD", {"shard": 0, "state": "heard"})
        await pipeline.tick()


async def written(site: Site, after: int = 0) -> list[Any]:
    found = []
    for lane in Priority:
        batch = await site.spool.read("x", lane, max_rows=100_000, max_bytes=2**30)
        found += [row for row in batch.rows if row.position > after] if batch else []
    return found


async def test_nothing_is_written_of_a_person_who_opted_out_between_two_runs(
    site: Site, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    site.switches = {"XP_GAIN": True, "LEVEL_UP": True}
    pipeline = await site.start()
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full"))
    act(site, pipeline, payload)
    site.clock.advance(6)
    await pipeline.tick()
    before = await written(site)
    assert any(str(OUT) in repr(row) for row in before), "or the test shows nothing"
    assert any(str(MODERATOR) in repr(row) for row in before)
    last = max(row.position for row in before)

    site.privacy = PrivacyConfig(opt_out=frozenset({OUT, MODERATOR}))
    caplog.clear()
    pipeline = await site.start()
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full"))
    await pass_time(site, pipeline, 20)
    act(site, pipeline, payload)
    await pass_time(site, pipeline, 140)
    await pipeline.flush()
    await pipeline.stop()

    marks = {str(OUT), str(MODERATOR), NAME, MODERATOR_NAME}
    after = await written(site, last)
    assert after
    for row in after:
        left = repr(row)
        assert not any(mark in left for mark in marks), left
    state = await site.spool.state()
    for saved in state:
        text = f"{saved.key!r} {saved.value!r}"
        assert NAME not in text
        packed = (OUT.to_bytes(8, "big"), MODERATOR.to_bytes(8, "big"))
        assert not any(identity in saved.key + (saved.value or b"") for identity in packed), saved
    for record in caplog.records:
        assert not any(mark in record.getMessage() for mark in marks)


async def test_a_saved_row_that_cannot_be_read_is_deleted_with_the_name_in_it(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    encode = msgspec.msgpack.encode
    broken = StateRow("moderation/actions", encode("key"), encode({"moderator_username": MODERATOR_NAME}))
    switched_off = StateRow("no_component/rows", encode(1), encode(2))
    await site.start()
    await site.spool.append([], state=[broken, switched_off])
    site.privacy = PrivacyConfig(opt_out=frozenset({MODERATOR}))
    pipeline = await site.start()
    assert [record.levelno for record in caplog.records if "moderation" in record.getMessage()] == [ERROR]
    assert MODERATOR_NAME not in caplog.text
    await pass_time(site, pipeline, 10)
    assert {row.table for row in await site.spool.state()} >= {switched_off.table}
    assert broken not in await site.spool.state()

    caplog.clear()
    await site.start()
    assert not [record for record in caplog.records if record.levelno >= ERROR]
