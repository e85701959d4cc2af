"""What the bot may do follows every role, and what it lacks is named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.catalogue import full_catalogue
from exporter.events.facts.guilds import (
    BotKnown,
    MemberRoles,
    PermissionsChanged,
    RoleDeleted,
    RolesListed,
    RoleUpserted,
)
from exporter.events.permissions import PERMISSIONS
from exporter.pipeline import Pipeline
from exporter.state.permissions import Permissions
from exporter.telemetry import value
from tests.emitted import Emitted
from tests.site import GUILD, Site

BOT = 1174000000000000999
AUDIT = PERMISSIONS["view_audit_log"]
BAN = PERMISSIONS["ban_members"]
ADMIN = PERMISSIONS["administrator"]
CATALOGUE = full_catalogue()


def known(roles: dict[int, int], own: tuple[int, ...], *, owner: int = 1) -> Permissions:
    rights = Permissions(Emitted(), CATALOGUE)
    rights.know_bot(BotKnown(BOT))
    rights.see_roles(RolesListed(GUILD, owner, tuple(roles.items()), ((BOT, own), (7, (2,)))))
    return rights


def lacking(rights: Permissions, permission: str = "view_audit_log") -> int:
    (guilds,) = {spot.guilds for spot in rights.blind() if spot.permission == permission}
    return guilds


@pytest.mark.parametrize(
    ("roles", "own", "owner", "lacks"),
    [
        ({GUILD: 0, 2: AUDIT}, (2,), 1, False),
        ({GUILD: 0, 2: AUDIT}, (), 1, True),
        ({GUILD: AUDIT}, (), 1, False),
        ({GUILD: 0, 2: ADMIN}, (2,), 1, False),
        ({GUILD: 0}, (), BOT, False),
        ({GUILD: 0, 3: AUDIT}, (2,), 1, True),
    ],
    ids=["by role", "another's role", "everybody's", "administrator", "owner", "unknown role"],
)
def test_what_a_role_gives_the_bot_has(
    roles: dict[int, int], own: tuple[int, ...], owner: int, *, lacks: bool
) -> None:
    rights = known(roles, own, owner=owner)
    assert rights.lacks(GUILD, "view_audit_log") is lacks
    assert lacking(rights) == lacks


@pytest.mark.parametrize(
    ("granted", "who", "bans"),
    [(0, 1, 1), (BAN, 1, 0), (AUDIT, 0, 0), (BAN | AUDIT, 0, 0), (ADMIN, 0, 0)],
    ids=["neither", "bans", "audit log", "both", "administrator"],
)
def test_bans_are_seen_with_either_of_two_permissions(granted: int, who: int, bans: int) -> None:
    rights = known({GUILD: granted}, ())
    assert lacking(rights) == who
    assert lacking(rights, "ban_members and view_audit_log") == bans
    rights.set_role(GUILD, GUILD, BAN)
    assert lacking(rights, "ban_members and view_audit_log") == 0
    rights.set_role(GUILD, GUILD, 0)
    assert lacking(rights, "ban_members and view_audit_log") == 1
    rights.forget_guild(GUILD)
    assert lacking(rights, "ban_members and view_audit_log") == 0


def test_where_nothing_is_known_everything_is_taken_to_be_permitted() -> None:
    rights = Permissions(Emitted(), CATALOGUE)
    assert not rights.lacks(GUILD, "view_audit_log")
    rights.see_roles(RolesListed(GUILD, 1, ((GUILD, 0),), ((7, ()),)))
    assert not rights.lacks(GUILD, "view_audit_log")
    assert lacking(rights) == 0


def test_a_permission_no_feature_asks_for_is_never_missed() -> None:
    rights = Permissions(Emitted(), CATALOGUE.switched(dict.fromkeys(CATALOGUE.events, False)))
    rights.know_bot(BotKnown(BOT))
    rights.see_roles(RolesListed(GUILD, 1, ((GUILD, 0),), ((BOT, ()),)))
    assert not rights.lacks(GUILD, "view_audit_log")
    assert not list(rights.blind())


def test_a_change_of_roles_is_followed_and_reported_once() -> None:
    emitted = Emitted()
    rights = Permissions(emitted, CATALOGUE)
    rights.know_bot(BotKnown(BOT))
    rights.see_roles(RolesListed(GUILD, 1, ((GUILD, 0), (2, AUDIT)), ((BOT, (2,)),)))
    assert [fact.guild_id for fact in emitted.of(PermissionsChanged)] == [GUILD]
    rights.set_role(GUILD, 2, AUDIT | 1 << 40)
    rights.set_role(GUILD, 3, AUDIT)
    rights.see_member(MemberRoles(GUILD, 7, ()))
    assert [fact.guild_id for fact in emitted.of(PermissionsChanged)] == [GUILD]
    rights.set_role(GUILD, 2, 0)
    assert rights.lacks(GUILD, "view_audit_log")
    rights.see_member(MemberRoles(GUILD, BOT, (3,)))
    assert not rights.lacks(GUILD, "view_audit_log")
    rights.set_role(GUILD, 3, 0)
    assert rights.lacks(GUILD, "view_audit_log")
    assert [fact.guild_id for fact in emitted.of(PermissionsChanged)] == [GUILD] * 4


_ROLE = st.integers(2, 5)
_BITS = st.sampled_from([0, AUDIT, ADMIN, AUDIT | PERMISSIONS["view_channel"], 1 << 40])
_STEPS = st.lists(
    st.one_of(
        st.builds(RoleUpserted, st.sampled_from([1, 9]), st.one_of(_ROLE, st.just(1), st.just(9)), _BITS),
        st.builds(RoleDeleted, st.sampled_from([1, 9]), _ROLE),
        st.builds(MemberRoles, st.sampled_from([1, 9]), st.just(BOT), st.tuples(_ROLE, _ROLE)),
    ),
    max_size=40,
)


@given(_STEPS)
def test_after_any_changes_the_count_of_blind_guilds_is_that_of_a_fresh_look(
    steps: list[RoleUpserted | RoleDeleted | MemberRoles],
) -> None:
    rights = Permissions(Emitted(), CATALOGUE)
    rights.know_bot(BotKnown(BOT))
    roles: dict[int, dict[int, int]] = {1: {1: 0, 2: AUDIT}, 9: {9: AUDIT, 2: 0}}
    own: dict[int, tuple[int, ...]] = {1: (2,), 9: (2,)}
    for guild, held in roles.items():
        rights.see_roles(RolesListed(guild, 0, tuple(held.items()), ((BOT, own[guild]),)))
    for step in steps:
        if isinstance(step, RoleUpserted):
            rights.set_role(step.guild_id, step.role_id, step.permissions)
            roles[step.guild_id][step.role_id] = step.permissions
        elif isinstance(step, RoleDeleted):
            rights.set_role(step.guild_id, step.role_id, 0)
            roles[step.guild_id].pop(step.role_id, None)
        else:
            rights.see_member(step)
            own[step.guild_id] = step.role_ids
    blind = 0
    for guild, held in roles.items():
        bits = 0
        for role in (guild, *own[guild]):
            bits |= held.get(role, 0)
        missing = not bits & (AUDIT | ADMIN)
        assert rights.lacks(guild, "view_audit_log") is missing
        blind += missing
    assert lacking(rights) == blind
    rights.forget_guild(1)
    rights.forget_guild(9)
    assert lacking(rights) == 0


def guild_create(permissions: int) -> dict[str, object]:
    return {
        "id": str(GUILD),
        "name": "Place",
        "owner_id": "1",
        "roles": [{"id": str(GUILD), "permissions": "0"}, {"id": "2", "permissions": str(permissions)}],
        "members": [{"user": {"id": str(BOT), "username": "x", "bot": True}, "roles": ["2"]}],
    }


def meter(site: Site, pipeline: Pipeline, feature: str = "GUILD_BAN_ADD") -> float:
    pipeline.refresh()
    return value(site.telemetry.blind, feature, "view_audit_log")


async def test_the_gauge_counts_the_guilds_where_a_feature_is_blind(site: Site) -> None:
    pipeline = await site.start()
    site.feed(pipeline, "READY", {"user": {"id": str(BOT), "username": "x", "bot": True}, "guilds": []})
    site.feed(pipeline, "GUILD_CREATE", guild_create(AUDIT))
    assert meter(site, pipeline) == 0
    role = {"id": "2", "permissions": "0"}
    site.feed(pipeline, "GUILD_ROLE_UPDATE", {"guild_id": str(GUILD), "role": role})
    assert meter(site, pipeline) == 1
    assert meter(site, pipeline, "GUILD_MEMBER_REMOVE") == 1
    site.feed(pipeline, "GUILD_DELETE", {"id": str(GUILD), "unavailable": True})
    assert meter(site, pipeline) == 1
    site.feed(pipeline, "GUILD_DELETE", {"id": str(GUILD)})
    assert meter(site, pipeline) == 0
    assert not site.telemetry.rejected.values


async def test_an_odd_role_is_left_out_without_harm(site: Site) -> None:
    pipeline = await site.start()
    odd = guild_create(0) | {"roles": [{"id": "x", "permissions": "-1"}]}
    site.feed(pipeline, "GUILD_CREATE", json.dumps(odd).encode())
    assert value(site.telemetry.rejected_elements, "GUILD_CREATE", "$.roles[]") == 1
    assert value(site.telemetry.accepted, "GUILD_CREATE") == 1
