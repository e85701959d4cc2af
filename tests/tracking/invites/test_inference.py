"""What rises of uses between readings allow, and no more than they allow, is said of joins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.tracking.invites.assignment import Confidence, Finding, Window, assign_uses
from exporter.tracking.invites.inference import LATE_MS, SETTLE_MS, Arrival, Reading, infer

EXACT, PROBABLE, AMBIGUOUS, UNKNOWN = Confidence

COUNTED = Finding(EXACT, ("a",), counted=True)


def read(
    uses: Mapping[str, int],
    used_up: Mapping[str, int] | None = None,
    faded: tuple[str, ...] = (),
    asked: int = 100_000,
) -> Reading:
    return Reading(asked, asked + 100, uses, used_up or {}, faded)


def came(*moments: int) -> list[Arrival]:
    return [Arrival(at - SETTLE_MS, at) for at in moments]


def find(arrivals: Sequence[Arrival], readings: Sequence[Reading], *, sure: bool = True) -> list[Finding]:
    """What is found of each, in cases that are closed by a last look."""
    found: dict[int, Finding] = {}
    for case in infer(arrivals, readings, sure=sure):
        found |= dict(zip(case.arrivals, case.evaluate(), strict=True))
    return [found[index] for index in range(len(arrivals))]


def judge(joins: int, reading: Reading, *, sure: bool = True) -> list[Finding]:
    """Of so many who came at once, with a second look that shows nothing more."""
    return find(came(*[100_000] * joins), [reading, read({}, asked=100_000 + LATE_MS)], sure=sure)


def test_without_joins_nothing_is_found() -> None:
    assert infer([], [], sure=True) == []
    assert judge(0, read({"a": 3})) == []


@pytest.mark.parametrize(
    ("reading", "finding"),
    [
        (read({"a": 1}), COUNTED),
        (read({}), Finding(UNKNOWN)),
        (read({"a": 2}), Finding(PROBABLE, ("a",))),
        (read({"a": 1, "b": 1}), Finding(AMBIGUOUS, ("a", "b"))),
        (read({}, {"a": 1}), COUNTED),
        (read({}, {"a": 5}), Finding(PROBABLE, ("a",))),
        (read({}, {"a": 1, "b": 1}), Finding(AMBIGUOUS, ("a", "b"))),
        (read({"a": 1}, {"b": 1}), COUNTED),
        (read({}, {}, ("f",)), Finding(PROBABLE, ("f",))),
        (read({}, {}, ("f", "g")), Finding(AMBIGUOUS, ("f", "g"))),
        (read({}, {"a": 1}, ("f",)), Finding(PROBABLE, ("a",))),
        (read({}, {"a": 2}, ("f",)), Finding(AMBIGUOUS, ("a", "f"))),
    ],
)
def test_of_one_join(reading: Reading, finding: Finding) -> None:
    assert judge(1, reading) == [finding]


def test_where_a_removal_may_not_be_dispatched_one_used_up_is_only_probable() -> None:
    assert judge(1, read({}, {"a": 1}), sure=False) == [Finding(PROBABLE, ("a",))]


def test_what_rose_is_exact_whether_removals_are_dispatched_or_not() -> None:
    assert judge(1, read({"a": 1}), sure=False) == [COUNTED]


@pytest.mark.parametrize(
    ("reading", "finding"),
    [
        (read({"a": 3}), COUNTED),
        (read({"a": 2, "b": 1}), Finding(AMBIGUOUS, ("a", "b"), counted=True)),
        (read({"a": 1}), Finding(AMBIGUOUS, ("a",))),
        (read({"a": 4}), Finding(PROBABLE, ("a",))),
        (read({"a": 2}, {"a": 1}), COUNTED),
        (read({"a": 2}, {"b": 1}), Finding(AMBIGUOUS, ("a", "b"), counted=True)),
        (read({"a": 1}, {"b": 1}), Finding(AMBIGUOUS, ("a", "b"))),
        (read({}), Finding(UNKNOWN)),
    ],
)
def test_of_three_joins_each_is_attributed_the_same(reading: Reading, finding: Finding) -> None:
    assert judge(3, reading) == [finding] * 3


def test_a_join_on_its_way_during_a_reading_may_be_in_it() -> None:
    readings = [read({"a": 1}, asked=0), read({"b": 1}, asked=50_000)]
    for moment in (100 + SETTLE_MS, 101 + SETTLE_MS):
        found = find(came(0, moment), readings)
        assert [one.codes for one in found] == [("a",), ("b",)], "as many uses as joins: nothing is open"
    # With a use missing it is the one that was on its way who may have had the other's.
    readings = [read({"a": 1}, asked=0), read({}, asked=50_000)]
    close = find(came(0, 100 + SETTLE_MS), readings)
    apart = find(came(0, 101 + SETTLE_MS), readings)
    assert close == [Finding(AMBIGUOUS, ("a",))] * 2
    assert apart == [COUNTED, Finding(UNKNOWN)]


def test_a_use_that_was_ahead_of_its_join_makes_both_ambiguous() -> None:
    readings = [read({"a": 1, "b": 1}, asked=0), read({}, asked=50_000)]
    assert find(came(0, 200), readings) == [Finding(AMBIGUOUS, ("a", "b"), counted=True)] * 2


def test_a_use_that_lagged_behind_its_join_makes_both_ambiguous() -> None:
    readings = [read({}, asked=0), read({"a": 1, "b": 1}, asked=200)]
    found = find(came(0, 200), [*readings, read({}, asked=50_000)])
    assert found == [Finding(AMBIGUOUS, ("a", "b"), counted=True)] * 2


def test_a_use_that_lagged_is_not_taken_for_that_of_who_came_next_by_none() -> None:
    readings = [read({}, asked=0), read({"a": 1}, asked=1_900), read({}, asked=50_000)]
    found = find(came(0, 1_900), readings)
    assert {one.confidence for one in found} == {AMBIGUOUS}


def test_a_second_look_counts_with_the_first() -> None:
    assert find(came(0), [read({}, asked=0), read({"a": 1}, asked=LATE_MS)]) == [COUNTED]


def test_a_case_with_uses_missing_spoils_no_other() -> None:
    readings = [
        read({"a": 1}, asked=0),
        read({}, asked=20_000),
        read({}, asked=24_000),
        read({"a": 1}, asked=40_000),
    ]
    found = find(came(0, 20_000, 40_000), readings)
    assert found == [COUNTED, Finding(UNKNOWN), COUNTED]


def test_a_case_is_closed_only_when_no_reading_can_tell_more() -> None:
    def closed(arrivals: Sequence[Arrival], *readings: Reading) -> list[bool]:
        return [case.closed for case in infer(arrivals, readings, sure=True)]

    assert closed(came(0), read({"a": 1}, asked=0)) == [True]
    assert closed(came(0), read({}, asked=0)) == [False]
    assert closed(came(0), read({}, asked=0), read({}, asked=LATE_MS)) == [True]
    assert closed(came(0, 500), read({"a": 1}, asked=0)) == [False]
    assert closed(came(0, 9_000), read({"a": 1}, asked=0)) == [True, False]


def test_who_may_have_used_what_is_forgotten_makes_no_join_certain() -> None:
    spent = Arrival(0, 1_000)
    readings = [read({"a": 1}, asked=2_000), read({}, asked=9_000)]
    assert find([spent, *came(2_000)], readings) == [Finding(AMBIGUOUS, ("a",))] * 2


_PLANS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 4_000), st.integers(0, SETTLE_MS)),
    max_size=14,
)
_LOOKS = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 1_500)), min_size=1, max_size=8)


@given(_PLANS, _LOOKS)
def test_what_is_exact_is_right_however_readings_and_dispatches_fall(
    plan: list[tuple[str | None, int, int]], looks: list[tuple[int, int]]
) -> None:
    """Each happens some time after the one before and is dispatched late, in their order."""
    happened: list[tuple[int, str | None]] = []
    arrivals: list[Arrival] = []
    dispatched = at = 0
    for code, pause, delay in plan:
        at += pause
        dispatched = max(dispatched, at + delay)
        dispatched = min(dispatched, at + SETTLE_MS)
        happened.append((at, code))
        arrivals.append(Arrival(dispatched - SETTLE_MS, dispatched))
    readings: list[Reading] = []
    asked = -2_000
    seen = -1
    for pause, took in [*looks, (30_000, 0), (30_000, 0)]:
        asked += pause
        moment = asked + took // 2
        uses = {code: 0 for _, code in happened if code}
        for at, code in happened:
            if code and seen < at <= moment:
                uses[code] += 1
        readings.append(Reading(asked, asked + took, {code: size for code, size in uses.items() if size}, {}))
        seen = moment
        asked += took
    found = find(arrivals, readings)
    for (_, code), finding in zip(happened, found, strict=True):
        if finding.confidence is EXACT:
            assert finding.codes == (code,)
        elif code is not None and finding.confidence is AMBIGUOUS:
            assert code in finding.codes
        assert finding.confidence is not UNKNOWN or code is None


_WINDOWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2)).map(lambda pair: (pair[0], min(3, sum(pair)))), max_size=5
)
_USES = st.lists(
    st.dictionaries(st.sampled_from("ab"), st.integers(1, 2), max_size=2), min_size=4, max_size=4
)


@given(_WINDOWS, _USES)
def test_what_is_shared_out_is_what_all_ways_of_sharing_out_have_in_common(
    windows: list[Window], uses: list[dict[str, int]]
) -> None:
    ways = _all_ways(windows, uses)
    found = assign_uses(windows, uses, [()] * len(uses))
    assert (found is None) == (not ways)
    for index, finding in enumerate(found or ()):
        codes = {way[index] for way in ways}
        assert set(finding.codes) == codes - {None}
        assert finding.counted == (None not in codes)
        assert (finding.confidence is EXACT) == (len(codes) == 1 and finding.counted)


def _all_ways(windows: list[Window], uses: list[dict[str, int]]) -> set[tuple[str | None, ...]]:
    """Every way to give each join a use of its window, or none, such that no use is left over."""
    places = [(number, code) for number, rises in enumerate(uses) for code in rises]
    wanted = {place: uses[place[0]][place[1]] for place in places}
    if sum(wanted.values()) > len(windows):
        return set()
    choices = [[None, *(place for place in places if first <= place[0] <= last)] for first, last in windows]
    ways: set[tuple[str | None, ...]] = set()
    for way in product(*choices):
        if all(way.count(place) == size for place, size in wanted.items()):
            ways.add(tuple(place[1] if place else None for place in way))
    return ways
