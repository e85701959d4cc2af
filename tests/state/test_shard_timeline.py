"""What time it is in a shard's stream, and whether silence means anything."""

from __future__ import annotations

import pytest

from exporter.clock import ManualClock
from exporter.events.facts.guilds import SessionStarted, ShardStateChanged
from exporter.state.dispatch_dates import PAUSE_MS
from exporter.state.shard_delays import FASTEST_MS, LONGEST_SILENCE_MS
from exporter.state.shard_timeline import CLOCK_MS, MAX_OPEN, SKEW_MS, ShardTimeline
from tests.emitted import discard

GUILD = 5 << 22
NOW = 1_700_000_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def streams(clock: ManualClock) -> ShardTimeline:
    return ShardTimeline(discard, clock)


def test_a_dispatch_happened_when_it_is_received(streams: ShardTimeline) -> None:
    assert streams.dates.date(0, NOW + 5) == NOW + 5


def test_a_replay_is_dated_by_the_last_known_time(streams: ShardTimeline, clock: ManualClock) -> None:
    streams.dates.date(0, NOW)
    clock.advance(60)
    received = NOW + 60_000
    streams.take(ShardStateChanged(0, "lost"))
    streams.take(ShardStateChanged(0, "resuming"))
    assert streams.dates.date(0, received) == NOW
    streams.dates.learn(0, NOW + 20_000)
    assert streams.dates.date(0, received) == NOW + 20_000
    streams.dates.learn(0, NOW + 10_000)
    assert streams.dates.date(0, received) == NOW + 20_000
    streams.take(ShardStateChanged(0, "settled"))
    assert streams.dates.date(0, received) == received


def test_nothing_in_a_replay_lies_in_the_future(streams: ShardTimeline) -> None:
    streams.take(ShardStateChanged(0, "resuming"))
    streams.dates.learn(0, NOW + 999_999)
    assert streams.dates.date(0, NOW) == NOW


def test_what_was_before_its_session_began_is_known_only_in_passing(
    streams: ShardTimeline, clock: ManualClock
) -> None:
    assert not streams.predates(GUILD, NOW - 1)
    streams.take(ShardStateChanged(0, "identifying"))
    streams.take(ShardStateChanged(0, "settled"))
    assert streams.predates(GUILD, NOW - 1)
    assert not streams.predates(GUILD, NOW)
    clock.advance(60)
    streams.take(ShardStateChanged(0, "lost"))
    streams.take(ShardStateChanged(0, "resuming"))
    streams.take(ShardStateChanged(0, "settled"))
    assert not streams.predates(GUILD, NOW + 30_000), "a resumed session tells of what was missed, too"


@pytest.mark.parametrize("error_ms", [-700, 700])
def test_when_a_session_began_by_discord_s_time_shows_in_its_messages(
    streams: ShardTimeline, clock: ManualClock, error_ms: int
) -> None:
    streams.take(ShardStateChanged(0, "identifying"))
    streams.take(ShardStateChanged(0, "settled"))
    clock.advance(3)
    began = NOW - error_ms
    streams.pass_message(0, began + 3_000, clock.now_ms())
    assert not streams.predates(GUILD, began)
    assert streams.predates(GUILD, began - 1_000)


def session_of(streams: ShardTimeline) -> tuple[int, int] | None:
    """Between when and when the session began."""
    session = streams.session(GUILD)
    return None if session is None else (session.since, session.until)


def test_when_discord_began_to_report_shows_in_the_messages_of_the_session(
    streams: ShardTimeline, clock: ManualClock
) -> None:
    error = 700
    streams.take(ShardStateChanged(0, "identifying"))
    assert session_of(streams) is None
    clock.advance(2)
    streams.start_session(SessionStarted((GUILD,), clock.now_ms()))
    assert session_of(streams) == (NOW - 1_000, NOW + 3_000), "before a message, within a second"
    clock.advance(1)
    streams.pass_message(0, clock.now_ms() - error - 50, clock.now_ms())
    streams.tick(0, 0)
    assert session_of(streams) == (NOW - error - 50, NOW + 2_000 - error - 50)


@pytest.mark.parametrize("slept", [0.5, 60])
def test_a_session_is_not_dated_by_a_clock_that_stood_still(
    streams: ShardTimeline, clock: ManualClock, slept: float
) -> None:
    streams.take(ShardStateChanged(0, "identifying"))
    streams.start_session(SessionStarted((GUILD,), NOW))
    clock.advance(1)
    clock.step(slept)
    streams.pass_message(0, clock.now_ms(), clock.now_ms())
    streams.tick(0, 0)
    assert session_of(streams) == (NOW - 1_000, NOW + 1_000)


