"""Experience is earned once, by the rules, whatever crashes; and memory has an end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.catalogue import full_catalogue
from exporter.events.facts.counting import Count, Record
from exporter.events.messages import MESSAGES
from exporter.events.reactions import REACTIONS, RECEIVED
from exporter.events.voice import SECONDS
from exporter.screen.config import PrivacyConfig
from exporter.spool.ports import StateRow
from exporter.telemetry import Telemetry, value
from exporter.tracking.levels.config import LevelsConfig
from exporter.tracking.levels.levels import Curve, Levels, MemberXp
from tests.emitted import Emitted
from tests.entry_data import fields_of

GUILD, ANN, BOB = 1, 100, 200
AT = 1_700_000_000_000
ON = full_catalogue().switched({"XP_GAIN": True, "LEVEL_UP": True})
RULES = LevelsConfig(message=20, reaction=2, voice_minute=10, cooldown=60, base=100, linear=50, quadratic=5)


class LevelsRun:
    """Levels, and what they put out."""

    def __init__(self, rules: LevelsConfig = RULES, catalogue: Any = ON) -> None:
        self.telemetry = Telemetry()
        self._emitted = Emitted()
        self.levels = Levels(self._emitted, rules, catalogue, {ANN: "ann"}, self.telemetry)
        self.xp: Counter[int] = Counter()
        self.ups = 0
        self.rows: list[Record] = []

    @property
    def forgotten(self) -> float:
        return value(self.telemetry.levels_forgotten)

    def take(self, *counts: Count) -> None:
        for count in counts:
            self.levels.take(count)
        self.rows += self._emitted.of(Record)
        for earned in self._emitted.take(Count):
            if earned.series.measure == "xp":
                self.xp[earned.user_id] += earned.amount
            else:
                self.ups += earned.amount

    def reached(self, user: int = ANN) -> list[Any]:
        return [fields_of(row)["level"] for row in self.rows if row.person == user]


def commit(levels: Levels) -> list[StateRow]:
    """The rows that one commit saves."""
    rows = list(levels.save())
    levels.confirm()
    return rows


def users(rows: Iterable[StateRow]) -> list[int]:
    return [msgspec.msgpack.decode(row.key)[1] for row in rows]


def message(at: int = 0, user: int = ANN, kind: str = "human") -> Count:
    return Count(MESSAGES[kind], GUILD, AT + at * 1000, 7, user)


def reaction(at: int = 0, user: int = ANN) -> Count:
    return Count(REACTIONS["normal"], GUILD, AT + at * 1000, 7, user, "x")


def voice(seconds: float, state: str = "active", user: int = ANN) -> Count:
    return Count(SECONDS[state], GUILD, AT, 7, user, amount=round(seconds * 1000))


def test_a_message_earns_and_the_next_one_not_before_the_cooldown_is_over() -> None:
    run = LevelsRun()
    run.take(message(0), message(1), message(59.999), message(60), message(90), message(120))
    assert run.xp == {ANN: 60}


def test_each_member_and_each_kind_has_a_cooldown_of_its_own() -> None:
    run = LevelsRun()
    run.take(message(0), message(0, BOB), reaction(1), reaction(2), reaction(61), reaction(61, BOB))
    assert run.xp == {ANN: 20 + 4, BOB: 22}


def test_a_message_dispatched_late_earns_nothing_twice() -> None:
    run = LevelsRun()
    run.take(message(100), message(0), message(30), message(160))
    assert run.xp == {ANN: 40}


def test_voice_earns_by_the_whole_minute_and_keeps_the_rest() -> None:
    run = LevelsRun()
    run.take(voice(59), voice(0.999))
    assert not run.xp
    run.take(voice(0.001), voice(125, "muted"))
    assert run.xp == {ANN: 30}
    run.take(voice(55))
    assert run.xp == {ANN: 40}


@pytest.mark.parametrize("state", ["alone", "deafened", "afk", "bot"])
def test_who_is_alone_or_away_earns_nothing_in_voice(state: str) -> None:
    run = LevelsRun()
    run.take(voice(600, state))
    assert not run.xp


def test_bots_and_what_others_do_earn_nothing() -> None:
    run = LevelsRun()
    run.take(
        message(kind="bot"),
        message(kind="webhook"),
        message(user=0),
        Count(RECEIVED.series, GUILD, AT, 7, ANN),
    )
    assert not run.xp


def test_a_level_reached_is_a_row_and_counted_once() -> None:
    run = LevelsRun(RULES.model_copy(update={"message": 50}))
    run.take(*(message(60 * number) for number in range(6)))
    assert run.reached() == [1, 2]
    assert run.ups == 2
    first = run.rows[0]
    assert (first.type, first.guild_id, first.at) == ("LEVEL_UP", GUILD, AT + 60_000)
    assert first.key == f"level:{GUILD}:{ANN}:1"
    assert fields_of(first) == {"user_id": ANN, "username": "ann", "level": 1, "xp": 100}


def test_several_levels_at_once_are_a_row_each() -> None:
    run = LevelsRun(LevelsConfig(message=1000, base=100, linear=100, quadratic=0))
    run.take(message())
    assert run.reached() == [1, 2, 3, 4]
    assert run.ups == 4


def test_switched_off_nothing_earns() -> None:
    run = LevelsRun(catalogue=full_catalogue().switched({}))
    run.take(message(), reaction(), voice(600))
    assert not run.xp
    assert not run.levels.earners
    assert not run.levels.unsaved
    assert not run.levels.handles


def test_only_who_earned_something_is_saved_again_and_the_next_process_goes_on() -> None:
    run = LevelsRun()
    run.take(message(0), voice(59), message(0, BOB))
    saved = commit(run.levels)
    assert not run.levels.unsaved
    run.take(message(61, BOB))
    assert users(commit(run.levels)) == [BOB]
    later = LevelsRun()
    later.levels.restore(saved)
    later.take(message(30), voice(1), message(60), message(59, BOB))
    assert later.xp == {ANN: 30}


def test_what_could_not_be_committed_is_saved_with_the_next() -> None:
    run = LevelsRun()
    run.take(message(0))
    list(run.levels.save())
    run.levels.merge_back()
    assert users(commit(run.levels)) == [ANN]


def test_a_later_commit_replaces_an_earlier_one() -> None:
    rules = RULES.model_copy(update={"message": 50})
    run = LevelsRun(rules)
    run.take(message(0))
    rows = {row.key: row for row in commit(run.levels)}
    run.take(message(60))
    rows |= {row.key: row for row in commit(run.levels)}
    later = LevelsRun(rules)
    later.levels.restore(rows.values())
    later.take(message(120))
    assert later.reached() == []
    (row,) = commit(later.levels)
    assert msgspec.msgpack.decode(row.value or b"", type=MemberXp).xp == 150


def test_the_idlest_are_forgotten_first_and_counted() -> None:
    run = LevelsRun(RULES.model_copy(update={"max_members": 100}))
    run.take(*(message(number, 1000 + number) for number in range(100)))
    run.take(message(200, 1000), message(201, 5000))
    assert run.forgotten == 1
    rows = commit(run.levels)
    kept = [row for row in rows if row.value is not None]
    assert set(users(rows)) - set(users(kept)) == {1001}
    assert set(users(kept)) == {1000 + number for number in range(100)} - {1001} | {5000}


def test_who_opted_out_meanwhile_is_not_remembered() -> None:
    run = LevelsRun()
    run.take(message(0), message(0, BOB))
    commit(run.levels)
    run.levels.forget_people({ANN})
    (row,) = commit(run.levels)
    assert (users([row]), row.value) == ([ANN], None)


@given(st.integers(10, 500), st.integers(0, 200), st.integers(0, 20), st.integers(0, 50_000))
def test_the_level_is_the_number_of_steps_paid_for(base: int, linear: int, quadratic: int, xp: int) -> None:
    level, left = 0, xp
    while left >= (step := base + linear * level + quadratic * level**2):
        left -= step
        level += 1
    assert Curve(LevelsConfig(base=base, linear=linear, quadratic=quadratic)).level(xp) == level


@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from([ANN, BOB])), max_size=40), st.integers(0, 40))
def test_a_restart_at_any_moment_changes_nothing(said: list[tuple[int, int]], cut: int) -> None:
    counts = [message(at, user) for at, user in said]
    whole, before, after = LevelsRun(), LevelsRun(), LevelsRun()
    whole.take(*counts)
    before.take(*counts[:cut])
    after.levels.restore(commit(before.levels))
    after.take(*counts[cut:])
    assert whole.xp == before.xp + after.xp
    assert [row.key for row in whole.rows] == [row.key for row in (*before.rows, *after.rows)]


def say(site: Any, pipeline: Any, user: int = ANN) -> None:
    at = site.clock.now_ms()
    author = {"id": str(user), "username": "ann"}
    body = {"id": str((at - 1_420_070_400_000) << 22), "channel_id": "7", "guild_id": "1", "author": author}
    site.feed(pipeline, "MESSAGE_CREATE", body)


def tell(entries: list[Any]) -> tuple[Counter[str], set[int]]:
    """Amounts by measure, members summed up, and the levels that have a row."""
    sums: Counter[str] = Counter()
    for entry in entries:
        if entry.type == "MEMBER_ACTIVITY_SNAPSHOT":
            for _user, _name, _first, _last, _new, counts in fields_of(entry)["members"]:
                for measure, _value, _channel, amount in counts:
                    sums[measure] += amount
    return sums, {fields_of(entry)["level"] for entry in entries if entry.type == "LEVEL_UP"}


async def test_after_any_number_of_kills_experience_is_that_of_the_messages_kept(site: Any) -> None:
    site.switches = {"XP_GAIN": True, "LEVEL_UP": True}
    site.levels = LevelsConfig(message=20, cooldown=0, base=100, linear=0, quadratic=0)
    chance = random.Random(4)
    for _ in range(30):
        pipeline = await site.start()
        for _ in range(chance.randrange(40)):
            say(site, pipeline)
            site.clock.advance(chance.choice((0.2, 1, 20)))
            if chance.random() < 0.5:
                await pipeline.tick()
    assert await pipeline.flush()
    sums, levels = tell(await site.entries())
    assert sums["messages"] > 200
    assert sums["xp"] == 20 * sums["messages"]
    assert levels == set(range(1, max(levels) + 1))
    assert max(levels) >= sums["xp"] // 100


async def test_a_cooldown_outlasts_the_process_and_many_windows(site: Any) -> None:
    site.switches = {"XP_GAIN": True}
    site.levels = LevelsConfig(message=20, cooldown=86400)
    pipeline = await site.start()
    say(site, pipeline)
    for _ in range(40):  # others write on, and the windows of the first message leave
        site.clock.advance(30)
        say(site, pipeline, BOB)
        await pipeline.tick()
    pipeline = await site.start()
    say(site, pipeline)
    assert await pipeline.flush()
    sums, _ = tell(await site.entries())
    assert sums["messages"] == 42
    assert sums["xp"] == 40


async def test_who_opted_out_earns_nothing(site: Any) -> None:
    site.switches = {"XP_GAIN": True, "LEVEL_UP": True}
    site.levels = LevelsConfig(message=1000, base=10)
    site.privacy = PrivacyConfig(opt_out=frozenset({ANN}))
    pipeline = await site.start()
    say(site, pipeline)
    assert await pipeline.flush()
    assert tell(await site.entries()) == (Counter(), set())
