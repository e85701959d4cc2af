"""Operations on guilds: each change has its old and new value and its actor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discord_simulator.guild import Channel, Guild
from discord_simulator.operations import guilds
from discord_simulator.seed import Population, Shape, mix
from discord_simulator.snowflake import EPOCH_MS, SnowflakeSource, iso, snowflake_ms
from discord_simulator.vocabulary import ChannelKind
from tests.scale import scaled


def last(stage: Any, kind: str) -> dict[str, Any]:
    return [line for line in stage.lines() if line["type"] == kind][-1]


def test_a_new_name_is_published_audited_and_recorded_with_the_old_one(stage: Any) -> None:
    guild, old = stage.guild, stage.guild.name
    guilds.rename(stage.world, guild, 'New "name", = all', guild.owner_id)
    (_, update), (_, entry) = stage.take()
    assert update["name"] == 'New "name", = all'
    assert "members" not in update
    assert entry["action_type"] == 1
    assert entry["changes"] == [{"key": "name", "old_value": old, "new_value": 'New "name", = all'}]
    line = last(stage, "GUILD_UPDATE")
    assert line["changes"] == {"name": {"old": old, "new": 'New "name", = all'}}
    assert line["moderator_id"] == str(guild.owner_id)
    assert line["audit_entry_id"] == entry["id"]


def test_an_icon_that_is_taken_away_has_no_new_value(stage: Any) -> None:
    guild = stage.guild
    guilds.change_icon(stage.world, guild, "aa", guild.owner_id)
    guilds.change_icon(stage.world, guild, None, guild.owner_id)
    entries = [data for kind, data in stage.take() if kind == "GUILD_AUDIT_LOG_ENTRY_CREATE"]
    assert entries[-1]["changes"] == [{"key": "icon_hash", "old_value": "aa"}]
    assert last(stage, "GUILD_UPDATE")["changes"] == {"icon": {"old": "aa", "new": None}}


def test_a_new_owner_is_set_by_the_old_one_and_is_protected(stage: Any) -> None:
    guild, old, new = stage.guild, stage.guild.owner_id, stage.guild.members[-1]
    guilds.transfer_ownership(stage.world, guild, new)
    (_, update), (_, entry) = stage.take()
    assert update["owner_id"] == str(new)
    assert entry["user_id"] == str(old)
    assert last(stage, "GUILD_UPDATE")["changes"] == {"owner_id": {"old": str(old), "new": str(new)}}
    assert guild.is_protected(new)


def test_a_boost_has_a_system_message_and_no_audit_entry(stage: Any) -> None:
    guild, user_id = stage.guild, stage.guild.members[2]
    guild.boosts = 1
    guilds.boost(stage.world, guild, user_id)
    published = dict(stage.take())
    assert published.keys() == {"MESSAGE_CREATE", "GUILD_MEMBER_UPDATE", "GUILD_UPDATE"}
    assert published["MESSAGE_CREATE"]["type"] == 8
    assert published["GUILD_MEMBER_UPDATE"]["premium_since"] is not None
    assert (
        published["GUILD_UPDATE"]["premium_subscription_count"],
        published["GUILD_UPDATE"]["premium_tier"],
    ) == (
        2,
        1,
    )
    assert last(stage, "GUILD_UPDATE")["changes"] == {
        "premium_subscription_count": {"old": 1, "new": 2},
        "premium_tier": {"old": 0, "new": 1},
    }


@pytest.mark.parametrize(
    ("boosts", "tier"), [(0, 0), (1, 0), (2, 1), (6, 1), (7, 2), (13, 2), (14, 3), (99, 3)]
)
def test_tiers_follow_the_number_of_boosts(stage: Any, boosts: int, tier: int) -> None:
    stage.guild.boosts = boosts
    assert stage.guild.tier == tier


def test_a_guild_the_bot_is_added_to_is_new_and_whole(stage: Any) -> None:
    before = set(stage.view.guild_ids())
    added = guilds.add(stage.world)
    ((kind, data),) = stage.take()
    assert kind == "GUILD_CREATE"
    assert data["id"] == str(added.id)
    assert data["joined_at"] == iso(stage.clock.now_ms())
    assert data["member_count"] == added.member_count
    assert set(stage.view.guild_ids()) == before | {added.id}
    assert last(stage, "GUILD_CREATE")["member_count"] == added.member_count


def test_the_number_of_a_removed_guild_is_not_used_again(stage: Any) -> None:
    gone = stage.guild
    guilds.remove(stage.world, gone)
    assert guilds.add(stage.world).id != gone.id
    assert gone.removed
    assert not gone.is_visible


def test_the_start_of_a_ledger_names_every_guild(stage: Any) -> None:
    stage.world.record_guilds()
    lines = stage.lines()
    assert {line["guild_id"] for line in lines} == {str(guild_id) for guild_id in stage.view.guild_ids()}
    for line in lines:
        guild = stage.world.guilds[int(line["guild_id"])]
        assert (line["name"], line["member_count"]) == (guild.name, guild.member_count)
        assert str(guild.bots[0]) in line["bots"]


# ── population ───────────────────────────────────────────────────────────────────────────────────────


@given(seed=st.integers(0, 2**31), number=st.integers(0, 10_000))
@settings(max_examples=scaled(40), deadline=None)
def test_a_guild_is_a_function_of_seed_and_number(seed: int, number: int) -> None:
    one, other = Population(Shape(seed=seed, guilds=50)), Population(Shape(seed=seed, guilds=50))
    other.guild(number + 1)
    first, second = one.guild(number), other.guild(number)
    assert (first.id, first.name, first.members, first.bots) == (
        second.id,
        second.name,
        second.members,
        second.bots,
    )
    assert [channel.id for channel in first.channels()] == [channel.id for channel in second.channels()]


@given(seed=st.integers(0, 1000), guilds_=st.integers(1, 40), members=st.integers(1, 200))
@settings(max_examples=scaled(40), deadline=None)
def test_a_population_is_what_it_promises(seed: int, guilds_: int, members: int) -> None:
    population = Population(Shape(seed=seed, guilds=guilds_, members=members))
    made = [population.guild(number) for number in range(guilds_)]
    assert len({guild.id for guild in made}) == guilds_
    for guild in made:
        assert len(set(guild.members)) == len(guild.members) >= 4
        assert guild.owner_id in guild.moderators
        assert set(guild.moderators) < set(guild.members)
        assert guild.bots[0] == population.bot_id
        assert len(set(guild.bots)) == len(guild.bots) >= 2
        ids = [channel.id for channel in guild.channels()]
        assert len(set(ids)) == len(ids)
        assert guild.text
        assert [channel for channel in guild.voice if channel is not guild.afk]
        assert all(10**16 < each < 2**63 for each in (*ids, *guild.members, guild.id))
    total = sum(len(guild.members) for guild in made)
    assert total >= guilds_ * members * 0.9
    assert total <= guilds_ * (members + 4) * 1.1


def test_few_guilds_are_large_and_most_are_small() -> None:
    population = Population(Shape(seed=1, guilds=200, members=50))
    sizes = [len(population.guild(number).members) for number in range(200)]
    assert sizes[0] == max(sizes) > 10 * 50
    assert sorted(sizes)[100] < 50


def test_users_are_shared_between_guilds_and_have_one_name() -> None:
    population = Population(Shape(seed=1, guilds=10, members=100))
    everybody = [user for number in range(10) for user in population.guild(number).members]
    assert len(set(everybody)) < len(everybody)
    names = {user: population.username(user) for user in set(everybody)}
    assert all(names[user] == population.username(user) for user in everybody)
    assert len(set(names.values())) > len(names) * 0.9
    nicknames = {population.nickname(user, 5) for user in everybody}
    assert None in nicknames
    assert len(nicknames) > 5


@given(st.integers(0, 2**64 - 1))
def test_mixing_stays_within_64_bits(number: int) -> None:
    assert 0 <= mix(number) < 2**64


# ── snowflakes and membership ────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(EPOCH_MS, EPOCH_MS + 10**12), min_size=1))
def test_snowflakes_rise_and_hold_a_time_never_before_the_clock(times: list[int]) -> None:
    source = SnowflakeSource()
    made = [source.make(time) for time in times]
    assert made == sorted(set(made))
    assert all(snowflake_ms(each) >= time for each, time in zip(made, times, strict=True))
    assert snowflake_ms(made[0]) == times[0]


@given(st.integers(EPOCH_MS, EPOCH_MS + 10**12))
def test_times_are_written_to_the_millisecond(ms: int) -> None:
    text = iso(ms)
    assert text.endswith("+00:00")
    assert text[19:26] == f".{ms % 1000:03}000"


def bare_guild(members: list[int]) -> Guild:
    channel = Channel(1, ChannelKind.TEXT, "c")
    return Guild(
        id=1,
        name="g",
        owner_id=members[0],
        created_at=0,
        joined_at=0,
        timezone=0,
        text=[channel],
        voice=[channel],
        categories=[],
        forum=None,
        afk=None,
        roles=[],
        emojis=[],
        webhooks=[],
        members=members,
        bots=[9],
        moderators=members[:1],
    )


@given(st.lists(st.tuples(st.booleans(), st.integers(10, 30))))
def test_membership_is_a_set_after_any_joins_and_removals(moves: list[tuple[bool, int]]) -> None:
    guild = bare_guild([5, 6, 7])
    truth = {5, 6, 7}
    for comes, user_id in moves:
        if comes and user_id not in truth:
            guild.add_member(user_id, 0)
            truth.add(user_id)
        elif not comes and user_id in truth:
            guild.remove_member(user_id)
            truth.remove(user_id)
        assert set(guild.members) == truth
        assert len(guild.members) == len(truth)
        assert all(guild.has_member(user) == (user in truth) for user in range(5, 31))
        assert guild.member_count == len(truth) + 1
    assert guild.joined.keys() == truth - {5, 6, 7}
