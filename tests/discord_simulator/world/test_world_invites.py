"""Invites: events of the gateway, counts of REST, and the ledger lines of each join."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from discord_simulator.invite import Invite, Vanity
from discord_simulator.operations import invites, moderation
from discord_simulator.operations.audit import Actor
from discord_simulator.snowflake import iso
from discord_simulator.vocabulary import Intent

STRANGER = 123_456_789_012_345_678


@pytest.fixture
def by(stage: Any) -> Actor:
    return Actor(stage.guild.members[1])


@pytest.fixture
def make_invite(stage: Any, by: Actor) -> Callable[..., Invite]:
    def make(**terms: Any) -> Invite:
        made = invites.create(stage.world, stage.guild, stage.guild.text[0], by, **terms)
        stage.take()
        return made

    return make


def listed(stage: Any) -> dict[str, int]:
    answer = stage.view.rest("GET", f"/guilds/{stage.guild.id}/invites", {})
    return {each["code"]: each["uses"] for each in answer.body}


def uses(stage: Any) -> list[dict[str, Any]]:
    return [line for line in stage.lines() if line["type"] == "INVITE_USE"]


def test_a_new_invite_is_published_with_its_terms_and_inviter(stage: Any, by: Actor) -> None:
    now = stage.world.now()
    made = invites.create(stage.world, stage.guild, stage.guild.text[0], by, max_uses=5, max_age=60)
    (event, data), (_, entry) = stage.take()
    assert event == "INVITE_CREATE"
    assert data["code"] == made.code
    assert (data["max_uses"], data["max_age"], data["uses"]) == (5, 60, 0)
    assert data["expires_at"] == iso(now + 60_000)
    assert data["inviter"]["id"] == str(by.moderator_id)
    assert (entry["action_type"], entry["target_id"]) == (40, None)
    assert {"key": "code", "new_value": made.code} in entry["changes"]
    assert listed(stage)[made.code] == 0


def test_invite_events_need_their_intent_and_manage_channels(stage: Any, by: Actor) -> None:
    stage.view.set_permission(None, "manage_channels", granted=False)
    made = invites.create(stage.world, stage.guild, stage.guild.text[0], by)
    invites.delete(stage.world, stage.guild, made, by)
    published = [d for d in stage.dispatches if d.type.startswith("INVITE")]
    assert [d.type for d in published] == ["INVITE_CREATE", "INVITE_DELETE"]
    assert {d.intents for d in published} == {Intent.GUILD_INVITES}
    assert {d.permissions for d in published} == {frozenset({"manage_channels"})}
    assert [line["visible"] for line in stage.lines() if line["type"].startswith("INVITE")] == [False, False]


def test_a_use_raises_the_count_and_nothing_else_says_so(
    stage: Any, make_invite: Callable[..., Invite]
) -> None:
    invite = make_invite()
    invites.join(stage.world, stage.guild, STRANGER, invite)
    assert [kind for kind, _ in stage.take()] == ["GUILD_MEMBER_ADD", "MESSAGE_CREATE"]
    assert listed(stage)[invite.code] == 1
    (line,) = uses(stage)
    assert (line["code"], line["method"], line["knowable"]) == (invite.code, "invite", True)
    assert (line["user_id"], line["inviter_id"]) == (str(STRANGER), str(invite.inviter_id))


@pytest.mark.parametrize("delete_first", [False, True])
def test_an_invite_that_is_used_up_is_deleted_before_or_after_the_join(
    stage: Any, make_invite: Callable[..., Invite], *, delete_first: bool
) -> None:
    invite = make_invite(max_uses=1)
    invites.join(stage.world, stage.guild, STRANGER, invite, delete_first=delete_first)
    kinds = [kind for kind, _ in stage.take() if kind != "MESSAGE_CREATE"]
    published = ["GUILD_MEMBER_ADD", "INVITE_DELETE"]
    assert kinds == (published[::-1] if delete_first else published)
    assert invite.code not in listed(stage)
    (line,) = [line for line in stage.lines() if line["type"] == "INVITE_DELETE"]
    assert line["cause"] == "used_up"
    assert 42 not in {entry.action for entry in stage.guild.audit}


def test_an_expired_invite_has_no_event(stage: Any, make_invite: Callable[..., Invite]) -> None:
    invite = make_invite(max_age=30)
    stage.clock.advance(30)
    stage.world.deadlines.pass_to(stage.world.now())
    assert stage.take() == []
    assert invite.code not in listed(stage)
    assert [line["code"] for line in stage.lines() if line["type"] == "INVITE_EXPIRED"] == [invite.code]


def test_a_deleted_invite_has_an_entry_and_never_expires(
    stage: Any, by: Actor, make_invite: Callable[..., Invite]
) -> None:
    invite = make_invite(max_age=30)
    invites.delete(stage.world, stage.guild, invite, by)
    (event, data), (_, entry) = stage.take()
    assert (event, data["code"]) == ("INVITE_DELETE", invite.code)
    assert entry["action_type"] == 42
    assert {"key": "code", "old_value": invite.code} in entry["changes"]
    stage.clock.advance(60)
    stage.world.deadlines.pass_to(stage.world.now())
    assert not [line for line in stage.lines() if line["type"] == "INVITE_EXPIRED"]


def test_a_join_by_the_vanity_url_is_seen_in_its_own_count_alone(stage: Any) -> None:
    stage.guild.vanity = Vanity("inn", 7)
    before = listed(stage)
    invites.join_by_vanity(stage.world, stage.guild, STRANGER)
    answer = stage.view.rest("GET", f"/guilds/{stage.guild.id}/vanity-url", {})
    assert answer.body == {"code": "inn", "uses": 8}
    assert listed(stage) == before
    (line,) = uses(stage)
    assert (line["method"], line["code"], line["inviter_id"]) == ("vanity", "inn", None)


def test_there_is_no_join_by_a_vanity_url_a_guild_has_not(stage: Any) -> None:
    stage.guild.vanity = None
    count = stage.guild.member_count
    with pytest.raises(ValueError, match="no vanity URL"):
        invites.join_by_vanity(stage.world, stage.guild, STRANGER)
    assert stage.guild.member_count == count


def test_some_joins_leave_no_trace_in_any_count(stage: Any) -> None:
    before = listed(stage)
    invites.join_untraced(stage.world, stage.guild, STRANGER)
    assert listed(stage) == before
    (line,) = uses(stage)
    assert (line["method"], line["code"], line["knowable"]) == ("unknown", None, False)


def test_a_use_cannot_be_known_without_manage_guild(stage: Any, make_invite: Callable[..., Invite]) -> None:
    stage.view.set_permission(None, "manage_guild", granted=False)
    invites.join(stage.world, stage.guild, STRANGER, make_invite())
    assert uses(stage)[0]["knowable"] is False


def test_a_bot_comes_through_oauth(stage: Any) -> None:
    bot_id = next(user_id for user_id in stage.world.population.bots if user_id not in stage.guild.bots)
    moderation.add_bot(stage.world, stage.guild, bot_id, Actor(stage.guild.owner_id))
    (line,) = uses(stage)
    assert (line["method"], line["code"], line["user_id"]) == ("oauth", None, str(bot_id))
    assert line["inviter_id"] == str(stage.guild.owner_id)


def test_guilds_start_with_invites_and_the_most_boosted_with_a_vanity_url(
    make_stage: Callable[..., Any],
) -> None:
    guilds = list(make_stage(guilds=20).world.guilds.values())
    assert all(2 <= len(guild.invites) <= 5 for guild in guilds)
    assert {guild.vanity is not None for guild in guilds} == {True, False}
    assert all((guild.vanity is not None) == (guild.tier == 3) for guild in guilds)
    assert len({code for guild in guilds for code in guild.invites}) == sum(len(g.invites) for g in guilds)
