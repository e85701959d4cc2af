"""Member counts are compared with Discord's: in turn, within a budget, and never corrected on a whim."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.guilds import (
    GuildCountsRead,
    GuildDeleted,
    GuildUpserted,
    MemberCountChanged,
    MemberCountCorrected,
    SessionStarted,
)
from exporter.events.rest_request import RequestKind, RestRequest
from exporter.state import member_count_sync as module
from exporter.state.guild_cache import GuildCache
from exporter.state.member_count_sync import CONFIRM_MS, LOST_MS, PER_SECOND, MemberCountSync
from exporter.telemetry import Telemetry, value
from tests.emitted import Emitted, discard

GUILD = 197038439483310086
HOUR = 3_600_000
MINUTE = 60_000


class Bench:
    """The sync over some guilds, and the time."""

    def __init__(
        self, *, guilds: int = 1, members: int = 10, interval: int = HOUR, counts_members: bool = True
    ) -> None:
        self.guild_cache = GuildCache(discard, counts_members=counts_members)
        self.telemetry = Telemetry()
        self.asked: list[int] = []
        self.now = 1_000
        self.emitted = Emitted()
        self.count = MemberCountSync(
            self.emitted,
            self.guild_cache.guilds,
            self._ask,
            self.telemetry,
            random.Random(1),
            interval=interval,
            counts_members=counts_members,
        )
        self.guild_cache.start_session(SessionStarted(tuple(range(GUILD, GUILD + guilds)), 0))
        for guild_id in self.guild_cache.guilds:
            self.see(guild_id, members)

    def _ask(self, request: RestRequest) -> None:
        assert (request.kind, request.urgent) == (RequestKind.COUNTS, False)
        self.asked.append(request.guild_id)

    def see(self, guild_id: int, members: int) -> None:
        seen = GuildUpserted(guild_id, 0, "Place", None, 3, (), 0, 0, 0, members, 5, (), ())
        list(self.guild_cache.see_guild(seen))
        self.count.see_guild(guild_id, self.now)

    def move(self, delta: int) -> None:
        moved = MemberCountChanged(GUILD, delta)
        self.count.move(moved)
        self.guild_cache.move_member(moved)

    def wait(self, ms: int) -> list[int]:
        """Let time pass second by second; returns who was asked for."""
        self.asked.clear()
        for _ in range(ms // 1000):
            self.now += 1000
            self.count.tick(self.now, 0)
        return list(self.asked)

    def answer(
        self,
        members: int | None,
        online: int | None = None,
        guild_id: int = GUILD,
        meaning: AnswerMeaning = AnswerMeaning.ANSWERED,
    ) -> None:
        self.count.answer(GuildCountsRead(guild_id, meaning, members, online), self.now)
        for corrected in self.emitted.take(MemberCountCorrected):
            self.guild_cache.correct_count(corrected)

    @property
    def members(self) -> int:
        return self.guild_cache.guilds[GUILD].member_count

    @property
    def corrections(self) -> tuple[float, float]:
        return value(self.telemetry.member_corrections), value(self.telemetry.member_drift)


def test_each_guild_is_asked_for_about_once_an_interval() -> None:
    bench = Bench()
    times = []
    for _ in range(10 * 3600):
        if bench.wait(1000):
            times.append(bench.now)
            bench.answer(10)
    assert 9 <= len(times) <= 11
    assert times[0] <= HOUR + 2000
    for before, after in itertools.pairwise(times):
        assert 0.9 * HOUR <= after - before <= 1.1 * HOUR + 1000
    assert bench.corrections == (0, 0)


def test_guilds_seen_together_are_not_asked_for_together() -> None:
    bench = Bench(guilds=100)
    by_minute = [len(bench.wait(MINUTE)) for _ in range(62)]
    assert sum(by_minute) >= 100
    assert max(by_minute) < 10


def test_more_guilds_than_the_budget_covers_are_each_asked_for_before_one_is_twice() -> None:
    bench = Bench(guilds=500, interval=MINUTE)
    order: list[int] = []
    for _ in range(1000):
        for guild_id in bench.wait(1000):
            order.append(guild_id)
            bench.answer(10, guild_id=guild_id)
    seconds = 1000
    assert len(order) <= PER_SECOND * (seconds + 1)
    assert len(order) >= PER_SECOND * (seconds - 60)
    last: dict[int, int] = {}
    for position, guild_id in enumerate(order):
        if guild_id in last:
            assert position - last[guild_id] >= 250, "no guild is requested again while others wait"
        last[guild_id] = position
    assert len(last) == 500


def test_a_pause_of_the_program_saves_up_no_questions() -> None:
    bench = Bench(guilds=500, interval=MINUTE)
    bench.now += HOUR
    bench.count.tick(bench.now, 0)
    assert len(bench.asked) <= PER_SECOND


def test_missed_departures_are_put_right_after_a_second_look() -> None:
    bench = Bench(members=10)
    bench.wait(HOUR)
    bench.answer(7, 2)
    assert bench.members == 10, "one difference proves nothing"
    assert bench.guild_cache.guilds[GUILD].online == 2
    assert bench.wait(CONFIRM_MS) == [GUILD]
    bench.answer(7)
    assert bench.members == 7
    assert bench.corrections == (1, 3)
    assert bench.wait(HOUR // 2) == []


def test_a_difference_of_a_dispatch_on_its_way_changes_nothing() -> None:
    bench = Bench(members=10)
    bench.wait(HOUR)
    bench.answer(11)  # the join is counted at Discord, its dispatch has not come
    bench.move(+1)
    bench.wait(CONFIRM_MS)
    bench.answer(11)
    assert bench.members == 11
    assert bench.corrections == (0, 0)


def test_what_came_and_went_while_an_answer_was_awaited_is_no_difference() -> None:
    bench = Bench(members=10)
    bench.wait(HOUR)
    bench.move(+1)
    bench.move(+1)
    bench.move(-1)
    bench.answer(12)
    assert bench.wait(CONFIRM_MS) == [], "no second look is needed"
    assert bench.members == 11


def test_two_looks_that_differ_to_both_sides_change_nothing() -> None:
    bench = Bench(members=10)
    bench.wait(HOUR)
    bench.answer(12)
    bench.wait(CONFIRM_MS)
    bench.answer(9)
    assert bench.members == 10


def test_only_what_both_looks_agree_on_is_put_right() -> None:
    bench = Bench(members=10)
    bench.wait(HOUR)
    bench.answer(15)
    bench.wait(CONFIRM_MS)
    bench.answer(13)
    assert bench.members == 13
    assert bench.corrections == (1, 3)


def test_where_no_dispatch_keeps_the_count_one_answer_is_enough() -> None:
    bench = Bench(members=10, counts_members=False)
    bench.move(-1)
    assert bench.members == 10, "half of the movements are worse than none"
    bench.wait(HOUR)
    bench.answer(7)
    assert bench.members == 7


def test_an_answer_without_a_number_changes_nothing() -> None:
    bench = Bench(members=10)
    bench.guild_cache.guilds[GUILD].online = 4
    bench.wait(HOUR)
    bench.answer(None)
    assert (bench.members, bench.guild_cache.guilds[GUILD].online) == (10, 4)
    assert bench.wait(2 * HOUR) == [GUILD]


@pytest.mark.parametrize("meaning", [AnswerMeaning.TROUBLE, AnswerMeaning.REFUSED])
def test_what_had_no_answer_is_asked_for_again_within_two_minutes(meaning: AnswerMeaning) -> None:
    bench = Bench(members=10)
    bench.wait(HOUR)
    for _ in range(20):
        bench.answer(None, meaning=meaning)
        assert bench.wait(120_000) == [GUILD]
    bench.answer(10)
    assert bench.wait(HOUR // 2) == []


def test_an_answer_to_nothing_asked_changes_nothing() -> None:
    bench = Bench(members=10)
    bench.answer(3)
    bench.wait(HOUR)
    bench.see(GUILD, 8)
    bench.answer(3)
    assert bench.members == 8, "the guild was seen whole after it was asked for"
    bench.count.forget_guild(GUILD)
    bench.answer(3)
    bench.answer(3, guild_id=GUILD + 9)


def test_a_guild_in_an_outage_is_not_asked_for_and_keeps_its_count() -> None:
    bench = Bench(members=10)
    list(bench.guild_cache.lose_guild(GuildDeleted(GUILD, 0, unavailable=True)))
    assert bench.wait(2 * HOUR) == []
    assert bench.members == 10
    bench.see(GUILD, 9)
    assert bench.wait(2 * HOUR) == [GUILD]


def test_a_guild_that_is_gone_is_not_asked_for() -> None:
    bench = Bench()
    bench.count.forget_guild(GUILD)
    assert bench.wait(2 * HOUR) == []


def test_an_interval_of_nothing_asks_nothing() -> None:
    bench = Bench(interval=0)
    assert bench.wait(2 * HOUR) == []
    bench.move(+1)
    assert bench.members == 11, "dispatches still count"


def test_questions_lost_do_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ASKED", 2)
    bench = Bench(guilds=4, interval=MINUTE)
    first = bench.wait(2 * MINUTE)
    assert len(first) == 2
    assert bench.wait(LOST_MS // 2) == []
    assert len(bench.wait(LOST_MS)) >= 2


@settings(deadline=None)
@given(
    st.integers(0, 50),
    st.lists(st.tuples(st.integers(-2, 2), st.booleans(), st.booleans()), min_size=1, max_size=30),
)
def test_however_dispatches_and_answers_overtake_each_other_the_count_ends_true(
    missed: int, steps: list[tuple[int, bool, bool]]
) -> None:
    """Some departures are never dispatched; dispatches are late by up to a request."""
    truth = 100
    bench = Bench(members=truth)
    truth -= missed
    late = 0
    for delta, delayed, asks in steps:
        truth += delta
        if delayed:
            late += delta
        else:
            bench.move(delta)
        if asks and GUILD in bench.wait(2 * HOUR)[-1:]:
            bench.answer(truth)
        if not delayed:
            bench.move(late)
            late = 0
    bench.move(late)
    for _ in range(3):
        if bench.wait(2 * HOUR):
            bench.answer(truth)
        if bench.wait(CONFIRM_MS + 1000):
            bench.answer(truth)
    assert bench.members == truth
