"""Roles, channels, threads, emoji, stickers and presences: their events, intents and actors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from discord_simulator.behaviours.reactions import find_emoji
from discord_simulator.guild import ACTIVE_THREADS
from discord_simulator.operations import members, messages, moderation, reactions, structure, threads
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import Author, Intent


@pytest.fixture
def by(stage: Any) -> Actor:
    return Actor(stage.guild.owner_id, "tidy")


PARTS: dict[str, tuple[str, int, Intent]] = {
    "role": ("GUILD_ROLE_", 30, Intent.GUILDS),
    "channel": ("CHANNEL_", 10, Intent.GUILDS),
    "emoji": ("GUILD_EMOJIS_UPDATE", 60, Intent.GUILD_EXPRESSIONS),
    "sticker": ("GUILD_STICKERS_UPDATE", 90, Intent.GUILD_EXPRESSIONS),
}


def operation(verb: str, part: str) -> Callable[..., Any]:
    return getattr(structure, f"{verb}_{part}")


@pytest.mark.parametrize("part", PARTS)
def test_each_change_has_an_event_an_entry_and_a_line(stage: Any, by: Actor, part: str) -> None:
    event, first_action, intent = PARTS[part]
    made = operation("create", part)(stage.world, stage.guild, "one", by)
    renamed = operation("rename", part)(stage.world, stage.guild, made, "two", by) or made
    operation("delete", part)(stage.world, stage.guild, renamed, by)
    changes = [d for d in stage.dispatches if d.type != "GUILD_AUDIT_LOG_ENTRY_CREATE"]
    published = stage.take()
    names = [kind for kind, _ in published if kind != "GUILD_AUDIT_LOG_ENTRY_CREATE"]
    verbs = ("CREATE", "UPDATE", "DELETE")
    assert names == [event + (verb if event.endswith("_") else "") for verb in verbs]
    assert {dispatch.intents for dispatch in changes} == {intent}
    entries = [data for kind, data in published if kind == "GUILD_AUDIT_LOG_ENTRY_CREATE"]
    assert [entry["action_type"] for entry in entries] == [first_action + number for number in range(3)]
    assert [entry["changes"] for entry in entries] == [
        [{"key": "name", "new_value": "one"}],
        [{"key": "name", "old_value": "one", "new_value": "two"}],
        [{"key": "name", "old_value": "two"}],
    ]
    lines = [line for line in stage.lines() if line["type"].startswith(part.upper())]
    assert [line["type"] for line in lines] == [f"{part.upper()}_{verb}" for verb in verbs]
    for line, entry in zip(lines, entries, strict=True):
        assert line["target_id"] == entry["target_id"] == str(made.id)
        assert (line["moderator_id"], line["audit_entry_id"]) == (str(by.moderator_id), entry["id"])


@pytest.mark.parametrize(("part", "key"), [("emoji", "emojis"), ("sticker", "stickers")])
def test_an_expression_is_published_as_the_whole_list(stage: Any, by: Actor, part: str, key: str) -> None:
    before = len(getattr(stage.guild, key))
    made = operation("create", part)(stage.world, stage.guild, "one", by)
    assert len(dict(stage.take())[f"GUILD_{key.upper()}_UPDATE"][key]) == before + 1
    operation("delete", part)(stage.world, stage.guild, made, by)
    assert len(dict(stage.take())[f"GUILD_{key.upper()}_UPDATE"][key]) == before
    assert len(stage.world.render.guild(stage.guild)[key]) == before


def test_a_deleted_role_is_removed_from_its_members_without_an_event(stage: Any, by: Actor) -> None:
    victim = stage.guild.members[-1]
    role = structure.create_role(stage.world, stage.guild, "short", by)
    moderation.give_roles(stage.world, stage.guild, victim, [role.id], by)
    stage.take()
    structure.delete_role(stage.world, stage.guild, role, by)
    assert "GUILD_MEMBER_UPDATE" not in dict(stage.take())
    assert str(role.id) not in stage.world.render.plain_member(stage.guild, victim)["roles"]


def test_a_deleted_emoji_remains_in_reactions_by_its_id(stage: Any, by: Actor) -> None:
    emoji = structure.create_emoji(stage.world, stage.guild, "gone", by)
    written = messages.post(
        stage.world, stage.guild, stage.guild.text[0], stage.guild.members[0], Author.HUMAN
    )
    reactions.add(stage.world, stage.guild, written, stage.guild.members[1], emoji)
    structure.delete_emoji(stage.world, stage.guild, emoji, by)
    stage.take()
    known = find_emoji(stage.guild, emoji.key)
    reactions.remove(stage.world, stage.guild, written, stage.guild.members[1], known)
    (_, data) = stage.take()[0]
    assert data["emoji"] == {"id": str(emoji.id), "name": None, "animated": False}


def test_a_thread_is_started_renamed_and_deleted_with_entries(stage: Any, by: Actor) -> None:
    guild = stage.guild
    threads.start(stage.world, guild, guild.text[0], guild.members[0], name="plans")
    (thread,) = guild.threads
    threads.rename(stage.world, guild, thread, "quiet", by)
    threads.delete(stage.world, guild, thread, by)
    published = stage.take()
    assert [kind for kind, _ in published if kind.startswith("THREAD")] == [
        "THREAD_CREATE",
        "THREAD_UPDATE",
        "THREAD_DELETE",
    ]
    deleted = next(data for kind, data in published if kind == "THREAD_DELETE")
    assert deleted == {
        "id": str(thread.id),
        "guild_id": str(guild.id),
        "parent_id": str(guild.text[0].id),
        "type": 11,
    }
    actions = [data["action_type"] for kind, data in published if kind == "GUILD_AUDIT_LOG_ENTRY_CREATE"]
    assert actions == [110, 111, 112]
    assert not guild.threads
    lines = {line["type"]: line for line in stage.lines()}
    assert lines["THREAD_CREATE"]["moderator_id"] == str(guild.members[0])
    assert lines["THREAD_UPDATE"]["changes"] == {"name": {"old": "plans", "new": "quiet"}}
    assert lines["THREAD_DELETE"]["moderator_id"] == str(by.moderator_id)


def test_a_thread_discord_archives_has_no_actor_and_no_entry(stage: Any) -> None:
    for number in range(ACTIVE_THREADS + 1):
        threads.start(stage.world, stage.guild, stage.guild.text[0], stage.guild.members[0], name=f"{number}")
    (line,) = [line for line in stage.lines() if line["type"] == "THREAD_UPDATE"]
    assert (line["name"], line["moderator_id"], line["audit_entry_id"]) == ("0", None, None)
    (published,) = [data for kind, data in stage.take() if kind == "THREAD_UPDATE"]
    assert published["thread_metadata"]["archived"] is True


def test_presences_are_published_with_their_intent(stage: Any) -> None:
    members.update_presence(stage.world, stage.guild, stage.guild.members[0], "idle")
    (dispatch,) = stage.dispatches
    assert dispatch.intents == Intent.GUILD_PRESENCES
    ((kind, data),) = stage.take()
    assert kind == "PRESENCE_UPDATE"
    assert data["user"] == {"id": str(stage.guild.members[0])}
    assert (data["status"], data["client_status"]) == ("idle", {"desktop": "idle"})