def test_another_shard_s_replay_changes_nothing(streams: ShardTimeline) -> None:
    streams.take(ShardStateChanged(1, "resuming"))
    assert streams.dates.date(0, NOW + 7) == NOW + 7


@pytest.mark.parametrize("state", ["lost", "resuming"])
def test_a_guild_is_silent_from_the_loss_until_the_replay_is_over(streams: ShardTimeline, state: str) -> None:
    streams.take(ShardStateChanged(0, "lost"))
    streams.take(ShardStateChanged(0, state))
    assert streams.is_silent(GUILD)
    streams.take(ShardStateChanged(0, "settled"))
    assert not streams.is_silent(GUILD)


def test_silence_is_of_the_guild_s_own_shard(streams: ShardTimeline) -> None:
    streams.shards = 3
    streams.take(ShardStateChanged(0, "lost"))
    assert not streams.is_silent(GUILD)
    streams.take(ShardStateChanged(5 % 3, "lost"))
    assert streams.is_silent(GUILD)


def test_a_shard_is_heard_up_to_the_look_before_its_last_sign_of_life(
    streams: ShardTimeline, clock: ManualClock
) -> None:
    streams.tick(0, 0)
    clock.advance(1)
    streams.dates.date(0, clock.now_ms())
    streams.tick(0, 0)
    clock.advance(50)
    streams.tick(0, 0)
    assert streams.heard == 0
    streams.take(ShardStateChanged(0, "heard"))
    streams.tick(0, 0)
    assert streams.heard == 51_000


def test_a_replay_is_no_sign_of_life(streams: ShardTimeline, clock: ManualClock) -> None:
    streams.dates.date(0, NOW)
    streams.tick(0, 0)
    clock.advance(30)
    streams.take(ShardStateChanged(0, "resuming"))
    streams.dates.date(0, clock.now_ms())
    streams.tick(0, 0)
    assert streams.heard == 0


# ---------------------------------------------------------------------- late dispatches


def test_a_shard_is_as_late_as_its_last_message_is_against_the_fastest(
    streams: ShardTimeline, clock: ManualClock
) -> None:
    skew = 90_000
    assert streams.delays.of(0) == 0
    streams.pass_message(0, NOW + skew, NOW)
    clock.advance(10)
    streams.pass_message(0, NOW + skew + 6_000, clock.now_ms())
    assert streams.delays.of(0) == 4_000
    assert streams.earliest(GUILD) == 6_000
    clock.advance(1)
    streams.pass_message(0, NOW + skew + 11_000, clock.now_ms())
    assert streams.delays.of(0) == 0
    assert streams.earliest(GUILD) == 11_000


def test_a_shard_without_messages_is_not_late_for_ever(streams: ShardTimeline, clock: ManualClock) -> None:
    streams.pass_message(0, NOW, NOW)
    clock.advance(600)
    streams.pass_message(0, NOW, clock.now_ms())
    assert streams.delays.of(0) == LONGEST_SILENCE_MS, "the longest that is heard late"
    clock.advance(LONGEST_SILENCE_MS / 1000)
    assert streams.delays.of(0) == 0


def test_a_wall_clock_that_is_set_makes_nothing_late(streams: ShardTimeline, clock: ManualClock) -> None:
    streams.pass_message(0, NOW, NOW)
    clock.advance(1)
    clock.step(61)
    streams.pass_message(0, NOW + 1_000, clock.now_ms())
    assert streams.delays.of(0) == 0


def test_clocks_that_drift_apart_make_nothing_late_for_ever(
    streams: ShardTimeline, clock: ManualClock
) -> None:
    streams.pass_message(0, NOW, NOW)
    sent = NOW
    for _ in range(3):
        clock.advance(FASTEST_MS / 1000)
        sent += FASTEST_MS - 1_000
        streams.pass_message(0, sent, clock.now_ms())
        assert streams.delays.of(0) <= 1_000


