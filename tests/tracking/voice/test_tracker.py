"""The tracker against a model that looks at every second by itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.clock import ManualClock
from exporter.events.facts.base import Fact
from exporter.events.facts.counting import Count, TimeElapsed
from exporter.events.facts.guilds import GuildDeleted, VoiceState
from exporter.events.voice import (
    JOINS,
    MOVES,
    SECONDS,
    SESSION_TIME,
    SESSIONS,
    STREAM_SECONDS,
    VIDEO_SECONDS,
)
from exporter.state.voice_states import VoiceStates
from exporter.tracking.voice.time_accumulator import MAX_GAP_MS, MAX_SETBACK_MS
from exporter.tracking.voice.tracker import ACCRUED_AT_ONCE, ROUNDS, VoiceTracker
from tests.emitted import discard

GUILD = 1
AFK = 99
WINDOW = 60_000
BASE = 1_700_000_000_000


class _Timeline:
    """Shards, of which those of some guilds are without a connection."""

    def __init__(self, silent: set[int]) -> None:
        self._silent = silent

    def is_silent(self, guild_id: int) -> bool:
        return guild_id in self._silent


class Settled:
    """A tracker and all it has put out."""

    def __init__(self) -> None:
        self.counts: list[Count] = []
        self.shown: Counter[tuple[str, int]] = Counter()
        self.silent: set[int] = set()
        clock = ManualClock(BASE)
        self.tracker = VoiceTracker(self._take, _Timeline(self.silent), VoiceStates(discard), clock, WINDOW)  # type: ignore[arg-type]  # a port
        self.tracker.time.set_afk_channel(GUILD, AFK)

    def _take(self, fact: Fact) -> None:
        if isinstance(fact, Count):
            self.counts.append(fact)
        elif isinstance(fact, TimeElapsed):
            assert fact.amount > 0, "a counter never falls"
            if fact.series.measure == SECONDS.name:
                self.shown[fact.series.value, fact.channel_id] += fact.amount

    def leave_guild(self, moment: int) -> None:
        self.tracker.handles[GuildDeleted](GuildDeleted(GUILD, moment, unavailable=False))

    def total(self) -> Counter[tuple[str, int, int]]:
        """Milliseconds by state, channel and user."""
        sums: Counter[tuple[str, int, int]] = Counter()
        for count in self.counts:
            if count.series.measure == SECONDS.name:
                sums[count.series.value, count.channel_id, count.user_id] += count.amount
        return sums

    def number(self, series: object) -> int:
        return sum(count.amount for count in self.counts if count.series is series)


def at(seconds: float) -> int:
    return BASE + round(seconds * 1000)


def state(user: int, channel: int, seconds: float, **flags: bool) -> VoiceState:
    return VoiceState(GUILD, user, channel, at(seconds), **flags)


@dataclass
class Step:
    pause: int
    user: int
    channel: int
    muted: bool
    deafened: bool
    book: bool


BOTS = {3}
STEPS = st.lists(
    st.builds(
        Step,
        pause=st.integers(0, 200_000),
        user=st.integers(1, 4),
        channel=st.sampled_from([0, 10, 11, AFK]),
        muted=st.booleans(),
        deafened=st.booleans(),
        book=st.booleans(),
    ),
    max_size=40,
)


def truth(steps: list[Step]) -> Counter[tuple[str, int, int]]:
    """Between two steps nothing changes, so each stretch is classified by looking at everybody in it."""
    sums: Counter[tuple[str, int, int]] = Counter()
    where: dict[int, Step] = {}
    for step in steps:
        for user, now in where.items():
            company = {u for u, other in where.items() if other.channel == now.channel and u not in BOTS}
            if user in BOTS:
                kind = "bot"
            elif now.channel == AFK:
                kind = "afk"
            elif now.deafened:
                kind = "deafened"
            elif now.muted:
                kind = "muted"
            else:
                kind = "active" if len(company) > 1 else "alone"
            sums[kind, now.channel, 0 if user in BOTS else user] += step.pause
        if step.channel:
            where[step.user] = step
        else:
            where.pop(step.user, None)
    return +sums


def play(steps: list[Step]) -> tuple[Settled, int]:
    settled = Settled()
    now = BASE
    for step in steps:
        now += step.pause
        if step.book:
            settled.tracker.time.settle_guilds(now)
        settled.tracker.sessions.apply(
            VoiceState(
                GUILD,
                step.user,
                step.channel,
                now,
                bot=step.user in BOTS,
                self_mute=step.muted,
                deaf=step.deafened,
            )
        )
    return settled, now


@given(STEPS)
def test_time_is_settled_by_who_where_and_how_whatever_the_order(steps: list[Step]) -> None:
    end = Step(1234, 6, 0, muted=False, deafened=False, book=True)
    settled, _now = play([*steps, end])
    assert +settled.total() == truth([*steps, end])


@given(STEPS)
def test_no_amount_crosses_the_edge_of_a_window(steps: list[Step]) -> None:
    settled, now = play(steps)
    settled.tracker.time.settle_guilds(now + 59_999)
    for count in settled.counts:
        if count.series.measure == SECONDS.name:
            assert count.amount > 0
            assert count.at // WINDOW == (count.at + count.amount - 1) // WINDOW


@given(STEPS)
def test_people_present_and_sessions_agree_with_who_is_there(steps: list[Step]) -> None:
    settled, _now = play(steps)
    where: dict[int, int] = {}
    most = 0
    entered = left = 0
    for step in steps:
        was = where.pop(step.user, 0)
        if step.channel:
            where[step.user] = step.channel
        if step.user not in BOTS:
            entered += not was and bool(step.channel)
            left += bool(was) and not step.channel
        most = max(most, len(where.keys() - BOTS))
    assert settled.tracker.members(GUILD) == len(where.keys() - BOTS)
    assert settled.tracker.peaks(GUILD)[0] == most
    assert settled.number(JOINS.series) == entered
    assert settled.number(SESSIONS.series) == left


@given(STEPS, st.integers(0, 60_000))
def test_a_restart_in_time_loses_nothing_when_everybody_stayed(steps: list[Step], gap: int) -> None:
    settled, now = play(steps)
    settled.tracker.time.settle_guilds(now)
    first = settled.total()
    after = Settled()
    after.tracker.restore(list(settled.tracker.save()))
    after.tracker.resume(0, 0)
    after.tracker.time.settle_guilds(now + gap)
    assert not after.counts, "nothing is settled before the guild has been seen"
    last = {step.user: step for step in steps}
    states = [
        VoiceState(GUILD, user, step.channel, now, bot=user in BOTS, self_mute=step.muted, deaf=step.deafened)
        for user, step in last.items()
        if step.channel
    ]
    after.tracker.sessions.reconcile(GUILD, states, now + gap)
    assert after.number(JOINS.series) == 0
    end = Step(gap, 6, 0, muted=False, deafened=False, book=True)
    assert +(first + after.total()) == truth([*steps, end])


def test_who_left_during_an_absence_is_closed_at_the_last_moment_known() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.tracker.time.settle_guilds(at(30))
    settled.tracker.doubt([GUILD])
    settled.tracker.time.settle_guilds(at(50))
    settled.tracker.sessions.reconcile(GUILD, [], at(90))
    assert settled.total() == {("alone", 10, 1): 30_000}
    assert settled.number(SESSION_TIME.series) == 30_000
    assert settled.tracker.members(GUILD) == 0


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_company_that_left_in_a_gap_is_company_no_more(order: tuple[int, int]) -> None:
    settled = Settled()
    for user in order:
        settled.tracker.sessions.apply(state(user, 10, 0))
    settled.tracker.time.settle_guilds(at(10))
    settled.tracker.doubt([GUILD])
    settled.tracker.sessions.reconcile(GUILD, [state(1, 10, 40)], at(40))
    assert settled.total() == {("active", 10, 1): 10_000, ("active", 10, 2): 10_000, ("alone", 10, 1): 30_000}


def test_who_is_in_another_channel_after_a_gap_has_begun_anew() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.tracker.time.settle_guilds(at(10))
    settled.tracker.doubt([GUILD])
    settled.tracker.sessions.reconcile(GUILD, [state(1, 11, 40)], at(40))
    settled.tracker.time.settle_guilds(at(45))
    assert settled.total() == {("alone", 10, 1): 10_000, ("alone", 11, 1): 5_000}
    assert (settled.number(SESSIONS.series), settled.number(JOINS.series)) == (1, 2)


def test_a_gap_longer_than_the_limit_is_not_counted_on() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.tracker.doubt([GUILD])
    late = 1 + MAX_GAP_MS / 1000
    settled.tracker.sessions.reconcile(GUILD, [state(1, 10, late)], at(late))
    settled.tracker.time.settle_guilds(at(late + 5))
    assert settled.total() == {("alone", 10, 1): 5_000}
    assert settled.number(SESSION_TIME.series) == 0


def test_a_change_within_the_channel_confirms_a_session_in_doubt() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.tracker.doubt([GUILD])
    settled.tracker.sessions.apply(state(1, 10, 20, self_mute=True))
    settled.tracker.time.settle_guilds(at(25))
    assert settled.total() == {("alone", 10, 1): 20_000, ("muted", 10, 1): 5_000}
    assert (settled.number(JOINS.series), settled.number(MOVES.series)) == (1, 0)


def test_leaving_out_of_doubt_counts_what_was_sure_and_no_more() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.tracker.time.settle_guilds(at(15))
    settled.tracker.doubt([GUILD])
    settled.tracker.sessions.apply(state(1, 0, 60))
    assert settled.total() == {("alone", 10, 1): 15_000}
    assert settled.number(SESSION_TIME.series) == 15_000


def test_a_second_sync_of_a_guild_without_doubt_changes_nothing() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.tracker.sessions.reconcile(GUILD, [state(1, 10, 30)], at(30))
    settled.tracker.sessions.apply(state(1, 0, 40))
    assert settled.total() == {("alone", 10, 1): 40_000}
    assert settled.number(SESSIONS.series) == 1


def test_a_clock_set_back_a_little_counts_no_moment_twice() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 100))
    settled.tracker.time.settle_guilds(at(110))
    settled.tracker.time.settle_guilds(at(105))
    settled.tracker.time.settle_guilds(at(112))
    assert settled.total() == {("alone", 10, 1): 12_000}


def test_a_clock_set_back_far_goes_on_from_there() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 100))
    settled.tracker.time.settle_guilds(at(110))
    back = 110 - MAX_SETBACK_MS / 1000 - 1
    settled.tracker.time.settle_guilds(at(back))
    settled.tracker.sessions.apply(state(1, 0, back + 20))
    assert settled.total() == {("alone", 10, 1): 30_000}
    assert settled.number(SESSION_TIME.series) == 30_000


def test_a_clock_set_forward_by_years_counts_no_years() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.tracker.time.settle_guilds(at(5))
    years = 40 * 365 * 86_400
    settled.tracker.time.settle_guilds(at(years))
    settled.tracker.sessions.apply(state(1, 0, years + 10))
    assert settled.total() == {("alone", 10, 1): 15_000}
    assert settled.number(SESSION_TIME.series) == 15_000


def test_a_guild_the_bot_was_removed_from_is_closed_and_forgotten() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.leave_guild(at(7))
    settled.tracker.time.settle_guilds(at(20))
    assert settled.total() == {("alone", 10, 1): 7_000}
    assert not settled.tracker.guilds


def test_peaks_begin_anew_with_who_is_there() -> None:
    settled = Settled()
    for user in (1, 2, 3):
        settled.tracker.sessions.apply(state(user, 10, 0))
    settled.tracker.sessions.apply(state(9, 10, 0, bot=True))
    settled.tracker.sessions.apply(state(3, 0, 1))
    assert settled.tracker.peaks(GUILD) == (3, {10: 3})
    assert settled.tracker.peaks(GUILD) == (3, {10: 3}), "reading changes nothing"
    settled.tracker.reset_peaks(GUILD)
    assert settled.tracker.peaks(GUILD) == (2, {10: 2})


def test_an_empty_guild_is_forgotten_once_its_peak_is_read() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.tracker.sessions.apply(state(1, 0, 1))
    assert settled.tracker.peaks(GUILD) == (1, {10: 1})
    settled.tracker.reset_peaks(GUILD)
    assert not settled.tracker.guilds
    assert settled.tracker.peaks(GUILD) == (0, {})


def test_a_payload_that_leaves_the_user_out_does_not_make_a_bot_a_person() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0, bot=True))
    settled.tracker.sessions.apply(state(1, 10, 5))
    settled.tracker.sessions.apply(state(1, 0, 10))
    assert settled.total() == {("bot", 10, 0): 10_000}
    assert settled.number(SESSIONS.series) == 0


def test_a_session_lasts_over_moves_from_the_first_channel_to_the_last() -> None:
    settled = Settled()
    for channel, seconds in ((10, 0), (11, 20), (10, 30), (0, 60)):
        settled.tracker.sessions.apply(state(1, channel, seconds))
    assert settled.number(SESSION_TIME.series) == 60_000
    assert (settled.number(SESSIONS.series), settled.number(JOINS.series), settled.number(MOVES.series)) == (
        1,
        1,
        2,
    )


def test_leaving_without_having_been_seen_is_nothing() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 0, 0))
    assert not settled.counts
    assert not settled.tracker.guilds


@given(STEPS, st.integers(1, 3))
def test_what_is_accrued_is_what_will_be_settled_and_never_less(steps: list[Step], often: int) -> None:
    settled = Settled()
    now = BASE
    for number, step in enumerate(steps):
        now += step.pause
        if number % often == 0:
            settled.tracker.accrue_some(now)
        settled.tracker.sessions.apply(
            VoiceState(GUILD, step.user, step.channel, now, bot=step.user in BOTS, self_mute=step.muted)
        )
        by_place = Counter[tuple[str, int]]()
        for (kind, channel, _user), amount in settled.total().items():
            by_place[kind, channel] += amount
        assert by_place <= settled.shown
    settled.tracker.time.settle_guilds(now)
    by_place = Counter[tuple[str, int]]()
    for (kind, channel, _user), amount in settled.total().items():
        by_place[kind, channel] += amount
    assert by_place == settled.shown


def test_everybody_is_shown_within_as_many_goes_as_are_allowed() -> None:
    settled = Settled()
    for guild in range(1, ROUNDS * ACCRUED_AT_ONCE + 1):
        settled.tracker.sessions.apply(VoiceState(guild, 7, 10, at(0)))
    for number in range(1, ROUNDS + 1):
        settled.tracker.accrue_some(at(10))
        assert settled.shown["alone", 10] <= number * ACCRUED_AT_ONCE * 10_000
    assert settled.shown["alone", 10] == ROUNDS * ACCRUED_AT_ONCE * 10_000


def test_in_silence_nothing_is_accrued_and_what_was_accrued_is_settled() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.tracker.time.accrue_guilds(at(7), [GUILD])
    settled.silent.add(GUILD)
    settled.tracker.time.settle_guilds(at(50))
    assert settled.total() == {("alone", 10, 1): 7_000}


def test_in_silence_the_running_totals_stand_still_at_each_tick() -> None:
    """What happened in it is known from the replay, or never."""
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.tracker.accrue_some(at(7))
    settled.silent.add(GUILD)
    for second in range(8, 50):
        settled.tracker.accrue_some(at(second))
    settled.tracker.time.settle_guilds(at(50))
    assert settled.shown == {("alone", 10): 7_000}
    assert settled.total() == {("alone", 10, 1): 7_000}


def test_time_on_stream_and_on_camera_is_counted_beside_the_state() -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0, stream=True))
    settled.tracker.sessions.apply(state(1, 10, 20, stream=True, video=True))
    settled.tracker.sessions.apply(state(1, 10, 50, self_mute=True))
    settled.tracker.sessions.apply(state(1, 0, 60))
    beside = Counter[str]()
    for count in settled.counts:
        if count.series in {STREAM_SECONDS.series, VIDEO_SECONDS.series}:
            assert (count.channel_id, count.user_id) == (10, 1)
            beside[count.series.measure] += count.amount
    assert beside == {STREAM_SECONDS.name: 50_000, VIDEO_SECONDS.name: 30_000}
    assert settled.total() == {("alone", 10, 1): 50_000, ("muted", 10, 1): 10_000}


def test_what_a_replay_tells_of_is_not_counted_again_up_to_when_the_connection_was_lost() -> None:
    """A member moved, and the bot was removed from the guild, long before the connection was known dead."""
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 20, 0))
    settled.tracker.sessions.apply(state(2, 10, 0))
    settled.tracker.time.accrue_guilds(at(62), [GUILD])
    settled.tracker.sessions.apply(state(2, 20, 5))
    settled.leave_guild(at(8))
    total = settled.total()
    assert sum(amount for (_, _, user), amount in total.items() if user == 1) == 62_000
    assert sum(amount for (_, _, user), amount in total.items() if user == 2) == 62_000 + 3_000


@pytest.mark.parametrize("silence", [59, 61, MAX_SETBACK_MS / 1000])
def test_time_shown_in_a_silence_is_not_shown_again_by_its_replay(silence: float) -> None:
    settled = Settled()
    settled.tracker.sessions.apply(state(1, 10, 0))
    settled.tracker.time.accrue_guilds(at(silence), [GUILD])
    settled.tracker.sessions.apply(state(1, 10, 0.001, self_mute=True))
    settled.tracker.time.settle_guilds(at(silence + 10))
    assert sum(settled.total().values()) == at(silence + 10) - at(0)
