"""Scenarios: each has many of the actions of its name, and its ledger, dispatches and audit log agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from discord_simulator.scenarios import SCENARIOS
from discord_simulator.traffic import Traffic
from exporter.cli.simulate import SCENARIO_NAMES

RATE = 100
SECONDS = 75

RICH: dict[str, dict[str, int]] = {
    "raid": {"GUILD_BAN_ADD": 200, "INVITE_USE": 200},
    "prune": {"prune": 100, "leave": 20},
    "moderator-spree": {
        "timeout": 100,
        "timeout_removed": 10,
        "TIMEOUT_EXPIRED": 20,
        "role_add": 50,
        "role_remove": 30,
        "nick": 50,
        "OWN_NICK": 20,
        "voice_mute": 20,
        "voice_unmute": 5,
        "voice_deafen": 10,
        "voice_undeafen": 1,
        "member_move": 20,
        "member_disconnect": 10,
        "bot_add": 1,
        "automod_block": 50,
        "automod_flag": 50,
        "automod_timeout": 20,
        "MESSAGE_DELETE": 100,
        "MESSAGE_DELETE_BULK": 10,
    },
    "invite-storm": {
        "INVITE_CREATE": 200,
        "INVITE_DELETE": 100,
        "INVITE_EXPIRED": 10,
        "INVITE_USE": 500,
        "bot_add": 1,
    },
    "voice-evening": {"VOICE_SESSION": 400, "member_move": 50, "member_disconnect": 30, "voice_mute": 40},
    "outage": {"OUTAGE": 40},
    "thread-heavy": {
        "THREAD_CREATE": 200,
        "THREAD_UPDATE": 50,
        "THREAD_DELETE": 30,
        "PRESENCE_UPDATE": 50,
        **{
            f"{part}_{verb}": 5
            for part in ("ROLE", "CHANNEL", "EMOJI", "STICKER")
            for verb in ("CREATE", "UPDATE", "DELETE")
        },
    },
    "no-permissions": {"PERMISSION": 60, "ROLE_UPDATE": 50, "timeout": 30},
    "late-audit": {"GUILD_BAN_ADD": 50, "kick": 30, "timeout": 50},
}
"""Smallest numbers in 75 s of a scenario at 100 actions/s: line types, actions, reasons of removals."""


def traffic_of(stage: Any, name: str, rate: float = RATE) -> Traffic:
    scenario = SCENARIOS[name]
    return Traffic(
        stage.world,
        rate=rate,
        behaviours=scenario.behaviours,
        begin=scenario.begin,
        settings=scenario.settings,
    )


def play(stage: Any, name: str, seconds: int = SECONDS) -> Any:
    stage.ledger.header(seed=5, guilds=5, members=60, rate=RATE, version="0")
    stage.world.record_guilds()
    traffic = traffic_of(stage, name)
    for _ in range(seconds * RATE):
        stage.clock.advance(1 / RATE)
        traffic.step()
    traffic.finish()
    stage.ledger.end()
    return stage


@pytest.fixture(scope="module")
def played(make_stages: Callable[..., Any]) -> Callable[[str], Any]:
    """A scenario that is over; played once for all tests of this module."""
    done: dict[str, Any] = {}

    def play_once(name: str) -> Any:
        if name not in done:
            done[name] = play(make_stages(seed=5, guilds=5, members=60), name)
        return done[name]

    return play_once


every_scenario = pytest.mark.parametrize("name", SCENARIOS)


def test_the_command_line_names_every_scenario() -> None:
    assert set(SCENARIO_NAMES) == SCENARIOS.keys() == RICH.keys()


@every_scenario
def test_a_scenario_is_rich_in_what_it_is_about(played: Callable[[str], Any], name: str) -> None:
    found: Counter[str] = Counter()
    for line in played(name).lines():
        found[line["type"]] += 1
        if line["type"] == "MEMBER_ACTION":
            found[line["action"]] += 1
        elif line["type"] == "GUILD_MEMBER_REMOVE":
            found[line["reason"]] += 1
    poor = {what: found[what] for what, least in RICH[name].items() if found[what] < least}
    assert not poor


@every_scenario
def test_member_counts_follow_from_joins_and_departures(played: Callable[[str], Any], name: str) -> None:
    stage = played(name)
    counts: dict[str, int] = {}
    for line in stage.lines():
        if line["type"] in {"GUILD", "GUILD_CREATE"}:
            counts[line["guild_id"]] = line["member_count"]
        elif line["type"] in {"GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"}:
            counts[line["guild_id"]] += 1 if line["type"] == "GUILD_MEMBER_ADD" else -1
            assert line["member_count"] == counts[line["guild_id"]]
    for guild in stage.world.guilds.values():
        assert counts[str(guild.id)] == guild.member_count == len(set(guild.members)) + len(set(guild.bots))


@every_scenario
def test_every_entry_is_published_at_most_once_and_every_action_names_its_own(
    played: Callable[[str], Any], name: str
) -> None:
    stage = played(name)
    published = Counter(line["audit_entry_id"] for line in stage.lines() if line["type"] == "AUDIT_LOG_ENTRY")
    assert set(published.values()) == {1}
    kept = {str(entry.id): entry for guild in stage.world.guilds.values() for entry in guild.audit}
    assert kept.keys() <= published.keys()
    for line in stage.lines():
        entry = kept.get(line.get("audit_entry_id") or "")
        if line["type"] == "MEMBER_ACTION" and entry is not None:
            assert line["moderator_id"] in {str(entry.user_id), None}
            assert entry.target_id in {int(line["target_user_id"]), 0}


@every_scenario
def test_counts_of_grouped_entries_are_the_operations_they_contain(
    played: Callable[[str], Any], name: str
) -> None:
    stage = played(name)
    done: Counter[str] = Counter()
    for line in stage.lines():
        if line.get("moderator_id") and (
            line["type"] == "MESSAGE_DELETE" or line.get("action") in {"member_move", "member_disconnect"}
        ):
            done[line["audit_entry_id"]] += 1
    for guild in stage.world.guilds.values():
        for entry in guild.audit:
            if entry.action in {26, 27, 72}:
                assert entry.count == done[str(entry.id)]


@every_scenario
def test_nothing_happens_in_an_outage(played: Callable[[str], Any], name: str) -> None:
    out: set[str] = set()
    for line in played(name).lines():
        if line["type"] == "OUTAGE":
            (out.add if line["unavailable"] else out.discard)(line["guild_id"])
        elif line["type"] != "END":
            assert line.get("guild_id") not in out, line
    assert not out


@every_scenario
def test_every_join_has_an_invite_use_and_uses_are_in_the_counts(
    played: Callable[[str], Any], name: str
) -> None:
    stage = played(name)
    joins = Counter(
        (ln["guild_id"], ln["user_id"]) for ln in stage.lines() if ln["type"] == "GUILD_MEMBER_ADD"
    )
    used = [line for line in stage.lines() if line["type"] == "INVITE_USE"]
    assert Counter((line["guild_id"], line["user_id"]) for line in used) == joins
    made = {line["code"] for line in stage.lines() if line["type"] == "INVITE_CREATE"}
    by_code = Counter(line["code"] for line in used if line["method"] == "invite")
    for guild in stage.world.guilds.values():
        for invite in guild.invites.values():
            if invite.code in made:
                assert invite.uses == by_code[invite.code]


@every_scenario
def test_a_timeout_ends_once_if_at_all(played: Callable[[str], Any], name: str) -> None:
    running: dict[tuple[str, str], int] = {}
    ended = 0
    for line in played(name).lines():
        place = (line.get("guild_id", ""), line.get("target_user_id", ""))
        if "until" in line and line["type"] == "MEMBER_ACTION":
            running[place] = line["until"]
        elif line.get("action") == "timeout_removed":
            del running[place]
        elif line["type"] == "TIMEOUT_EXPIRED":
            assert running.pop(place) == line["until"] <= line["at"]
            ended += 1
    assert (ended > 0) == (SCENARIOS[name].settings.timeouts[1] < SECONDS)


def test_a_raid_joins_within_a_minute_and_is_banned_by_one_moderator(played: Callable[[str], Any]) -> None:
    lines = played("raid").lines()
    uses = [line for line in lines if line["type"] == "INVITE_USE" and line["code"]]
    # A moderator may delete the invite of a raid, which then goes on by another one.
    made = {line["code"] for line in lines if line["type"] == "INVITE_CREATE"}
    used = Counter(line["code"] for line in uses)
    links = {code for code in made if used[code] >= 10}
    joined = {line["user_id"]: line["at"] for line in uses if line["code"] in links}
    assert len(joined) >= 150, "some cannot join in an outage"
    bans = [ln for ln in lines if ln["type"] == "GUILD_BAN_ADD" and ln["target_user_id"] in joined]
    by_raid = [line for line in bans if line["reason"] == "raid"]
    assert len(by_raid) >= 140
    moments = [joined[line["target_user_id"]] for line in by_raid]
    assert max(moments) - min(moments) <= 60_000
    assert len({line["moderator_id"] for line in by_raid}) == 1
    raiders = {line["target_user_id"] for line in by_raid}
    assert min(line["at"] for line in by_raid) > max(joined[user_id] for user_id in raiders)


def test_late_entries_come_before_after_and_never(played: Callable[[str], Any]) -> None:
    lines = played("late-audit").lines()
    done: dict[str, int] = {}
    published: dict[str, tuple[int, bool]] = {}
    for line in lines:
        if line["type"] == "AUDIT_LOG_ENTRY":
            published[line["audit_entry_id"]] = (line["n"], line["visible"])
        elif line["type"] in {"GUILD_BAN_ADD", "GUILD_MEMBER_REMOVE"} and line["audit_entry_id"]:
            done.setdefault(line["audit_entry_id"], line["n"])
    times = {line["n"]: line["at"] for line in lines}
    orders: defaultdict[str, list[int]] = defaultdict(list)
    for entry_id, operation in done.items():
        number, visible = published[entry_id]
        kind = "never" if not visible else "before" if number < operation else "after"
        orders[kind].append(abs(times[number] - times[operation]))
    assert all(len(orders[kind]) >= 5 for kind in ("before", "after", "never"))
    for kind in ("before", "after"):
        assert 1000 < max(orders[kind]) <= 5200


def test_each_permission_is_missing_somewhere_and_what_it_hides_is_marked(
    played: Callable[[str], Any],
) -> None:
    lines = played("no-permissions").lines()
    withdrawn = {ln["name"] for ln in lines if ln["type"] == "PERMISSION" and not ln["granted"]}
    assert withdrawn == {"view_audit_log", "ban_members", "manage_guild", "manage_channels", "view_channel"}
    for kind in ("AUDIT_LOG_ENTRY", "INVITE_CREATE"):
        assert {line["visible"] for line in lines if line["type"] == kind} == {True, False}
    assert {line["knowable"] for line in lines if line["type"] == "INVITE_USE"} == {True, False}


@every_scenario
def test_the_same_seed_gives_the_same_scenario(make_stages: Callable[..., Any], name: str) -> None:
    one, other = (play(make_stages(seed=5, guilds=3, members=30), name, seconds=5) for _ in range(2))
    assert one.path.read_bytes() == other.path.read_bytes()