def test_what_comes_after_a_replay_may_have_happened_since_it_was_asked_for(
    streams: ShardTimeline, clock: ManualClock
) -> None:
    streams.take(ShardStateChanged(0, "resuming"))
    clock.advance(4)
    streams.pass_message(0, NOW + 100, clock.now_ms())
    assert streams.earliest(GUILD) == 4_000 - LONGEST_SILENCE_MS, "in the replay"
    streams.take(ShardStateChanged(0, "settled"))
    clock.advance(3)
    streams.pass_message(0, NOW + 2_000, clock.now_ms())
    assert streams.earliest(GUILD) == 0, "no message was ever fast"
    clock.advance(1)
    assert streams.earliest(GUILD) == 8_000
    streams.pass_message(0, NOW + 8_000, clock.now_ms())
    streams.take(ShardStateChanged(0, "resuming"))
    clock.advance(4)
    streams.take(ShardStateChanged(0, "settled"))
    assert streams.earliest(GUILD) == 8_000
    clock.advance(1)
    streams.pass_message(0, NOW + 12_900, clock.now_ms())
    assert streams.earliest(GUILD) == 12_900, "a message says it better"


def test_a_shard_is_not_heard_up_to_what_is_still_on_its_way(
    streams: ShardTimeline, clock: ManualClock
) -> None:
    streams.dates.date(0, NOW)
    streams.pass_message(0, NOW, NOW)
    streams.tick(0, 0)
    clock.advance(10)
    streams.tick(0, 0)
    clock.advance(1)
    streams.dates.date(0, clock.now_ms())
    streams.pass_message(0, NOW + 8_000, clock.now_ms())
    streams.tick(0, 0)
    assert streams.heard == 7_000
    streams.hurried = True
    assert streams.heard == 8_000


@pytest.mark.parametrize("states", [("lost",), ("resuming",), ("lost", "resuming")])
def test_a_hurry_does_not_make_heard_what_a_replay_is_to_bring(
    streams: ShardTimeline, clock: ManualClock, states: tuple[str, ...]
) -> None:
    streams.start_session(SessionStarted((), NOW, (0, 1)))
    clock.advance(5)
    streams.hurried = True
    assert streams.heard == 5_000
    for state in states:
        streams.take(ShardStateChanged(0, state))
    assert streams.heard == 0
    clock.advance(200)
    assert streams.heard == 205_000 - LONGEST_SILENCE_MS


def test_a_new_session_is_heard_from_its_start_and_not_late(
    streams: ShardTimeline, clock: ManualClock
) -> None:
    streams.take(ShardStateChanged(0, "resuming"))
    clock.advance(30)
    streams.start_session(SessionStarted((), NOW, (0, 1)))
    assert streams.delays.of(0) == 0
    assert streams.heard == streams.earliest(GUILD) == 30_000


# ---------------------------------------------------------------------- moments


def test_a_moment_lies_between_the_messages_around_it(streams: ShardTimeline) -> None:
    streams.pass_message(0, NOW, NOW + 3_000)
    moment = streams.moment(GUILD, NOW + 3_500)
    streams.pass_message(0, NOW + 700, NOW + 3_700)
    streams.pass_message(0, NOW + 900, NOW + 3_900)
    assert (moment.since, moment.until) == (NOW, NOW + 700)


def test_without_messages_a_moment_is_as_sharp_as_the_clock(streams: ShardTimeline) -> None:
    streams.pass_message(0, NOW - 600_000, NOW - 599_000)
    moment = streams.moment(GUILD, NOW)
    assert (moment.since, moment.until) == (NOW - 1_000 - SKEW_MS, NOW + CLOCK_MS)


def test_before_any_message_a_moment_is_that_of_receipt(streams: ShardTimeline) -> None:
    moment = streams.moment(GUILD, NOW)
    assert (moment.since, moment.until) == (NOW - SKEW_MS, NOW + CLOCK_MS)


def test_in_a_replay_only_messages_tell_when_it_was(streams: ShardTimeline, clock: ManualClock) -> None:
    streams.pass_message(0, NOW, NOW)
    clock.advance(60)
    streams.take(ShardStateChanged(0, "lost"))
    streams.take(ShardStateChanged(0, "resuming"))
    moment = streams.moment(GUILD, NOW)
    assert moment.holds(NOW + 60_000)
    streams.pass_message(0, NOW + 30_000, NOW + 60_000)
    assert (moment.since, moment.until) == (NOW, NOW + 30_000)


def test_a_message_out_of_order_makes_no_moment_end_before_it_began(streams: ShardTimeline) -> None:
    streams.pass_message(0, NOW, NOW)
    moment = streams.moment(GUILD, NOW)
    streams.pass_message(0, NOW - 50, NOW)
    assert (moment.since, moment.until) == (NOW, NOW)
    assert streams.moment(GUILD, NOW).since == NOW


