"""REST answers that depend on the world: found by path, limited by permission, paged as Discord pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from discord_simulator.invite import Vanity
from discord_simulator.operations import members, threads
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import AuditAction


def get(stage: Any, path: str, **query: str) -> tuple[int, Any]:
    answer = stage.view.rest("GET", path, query)
    assert answer is not None
    json.dumps(answer.body)  # plain data for any encoder
    return answer.status, answer.body


@pytest.fixture
def moderated(stage: Any) -> Any:
    """Six bans and one kick, an hour apart."""
    moderator = stage.guild.moderators[0]
    for number, victim in enumerate(stage.guild.members[-6:]):
        stage.clock.advance(3600)
        members.ban(stage.world, stage.guild, victim, Actor(moderator, f"reason {number}"))
    members.kick(stage.world, stage.guild, stage.guild.members[-1], Actor(stage.guild.moderators[1]))
    return stage


def audit_log(stage: Any, **query: Any) -> list[dict[str, Any]]:
    status, body = get(stage, f"/guilds/{stage.guild.id}/audit-logs", **{k: str(v) for k, v in query.items()})
    assert status == 200
    return body["audit_log_entries"]


def test_a_guild_has_counts_only_when_asked(stage: Any) -> None:
    status, bare = get(stage, f"/guilds/{stage.guild.id}")
    _, counted = get(stage, f"/guilds/{stage.guild.id}", with_counts="true")
    assert status == 200
    assert "approximate_member_count" not in bare
    assert counted["approximate_member_count"] == stage.guild.member_count
    assert 0 < counted["approximate_presence_count"] <= stage.guild.member_count


def test_an_unknown_guild_and_a_guild_in_an_outage_are_refused(stage: Any) -> None:
    assert get(stage, "/guilds/1/bans") == (404, {"message": "Unknown Guild", "code": 10004})
    stage.view.set_outage(stage.guild.id, unavailable=True)
    assert get(stage, f"/guilds/{stage.guild.id}")[0] == 503


@pytest.mark.parametrize("path", ["/gateway/bot", "/guilds/abc", "/guilds/1/soundboard", "/", ""])
def test_a_route_the_world_does_not_know_is_left_to_others(stage: Any, path: str) -> None:
    assert stage.view.rest("GET", path, {}) is None


def test_only_reading_is_answered(stage: Any) -> None:
    assert stage.view.rest("DELETE", f"/guilds/{stage.guild.id}/bans/5", {}) is None


def test_the_audit_log_is_newest_first_and_names_its_people(moderated: Any) -> None:
    entries = audit_log(moderated)
    assert [entry["action_type"] for entry in entries] == [20] + [22] * 6
    assert [entry["id"] for entry in entries] == sorted((entry["id"] for entry in entries), reverse=True)
    _, body = get(moderated, f"/guilds/{moderated.guild.id}/audit-logs")
    people = {user["id"] for user in body["users"]}
    assert {entry["user_id"] for entry in entries} <= people


def test_the_audit_log_pages_backwards_with_before_and_forwards_with_after(moderated: Any) -> None:
    everything = audit_log(moderated)
    first = audit_log(moderated, limit=3)
    second = audit_log(moderated, limit=3, before=first[-1]["id"])
    assert first + second == everything[:6]
    oldest = everything[-1]["id"]
    forward = audit_log(moderated, limit=2, after=oldest)
    assert [entry["id"] for entry in forward] == [everything[-2]["id"], everything[-3]["id"]]
    from_start = audit_log(moderated, after=0, limit=100)
    assert from_start == everything[::-1]


def test_the_audit_log_is_filtered_by_action_and_actor(moderated: Any) -> None:
    assert len(audit_log(moderated, action_type=int(AuditAction.MEMBER_BAN_ADD))) == 6
    assert len(audit_log(moderated, user_id=moderated.guild.moderators[1])) == 1
    assert audit_log(moderated, user_id=1) == []


@pytest.mark.parametrize(("asked", "given"), [("0", 1), ("2", 2), ("999", 7), ("x", 7)])
def test_a_limit_out_of_range_is_brought_into_it(moderated: Any, asked: str, given: int) -> None:
    assert len(audit_log(moderated, limit=asked)) == given


@pytest.mark.parametrize(
    ("route", "permission"),
    [
        ("audit-logs", "view_audit_log"),
        ("bans", "ban_members"),
        ("vanity-url", "manage_guild"),
    ],
)
def test_a_route_needs_its_permission(stage: Any, route: str, permission: str) -> None:
    path = f"/guilds/{stage.guild.id}/{route}"
    assert get(stage, path)[0] == 200
    stage.view.set_permission(stage.guild.id, permission, granted=False)
    assert get(stage, path) == (403, {"message": "Missing Permissions", "code": 50013})
    others = [guild_id for guild_id in stage.view.guild_ids() if guild_id != stage.guild.id]
    assert all(stage.view.has_permission(guild_id, permission) for guild_id in others)
    stage.view.set_permission(None, permission, granted=True)
    assert get(stage, path)[0] == 200


def test_a_permission_can_be_taken_everywhere_and_is_missing_in_unknown_guilds(stage: Any) -> None:
    stage.view.set_permission(None, "view_audit_log", granted=False)
    assert not any(
        stage.view.has_permission(guild_id, "view_audit_log") for guild_id in stage.view.guild_ids()
    )
    assert not stage.view.has_permission(1, "view_channel")


def test_either_of_two_permissions_shows_the_invites_and_one_their_uses(stage: Any) -> None:
    path = f"/guilds/{stage.guild.id}/invites"
    _, whole = get(stage, path)
    assert {each["code"] for each in whole} == stage.guild.invites.keys()
    assert all(each["uses"] == stage.guild.invites[each["code"]].uses for each in whole)
    stage.view.set_permission(stage.guild.id, "manage_guild", granted=False)
    status, bare = get(stage, path)
    assert status == 200
    assert {each["code"] for each in bare} == stage.guild.invites.keys()
    assert not any("uses" in each or "max_uses" in each for each in bare)
    stage.view.set_permission(stage.guild.id, "view_audit_log", granted=False)
    assert get(stage, path) == (403, {"message": "Missing Permissions", "code": 50013})


def test_the_vanity_url_needs_manage_guild_and_may_be_none(stage: Any) -> None:
    path = f"/guilds/{stage.guild.id}/vanity-url"
    stage.guild.vanity = None
    assert get(stage, path) == (200, {"code": None, "uses": 0})
    stage.guild.vanity = Vanity("inn", 12)
    assert get(stage, path) == (200, {"code": "inn", "uses": 12})
    stage.view.set_permission(stage.guild.id, "manage_guild", granted=False)
    assert get(stage, path)[0] == 403


def test_bans_are_listed_by_id_and_found_one_by_one(moderated: Any) -> None:
    path = f"/guilds/{moderated.guild.id}/bans"
    _, bans = get(moderated, path)
    ids = [int(ban["user"]["id"]) for ban in bans]
    assert ids == sorted(moderated.guild.bans)
    assert {ban["reason"] for ban in bans} == {f"reason {number}" for number in range(6)}
    _, page = get(moderated, path, limit="2", after=str(ids[1]))
    assert [int(ban["user"]["id"]) for ban in page] == ids[2:4]
    _, page = get(moderated, path, limit="2", before=str(ids[3]))
    assert [int(ban["user"]["id"]) for ban in page] == ids[1:3]
    assert get(moderated, f"{path}/{ids[0]}")[1] == bans[0]
    assert get(moderated, f"{path}/1") == (404, {"message": "Unknown Ban", "code": 10026})


def test_members_are_paged_and_found_one_by_one(stage: Any) -> None:
    path = f"/guilds/{stage.guild.id}/members"
    everybody = sorted([*stage.guild.members, *stage.guild.bots])
    found: list[int] = []
    while True:
        _, page = get(stage, path, limit="7", after=str(found[-1] if found else 0))
        if not page:
            break
        found += [int(member["user"]["id"]) for member in page]
    assert found == everybody
    assert len(get(stage, path)[1]) == 1
    assert get(stage, f"{path}/{everybody[0]}")[0] == 200
    assert get(stage, f"{path}/{stage.guild.bots[0]}")[1]["user"]["bot"] is True
    assert get(stage, f"{path}/1") == (404, {"message": "Unknown Member", "code": 10007})


def test_channels_threads_and_roles_are_those_of_the_guild(stage: Any) -> None:
    guild = stage.guild
    threads.start(stage.world, guild, guild.text[0], guild.members[0], name="plans")
    _, channels = get(stage, f"/guilds/{guild.id}/channels")
    assert {int(channel["id"]) for channel in channels} == {channel.id for channel in guild.channels()}
    _, active = get(stage, f"/guilds/{guild.id}/threads/active")
    assert [thread["name"] for thread in active["threads"]] == ["plans"]
    assert get(stage, f"/channels/{active['threads'][0]['id']}")[1] == active["threads"][0]
    assert get(stage, f"/channels/{channels[0]['id']}")[1] == channels[0]
    assert get(stage, "/channels/1") == (404, {"message": "Unknown Channel", "code": 10003})
    _, roles = get(stage, f"/guilds/{guild.id}/roles")
    assert {role["name"] for role in roles} >= {"@everyone", "Moderator"}


def test_a_user_is_the_same_wherever_they_appear(make_stage: Callable[..., Any]) -> None:
    stage = make_stage(guilds=2)
    user_id = stage.guild.members[0]
    assert (
        get(stage, f"/users/{user_id}")[1]
        == get(stage, f"/guilds/{stage.guild.id}/members/{user_id}")[1]["user"]
    )


def test_the_application_is_its_bot(stage: Any) -> None:
    application = stage.view.application()
    assert application["bot"]["bot"] is True
    assert application["id"] == application["bot"]["id"] == str(stage.guild.bots[0])
    # GATEWAY_PRESENCE, GATEWAY_GUILD_MEMBERS and GATEWAY_MESSAGE_CONTENT are granted.
    assert all(application["flags"] >> bit & 1 for bit in (12, 14, 18))


def test_a_withdrawn_permission_shows_in_the_bots_role_and_in_the_audit_log(stage: Any) -> None:
    stage.view.set_permission(stage.guild.id, "manage_guild", granted=False)
    published = stage.take()
    assert [kind for kind, _ in published] == ["GUILD_ROLE_UPDATE", "GUILD_AUDIT_LOG_ENTRY_CREATE"]
    role = published[0][1]["role"]
    assert role["tags"] == {"bot_id": str(stage.guild.bots[0])}
    assert not int(role["permissions"]) & (1 << 5 | 1 << 3)
    assert int(role["permissions"]) & 1 << 7
    assert [line["name"] for line in stage.lines() if line["type"] == "PERMISSION"] == ["manage_guild"]
    stage.view.set_permission(stage.guild.id, "manage_guild", granted=False)
    assert stage.take() == []
    stage.view.set_permission(stage.guild.id, "manage_guild", granted=True)
    assert int(stage.take()[0][1]["role"]["permissions"]) & 1 << 5
