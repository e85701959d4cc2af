"""Each behaviour alone: its operation if it finds a target, and none otherwise."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from discord_simulator.behaviours import chat, guild_admin, joins, membership, structure
from discord_simulator.behaviours import moderation as moderation_behaviours
from discord_simulator.behaviours import reactions as reaction_behaviours
from discord_simulator.behaviours import voice as voice_behaviours
from discord_simulator.behaviours.context import BehaviourSettings, Context
from discord_simulator.guild import Emoji
from discord_simulator.operations import invites, members, messages, moderation, reactions, voice
from discord_simulator.operations.audit import Actor
from discord_simulator.vocabulary import Author

Behaviour = Callable[[Context], bool]

ALL: dict[str, Behaviour] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": getattr(module, name)
    for module, names in {
        structure: "change_channels change_emojis change_roles change_stickers "
        "delete_thread rename_thread update_presence",
        chat: "post_as_bot delete_as_moderator edit_message start_thread pin_message delete_bulk "
        "delete_own_message post_message post_as_webhook",
        joins: "join create_personal_invite delete_invite create_invite",
        reaction_behaviours: "clear_reactions clear_emoji add_reaction remove_reaction",
        guild_admin: "boost remove_guild begin_outage transfer_ownership change_name_or_icon",
        moderation_behaviours: "add_bot take_role extend_timeout lift_timeout move_members give_roles "
        "set_nickname set_own_nickname mute_or_deafen disconnect_members delete_as_bot time_out "
        "trigger_automod",
        voice_behaviours: "join move toggle",
        membership: "ban leave kick prune prune_large unban",
    }.items()
    for name in names.split()
}
NEEDS_SOMETHING = (
    *("structure.delete_thread", "structure.rename_thread"),
    *(
        "chat.delete_as_moderator",
        "chat.edit_message",
        "chat.pin_message",
        "chat.delete_bulk",
        "chat.delete_own_message",
    ),
    *(
        "reactions.clear_reactions",
        "reactions.clear_emoji",
        "reactions.add_reaction",
        "reactions.remove_reaction",
    ),
    *(
        "moderation.extend_timeout",
        "moderation.lift_timeout",
        "moderation.move_members",
        "moderation.mute_or_deafen",
        "moderation.disconnect_members",
        "moderation.delete_as_bot",
    ),
    *("voice.move", "voice.toggle", "membership.unban"),
)
"""Behaviours that need a target: a thread, message, reaction, timeout, voice session or ban."""


@pytest.fixture
def alone(make_stage: Callable[..., Any]) -> Any:
    """A world of a single guild, in which every behaviour must act."""
    return make_stage(guilds=1, members=30)


def context_of(stage: Any, seed: int = 1, settings: BehaviourSettings | None = None) -> Context:
    return Context(stage.world, random.Random(seed), settings)


def until(behaviour: Behaviour, context: Context, tries: int = 200) -> None:
    """Call it until it finds a target, which is chosen at random."""
    assert any(behaviour(context) for _ in range(tries)), f"{behaviour} found nothing to do"


def kinds(stage: Any) -> list[str]:
    return [kind for kind, _ in stage.take()]


def written(stage: Any, kind: str) -> list[dict[str, Any]]:
    return [line for line in stage.lines() if line["type"] == kind]


def pass_time(context: Context, seconds: float) -> None:
    """Run the callbacks that are due within these simulated seconds."""
    context.scheduler.now += seconds
    while (operation := context.scheduler.pop_due()) is not None:
        operation()


@pytest.mark.parametrize("name", ALL)
def test_no_behaviour_acts_while_every_guild_is_in_an_outage(alone: Any, name: str) -> None:
    context = context_of(alone)
    alone.view.set_outage(alone.guild.id, True)
    alone.take()
    before = len(alone.lines())
    assert not any(ALL[name](context) for _ in range(20))
    assert alone.take() == []
    assert len(alone.lines()) == before


@pytest.mark.parametrize("name", NEEDS_SOMETHING)
def test_a_behaviour_without_a_target_publishes_and_records_nothing(alone: Any, name: str) -> None:
    context = context_of(alone)
    before = len(alone.lines())
    assert not any(ALL[name](context) for _ in range(30))
    assert alone.take() == []
    assert len(alone.lines()) == before


@pytest.mark.parametrize(
    ("behaviour", "published", "line"),
    [
        (chat.post_message, "MESSAGE_CREATE", "MESSAGE_CREATE"),
        (chat.post_as_webhook, "MESSAGE_CREATE", "MESSAGE_CREATE"),
        (chat.start_thread, "THREAD_CREATE", "THREAD_CREATE"),
        (voice_behaviours.join, "VOICE_STATE_UPDATE", "VOICE_STATE"),
        (moderation_behaviours.time_out, "GUILD_MEMBER_UPDATE", "MEMBER_ACTION"),
        (moderation_behaviours.set_nickname, "GUILD_MEMBER_UPDATE", "MEMBER_ACTION"),
        (membership.leave, "GUILD_MEMBER_REMOVE", "GUILD_MEMBER_REMOVE"),
        (membership.kick, "GUILD_MEMBER_REMOVE", "GUILD_MEMBER_REMOVE"),
        (membership.ban, "GUILD_BAN_ADD", "GUILD_BAN_ADD"),
        (joins.join, "GUILD_MEMBER_ADD", "GUILD_MEMBER_ADD"),
        (joins.create_invite, "INVITE_CREATE", "INVITE_CREATE"),
        (structure.change_roles, "GUILD_ROLE_CREATE", "ROLE_CREATE"),
        (structure.change_channels, "CHANNEL_CREATE", "CHANNEL_CREATE"),
        (structure.change_emojis, "GUILD_EMOJIS_UPDATE", "EMOJI_CREATE"),
        (structure.change_stickers, "GUILD_STICKERS_UPDATE", "STICKER_CREATE"),
        (guild_admin.change_name_or_icon, "GUILD_UPDATE", "GUILD_UPDATE"),
        (moderation_behaviours.add_bot, "GUILD_MEMBER_ADD", "GUILD_MEMBER_ADD"),
    ],
)
def test_a_behaviour_publishes_and_records_its_operation(
    alone: Any, behaviour: Behaviour, published: str, line: str
) -> None:
    context = context_of(alone)
    until(behaviour, context)
    assert published in kinds(alone)
    assert written(alone, line)


# ── chat ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_conversation_keeps_its_participants_and_its_channel(alone: Any) -> None:
    context = context_of(alone)
    chat.post_message(context)
    (conversation,) = context.conversations
    conversation.remaining = 10_000
    people, alone.dispatches[:] = set(conversation.participants), []
    context.chance = lambda probability: probability == 0.75  # type: ignore[method-assign] # the conversation always continues
    for _ in range(40):
        assert chat.post_message(context)
    said = [data for kind, data in alone.take() if kind == "MESSAGE_CREATE"]
    assert len(said) == 40
    assert {int(data["author"]["id"]) for data in said} <= people
    assert {int(data["channel_id"]) for data in said} == {conversation.channel.id}


def test_a_conversation_ends_after_its_last_message_or_without_participants(alone: Any) -> None:
    context = context_of(alone)
    chat.post_message(context)
    (conversation,) = context.conversations
    context.chance = lambda probability: probability == 0.75  # type: ignore[method-assign] # the conversation always continues
    conversation.remaining = 1
    assert chat.post_message(context)
    assert context.conversations == []
    context.conversations.append(conversation)
    conversation.remaining = 5
    for user_id in conversation.participants:
        moderation.time_out(
            alone.world,
            alone.guild,
            user_id,
            alone.world.now() + 60_000,
            Actor(alone.guild.moderators[0]),
        )
    alone.take()
    assert not chat.post_message(context)
    assert kinds(alone) == []


def test_only_bots_other_than_the_observer_post(alone: Any) -> None:
    context = context_of(alone)
    while len(alone.guild.bots) < 2:
        assert not chat.post_as_bot(context)
        until(moderation_behaviours.add_bot, context)
    alone.take()
    for _ in range(20):
        assert chat.post_as_bot(context)
    authors = {int(data["author"]["id"]) for _, data in alone.take()}
    assert authors <= set(alone.guild.bots[1:])
    assert {
        line["author"] for line in written(alone, "MESSAGE_CREATE") if int(line["user_id"]) in authors
    } == {"bot"}


def test_messages_of_former_members_and_webhooks_are_not_edited_or_deleted_by_their_author(
    alone: Any,
) -> None:
    context, guild = context_of(alone), alone.guild
    for channel in (*guild.text, *guild.voice):
        messages.post_by_webhook(alone.world, guild, channel, guild.webhooks[0])
        messages.post(alone.world, guild, channel, alone.world.population.user_id(999_999), Author.HUMAN)
    alone.take()
    assert not any(
        behaviour(context) for behaviour in (chat.edit_message, chat.delete_own_message) for _ in range(40)
    )
    assert alone.take() == []


def test_a_message_is_pinned_once(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    guild.text[1:], guild.voice[1:] = [], guild.voice[1:]
    message = messages.post(alone.world, guild, guild.text[0], guild.members[0], Author.HUMAN)
    until(chat.pin_message, context)
    assert message.pinned
    message_ids = {m.id for m in guild.text[0].recent}
    until(chat.pin_message, context)  # the system message about the pin is a message as well
    assert message_ids
    assert len(guild.audit) == 2


def test_a_bulk_deletion_needs_two_messages_and_names_each(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    while len(guild.bots) < 2:
        until(moderation_behaviours.add_bot, context)
    for channel in (*guild.text, *guild.voice):
        channel.recent.clear()
    alone.take()
    posted = {
        messages.post(alone.world, guild, channel, guild.members[0], Author.HUMAN).id
        for channel in (*guild.text, *guild.voice)
    }
    assert not any(chat.delete_bulk(context) for _ in range(30))
    posted |= {
        messages.post(alone.world, guild, channel, guild.members[0], Author.HUMAN).id
        for channel in (*guild.text, *guild.voice)
    }
    alone.take()
    until(chat.delete_bulk, context)
    published = dict(alone.take())
    swept = {int(message_id) for message_id in published["MESSAGE_DELETE_BULK"]["ids"]}
    assert len(swept) == 2
    assert swept <= posted
    left = {message.id for channel in (*guild.text, *guild.voice) for message in channel.recent}
    assert left == posted - swept


def test_a_moderator_does_not_delete_their_own_messages_as_a_moderator(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    guild.moderators[1:] = []
    for channel in (*guild.text, *guild.voice):
        messages.post(alone.world, guild, channel, guild.moderators[0], Author.HUMAN)
    alone.take()
    assert not any(chat.delete_as_moderator(context) for _ in range(40))
    assert alone.take() == []


# ── reactions ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_member_reacts_once_with_an_emoji_and_a_message_has_at_most_twenty(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    message = messages.post(alone.world, guild, guild.text[0], guild.members[0], Author.HUMAN)
    context.message = lambda _guild: message  # type: ignore[method-assign] # always this one
    for _ in range(600):
        reaction_behaviours.add_reaction(context)
        assert len(message.reactions) <= 20
    for people in message.reactions.values():
        assert len(people) == len(set(people))
    published = sum(kind == "MESSAGE_REACTION_ADD" for kind in kinds(alone))
    assert published == sum(map(len, message.reactions.values()))
    assert published == len(written(alone, "MESSAGE_REACTION_ADD"))


def test_a_former_member_removes_no_reaction(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    message = messages.post(alone.world, guild, guild.text[0], guild.members[0], Author.HUMAN)
    context.message = lambda _guild: message  # type: ignore[method-assign] # always this one
    leaver = guild.members[-1]
    reactions.add(alone.world, guild, message, leaver, Emoji(0, "👍"))
    members.leave(alone.world, guild, leaver)
    alone.take()
    assert not any(reaction_behaviours.remove_reaction(context) for _ in range(20))
    assert alone.take() == []
    assert message.reactions == {"👍": [leaver]}


@pytest.mark.parametrize(
    ("behaviour", "published", "left"),
    [
        (reaction_behaviours.clear_reactions, "MESSAGE_REACTION_REMOVE_ALL", 0),
        (reaction_behaviours.clear_emoji, "MESSAGE_REACTION_REMOVE_EMOJI", 1),
    ],
)
def test_a_moderator_clears_one_emoji_or_all(
    alone: Any, behaviour: Behaviour, published: str, left: int
) -> None:
    context, guild = context_of(alone), alone.guild
    message = messages.post(alone.world, guild, guild.text[0], guild.members[0], Author.HUMAN)
    context.message = lambda _guild: message  # type: ignore[method-assign] # always this one
    for name in ("👍", "🎉"):
        reactions.add(alone.world, guild, message, guild.members[1], Emoji(0, name))
    alone.take()
    assert behaviour(context)
    assert kinds(alone) == [published]
    assert len(message.reactions) == left


# ── voice ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_member_who_joins_voice_leaves_again_and_the_session_is_recorded_once(alone: Any) -> None:
    context = context_of(alone)
    until(voice_behaviours.join, context)
    alone.clock.advance(1)
    pass_time(context, 4 * 3600)
    assert alone.guild.states == {}
    assert len(written(alone, "VOICE_SESSION")) == 1


def test_a_member_in_voice_cannot_join_again_and_none_joins_the_afk_channel(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    for _ in range(200):
        voice_behaviours.join(context)
    joined = [data for kind, data in alone.take() if kind == "VOICE_STATE_UPDATE"]
    assert len({data["user_id"] for data in joined}) == len(joined) == len(guild.states)
    if guild.afk is not None:
        assert str(guild.afk.id) not in {data["channel_id"] for data in joined}


def test_the_scheduled_end_of_a_session_does_not_end_a_later_one(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    until(voice_behaviours.join, context)
    (user_id,) = guild.states
    voice.leave(alone.world, guild, user_id)
    voice.join(alone.world, guild, user_id, guild.voice[0])
    alone.take()
    pass_time(context, 4 * 3600)
    assert alone.take() == [], "the callback is for the first session"
    assert list(guild.states) == [user_id]


def test_a_session_due_to_end_in_an_outage_ends_after_it(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    until(voice_behaviours.join, context)
    alone.view.set_outage(guild.id, True)
    alone.take()
    pass_time(context, 4 * 3600)
    assert len(guild.states) == 1
    assert alone.take() == []
    alone.view.set_outage(guild.id, False)
    pass_time(context, 5)
    assert guild.states == {}


def test_a_moderator_moves_members_of_one_channel_to_another_one(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    for number, user_id in enumerate(guild.members[:8]):
        voice.join(alone.world, guild, user_id, guild.voice[number % 2])
    where = {user_id: state.channel_id for user_id, state in guild.states.items()}
    alone.take()
    until(moderation_behaviours.move_members, context)
    moved = {
        int(data["user_id"]): int(data["channel_id"])
        for kind, data in alone.take()
        if kind == "VOICE_STATE_UPDATE"
    }
    assert 1 <= len(moved) <= 4
    assert len({where[user_id] for user_id in moved}) == 1
    assert len(set(moved.values())) == 1
    assert all(where[user_id] != place for user_id, place in moved.items())


def test_every_voice_session_ends_with_the_traffic(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    for user_id in guild.members[:5]:
        voice.join(alone.world, guild, user_id, guild.voice[0])
    voice_behaviours.disconnect_all(context)
    assert guild.states == {}
    assert len(written(alone, "VOICE_SESSION")) == 5


# ── moderation ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_length_of_a_timeout_is_within_the_settings(alone: Any) -> None:
    context = context_of(alone, settings=BehaviourSettings(timeouts=(5.0, 40.0)))
    for _ in range(30):
        moderation_behaviours.time_out(context)
    now = alone.world.now()
    assert alone.guild.timeouts
    assert all(5_000 <= timeout.until - now <= 40_000 for timeout in alone.guild.timeouts.values())


def test_moderators_and_boosters_are_neither_timed_out_nor_removed(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    booster = guild.members[5]
    guild.boosting[booster] = 1
    kept = {*guild.moderators, booster}
    for _ in range(150):
        for behaviour in (
            moderation_behaviours.time_out,
            membership.kick,
            membership.ban,
            membership.leave,
            membership.prune_large,
        ):
            behaviour(context)
    assert kept <= set(guild.members)
    assert kept.isdisjoint(guild.timeouts)
    assert kept.isdisjoint(guild.bans)


def test_a_nickname_is_always_another_one(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    for _ in range(60):
        before = {user_id: alone.world.render.nickname(guild, user_id) for user_id in guild.members}
        until(moderation_behaviours.set_nickname, context)
        after = {user_id: alone.world.render.nickname(guild, user_id) for user_id in guild.members}
        assert sum(before[user_id] != after[user_id] for user_id in guild.members) == 1


def test_a_member_in_a_timeout_triggers_no_rule(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    for user_id in guild.members:
        moderation.time_out(
            alone.world, guild, user_id, alone.world.now() + 60_000, Actor(guild.moderators[0])
        )
    alone.take()
    assert not any(moderation_behaviours.trigger_automod(context) for _ in range(30))
    assert alone.take() == []


def test_a_single_deletion_by_a_bot_has_no_entry(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    while len(guild.bots) < 2:
        until(moderation_behaviours.add_bot, context)
    messages.post(alone.world, guild, guild.text[0], guild.members[0], Author.HUMAN)
    context.scheduler.flush_all()
    entries = len(guild.audit)
    alone.take()
    until(moderation_behaviours.delete_as_bot, context)
    assert kinds(alone) == ["MESSAGE_DELETE"]
    assert len(guild.audit) == entries


# ── membership and joins ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("behaviour", [membership.leave, membership.kick, membership.ban])
def test_a_guild_with_few_members_keeps_all_of_them(
    make_stage: Callable[..., Any], behaviour: Behaviour
) -> None:
    stage = make_stage(guilds=1, members=30)
    guild = stage.guild
    while len(guild.members) > 5:
        guild.remove_member(guild.members[-1])
    context = context_of(stage)
    assert not any(behaviour(context) for _ in range(30))
    assert len(guild.members) == 5
    assert stage.take() == []


@pytest.mark.parametrize(("behaviour", "most"), [(membership.prune, 5), (membership.prune_large, 10)])
def test_a_prune_is_one_entry_for_all_it_removes(
    make_stage: Callable[..., Any], behaviour: Behaviour, most: int
) -> None:
    stage = make_stage(guilds=1, members=30)
    guild = stage.guild
    while len(guild.members) > 30:
        guild.remove_member(guild.members[-1])
    while len(guild.members) < 30:
        guild.add_member(stage.world.population.user_id(500_000 + len(guild.members)), 1)
    assert behaviour(context_of(stage))
    gone = 30 - len(guild.members)
    assert 1 <= gone <= most
    assert len(written(stage, "GUILD_MEMBER_REMOVE")) == gone
    (entry,) = (data for kind, data in stage.take() if kind == "GUILD_AUDIT_LOG_ENTRY_CREATE")
    assert entry["target_id"] is None
    assert entry["options"]["members_removed"] == str(gone)


def test_an_announced_target_stays_until_the_removal_and_is_not_chosen_again(alone: Any) -> None:
    context = context_of(alone, settings=BehaviourSettings(early_audit_share=1.0, early_audit_seconds=5.0))
    until(membership.kick, context)
    assert kinds(alone) == ["GUILD_AUDIT_LOG_ENTRY_CREATE"], "only the entry is published"
    (announced_targets,) = alone.guild.announced_targets
    assert alone.guild.has_member(announced_targets)
    assert all(context.removable_member(alone.guild) != announced_targets for _ in range(100))
    pass_time(context, 5)
    assert not alone.guild.has_member(announced_targets)
    assert alone.guild.announced_targets == set()
    assert kinds(alone) == ["GUILD_MEMBER_REMOVE"], "and the entry is not published again"


def test_an_announced_ban_takes_place_before_the_guild_becomes_unavailable(alone: Any) -> None:
    context = context_of(alone, settings=BehaviourSettings(early_audit_share=1.0, early_audit_seconds=5.0))
    until(membership.ban, context)
    alone.take()
    alone.view.set_outage(alone.guild.id, True)
    published = kinds(alone)
    assert published.index("GUILD_BAN_ADD") < published.index("GUILD_DELETE")
    assert alone.guild.announced_targets == set()


def test_a_user_joins_by_a_personal_invite_which_is_then_used_up(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    there = set(guild.invites)
    for _ in range(8):
        assert joins.create_personal_invite(context)
    made = set(guild.invites) - there
    assert {guild.invites[code].max_uses for code in made} == {1}
    pass_time(context, 6)
    used = [line["code"] for line in written(alone, "INVITE_USE")]
    assert used, "at least one user joined"
    assert set(used) == made - set(guild.invites), "only used invites are deleted"
    assert len(set(used)) == len(used)
    published = kinds(alone)
    assert published.count("GUILD_MEMBER_ADD") == published.count("INVITE_DELETE") == len(used)


def test_no_user_joins_by_a_deleted_personal_invite(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    there = set(guild.invites)
    for _ in range(8):
        assert joins.create_personal_invite(context)
    for code in set(guild.invites) - there:
        invites.delete(alone.world, guild, guild.invites[code], Actor(guild.moderators[0]))
    alone.take()
    pass_time(context, 6)
    assert "GUILD_MEMBER_ADD" not in kinds(alone)
    assert written(alone, "INVITE_USE") == []


def test_a_guild_keeps_a_few_invites_and_never_has_very_many(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    for _ in range(100):
        joins.create_invite(context)
    assert len(guild.invites) == 40
    assert not joins.create_invite(context)
    assert not joins.create_personal_invite(context)
    for _ in range(100):
        joins.delete_invite(context)
    assert len(guild.invites) == 3
    assert not joins.delete_invite(context)


def test_every_join_has_an_invite_use_and_a_banned_user_never_joins(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    for _ in range(60):
        membership.ban(context)
        joins.join(context)
        assert set(guild.members).isdisjoint(guild.bans)
    pass_time(context, 5)
    joined = [line["user_id"] for line in written(alone, "GUILD_MEMBER_ADD")]
    assert joined == [line["user_id"] for line in written(alone, "INVITE_USE")]


# ── guild_admin and structure ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("behaviour", [guild_admin.remove_guild, guild_admin.begin_outage])
def test_the_last_two_guilds_are_neither_removed_nor_unavailable(
    make_stage: Callable[..., Any], behaviour: Behaviour
) -> None:
    stage = make_stage(guilds=2)
    assert not any(behaviour(context_of(stage, seed)) for seed in range(20))
    assert len(stage.world.guilds) == 2
    assert stage.take() == []


def test_an_unavailable_guild_is_available_again_within_seconds(make_stage: Callable[..., Any]) -> None:
    stage = make_stage(guilds=3)
    context = context_of(stage)
    assert guild_admin.begin_outage(context)
    assert sum(guild.unavailable for guild in stage.world.guilds.values()) == 1
    assert kinds(stage) == ["GUILD_DELETE"]
    assert len(context.guilds()) == 2, "no behaviour acts there meanwhile"
    pass_time(context, 8)
    assert kinds(stage) == ["GUILD_CREATE"]
    assert len(context.guilds()) == 3


def test_a_guild_removed_in_an_outage_does_not_become_available(make_stage: Callable[..., Any]) -> None:
    stage = make_stage(guilds=4)
    context = context_of(stage)
    assert guild_admin.begin_outage(context)
    gone = next(guild for guild in stage.world.guilds.values() if guild.unavailable)
    stage.world.remove_guild(gone)
    stage.take()
    pass_time(context, 8)
    assert stage.take() == []


@pytest.mark.parametrize(
    ("behaviour", "part"),
    [
        (structure.change_channels, lambda guild, _began: len(guild.created_channels)),
        (structure.change_stickers, lambda guild, _began: len(guild.stickers)),
        (structure.change_roles, lambda guild, began: sum(role.id > began for role in guild.roles)),
        (structure.change_emojis, lambda guild, began: sum(emoji.id > began for emoji in guild.emojis)),
    ],
)
def test_created_objects_are_bounded_and_initial_ones_stay(
    alone: Any, behaviour: Behaviour, part: Callable[[Any, int], int]
) -> None:
    context, guild, began = context_of(alone), alone.guild, alone.world.start_id
    old = {each.id for each in (*guild.text, *guild.voice, *guild.roles, *guild.emojis)}
    for _ in range(120):
        assert behaviour(context)
        assert part(guild, began) <= 8
    assert old <= {each.id for each in (*guild.text, *guild.voice, *guild.roles, *guild.emojis)}


def test_a_new_owner_is_another_member(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    for _ in range(20):
        before = guild.owner_id
        if guild_admin.transfer_ownership(context):
            assert guild.owner_id != before
        else:
            assert guild.owner_id == before


def test_a_member_boosts_once(alone: Any) -> None:
    context, guild = context_of(alone), alone.guild
    boosts, boosting = guild.boosts, len(guild.boosting)
    done = sum(guild_admin.boost(context) for _ in range(200))
    assert guild.boosts - boosts == len(guild.boosting) - boosting == done
    assert done <= len(guild.members)
