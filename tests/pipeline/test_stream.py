"""What time it is in a shard's stream, and whether silence means anything."""

from __future__ import annotations

import pytest

from exporter.clock import ManualClock
from exporter.events.facts import ShardNews
from exporter.pipeline.stream import Streams

GUILD = 5 << 22
NOW = 1_700_000_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def streams(clock: ManualClock) -> Streams:
    return Streams(clock)


def test_a_dispatch_happened_when_it_is_received(streams: Streams) -> None:
    assert streams.date(0, NOW + 5) == NOW + 5


def test_a_replay_is_dated_by_what_told_its_time_last(streams: Streams, clock: ManualClock) -> None:
    streams.date(0, NOW)
    clock.advance(60)
    received = NOW + 60_000
    streams.take(ShardNews(0, "lost"))
    streams.take(ShardNews(0, "resuming"))
    assert streams.date(0, received) == NOW
    streams.learn(0, NOW + 20_000)
    assert streams.date(0, received) == NOW + 20_000
    streams.learn(0, NOW + 10_000)
    assert streams.date(0, received) == NOW + 20_000
    streams.take(ShardNews(0, "settled"))
    assert streams.date(0, received) == received


def test_nothing_in_a_replay_lies_in_the_future(streams: Streams) -> None:
    streams.take(ShardNews(0, "resuming"))
    streams.learn(0, NOW + 999_999)
    assert streams.date(0, NOW) == NOW


def test_another_shard_s_replay_changes_nothing(streams: Streams) -> None:
    streams.take(ShardNews(1, "resuming"))
    assert streams.date(0, NOW + 7) == NOW + 7


@pytest.mark.parametrize("state", ["lost", "resuming"])
def test_a_guild_is_silent_from_the_loss_until_the_replay_is_over(streams: Streams, state: str) -> None:
    streams.take(ShardNews(0, "lost"))
    streams.take(ShardNews(0, state))
    assert streams.is_silent(GUILD)
    streams.take(ShardNews(0, "settled"))
    assert not streams.is_silent(GUILD)


def test_silence_is_of_the_guild_s_own_shard(streams: Streams) -> None:
    streams.shards = 3
    streams.take(ShardNews(0, "lost"))
    assert not streams.is_silent(GUILD)
    streams.take(ShardNews(5 % 3, "lost"))
    assert streams.is_silent(GUILD)


def test_a_shard_is_heard_up_to_the_look_before_its_last_sign_of_life(
    streams: Streams, clock: ManualClock
) -> None:
    streams.look()
    clock.advance(1)
    streams.date(0, clock.now_ms())
    streams.look()
    clock.advance(50)
    streams.look()
    assert streams.heard == 0
    streams.take(ShardNews(0, "heard"))
    streams.look()
    assert streams.heard == 51_000


def test_a_replay_is_no_sign_of_life(streams: Streams, clock: ManualClock) -> None:
    streams.date(0, NOW)
    streams.look()
    clock.advance(30)
    streams.take(ShardNews(0, "resuming"))
    streams.date(0, clock.now_ms())
    streams.look()
    assert streams.heard == 0
