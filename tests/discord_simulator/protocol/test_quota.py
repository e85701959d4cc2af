"""REST rate limits, on a clock held still."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from discord_simulator.quota import Quota, refuse_shared
from exporter.clock import ManualClock

BANS = "GET /guilds/{id}/bans"


def make_quota(clock: ManualClock, *, limit: int = 3, global_limit: int = 100) -> Quota:
    return Quota(clock, limit=limit, window_s=5.0, global_limit=global_limit)


def test_headers_count_down_to_the_refusal() -> None:
    quota = make_quota(ManualClock())
    verdicts = [quota.spend(BANS, "1") for _ in range(4)]
    assert [decision.headers["X-RateLimit-Remaining"] for decision in verdicts] == ["2", "1", "0", "0"]
    assert [decision.retry_after for decision in verdicts] == [0, 0, 0, 5.0]


def test_reset_is_sent_as_wall_time_and_as_seconds_left() -> None:
    clock = ManualClock(wall_ms=1_000_000)
    quota = make_quota(clock)
    quota.spend(BANS, "1")
    clock.advance(1.5)
    headers = quota.spend(BANS, "1").headers
    assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Reset-After"]) == ("3", "3.500")
    assert headers["X-RateLimit-Reset"] == "1005.000"


def test_window_begins_anew_after_it_ended() -> None:
    clock = ManualClock()
    quota = make_quota(clock, limit=1)
    quota.spend(BANS, "1")
    clock.advance(5)
    assert quota.spend(BANS, "1").retry_after == 0


def test_guilds_have_buckets_of_their_own_under_one_hash() -> None:
    quota = make_quota(ManualClock(), limit=1)
    first, second = quota.spend(BANS, "1"), quota.spend(BANS, "2")
    assert second.retry_after == 0
    assert first.headers["X-RateLimit-Bucket"] == second.headers["X-RateLimit-Bucket"]
    assert first.headers["X-RateLimit-Bucket"] != quota.spend("GET /x", "1").headers["X-RateLimit-Bucket"]


def test_refusal_names_its_scope_and_whole_seconds() -> None:
    clock = ManualClock()
    quota = make_quota(clock, limit=0)
    clock.advance(0.2)
    decision = quota.spend(BANS, "1")
    assert (decision.headers["X-RateLimit-Scope"], decision.headers["Retry-After"]) == ("user", "5")
    assert not decision.is_global


def test_global_limit_refuses_every_route_for_the_rest_of_the_second() -> None:
    clock = ManualClock()
    quota = make_quota(clock, global_limit=2)
    quota.spend("a", "")
    quota.spend("b", "")
    decision = quota.spend("c", "")
    assert decision.is_global
    assert decision.headers["X-RateLimit-Global"] == "true"
    assert decision.headers["X-RateLimit-Scope"] == "global"
    assert "X-RateLimit-Bucket" not in decision.headers
    clock.advance(1)
    assert not quota.spend("c", "").is_global


def test_shared_refusal_is_not_charged_to_the_bot() -> None:
    decision = refuse_shared(1.2)
    assert decision.headers == {"X-RateLimit-Scope": "shared", "Retry-After": "2"}


def test_buckets_of_the_past_are_forgotten() -> None:
    clock = ManualClock()
    quota = make_quota(clock, global_limit=10**9)
    for number in range(10_000):
        quota.spend(BANS, str(number))
    clock.advance(6)
    quota.spend(BANS, "one more")
    assert len(quota._buckets) == 1


@example([0.0005, 0.0003], 1)
@given(st.lists(st.floats(0, 3), min_size=1, max_size=80), st.integers(1, 6))
def test_a_client_that_waits_for_retry_after_is_not_refused_twice(pauses: list[float], limit: int) -> None:
    clock = ManualClock()
    quota = make_quota(clock, limit=limit)
    for pause in pauses:
        clock.advance(pause)
        decision = quota.spend(BANS, "1")
        if decision.retry_after:
            clock.advance(
                decision.retry_after + 1e-6
            )  # sums of floats may fall short of their own difference
            assert "Retry-After" not in quota.spend(BANS, "1").headers
