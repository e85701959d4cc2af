"""What rises of uses between readings allow, and no more than they allow, is said of joins."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.pipeline.inference import SETTLE_MS, Confidence, Finding, Reading, infer

EXACT, PROBABLE, AMBIGUOUS, UNKNOWN = Confidence


def read(
    uses: Mapping[str, int],
    used_up: Mapping[str, int] | None = None,
    faded: tuple[str, ...] = (),
    joins: int = 1,
) -> Reading:
    return Reading(joins, 100_000, uses, used_up or {}, faded)


def judge(reading: Reading, *, sure: bool = True) -> list[Finding]:
    return infer([0] * reading.joins, [reading], sure=sure)


def test_nobody_came_nothing_is_found() -> None:
    assert infer([], [], sure=True) == []
    assert judge(read({"a": 3}, joins=0)) == []


@pytest.mark.parametrize(
    ("reading", "finding"),
    [
        (read({"a": 1}), Finding(EXACT, ("a",), counted=True)),
        (read({}), Finding(UNKNOWN)),
        (read({"a": 2}), Finding(PROBABLE, ("a",))),
        (read({"a": 1, "b": 1}), Finding(AMBIGUOUS, ("a", "b"))),
        (read({}, {"a": 1}), Finding(EXACT, ("a",), counted=True)),
        (read({}, {"a": 5}), Finding(PROBABLE, ("a",))),
        (read({}, {"a": 1, "b": 1}), Finding(AMBIGUOUS, ("a", "b"))),
        (read({"a": 1}, {"b": 1}), Finding(EXACT, ("a",), counted=True)),
        (read({}, {}, ("f",)), Finding(PROBABLE, ("f",))),
        (read({}, {}, ("f", "g")), Finding(AMBIGUOUS, ("f", "g"))),
        (read({}, {"a": 1}, ("f",)), Finding(PROBABLE, ("a",))),
        (read({}, {"a": 2}, ("f",)), Finding(AMBIGUOUS, ("a", "f"))),
    ],
)
def test_of_one_join(reading: Reading, finding: Finding) -> None:
    assert judge(reading) == [finding]


def test_where_a_removal_may_have_gone_untold_one_used_up_is_only_probable() -> None:
    assert judge(read({}, {"a": 1}), sure=False) == [Finding(PROBABLE, ("a",))]


def test_what_rose_is_exact_whether_removals_are_told_of_or_not() -> None:
    assert judge(read({"a": 1}), sure=False) == [Finding(EXACT, ("a",), counted=True)]


@pytest.mark.parametrize(
    ("reading", "finding"),
    [
        (read({"a": 3}, joins=3), Finding(EXACT, ("a",), counted=True)),
        (read({"a": 2, "b": 1}, joins=3), Finding(AMBIGUOUS, ("a", "b"), counted=True)),
        (read({"a": 1}, joins=3), Finding(AMBIGUOUS, ("a",))),
        (read({"a": 4}, joins=3), Finding(PROBABLE, ("a",))),
        (read({"a": 2}, {"a": 1}, joins=3), Finding(EXACT, ("a",), counted=True)),
        (read({"a": 2}, {"b": 1}, joins=3), Finding(AMBIGUOUS, ("a", "b"))),
        (read({}, joins=3), Finding(UNKNOWN)),
    ],
)
def test_of_three_joins_each_is_told_the_same(reading: Reading, finding: Finding) -> None:
    assert judge(reading) == [finding] * 3


def test_a_join_on_its_way_during_a_reading_is_judged_with_the_next() -> None:
    """Its use may be in the reading already, although it was told of afterwards."""
    readings = [Reading(1, 100, {"a": 1}, {}), Reading(2, 50_000, {"b": 1}, {})]
    close = infer([0, 100 + SETTLE_MS], readings, sure=True)
    apart = infer([0, 101 + SETTLE_MS], readings, sure=True)
    assert [found.codes for found in apart] == [("a",), ("b",)]
    assert [found.codes for found in close] == [("a",), ("b",)], (
        "as many uses as joins in each: nothing is open"
    )


def test_a_use_that_was_ahead_of_its_join_makes_both_ambiguous() -> None:
    readings = [Reading(1, 100, {"a": 1, "b": 1}, {}), Reading(2, 50_000, {}, {})]
    found = infer([0, 200], readings, sure=True)
    assert found == [Finding(AMBIGUOUS, ("a", "b"), counted=True)] * 2


def test_a_use_that_lagged_behind_its_join_makes_both_ambiguous() -> None:
    readings = [Reading(1, 100, {}, {}), Reading(2, 50_000, {"a": 1, "b": 1}, {})]
    found = infer([0, 200], readings, sure=True)
    assert found == [Finding(AMBIGUOUS, ("a", "b"), counted=True)] * 2


def test_a_group_with_uses_missing_spoils_no_other() -> None:
    readings = [
        Reading(1, 100, {"a": 1}, {}),
        Reading(2, 20_100, {}, {}),
        Reading(3, 40_100, {"c": 1}, {}),
    ]
    found = infer([0, 20_000, 40_000], readings, sure=True)
    assert [(one.confidence, one.codes) for one in found] == [(EXACT, ("a",)), (UNKNOWN, ()), (EXACT, ("c",))]


_USES = st.dictionaries(st.sampled_from("abc"), st.integers(1, 3), max_size=3)
_READING = st.tuples(
    st.integers(0, 3), _USES, _USES, st.lists(st.sampled_from("xy"), max_size=2, unique=True)
)


@given(st.lists(_READING, max_size=5), st.booleans(), st.sampled_from([0, 900, 30_000]))
def test_every_join_gets_one_finding_that_names_only_what_was_read(
    plan: list[tuple[int, dict[str, int], dict[str, int], list[str]]],
    sure: bool,  # noqa: FBT001 - chosen at random
    pause: int,
) -> None:
    arrivals: list[int] = []
    readings: list[Reading] = []
    at = 0
    named: set[str] = set()
    for more, uses, used_up, faded in plan:
        arrivals += [at] * more
        readings.append(Reading(len(arrivals), at + 100, uses, used_up, tuple(faded)))
        named |= {*uses, *used_up, *faded}
        at += 100 + pause
    found = infer(arrivals, readings, sure=sure)
    assert len(found) == len(arrivals)
    for one in found:
        assert set(one.codes) <= named
        assert len(set(one.codes)) == len(one.codes)
        assert (one.confidence is UNKNOWN) == (not one.codes)
        if one.confidence is EXACT:
            assert one.counted
            assert len(one.codes) == 1
        if one.confidence is PROBABLE:
            assert len(one.codes) == 1
            assert not one.counted
