"""Identify windows, the daily session limit and the command rate, on a clock held still."""

from __future__ import annotations

import pytest

from discord_simulator.limits import CommandLimit, SessionStartLimit
from exporter.clock import ManualClock


def make_starts(clock: ManualClock, *, total: int = 10, max_concurrency: int = 1) -> SessionStartLimit:
    return SessionStartLimit(clock, total=total, max_concurrency=max_concurrency, window_s=5.0)


def test_bucket_admits_one_identify_in_its_window() -> None:
    clock = ManualClock()
    starts = make_starts(clock)
    assert starts.admit(0)
    clock.advance(4.99)
    assert not starts.admit(0)
    clock.advance(0.01)
    assert starts.admit(0)


def test_refused_identify_does_not_prolong_the_window() -> None:
    clock = ManualClock()
    starts = make_starts(clock)
    starts.admit(0)
    clock.advance(4)
    starts.admit(0)
    clock.advance(1)
    assert starts.admit(0)


def test_shards_of_different_buckets_identify_side_by_side() -> None:
    starts = make_starts(ManualClock(), max_concurrency=2)
    assert [starts.admit(shard) for shard in (0, 1, 2, 3)] == [True, True, False, False]


def test_sessions_run_out_and_come_back_after_a_day() -> None:
    clock = ManualClock()
    starts = make_starts(clock, total=2)
    assert [starts.spend() for _ in range(3)] == [True, True, False]
    clock.advance(86_399)
    assert not starts.spend()
    clock.advance(1)
    assert starts.spend()


def test_report_counts_down_sessions_and_time() -> None:
    clock = ManualClock()
    starts = make_starts(clock, total=3, max_concurrency=4)
    starts.spend()
    clock.advance(400)
    assert starts.report() == {"total": 3, "remaining": 2, "reset_after": 86_000_000, "max_concurrency": 4}


@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_one_command_too_many_within_a_minute_is_refused(spread: float) -> None:
    clock = ManualClock()
    command_limit = CommandLimit(clock, limit=120, window_s=60.0)
    for _ in range(120):
        assert command_limit.spend()
        clock.advance(spread)
    assert not command_limit.spend()


def test_two_commands_a_second_for_ever_are_fine() -> None:
    clock = ManualClock()
    command_limit = CommandLimit(clock, limit=120, window_s=60.0)
    for _ in range(1000):
        assert command_limit.spend()
        clock.advance(0.5)
