"""Waits between attempts grow, are bounded and are spread out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.backoff import Backoff


@given(failures=st.integers(-1, 10**9), seed=st.integers(0, 2**32), floor=st.sampled_from([0.0, 0.5, 1.0]))
def test_a_wait_lies_between_a_share_of_the_doubled_bound_and_the_bound(failures, seed, floor):
    wait = Backoff(1.0, 60.0, floor).wait(failures, random.Random(seed))
    bound = min(2.0 ** min(failures - 1, 60), 60.0) if failures > 0 else 0.0
    assert bound * floor <= wait <= bound


def test_waits_fill_the_whole_range():
    rng = random.Random(1)
    draws = [Backoff(1.0, 60.0).wait(10, rng) for _ in range(2_000)]
    assert min(draws) < 1
    assert max(draws) > 59
    assert sum(draws) / len(draws) == pytest.approx(30, abs=2)


def test_a_base_above_the_cap_waits_no_longer_than_the_cap():
    assert Backoff(100.0, 5.0, 1.0).wait(1, random.Random(1)) == 5.0