def test_a_new_session_may_have_missed_what_happened_between_its_messages(streams: ShardTimeline) -> None:
    streams.pass_message(0, NOW - 30_000, NOW - 30_000)
    assert not streams.missed(GUILD, NOW - 10_000, NOW - 10_000)
    streams.start_session(SessionStarted((), NOW, (0, streams.shards)))
    streams.pass_message(0, NOW + 1_000, NOW + 1_000)
    missed = [streams.missed(GUILD, NOW + at, NOW + at) for at in (-30_101, -30_100, 0, 1_100, 1_101)]
    assert missed == [False, True, True, True, False]


def test_what_another_shard_missed_is_not_missed(streams: ShardTimeline) -> None:
    streams.shards = 2
    streams.start_session(SessionStarted((), NOW, (0, streams.shards)))
    assert streams.missed(4 << 22, NOW, NOW)
    assert not streams.missed(5 << 22, NOW, NOW)


def test_a_new_process_missed_what_the_previous_run_did_not_receive(streams: ShardTimeline) -> None:
    before = ShardTimeline(discard, ManualClock(NOW))
    before.pass_message(0, NOW - 5_000, NOW)
    assert streams.restore(list(before.save())) == 0
    assert streams.complete_until == NOW - 5_000
    streams.start_session(SessionStarted((), NOW, (0, streams.shards)))
    assert not streams.missed(GUILD, NOW - 5_101, NOW - 5_101)
    assert streams.missed(GUILD, NOW - 4_000, NOW - 4_000)
    assert streams.missed(GUILD, NOW - 60_000, NOW)


def test_complete_is_what_the_last_shard_has_received(streams: ShardTimeline) -> None:
    streams.pass_message(0, NOW, NOW)
    streams.pass_message(1, NOW - 10, NOW)
    assert streams.complete_until == NOW - 10


def test_moments_that_wait_for_a_message_are_bounded(streams: ShardTimeline) -> None:
    for _ in range(MAX_OPEN + 5):
        streams.moment(GUILD, NOW)
    assert len(streams._open[0]) == MAX_OPEN


def test_a_revert_forgets_what_was_saved_and_nothing_of_the_connections() -> None:
    timeline = ShardTimeline(discard, ManualClock(NOW))
    timeline.take(ShardStateChanged(0, "lost"))
    timeline.pass_message(0, NOW, NOW)
    (row,) = timeline.save()
    (table,) = timeline.tables
    table.discard()
    timeline.clear()
    assert timeline.is_silent(0)
    assert list(timeline.save()) == [row], "saved again, though it has not moved"


def test_what_was_sent_while_the_machine_slept_is_dated_as_a_replay(
    streams: ShardTimeline, clock: ManualClock
) -> None:
    streams.dates.date(0, clock.now_ms())
    clock.advance(1)
    streams.tick(0, 0)
    asleep = clock.now_ms()
    clock.step(600)  # time has passed, and the clock that drives the timers stood still
    assert streams.dates.date(0, clock.now_ms()) == asleep
    assert streams.is_silent(GUILD)
    assert streams.latest(GUILD, asleep) == clock.now_ms()
    streams.dates.learn(0, asleep + 5_000)
    assert streams.dates.date(0, clock.now_ms()) == asleep + 5_000
    clock.advance(PAUSE_MS / 1000)
    assert streams.dates.date(0, clock.now_ms()) == clock.now_ms()
    assert not streams.is_silent(GUILD)


def test_a_connection_that_ended_in_a_sleep_was_there_until_the_sleep_began(
    streams: ShardTimeline, clock: ManualClock
) -> None:
    streams.dates.date(0, clock.now_ms())
    streams.tick(0, 0)
    clock.step(600)
    streams.take(ShardStateChanged(0, "heard"))
    streams.take(ShardStateChanged(0, "lost"))
    assert streams.cut_at(0) == NOW
    streams.take(ShardStateChanged(0, "resuming"))
    assert streams.dates.date(0, clock.now_ms()) == NOW


# ---------------------------------------------------------------------- messages as a source of time


def test_about_once_a_second_the_fastest_message_shows_what_time_it_is_at_least(clock: ManualClock) -> None:
    seen: list[int] = []
    streams = ShardTimeline(discard, clock, seen.append)
    streams.tick(0, 0)
    clock.advance(0.5)
    sent = NOW + 60_000
    streams.pass_message(0, sent, clock.now_ms())
    streams.pass_message(1, sent - 900, clock.now_ms())
    assert not seen
    clock.advance(0.5)
    streams.tick(0, 0)
    assert seen == [sent + 500]
    clock.advance(1)
    streams.tick(0, 0)
    assert seen == [sent + 500], "no message came since"
