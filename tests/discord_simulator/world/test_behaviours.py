"""Each habit one by one: what it does when it can, and that it does nothing at all when it cannot."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from discord_simulator.behaviours import building, chat, guild_admin, joins, membership
from discord_simulator.behaviours import moderation as moderating
from discord_simulator.behaviours import reactions as reacting
from discord_simulator.behaviours import voice as staying
from discord_simulator.behaviours.context import Manners, Scene
from discord_simulator.guild import Emoji
from discord_simulator.operations import invites, members, messages, moderation, reactions, voice
from discord_simulator.operations.audit import By
from discord_simulator.vocabulary import Author

Habit = Callable[[Scene], bool]

ALL: dict[str, Habit] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": getattr(module, name)
    for module, names in {
        building: "change_channels change_emojis change_roles change_stickers "
        "delete_thread rename_thread show_presence",
        chat: "bot_speaks clean_up edit open_thread pin sweep take_back talk webhook_posts",
        joins: "arrive call_friend close_door open_door",
        reacting: "clear clear_emoji react unreact",
        guild_admin: "boost disappear fail hand_over redecorate",
        moderating: "add_bot demote extend forgive move promote rename rename_oneself silence "
        "throw_out tidy time_out trip",
        staying: "come_in move switch",
        membership: "ban depart kick prune prune_many unban",
    }.items()
    for name in names.split()
}
NEEDS_SOMETHING = (
    *("building.delete_thread", "building.rename_thread"),
    *("chat.clean_up", "chat.edit", "chat.pin", "chat.sweep", "chat.take_back"),
    *("reactions.clear", "reactions.clear_emoji", "reactions.react", "reactions.unreact"),
    *(
        "moderation.extend",
        "moderation.forgive",
        "moderation.move",
        "moderation.silence",
        "moderation.throw_out",
        "moderation.tidy",
    ),
    *("voice.move", "voice.switch", "membership.unban"),
)
"""Habits that act on what others have left: threads, messages, reactions, timeouts, voice, bans."""


@pytest.fixture
def alone(make_stage: Callable[..., Any]) -> Any:
    """A world of a single guild, in which every habit must act."""
    return make_stage(guilds=1, members=30)


def scene_of(stage: Any, seed: int = 1, manners: Manners | None = None) -> Scene:
    return Scene(stage.world, random.Random(seed), manners)


def until(habit: Habit, scene: Scene, tries: int = 200) -> None:
    """Try until it finds something to do; luck decides whom it looks at."""
    assert any(habit(scene) for _ in range(tries)), f"{habit} found nothing to do"


def kinds(stage: Any) -> list[str]:
    return [kind for kind, _ in stage.take()]


def written(stage: Any, kind: str) -> list[dict[str, Any]]:
    return [line for line in stage.lines() if line["type"] == kind]


def pass_time(scene: Scene, seconds: float) -> None:
    """Let what was planned happen, in simulated time."""
    scene.agenda.now += seconds
    while (deed := scene.agenda.pop_due()) is not None:
        deed()


@pytest.mark.parametrize("name", ALL)
def test_nobody_does_anything_while_every_guild_is_in_an_outage(alone: Any, name: str) -> None:
    scene = scene_of(alone)
    alone.world.set_outage(alone.guild.id, True)
    alone.take()
    before = len(alone.lines())
    assert not any(ALL[name](scene) for _ in range(20))
    assert alone.take() == []
    assert len(alone.lines()) == before


@pytest.mark.parametrize("name", NEEDS_SOMETHING)
def test_a_habit_that_finds_nothing_to_act_on_says_and_writes_nothing(alone: Any, name: str) -> None:
    scene = scene_of(alone)
    before = len(alone.lines())
    assert not any(ALL[name](scene) for _ in range(30))
    assert alone.take() == []
    assert len(alone.lines()) == before


@pytest.mark.parametrize(
    ("habit", "told", "line"),
    [
        (chat.talk, "MESSAGE_CREATE", "MESSAGE_CREATE"),
        (chat.webhook_posts, "MESSAGE_CREATE", "MESSAGE_CREATE"),
        (chat.open_thread, "THREAD_CREATE", "THREAD_CREATE"),
        (staying.come_in, "VOICE_STATE_UPDATE", "VOICE_STATE"),
        (moderating.time_out, "GUILD_MEMBER_UPDATE", "MEMBER_ACTION"),
        (moderating.rename, "GUILD_MEMBER_UPDATE", "MEMBER_ACTION"),
        (membership.depart, "GUILD_MEMBER_REMOVE", "GUILD_MEMBER_REMOVE"),
        (membership.kick, "GUILD_MEMBER_REMOVE", "GUILD_MEMBER_REMOVE"),
        (membership.ban, "GUILD_BAN_ADD", "GUILD_BAN_ADD"),
        (joins.arrive, "GUILD_MEMBER_ADD", "GUILD_MEMBER_ADD"),
        (joins.open_door, "INVITE_CREATE", "INVITE_CREATE"),
        (building.change_roles, "GUILD_ROLE_CREATE", "ROLE_CREATE"),
        (building.change_channels, "CHANNEL_CREATE", "CHANNEL_CREATE"),
        (building.change_emojis, "GUILD_EMOJIS_UPDATE", "EMOJI_CREATE"),
        (building.change_stickers, "GUILD_STICKERS_UPDATE", "STICKER_CREATE"),
        (guild_admin.redecorate, "GUILD_UPDATE", "GUILD_UPDATE"),
        (moderating.add_bot, "GUILD_MEMBER_ADD", "GUILD_MEMBER_ADD"),
    ],
)
def test_what_somebody_does_is_told_and_stands_in_the_ledger(
    alone: Any, habit: Habit, told: str, line: str
) -> None:
    scene = scene_of(alone)
    until(habit, scene)
    assert told in kinds(alone)
    assert written(alone, line)


# ── chat ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_conversation_stays_among_its_people_and_in_its_channel(alone: Any) -> None:
    scene = scene_of(alone)
    chat.talk(scene)
    (conversation,) = scene.conversations
    conversation.left = 10_000
    people, alone.dispatches[:] = set(conversation.people), []
    scene.chance = lambda probability: probability == 0.75  # type: ignore[method-assign] # it always goes on
    for _ in range(40):
        assert chat.talk(scene)
    said = [data for kind, data in alone.take() if kind == "MESSAGE_CREATE"]
    assert len(said) == 40
    assert {int(data["author"]["id"]) for data in said} <= people
    assert {int(data["channel_id"]) for data in said} == {conversation.channel.id}


def test_a_conversation_ends_after_its_last_word_or_when_nobody_may_speak(alone: Any) -> None:
    scene = scene_of(alone)
    chat.talk(scene)
    (conversation,) = scene.conversations
    scene.chance = lambda probability: probability == 0.75  # type: ignore[method-assign] # it always goes on
    conversation.left = 1
    assert chat.talk(scene)
    assert scene.conversations == []
    scene.conversations.append(conversation)
    conversation.left = 5
    for user_id in conversation.people:
        moderation.time_out(
            alone.world,
            alone.guild,
            user_id,
            alone.world.now() + 60_000,
            By(alone.guild.moderators[0]),
        )
    alone.take()
    assert not chat.talk(scene)
    assert kinds(alone) == []


def test_only_bots_other_than_the_observer_speak(alone: Any) -> None:
    scene = scene_of(alone)
    while len(alone.guild.bots) < 2:
        assert not chat.bot_speaks(scene)
        until(moderating.add_bot, scene)
    alone.take()
    for _ in range(20):
        assert chat.bot_speaks(scene)
    authors = {int(data["author"]["id"]) for _, data in alone.take()}
    assert authors <= set(alone.guild.bots[1:])
    assert {
        line["author"] for line in written(alone, "MESSAGE_CREATE") if int(line["user_id"]) in authors
    } == {"bot"}


def test_nobody_edits_or_takes_back_what_others_or_webhooks_wrote(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    for channel in (*guild.text, *guild.voice):
        messages.post_by_webhook(alone.world, guild, channel, guild.webhooks[0])
        messages.post(alone.world, guild, channel, alone.world.population.user_id(999_999), Author.HUMAN)
    alone.take()
    assert not any(habit(scene) for habit in (chat.edit, chat.take_back) for _ in range(40))
    assert alone.take() == []


def test_a_message_is_pinned_once(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    guild.text[1:], guild.voice[1:] = [], guild.voice[1:]
    message = messages.post(alone.world, guild, guild.text[0], guild.members[0], Author.HUMAN)
    until(chat.pin, scene)
    assert message.pinned
    message_ids = {m.id for m in guild.text[0].recent}
    until(chat.pin, scene)  # the announcement of the pin is a message as well
    assert message_ids
    assert len(guild.audit) == 2


def test_a_sweep_leaves_a_single_message_alone_and_names_every_other_one_it_takes(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    while len(guild.bots) < 2:
        until(moderating.add_bot, scene)
    for channel in (*guild.text, *guild.voice):
        channel.recent.clear()
    alone.take()
    posted = {
        messages.post(alone.world, guild, channel, guild.members[0], Author.HUMAN).id
        for channel in (*guild.text, *guild.voice)
    }
    assert not any(chat.sweep(scene) for _ in range(30))
    posted |= {
        messages.post(alone.world, guild, channel, guild.members[0], Author.HUMAN).id
        for channel in (*guild.text, *guild.voice)
    }
    alone.take()
    until(chat.sweep, scene)
    told = dict(alone.take())
    swept = {int(message_id) for message_id in told["MESSAGE_DELETE_BULK"]["ids"]}
    assert len(swept) == 2
    assert swept <= posted
    left = {message.id for channel in (*guild.text, *guild.voice) for message in channel.recent}
    assert left == posted - swept


def test_a_moderator_does_not_clean_up_after_themselves(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    guild.moderators[1:] = []
    for channel in (*guild.text, *guild.voice):
        messages.post(alone.world, guild, channel, guild.moderators[0], Author.HUMAN)
    alone.take()
    assert not any(chat.clean_up(scene) for _ in range(40))
    assert alone.take() == []


# ── reactions ─────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_gives_the_same_reaction_twice_and_a_message_has_at_most_twenty(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    message = messages.post(alone.world, guild, guild.text[0], guild.members[0], Author.HUMAN)
    scene.message = lambda _guild: message  # type: ignore[method-assign] # everybody looks at this one
    for _ in range(600):
        reacting.react(scene)
        assert len(message.reactions) <= 20
    for people in message.reactions.values():
        assert len(people) == len(set(people))
    told = sum(kind == "MESSAGE_REACTION_ADD" for kind in kinds(alone))
    assert told == sum(map(len, message.reactions.values()))
    assert told == len(written(alone, "MESSAGE_REACTION_ADD"))


def test_whoever_left_takes_no_reaction_back(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    message = messages.post(alone.world, guild, guild.text[0], guild.members[0], Author.HUMAN)
    scene.message = lambda _guild: message  # type: ignore[method-assign] # everybody looks at this one
    leaver = guild.members[-1]
    reactions.add(alone.world, guild, message, leaver, Emoji(0, "👍"))
    members.leave(alone.world, guild, leaver)
    alone.take()
    assert not any(reacting.unreact(scene) for _ in range(20))
    assert alone.take() == []
    assert message.reactions == {"👍": [leaver]}


@pytest.mark.parametrize(
    ("habit", "told", "left"),
    [
        (reacting.clear, "MESSAGE_REACTION_REMOVE_ALL", 0),
        (reacting.clear_emoji, "MESSAGE_REACTION_REMOVE_EMOJI", 1),
    ],
)
def test_a_moderator_clears_one_emoji_or_all(alone: Any, habit: Habit, told: str, left: int) -> None:
    scene, guild = scene_of(alone), alone.guild
    message = messages.post(alone.world, guild, guild.text[0], guild.members[0], Author.HUMAN)
    scene.message = lambda _guild: message  # type: ignore[method-assign] # everybody looks at this one
    for name in ("👍", "🎉"):
        reactions.add(alone.world, guild, message, guild.members[1], Emoji(0, name))
    alone.take()
    assert habit(scene)
    assert kinds(alone) == [told]
    assert len(message.reactions) == left


# ── voice ────────────────────────────────────────────────────────────────────────────────────────────


def test_whoever_comes_into_voice_leaves_again_and_the_session_is_written_once(alone: Any) -> None:
    scene = scene_of(alone)
    until(staying.come_in, scene)
    alone.clock.advance(1)
    pass_time(scene, 4 * 3600)
    assert alone.guild.states == {}
    assert len(written(alone, "VOICE_SESSION")) == 1


def test_whoever_is_in_voice_cannot_come_in_and_nobody_comes_in_asleep(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    for _ in range(200):
        staying.come_in(scene)
    joined = [data for kind, data in alone.take() if kind == "VOICE_STATE_UPDATE"]
    assert len({data["user_id"] for data in joined}) == len(joined) == len(guild.states)
    if guild.afk is not None:
        assert str(guild.afk.id) not in {data["channel_id"] for data in joined}


def test_a_stay_that_was_over_before_its_end_ends_no_later_one(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    until(staying.come_in, scene)
    (user_id,) = guild.states
    voice.leave(alone.world, guild, user_id)
    voice.join(alone.world, guild, user_id, guild.voice[0])
    alone.take()
    pass_time(scene, 4 * 3600)
    assert alone.take() == [], "the plan was made for the first stay"
    assert list(guild.states) == [user_id]


def test_whoever_should_leave_in_an_outage_leaves_when_it_is_over(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    until(staying.come_in, scene)
    alone.world.set_outage(guild.id, True)
    alone.take()
    pass_time(scene, 4 * 3600)
    assert len(guild.states) == 1
    assert alone.take() == []
    alone.world.set_outage(guild.id, False)
    pass_time(scene, 5)
    assert guild.states == {}


def test_a_moderator_moves_people_of_one_channel_only_and_never_to_where_they_are(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    for number, user_id in enumerate(guild.members[:8]):
        voice.join(alone.world, guild, user_id, guild.voice[number % 2])
    where = {user_id: state.channel_id for user_id, state in guild.states.items()}
    alone.take()
    until(moderating.move, scene)
    moved = {
        int(data["user_id"]): int(data["channel_id"])
        for kind, data in alone.take()
        if kind == "VOICE_STATE_UPDATE"
    }
    assert 1 <= len(moved) <= 4
    assert len({where[user_id] for user_id in moved}) == 1
    assert len(set(moved.values())) == 1
    assert all(where[user_id] != place for user_id, place in moved.items())


def test_when_the_day_is_over_everybody_goes_home(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    for user_id in guild.members[:5]:
        voice.join(alone.world, guild, user_id, guild.voice[0])
    staying.send_everybody_home(scene)
    assert guild.states == {}
    assert len(written(alone, "VOICE_SESSION")) == 5


# ── moderation ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_timeout_is_as_long_as_the_manners_of_the_day_say(alone: Any) -> None:
    scene = scene_of(alone, manners=Manners(timeouts=(5.0, 40.0)))
    for _ in range(30):
        moderating.time_out(scene)
    now = alone.world.now()
    assert alone.guild.timeouts
    assert all(5_000 <= timeout.until - now <= 40_000 for timeout in alone.guild.timeouts.values())


def test_moderators_and_boosters_are_neither_silenced_nor_shown_the_door(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    booster = guild.members[5]
    guild.boosting[booster] = 1
    kept = {*guild.moderators, booster}
    for _ in range(150):
        for habit in (
            moderating.time_out,
            membership.kick,
            membership.ban,
            membership.depart,
            membership.prune_many,
        ):
            habit(scene)
    assert kept <= set(guild.members)
    assert kept.isdisjoint(guild.timeouts)
    assert kept.isdisjoint(guild.bans)


def test_a_nickname_is_always_another_one(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    for _ in range(60):
        before = {user_id: alone.world.render.nickname(guild, user_id) for user_id in guild.members}
        until(moderating.rename, scene)
        after = {user_id: alone.world.render.nickname(guild, user_id) for user_id in guild.members}
        assert sum(before[user_id] != after[user_id] for user_id in guild.members) == 1


def test_somebody_timed_out_trips_no_rule(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    for user_id in guild.members:
        moderation.time_out(alone.world, guild, user_id, alone.world.now() + 60_000, By(guild.moderators[0]))
    alone.take()
    assert not any(moderating.trip(scene) for _ in range(30))
    assert alone.take() == []


def test_a_single_deletion_by_a_bot_has_no_entry(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    while len(guild.bots) < 2:
        until(moderating.add_bot, scene)
    messages.post(alone.world, guild, guild.text[0], guild.members[0], Author.HUMAN)
    scene.agenda.settle_all()
    entries = len(guild.audit)
    alone.take()
    until(moderating.tidy, scene)
    assert kinds(alone) == ["MESSAGE_DELETE"]
    assert len(guild.audit) == entries


# ── membership and joins ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("habit", [membership.depart, membership.kick, membership.ban])
def test_a_guild_of_a_handful_loses_nobody(make_stage: Callable[..., Any], habit: Habit) -> None:
    stage = make_stage(guilds=1, members=30)
    guild = stage.guild
    while len(guild.members) > 5:
        guild.dismiss(guild.members[-1])
    scene = scene_of(stage)
    assert not any(habit(scene) for _ in range(30))
    assert len(guild.members) == 5
    assert stage.take() == []


@pytest.mark.parametrize(("habit", "most"), [(membership.prune, 5), (membership.prune_many, 10)])
def test_a_prune_is_one_entry_for_all_it_removes(
    make_stage: Callable[..., Any], habit: Habit, most: int
) -> None:
    stage = make_stage(guilds=1, members=30)
    guild = stage.guild
    while len(guild.members) > 30:
        guild.dismiss(guild.members[-1])
    while len(guild.members) < 30:
        guild.admit(stage.world.population.user_id(500_000 + len(guild.members)), 1)
    assert habit(scene_of(stage))
    gone = 30 - len(guild.members)
    assert 1 <= gone <= most
    assert len(written(stage, "GUILD_MEMBER_REMOVE")) == gone
    (entry,) = (data for kind, data in stage.take() if kind == "GUILD_AUDIT_LOG_ENTRY_CREATE")
    assert entry["target_id"] is None
    assert entry["options"]["members_removed"] == str(gone)


def test_whoever_is_foretold_to_go_stays_until_it_happens_and_is_not_chosen_again(alone: Any) -> None:
    scene = scene_of(alone, manners=Manners(omens=1.0, omen_seconds=5.0))
    until(membership.kick, scene)
    assert kinds(alone) == ["GUILD_AUDIT_LOG_ENTRY_CREATE"], "the entry alone is told of"
    (doomed,) = alone.guild.doomed
    assert alone.guild.has(doomed)
    assert all(scene.bystander(alone.guild) != doomed for _ in range(100))
    pass_time(scene, 5)
    assert not alone.guild.has(doomed)
    assert alone.guild.doomed == set()
    assert kinds(alone) == ["GUILD_MEMBER_REMOVE"], "and it is not told of twice"


def test_what_was_foretold_happens_before_the_guild_goes_out_of_sight(alone: Any) -> None:
    scene = scene_of(alone, manners=Manners(omens=1.0, omen_seconds=5.0))
    until(membership.ban, scene)
    alone.take()
    alone.world.set_outage(alone.guild.id, True)
    told = kinds(alone)
    assert told.index("GUILD_BAN_ADD") < told.index("GUILD_DELETE")
    assert alone.guild.doomed == set()


def test_a_friend_comes_by_the_invite_made_for_them_and_it_is_gone(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    there = set(guild.invites)
    for _ in range(8):
        assert joins.call_friend(scene)
    made = set(guild.invites) - there
    assert {guild.invites[code].max_uses for code in made} == {1}
    pass_time(scene, 6)
    used = [line["code"] for line in written(alone, "INVITE_USE")]
    assert used, "somebody came"
    assert set(used) == made - set(guild.invites), "only what was used is gone"
    assert len(set(used)) == len(used)
    told = kinds(alone)
    assert told.count("GUILD_MEMBER_ADD") == told.count("INVITE_DELETE") == len(used)


def test_a_friend_whose_invite_was_taken_back_does_not_come(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    there = set(guild.invites)
    for _ in range(8):
        assert joins.call_friend(scene)
    for code in set(guild.invites) - there:
        invites.delete(alone.world, guild, guild.invites[code], By(guild.moderators[0]))
    alone.take()
    pass_time(scene, 6)
    assert "GUILD_MEMBER_ADD" not in kinds(alone)
    assert written(alone, "INVITE_USE") == []


def test_a_guild_keeps_a_few_invites_and_never_has_very_many(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    for _ in range(100):
        joins.open_door(scene)
    assert len(guild.invites) == 40
    assert not joins.open_door(scene)
    assert not joins.call_friend(scene)
    for _ in range(100):
        joins.close_door(scene)
    assert len(guild.invites) == 3
    assert not joins.close_door(scene)


def test_every_join_says_how_and_a_banned_person_never_joins(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    for _ in range(60):
        membership.ban(scene)
        joins.arrive(scene)
        assert set(guild.members).isdisjoint(guild.bans)
    pass_time(scene, 5)
    joined = [line["user_id"] for line in written(alone, "GUILD_MEMBER_ADD")]
    assert joined == [line["user_id"] for line in written(alone, "INVITE_USE")]


# ── guild_admin and building ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("habit", [guild_admin.disappear, guild_admin.fail])
def test_the_last_two_guilds_neither_go_nor_fail(make_stage: Callable[..., Any], habit: Habit) -> None:
    stage = make_stage(guilds=2)
    assert not any(habit(scene_of(stage, seed)) for seed in range(20))
    assert len(stage.world.guilds) == 2
    assert stage.take() == []


def test_a_guild_that_failed_is_back_within_seconds(make_stage: Callable[..., Any]) -> None:
    stage = make_stage(guilds=3)
    scene = scene_of(stage)
    assert guild_admin.fail(scene)
    assert sum(guild.unavailable for guild in stage.world.guilds.values()) == 1
    assert kinds(stage) == ["GUILD_DELETE"]
    assert len(scene.guilds()) == 2, "nobody acts there meanwhile"
    pass_time(scene, 8)
    assert kinds(stage) == ["GUILD_CREATE"]
    assert len(scene.guilds()) == 3


def test_a_guild_removed_in_an_outage_does_not_come_back(make_stage: Callable[..., Any]) -> None:
    stage = make_stage(guilds=4)
    scene = scene_of(stage)
    assert guild_admin.fail(scene)
    gone = next(guild for guild in stage.world.guilds.values() if guild.unavailable)
    stage.world.drop_guild(gone)
    stage.take()
    pass_time(scene, 8)
    assert stage.take() == []


@pytest.mark.parametrize(
    ("habit", "part"),
    [
        (building.change_channels, lambda guild, _began: len(guild.made)),
        (building.change_stickers, lambda guild, _began: len(guild.stickers)),
        (building.change_roles, lambda guild, began: sum(role.id > began for role in guild.roles)),
        (building.change_emojis, lambda guild, began: sum(emoji.id > began for emoji in guild.emojis)),
    ],
)
def test_what_is_built_never_grows_without_end_and_what_was_there_stays(
    alone: Any, habit: Habit, part: Callable[[Any, int], int]
) -> None:
    scene, guild, began = scene_of(alone), alone.guild, alone.world.began_with
    old = {each.id for each in (*guild.text, *guild.voice, *guild.roles, *guild.emojis)}
    for _ in range(120):
        assert habit(scene)
        assert part(guild, began) <= 8
    assert old <= {each.id for each in (*guild.text, *guild.voice, *guild.roles, *guild.emojis)}


def test_a_new_owner_is_somebody_else(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    for _ in range(20):
        before = guild.owner_id
        if guild_admin.hand_over(scene):
            assert guild.owner_id != before
        else:
            assert guild.owner_id == before


def test_nobody_boosts_twice(alone: Any) -> None:
    scene, guild = scene_of(alone), alone.guild
    boosts, boosting = guild.boosts, len(guild.boosting)
    done = sum(guild_admin.boost(scene) for _ in range(200))
    assert guild.boosts - boosts == len(guild.boosting) - boosting == done
    assert done <= len(guild.members)
