"""Which invites some joins used, from the increase of the uses of invites between readings. Pure.

A join happened between two moments: a dispatch is delayed by at most ``SETTLE_MS``, and never arrives before
its event. So a reading requested after the join's dispatch was received includes its use, one answered before
the join happened does not, and each join has a window of readings in which its use may have appeared. An
increase in a reading belongs to as many of the joins whose windows hold it. A join is certain where every
assignment of the uses gives it the same code.

A join whose own readings are forgotten may be among them: it need not have a use. Where there are as
many uses as joins, each join has one.

Two properties of Discord are allowed for. Counts may lag behind dispatches: where uses are missing, windows
extend ``LATE_MS`` further. And a member may join in a way that no count shows: where uses are missing, any of
the joins may be without a use.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from exporter.tracking.invites.assignment import Confidence, Finding, Window, assign_uses, fits, guess

SETTLE_MS = 1_500
"""Longest delay of a dispatch."""

LATE_MS = 2_000
"""Longest lag of Discord's counts behind its dispatches."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A join that happened between ``since`` and ``received``, when its dispatch was received; in ms."""

    since: int
    received: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reading showed against the previous one; ``asked`` and ``answered`` are its times, in ms.

    ``uses`` is the increase of each code. ``used_up`` holds codes that disappeared, each with the uses it had
    left: they were used if the invite was not revoked. ``indeterminate`` are codes that disappeared for an
    unknown reason.
    """

    asked: int
    answered: int
    uses: Mapping[str, int]
    used_up: Mapping[str, int]
    indeterminate: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """Joins and readings that have to be evaluated together, and no others.

    ``last`` is the index of its last reading. ``closed``: no further reading can change it. ``used_up_at`` is
    when the last reading was answered in which an invite that may have been used up was missing; 0 for none.
    """

    last: int
    arrivals: tuple[int, ...]
    closed: bool
    used_up_at: int
    evaluate: Callable[[], tuple[Finding, ...]]
    """A finding for each of the arrivals."""


@dataclass(slots=True)
class _Group:
    """A run of readings and the joins whose windows are in it, by index."""

    first: int
    last: int
    arrivals: list[int]
    windows: dict[int, Window]
    late: bool = False


def infer(arrivals: Sequence[Arrival], readings: Sequence[Reading], *, sure: bool) -> list[Case]:
    """What these readings show about these joins, case by case in order of time.

    ``sure`` says that every revoked invite would have been reported. A window that ends after the last
    reading is open: its case may change with the next one.
    """
    cases: list[Case] = []
    for group in _groups(arrivals, readings):
        part = readings[group.first : group.last + 1]
        closed = group.last < len(readings)
        used_up_at = max((reading.answered for reading in part if reading.used_up), default=0)
        evaluate = partial(_evaluate, group, part, sure=sure, closed=closed)
        cases.append(Case(group.last, tuple(group.arrivals), closed, used_up_at, evaluate))
    return cases


def is_in(arrival: Arrival, readings: Sequence[Reading]) -> bool:
    """Whether the readings certainly include its use, even one that was counted late."""
    return _window(arrival, readings, LATE_MS)[1] < len(readings)


def _window(arrival: Arrival, readings: Sequence[Reading], late: int) -> Window:
    """First and last reading its use may have appeared in; the number of readings stands for the next one."""
    first = bisect_left(readings, arrival.since, key=lambda reading: reading.answered)
    return first, bisect_left(readings, arrival.received + late, lo=first, key=lambda reading: reading.asked)


def _groups(arrivals: Sequence[Arrival], readings: Sequence[Reading]) -> list[_Group]:
    """Runs of readings between which no dispatch of a join was delayed.

    Where a run's uses are as many as its joins, none of them was late; else its windows are widened, and it
    may run into the next.
    """
    strict = [_window(arrival, readings, 0) for arrival in arrivals]
    late = [_window(arrival, readings, LATE_MS) for arrival in arrivals]
    groups: list[_Group] = [_Group(number, number, [], {}) for number in range(len(readings) + 1)]
    for index, window in enumerate(strict):
        _put(groups, index, window)
    place = 0
    while place < len(groups):
        group = groups[place]
        if group.late or not _is_short(group, readings):
            place += 1
        else:
            _widen(groups, group, {index: late[index] for index in group.arrivals})
    return [one for one in groups if one.first < len(readings) or one.arrivals]


def _put(groups: list[_Group], index: int, window: Window) -> None:
    group = _join(groups, *window)
    group.arrivals.append(index)
    group.windows[index] = window


def _widen(groups: list[_Group], group: _Group, windows: dict[int, Window]) -> None:
    """Late uses may be in the readings after: they are one case with this one."""
    group.late = True
    last = max((window[1] for window in windows.values()), default=group.last)
    _join(groups, group.first, max(group.last, last)).windows |= windows


def _join(groups: list[_Group], first: int, last: int) -> _Group:
    touched = [one for one in groups if one.first <= last and one.last >= first]
    whole = touched[0]
    for other in touched[1:]:
        whole.last = max(whole.last, other.last)
        whole.arrivals = sorted((*whole.arrivals, *other.arrivals))
        whole.windows |= other.windows
        whole.late = whole.late and other.late
        groups.remove(other)
    return whole


def _is_short(group: _Group, readings: Sequence[Reading]) -> bool:
    if group.last >= len(readings):
        return True
    part = readings[group.first : group.last + 1]
    places = Counter(_shift(group.windows[index], -group.first) for index in group.arrivals)
    return not any(
        sum(sizes) == len(group.arrivals) and fits(places, sizes)
        for sizes in ([sum(one.uses.values()) for one in part], [_with_used_up(one).total() for one in part])
    )


def _totals(readings: Sequence[Reading]) -> tuple[int, int]:
    """How many uses appeared, and how many more if every missing invite was used up."""
    rises = sum(sum(reading.uses.values()) for reading in readings)
    return rises, sum(sum(reading.used_up.values()) for reading in readings)


def _evaluate(group: _Group, readings: Sequence[Reading], *, sure: bool, closed: bool) -> tuple[Finding, ...]:
    """A finding for each join of a group; ``closed`` says that nothing of the group is still to come."""
    count = len(group.arrivals)
    rises, left = _totals(readings)
    windows = [_shift(group.windows[index], -group.first) for index in group.arrivals]
    risen = [reading.uses for reading in readings]
    gone = [(*reading.used_up, *reading.indeterminate) for reading in readings]
    certain = sure and not any(reading.indeterminate for reading in readings)
    if left and rises != count and (certain or (closed and rises + left == count)):
        found = assign_uses(windows, [_with_used_up(reading) for reading in readings], [()] * len(readings))
        if found is not None:
            return found if certain else tuple(downgrade(finding) for finding in found)
    found = assign_uses(windows, risen, gone)
    if found is not None:
        return found
    # More uses than joins: a join was not reported, so any of the codes may belong to any join.
    codes = [tuple({**uses, **dict.fromkeys(others)}) for uses, others in zip(risen, gone, strict=True)]
    return tuple(
        guess(
            tuple(dict.fromkeys(chain.from_iterable(codes[first : last + 1]))),
            alone=count == 1 or rises > count,
        )
        for first, last in windows
    )


def _with_used_up(reading: Reading) -> Counter[str]:
    return Counter(reading.uses) + Counter(reading.used_up)


def downgrade(finding: Finding) -> Finding:
    """The same finding with less confidence, where a missing invite may have been revoked."""
    exact = finding.confidence is Confidence.EXACT
    return Finding(Confidence.PROBABLE if exact else finding.confidence, finding.codes)


def _shift(window: Window, by: int) -> Window:
    return window[0] + by, window[1] + by
