"""Moderation of members who stay: events, audit entries, and what Discord does not publish."""

from __future__ import annotations

from typing import Any

import pytest

from discord_simulator.operations import audit, automod, members, messages, moderation, voice
from discord_simulator.operations.audit import Actor
from discord_simulator.payload import roles_of
from discord_simulator.snowflake import iso
from discord_simulator.vocabulary import AuditAction, Author, Intent

MINUTE_MS = 60_000


@pytest.fixture
def by(stage: Any) -> Actor:
    return Actor(stage.guild.moderators[0], "spam")


@pytest.fixture
def victim(stage: Any) -> int:
    return stage.guild.members[-1]


def kinds(published: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [kind for kind, _ in published]


def lines_of(stage: Any, kind: str) -> list[dict[str, Any]]:
    return [line for line in stage.lines() if line["type"] == kind]


def entries(published: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [data for kind, data in published if kind == "GUILD_AUDIT_LOG_ENTRY_CREATE"]


def pass_time(stage: Any, seconds: float) -> None:
    stage.clock.advance(seconds)
    stage.world.deadlines.pass_to(stage.world.now())


# ── timeouts ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_timeout_is_a_member_update_and_an_entry_with_its_end(stage: Any, by: Actor, victim: int) -> None:
    until = stage.world.now() + MINUTE_MS
    moderation.time_out(stage.world, stage.guild, victim, until, by)
    (kind, member), (_, entry) = stage.take()
    assert kind == "GUILD_MEMBER_UPDATE"
    assert member["guild_id"] == str(stage.guild.id)
    assert member["communication_disabled_until"] == iso(until)
    assert entry["action_type"] == 24
    assert entry["changes"] == [{"key": "communication_disabled_until", "new_value": iso(until)}]
    (line,) = lines_of(stage, "MEMBER_ACTION")
    assert (line["action"], line["target_user_id"]) == ("timeout", str(victim))
    assert (line["moderator_id"], line["reason"]) == (str(by.moderator_id), "spam")
    assert (line["audit_entry_id"], line["until"]) == (entry["id"], until)


def test_a_changed_timeout_has_its_old_end(stage: Any, by: Actor, victim: int) -> None:
    first, second = stage.world.now() + MINUTE_MS, stage.world.now() + 2 * MINUTE_MS
    moderation.time_out(stage.world, stage.guild, victim, first, by)
    moderation.time_out(stage.world, stage.guild, victim, second, by)
    (change,) = entries(stage.take())[1]["changes"]
    assert change == {
        "key": "communication_disabled_until",
        "old_value": iso(first),
        "new_value": iso(second),
    }
    pass_time(stage, 90)
    assert lines_of(stage, "TIMEOUT_EXPIRED") == []
    pass_time(stage, 31)
    assert [line["until"] for line in lines_of(stage, "TIMEOUT_EXPIRED")] == [second]


def test_no_event_is_published_when_a_timeout_expires(stage: Any, by: Actor, victim: int) -> None:
    until = stage.world.now() + MINUTE_MS
    moderation.time_out(stage.world, stage.guild, victim, until, by)
    stage.take()
    pass_time(stage, 60)
    assert stage.take() == []
    (line,) = lines_of(stage, "TIMEOUT_EXPIRED")
    assert (line["target_user_id"], line["until"], line["member"]) == (str(victim), until, True)
    assert len(stage.guild.audit) == 1
    member = stage.world.render.plain_member(stage.guild, victim)
    assert member["communication_disabled_until"] is None


def test_a_lifted_timeout_never_expires_and_its_new_value_is_absent(
    stage: Any, by: Actor, victim: int
) -> None:
    until = stage.world.now() + MINUTE_MS
    moderation.time_out(stage.world, stage.guild, victim, until, by)
    moderation.lift_timeout(stage.world, stage.guild, victim, by)
    published = stage.take()
    assert published[2][1]["communication_disabled_until"] is None
    assert entries(published)[1]["changes"] == [
        {"key": "communication_disabled_until", "old_value": iso(until)}
    ]
    pass_time(stage, 120)
    assert lines_of(stage, "TIMEOUT_EXPIRED") == []
    assert [line["action"] for line in lines_of(stage, "MEMBER_ACTION")] == ["timeout", "timeout_removed"]


def test_a_timeout_outlasts_a_departure_and_an_outage(stage: Any, by: Actor, victim: int) -> None:
    moderation.time_out(stage.world, stage.guild, victim, stage.world.now() + MINUTE_MS, by)
    members.leave(stage.world, stage.guild, victim)
    stage.view.set_outage(stage.guild.id, unavailable=True)
    pass_time(stage, 61)
    assert lines_of(stage, "TIMEOUT_EXPIRED") == []
    stage.view.set_outage(stage.guild.id, unavailable=False)
    pass_time(stage, 2)
    (line,) = lines_of(stage, "TIMEOUT_EXPIRED")
    assert line["member"] is False


# ── roles and names ──────────────────────────────────────────────────────────────────────────────────


def test_roles_given_and_taken_are_named_in_the_entry_and_shown_by_the_member(
    stage: Any, by: Actor, victim: int
) -> None:
    before = list(roles_of(stage.guild, victim))
    role = next(role for role in stage.guild.roles[2:] if role.id not in before and not role.bot_id)
    moderation.give_roles(stage.world, stage.guild, victim, [role.id], by)
    (_, given), (_, entry) = stage.take()
    assert given["roles"] == [str(role_id) for role_id in [*before, role.id]]
    assert entry["action_type"] == 25
    assert entry["changes"] == [{"key": "$add", "new_value": [{"id": str(role.id), "name": role.name}]}]
    moderation.take_roles(stage.world, stage.guild, victim, [role.id], by)
    (_, taken), (_, entry) = stage.take()
    assert taken["roles"] == [str(role_id) for role_id in before]
    assert entry["changes"][0]["key"] == "$remove"
    assert [line["action"] for line in lines_of(stage, "MEMBER_ACTION")] == ["role_add", "role_remove"]


def test_a_nickname_is_an_action_only_if_another_user_sets_it(stage: Any, by: Actor, victim: int) -> None:
    old = stage.world.render.nickname(stage.guild, victim)
    moderation.set_nickname(stage.world, stage.guild, victim, "new", by)
    moderation.set_own_nickname(stage.world, stage.guild, victim, None)
    published = stage.take()
    assert [data["nick"] for kind, data in published if kind == "GUILD_MEMBER_UPDATE"] == ["new", None]
    by_moderator, by_oneself = entries(published)
    assert by_moderator["changes"] == [audit.change("nick", old, "new")]
    assert by_oneself["changes"] == [{"key": "nick", "old_value": "new"}]
    assert by_oneself["user_id"] == by_oneself["target_id"] == str(victim)
    (line,) = lines_of(stage, "MEMBER_ACTION")
    assert (line["action"], line["nick"]) == ("nick", "new")
    assert [line["audit_entry_id"] for line in lines_of(stage, "OWN_NICK")] == [by_oneself["id"]]


# ── voice ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("what", "on", "off"),
    [("mute", "voice_mute", "voice_unmute"), ("deaf", "voice_deafen", "voice_undeafen")],
)
def test_a_voice_restriction_is_a_voice_state_and_an_entry(
    stage: Any, by: Actor, victim: int, what: moderation.VoiceRestriction, on: str, off: str
) -> None:
    voice.join(stage.world, stage.guild, victim, stage.guild.voice[0])
    stage.take()
    for value, action in ((True, on), (False, off)):
        moderation.toggle_restriction(stage.world, stage.guild, victim, what, by)
        (kind, state), (_, entry) = stage.take()
        assert (kind, state[what]) == ("VOICE_STATE_UPDATE", value)
        assert entry["action_type"] == 24
        assert entry["changes"] == [{"key": what, "old_value": not value, "new_value": value}]
        assert lines_of(stage, "MEMBER_ACTION")[-1]["action"] == action


def test_moves_to_the_same_channel_are_published_once_and_then_counted(stage: Any, by: Actor) -> None:
    people = stage.guild.members[-3:]
    here, there = stage.guild.voice[:2]
    for user_id in people:
        voice.join(stage.world, stage.guild, user_id, here)
    stage.take()
    for user_id in people:
        moderation.move(stage.world, stage.guild, user_id, there, by)
    published = stage.take()
    assert kinds(published).count("VOICE_STATE_UPDATE") == 3
    (entry,) = entries(published)
    assert entry["action_type"] == 26
    assert entry["target_id"] is None
    assert entry["options"] == {"count": "1", "channel_id": str(there.id)}
    (kept,) = stage.guild.audit
    assert kept.count == 3
    assert {line["audit_entry_id"] for line in lines_of(stage, "MEMBER_ACTION")} == {entry["id"]}


def test_moves_to_another_channel_or_much_later_have_an_entry_of_their_own(stage: Any, by: Actor) -> None:
    user_id = stage.guild.members[-1]
    here, there = stage.guild.voice[:2]
    voice.join(stage.world, stage.guild, user_id, here)
    moderation.move(stage.world, stage.guild, user_id, there, by)
    moderation.move(stage.world, stage.guild, user_id, here, by)
    stage.clock.advance(audit.GROUPED_MS / 1000 + 1)
    moderation.move(stage.world, stage.guild, user_id, there, by)
    assert [entry.count for entry in stage.guild.audit] == [1, 1, 1]


def test_disconnects_are_grouped_by_moderator_alone(stage: Any, by: Actor) -> None:
    for user_id, channel in zip(stage.guild.members[-2:], stage.guild.voice, strict=False):
        voice.join(stage.world, stage.guild, user_id, channel)
    stage.take()
    for user_id in stage.guild.members[-2:]:
        moderation.disconnect(stage.world, stage.guild, user_id, by)
    published = stage.take()
    assert [data["channel_id"] for kind, data in published if kind == "VOICE_STATE_UPDATE"] == [None, None]
    (entry,) = entries(published)
    assert (entry["action_type"], entry["options"]) == (27, {"count": "1"})
    assert stage.guild.audit[-1].count == 2
    assert not stage.guild.states


# ── bots and messages ────────────────────────────────────────────────────────────────────────────────


def test_an_added_bot_joins_and_the_entry_names_its_actor(stage: Any, by: Actor) -> None:
    guild = stage.guild
    bot_id = next(user_id for user_id in stage.world.population.bots if user_id not in guild.bots)
    count = guild.member_count
    moderation.add_bot(stage.world, guild, bot_id, by)
    published = dict(stage.take())
    assert published["GUILD_MEMBER_ADD"]["user"]["bot"] is True
    assert published["GUILD_AUDIT_LOG_ENTRY_CREATE"]["action_type"] == 28
    assert published["GUILD_AUDIT_LOG_ENTRY_CREATE"]["target_id"] == str(bot_id)
    assert guild.member_count == count + 1
    assert lines_of(stage, "GUILD_MEMBER_ADD")[0]["member_count"] == count + 1


def test_an_authors_own_deletion_has_no_entry(stage: Any, victim: int) -> None:
    written = messages.post(stage.world, stage.guild, stage.guild.text[0], victim, Author.HUMAN)
    messages.delete(stage.world, stage.guild, written)
    assert kinds(stage.take()) == ["MESSAGE_CREATE", "MESSAGE_DELETE"]
    assert not stage.guild.audit
    assert "moderator_id" not in lines_of(stage, "MESSAGE_DELETE")[0]


def test_an_operation_with_an_early_entry_has_no_other_one(stage: Any, by: Actor, victim: int) -> None:
    early_actor = audit.publish_early(stage.world, stage.guild, AuditAction.MEMBER_KICK, by, victim)
    assert kinds(stage.take()) == ["GUILD_AUDIT_LOG_ENTRY_CREATE"]
    stage.clock.advance(4)
    members.kick(stage.world, stage.guild, victim, early_actor)
    assert kinds(stage.take()) == ["GUILD_MEMBER_REMOVE"]
    assert len(stage.guild.audit) == len(lines_of(stage, "AUDIT_LOG_ENTRY")) == 1
    assert lines_of(stage, "GUILD_MEMBER_REMOVE")[0]["audit_entry_id"] == str(stage.guild.audit[0].id)


def test_an_entry_that_is_never_published_can_be_fetched_and_is_invisible_in_the_ledger(
    stage: Any, victim: int
) -> None:
    members.ban(stage.world, stage.guild, victim, Actor(stage.guild.owner_id, delay=None))
    assert "GUILD_AUDIT_LOG_ENTRY_CREATE" not in kinds(stage.take())
    assert [line["visible"] for line in lines_of(stage, "AUDIT_LOG_ENTRY")] == [False]
    assert stage.guild.audit[0].target_id == victim


# ── AutoMod ──────────────────────────────────────────────────────────────────────────────────────────


RULE = automod.AutoModRule(77, "no scams", 1, tuple(automod.RuleAction), timeout_seconds=30)


def test_each_action_of_a_rule_is_an_execution_and_an_entry(stage: Any, victim: int) -> None:
    automod.apply_rule(stage.world, stage.guild, stage.guild.text[1], victim, RULE)
    published = stage.take()
    executions = [data for kind, data in published if kind == "AUTO_MODERATION_ACTION_EXECUTION"]
    assert [data["action"]["type"] for data in executions] == [1, 2, 3]
    assert {data["user_id"] for data in executions} == {str(victim)}
    assert executions[2]["action"]["metadata"] == {"duration_seconds": 30}
    assert [entry["action_type"] for entry in entries(published)] == [143, 144, 145]
    assert {entry["options"]["auto_moderation_rule_name"] for entry in entries(published)} == {"no scams"}
    assert [line["action"] for line in lines_of(stage, "MEMBER_ACTION")] == [
        "automod_block",
        "automod_flag",
        "automod_timeout",
    ]


def test_a_blocked_message_never_exists_and_a_flag_is_a_system_message(stage: Any, victim: int) -> None:
    automod.apply_rule(stage.world, stage.guild, stage.guild.text[1], victim, RULE)
    (alert,) = [data for kind, data in stage.take() if kind == "MESSAGE_CREATE"]
    assert alert["type"] == 24
    assert alert["channel_id"] == str(stage.guild.system_channel.id)
    assert [line["author"] for line in lines_of(stage, "MESSAGE_CREATE")] == ["system"]


def test_a_timeout_by_automod_has_no_other_entry_and_expires_like_any(stage: Any, victim: int) -> None:
    automod.apply_rule(stage.world, stage.guild, stage.guild.text[1], victim, RULE)
    published = stage.take()
    update = next(data for kind, data in published if kind == "GUILD_MEMBER_UPDATE")
    assert update["communication_disabled_until"] is not None
    assert 24 not in {entry["action_type"] for entry in entries(published)}
    pass_time(stage, 31)
    assert len(lines_of(stage, "TIMEOUT_EXPIRED")) == 1


def test_executions_need_manage_guild(stage: Any, victim: int) -> None:
    stage.view.set_permission(None, "manage_guild", granted=False)
    automod.apply_rule(stage.world, stage.guild, stage.guild.text[1], victim, RULE)
    execution = next(d for d in stage.dispatches if d.type == "AUTO_MODERATION_ACTION_EXECUTION")
    assert execution.permissions == {"manage_guild"}
    assert execution.intents == Intent.AUTO_MODERATION_EXECUTION == 1 << 21
    assert {line["visible"] for line in lines_of(stage, "MEMBER_ACTION")} == {False}
