"""Voice operations: their events, their ledger lines, and that the times add up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from discord_simulator.ledger import Ledger
from discord_simulator.operations import members, voice
from discord_simulator.operations.audit import Actor
from discord_simulator.seed import Shape
from discord_simulator.world import World
from exporter.clock import ManualClock
from tests.scale import scaled


def states(stage: Any) -> list[dict[str, Any]]:
    return [data for kind, data in stage.take() if kind == "VOICE_STATE_UPDATE"]


def sessions(stage: Any) -> list[dict[str, Any]]:
    return [line for line in stage.lines() if line["type"] == "VOICE_SESSION"]


@pytest.fixture
def speaker(stage: Any) -> int:
    """A member in the first voice channel for ten seconds."""
    user_id = stage.guild.members[3]
    voice.join(stage.world, stage.guild, user_id, stage.guild.voice[0])
    stage.clock.advance(10)
    return user_id


def test_a_join_is_published_with_guild_channel_and_member(stage: Any, speaker: int) -> None:
    (state,) = states(stage)
    assert state["guild_id"] == str(stage.guild.id)
    assert state["channel_id"] == str(stage.guild.voice[0].id)
    assert state["user_id"] == state["member"]["user"]["id"] == str(speaker)
    assert not any(
        state[flag] for flag in ("self_mute", "self_deaf", "self_stream", "self_video", "mute", "deaf")
    )


def test_a_session_keeps_its_id_from_joining_to_leaving_and_a_new_one_has_another(
    stage: Any, speaker: int
) -> None:
    voice.move(stage.world, stage.guild, speaker, stage.guild.voice[1])
    voice.leave(stage.world, stage.guild, speaker)
    voice.join(stage.world, stage.guild, speaker, stage.guild.voice[0])
    ids = [state["session_id"] for state in states(stage)]
    assert ids[0] == ids[1] == ids[2] != ids[3]


def test_each_channel_of_a_moved_member_is_counted_by_itself(stage: Any, speaker: int) -> None:
    first, second = stage.guild.voice[:2]
    voice.move(stage.world, stage.guild, speaker, second)
    stage.clock.advance(5)
    voice.move(stage.world, stage.guild, speaker, first)
    stage.clock.advance(1)
    voice.leave(stage.world, stage.guild, speaker)
    (session,) = sessions(stage)
    assert session["channels"] == {str(first.id): 11_000, str(second.id): 5000}
    assert session["ms"] == 16_000
    assert (session["from"], session["to"]) == (session["at"] - 16_000, session["at"])


@pytest.mark.parametrize("flag", ["self_mute", "self_stream", "self_video", "mute", "deaf"])
def test_a_switch_goes_on_and_off_without_ending_the_session(stage: Any, speaker: int, flag: Any) -> None:
    voice.toggle(stage.world, stage.guild, speaker, flag)
    voice.toggle(stage.world, stage.guild, speaker, flag)
    _, on, off = states(stage)
    assert (on[flag], off[flag]) == (True, False)
    assert on["channel_id"] == off["channel_id"]
    assert not sessions(stage)
    written = [line[flag] for line in stage.lines() if line["type"] == "VOICE_STATE"]
    assert written == [False, True, False]


def test_a_self_deafened_member_is_self_muted(stage: Any, speaker: int) -> None:
    voice.toggle(stage.world, stage.guild, speaker, "self_deaf")
    state = states(stage)[-1]
    assert (state["self_deaf"], state["self_mute"]) == (True, True)


def test_a_moderators_mute_shows_on_the_member_until_they_leave(stage: Any, speaker: int) -> None:
    voice.toggle(stage.world, stage.guild, speaker, "mute")
    assert states(stage)[-1]["member"]["mute"] is True
    voice.leave(stage.world, stage.guild, speaker)
    assert stage.world.render.plain_member(stage.guild, speaker)["mute"] is False


def test_a_stream_ends_with_a_move_and_with_leaving(stage: Any, speaker: int) -> None:
    voice.toggle(stage.world, stage.guild, speaker, "self_stream")
    voice.move(stage.world, stage.guild, speaker, stage.guild.voice[1])
    voice.toggle(stage.world, stage.guild, speaker, "self_stream")
    voice.leave(stage.world, stage.guild, speaker)
    assert [state["self_stream"] for state in states(stage)] == [False, True, False, True, False]


def test_leaving_has_no_channel_and_still_the_member(stage: Any, speaker: int) -> None:
    voice.leave(stage.world, stage.guild, speaker)
    state = states(stage)[-1]
    assert state["channel_id"] is None
    assert state["member"]["user"]["id"] == str(speaker)
    assert speaker not in stage.guild.states


def test_a_member_who_leaves_the_guild_leaves_voice_first(stage: Any, speaker: int) -> None:
    stage.take()
    members.leave(stage.world, stage.guild, speaker)
    assert [kind for kind, _ in stage.take()] == ["VOICE_STATE_UPDATE", "GUILD_MEMBER_REMOVE"]
    types = [line["type"] for line in stage.lines()]
    assert types[-3:] == ["VOICE_SESSION", "VOICE_STATE", "GUILD_MEMBER_REMOVE"]


def test_a_kicked_member_leaves_voice_before_the_entry_is_published(stage: Any, speaker: int) -> None:
    stage.take()
    members.kick(stage.world, stage.guild, speaker, Actor(stage.guild.moderators[0], delay=-1))
    assert [kind for kind, _ in stage.take()] == [
        "VOICE_STATE_UPDATE",
        "GUILD_AUDIT_LOG_ENTRY_CREATE",
        "GUILD_MEMBER_REMOVE",
    ]


def test_time_in_the_afk_channel_is_recorded_apart(make_stage: Any) -> None:
    stage = next(each for each in (make_stage(seed=seed) for seed in range(20)) if each.guild.afk)
    guild, user_id = stage.guild, stage.guild.members[0]
    voice.join(stage.world, guild, user_id, guild.voice[0])
    stage.clock.advance(3)
    voice.move(stage.world, guild, user_id, guild.afk)
    stage.clock.advance(4)
    voice.leave(stage.world, guild, user_id)
    (session,) = sessions(stage)
    assert (session["ms"], session["afk_ms"]) == (7000, 4000)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=scaled(50))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["join", "move", "leave", "mute"]), st.integers(0, 3), st.integers(0, 9000)
        ),
        max_size=40,
    )
)
def test_whatever_people_do_their_time_adds_up(acts: list[tuple[str, int, int]]) -> None:
    clock = ManualClock(1_760_000_000_000)
    ledger = Ledger(None, clock)
    written: list[tuple[str, dict[str, Any]]] = []
    ledger.write = lambda kind, _at, fields: written.append((kind, fields)) or len(written)  # type: ignore[method-assign]  # a ledger that can be read at once
    world = World(Shape(seed=1, guilds=1, members=10), ledger, clock)
    guild = next(iter(world.guilds.values()))
    present = 0.0
    for act, who, wait in acts:
        user_id = guild.members[who]
        inside = user_id in guild.states
        if act == "join" and not inside:
            voice.join(world, guild, user_id, guild.voice[who % 2])
        elif act == "move" and inside:
            voice.move(world, guild, user_id, guild.voice[wait % len(guild.voice)])
        elif act == "leave" and inside:
            voice.leave(world, guild, user_id)
        elif act == "mute" and inside:
            voice.toggle(world, guild, user_id, "self_mute")
        present += len(guild.states) * wait
        clock.advance(wait / 1000)
    for user_id in tuple(guild.states):
        voice.leave(world, guild, user_id)
    ended = [fields for kind, fields in written if kind == "VOICE_SESSION"]
    assert sum(fields["ms"] for fields in ended) == present
    assert all(sum(fields["channels"].values()) == fields["ms"] for fields in ended)
    assert all(spent >= 0 for fields in ended for spent in fields["channels"].values())
