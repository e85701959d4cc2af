"""Inputs that Discord really sends on bad days, with the values that are right.

Each test feeds dispatches to the real pipeline on a held clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from exporter.events.guilds import BOOSTS, MEMBERS
from exporter.pipeline import Pipeline
from tests.entry_data import fields_of
from tests.site import GUILD, Site

Payload = Callable[[str, str], dict[str, Any]]
USER = 80351110224678912
OTHER = 53908232506183680
BOT = 41771983423143999
VOICE = 197038439483310090
TEXT = 197038439483310087


def total(pipeline: Pipeline, measure: str, value: str = "") -> int:
    pipeline.refresh()
    return pipeline.totals(measure, value).get(GUILD, 0)


async def begin(site: Site, payload: Payload, **fields: object) -> Pipeline:
    pipeline = await site.start()
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full") | {"voice_states": []} | fields)
    return pipeline


async def pass_seconds(site: Site, pipeline: Pipeline, seconds: int) -> None:
    for _ in range(seconds):
        site.clock.advance(1)
        await pipeline.tick()


# ---------------------------------------------------------------- kind C: null, and one odd element


def _odd_part(payload: dict[str, Any], part: str) -> dict[str, Any]:
    user = {"id": str(USER), "username": "nelly", "discriminator": "0"}
    state = {
        "user_id": str(USER),
        "channel_id": str(VOICE),
        "session_id": "s",
        "self_mute": False,
        "self_deaf": False,
        "mute": False,
        "deaf": False,
        "self_video": False,
        "suppress": False,
    }
    odd: dict[str, dict[str, Any]] = {
        "session of a voice state": {"voice_states": [state | {"session_id": None}]},
        "stream of a voice state": {"voice_states": [state | {"self_stream": None}]},
        "name of a member": {"members": [{"user": user | {"username": None}, "roles": []}]},
        "user of a member": {"members": [{"user": None, "roles": []}]},
        "type of a thread": {"threads": [{"id": "5", "type": None, "parent_id": str(TEXT), "name": "t"}]},
        "type of a channel": {"channels": [*payload["channels"], {"id": "6", "type": None, "name": "c"}]},
        "features": {"features": None},
        "roles": {"roles": None},
        "an emoji": {"emojis": [None]},
        "a thread": {"threads": [None, 7, {"id": []}]},
        "a voice state": {"voice_states": [None, {"user_id": "x"}]},
    }
    return payload | odd[part]


@pytest.mark.parametrize(
    "part",
    [
        "session of a voice state",
        "stream of a voice state",
        "name of a member",
        "user of a member",
        "type of a thread",
        "type of a channel",
        "features",
        "roles",
        "an emoji",
        "a thread",
        "a voice state",
    ],
)
async def test_an_odd_part_of_a_guild_costs_that_part_alone(site: Site, payload: Payload, part: str) -> None:
    pipeline = await site.start()
    site.feed(pipeline, "READY", payload("READY", "without shards"))
    whole = payload("GUILD_CREATE", "full") | {"voice_states": []}
    site.feed(pipeline, "GUILD_CREATE", _odd_part(whole, part))
    assert pipeline.guilds() == {GUILD: "Friendly place"}
    assert pipeline.gauges(MEMBERS.name) == {GUILD: 7}


async def test_a_member_count_below_zero_is_unknown(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload, member_count=-5, premium_subscription_count=-1)
    assert pipeline.gauges(MEMBERS.name) == {GUILD: 0}
    assert pipeline.gauges(BOOSTS.name) == {GUILD: 0}


async def test_an_id_that_is_listed_again_in_a_bulk_deletion_is_one_deletion(
    site: Site, payload: Payload
) -> None:
    pipeline = await begin(site, payload)
    deletion = payload("MESSAGE_DELETE_BULK", "three")
    first, second, _ = deletion["ids"]
    site.feed(pipeline, "MESSAGE_DELETE_BULK", deletion | {"ids": [first, second, first, first]})
    await pipeline.flush()
    assert total(pipeline, "message_deletes", "bulk") == 2


async def test_a_prune_whose_count_cannot_be_read_is_a_row(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    entry = payload("GUILD_AUDIT_LOG_ENTRY_CREATE", "prune without target")
    entry |= {"options": {"members_removed": "x", "delete_member_days": "7"}}
    site.feed(pipeline, "GUILD_AUDIT_LOG_ENTRY_CREATE", entry)
    await pipeline.flush()
    rows = [fields_of(row) for row in await site.entries() if fields_of(row).get("action") == "prune"]
    assert [(row.get("members_removed"), row.get("days")) for row in rows] == [(None, 7)]


@pytest.mark.parametrize("kind", [143, 144])
@pytest.mark.parametrize("channel", ["", None])
async def test_an_automod_entry_without_a_channel_is_a_row(
    site: Site, payload: Payload, kind: int, channel: str | None
) -> None:
    pipeline = await begin(site, payload)
    entry = payload("GUILD_AUDIT_LOG_ENTRY_CREATE", "message flagged by AutoModeration")
    entry |= {"action_type": kind, "options": (entry.get("options") or {}) | {"channel_id": channel}}
    site.feed(pipeline, "GUILD_AUDIT_LOG_ENTRY_CREATE", entry)
    await pipeline.flush()
    action = {143: "automod_block", 144: "automod_flag"}[kind]
    rows = [fields_of(row) for row in await site.entries() if fields_of(row).get("action") == action]
    assert len(rows) == 1, [entry.type for entry in await site.entries()]
    assert not rows[0].get("channel_id")
    assert total(pipeline, "moderation_actions", action) == 1


# ---------------------------------------------------------------- kind D: delivered repeatedly


async def test_a_join_delivered_again_is_one_join(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    join = payload("GUILD_MEMBER_ADD", "person")
    site.feed(pipeline, "GUILD_MEMBER_ADD", join)
    site.clock.advance(0.4)
    site.feed(pipeline, "GUILD_MEMBER_ADD", join)
    site.clock.advance(0.4)
    site.feed(pipeline, "GUILD_MEMBER_ADD", join | {"joined_at": "2023-11-14T22:13:20.150000+00:00"})
    await pipeline.flush()
    assert total(pipeline, "member_joins") == 1
    assert pipeline.gauges(MEMBERS.name) == {GUILD: 8}
    assert len(await site.entries("GUILD_MEMBER_ADD")) == 1


async def test_an_add_of_a_member_of_long_standing_is_no_join(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    join = payload("GUILD_MEMBER_ADD", "person") | {"joined_at": "2022-11-14T22:13:19.750000+00:00"}
    site.feed(pipeline, "GUILD_MEMBER_ADD", join)
    await pipeline.flush()
    assert total(pipeline, "member_joins") == 0
    assert pipeline.gauges(MEMBERS.name) == {GUILD: 7}
    assert await site.entries("GUILD_MEMBER_ADD") == []


async def test_who_leaves_and_comes_back_has_joined_twice(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    join, leave = payload("GUILD_MEMBER_ADD", "person"), payload("GUILD_MEMBER_REMOVE", "person")
    site.feed(pipeline, "GUILD_MEMBER_ADD", join)
    site.clock.advance(1)
    site.feed(pipeline, "GUILD_MEMBER_REMOVE", leave)
    site.clock.advance(1)
    site.feed(pipeline, "GUILD_MEMBER_ADD", join | {"joined_at": "2023-11-14T22:13:22.000000+00:00"})
    await pass_seconds(site, pipeline, 40)
    await pipeline.flush()
    assert total(pipeline, "member_joins") == 2
    assert pipeline.gauges(MEMBERS.name) == {GUILD: 8}


async def test_a_departure_delivered_twice_is_one(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    leave = payload("GUILD_MEMBER_REMOVE", "person")
    for _ in range(2):
        site.feed(pipeline, "GUILD_MEMBER_REMOVE", leave)
        site.clock.advance(0.4)
    await pass_seconds(site, pipeline, 40)
    await pipeline.flush()
    assert total(pipeline, "member_leaves", "leave") + total(pipeline, "member_leaves", "unknown") == 1
    assert pipeline.gauges(MEMBERS.name) == {GUILD: 6}
    assert len([e for e in await site.entries("GUILD_MEMBER_REMOVE") if not e.amends]) == 1


async def test_a_message_delivered_twice_is_one(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    for _ in range(2):
        site.feed(pipeline, "MESSAGE_CREATE", payload("MESSAGE_CREATE", "human"))
    assert total(pipeline, "messages", "human") == 1


async def test_a_reaction_taken_back_and_given_again_counts_and_a_repeated_one_does_not(
    site: Site, payload: Payload
) -> None:
    pipeline = await begin(site, payload)
    add = payload("MESSAGE_REACTION_ADD", "unicode")
    remove = {key: add[key] for key in ("user_id", "message_id", "emoji", "channel_id", "guild_id")}
    for name, data in (("ADD", add), ("ADD", add), ("REMOVE", remove), ("REMOVE", remove), ("ADD", add)):
        site.feed(pipeline, f"MESSAGE_REACTION_{name}", data)
    assert total(pipeline, "reactions", "normal") == 2
    assert total(pipeline, "reactions_removed") == 1


async def test_messages_that_automod_blocks_one_after_another_are_counted_each(
    site: Site, payload: Payload
) -> None:
    pipeline = await begin(site, payload)
    for _ in range(5):
        site.feed(
            pipeline,
            "AUTO_MODERATION_ACTION_EXECUTION",
            payload("AUTO_MODERATION_ACTION_EXECUTION", "blocked"),
        )
        site.clock.advance(0.9)
    await pipeline.flush()
    assert total(pipeline, "moderation_actions", "automod_block") == 5


@pytest.mark.parametrize("off", ["MESSAGE_REACTION_REMOVE", "MESSAGE_REACTION_REMOVE_ALL"])
async def test_without_what_says_the_opposite_nothing_is_taken_for_repeated(
    site: Site, payload: Payload, off: str
) -> None:
    site.switches = {off: False}
    pipeline = await begin(site, payload)
    for _ in range(3):
        site.feed(pipeline, "MESSAGE_REACTION_ADD", payload("MESSAGE_REACTION_ADD", "unicode"))
    assert total(pipeline, "reactions", "normal") == 3


async def test_a_super_reaction_beside_a_normal_one_counts(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    add = payload("MESSAGE_REACTION_ADD", "unicode")
    for burst in (False, True, True):
        site.feed(pipeline, "MESSAGE_REACTION_ADD", add | {"burst": burst})
    assert total(pipeline, "reactions", "normal") == 1
    assert total(pipeline, "reactions", "super") == 1


async def test_an_outage_ends_what_can_be_repeated(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    add = payload("MESSAGE_REACTION_ADD", "unicode")
    site.feed(pipeline, "MESSAGE_REACTION_ADD", add)
    site.feed(pipeline, "GUILD_DELETE", {"id": str(GUILD), "unavailable": True})
    site.feed(pipeline, "GUILD_CREATE", payload("GUILD_CREATE", "full") | {"voice_states": []})
    site.feed(pipeline, "MESSAGE_REACTION_ADD", add)
    assert total(pipeline, "reactions", "normal") == 2


async def test_an_entry_from_the_future_does_not_close_the_audit_log(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    kick = payload("GUILD_AUDIT_LOG_ENTRY_CREATE", "kick")
    site.feed(pipeline, "GUILD_AUDIT_LOG_ENTRY_CREATE", kick | {"id": str(2**63 - 1)})
    site.feed(pipeline, "GUILD_AUDIT_LOG_ENTRY_CREATE", kick)
    await pipeline.flush()
    assert total(pipeline, "moderation_actions", "kick") == 1


def _voice(payload: Payload, user: int, channel: int | None) -> dict[str, Any]:
    state = payload("VOICE_STATE_UPDATE", "enter")
    state["member"]["user"] |= {"id": str(user), "username": f"user{user}"}
    return state | {
        "user_id": str(user),
        "session_id": f"session{user}",
        "channel_id": str(channel) if channel else None,
    }


async def test_a_member_who_leaves_the_guild_leaves_voice(site: Site, payload: Payload) -> None:
    pipeline = await begin(site, payload)
    for user in (USER, OTHER):
        site.feed(pipeline, "VOICE_STATE_UPDATE", _voice(payload, user, VOICE))
    for _ in range(60):
        site.clock.advance(1)
        await pipeline.tick()
    site.feed(pipeline, "GUILD_MEMBER_REMOVE", payload("GUILD_MEMBER_REMOVE", "person"))
    for _ in range(600):
        site.clock.advance(6)
        await pipeline.tick()
    assert pipeline.gauges("voice_members")[GUILD] == 1
    assert total(pipeline, "voice_seconds", "active") == 120_000
    assert total(pipeline, "voice_seconds", "alone") == 3_600_000


# ---------------------------------------------------------------- kind G: a definition and its column


@pytest.mark.parametrize(
    ("giver", "bot", "author", "received"),
    [(OTHER, False, USER, 1), (USER, False, USER, 0), (BOT, True, USER, 0)],
    ids=["another's", "one's own", "a bot's"],
)
async def test_reactions_received_are_those_that_other_people_added(
    site: Site, payload: Payload, giver: int, *, bot: bool, author: int, received: int
) -> None:
    pipeline = await begin(site, payload)
    add = payload("MESSAGE_REACTION_ADD", "unicode") | {
        "user_id": str(giver),
        "message_author_id": str(author),
    }
    add["member"]["user"] |= {"id": str(giver), "bot": bot}
    site.feed(pipeline, "MESSAGE_REACTION_ADD", add)
    assert total(pipeline, "reactions", "normal") == 1
    assert total(pipeline, "reactions_received") == received
