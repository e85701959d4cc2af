"""By which invites some joins came, from how the uses of invites rose between readings. Pure.

A join happened between two moments: no dispatch is more than ``SETTLE_MS`` on its way, and none comes before
what it tells of. So a reading asked for after a join was told of has its use, one answered before it happened
has not, and each join has a window of readings that its use may have appeared in. What rose in a reading was
used by as many of the joins whose windows hold it. A join is certain where every way to share out the uses
gives it the same code.

A join whose own readings are forgotten may be among them: it need not have a use. Where there are as
many uses as joins, all of them have theirs.

Two of Discord's habits are allowed for. Counts may lag behind dispatches: where uses are missing, windows
reach ``LATE_MS`` further. And somebody may come in a way that no count shows: where uses are missing, any of
the joins may be without.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from exporter.tracking.invites.assignment import Confidence, Finding, Window, fits, guess, share_out

SETTLE_MS = 1_500
"""How long a dispatch may be on its way."""

LATE_MS = 2_000
"""How far Discord's counts may lag behind its dispatches."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A join that happened between ``since`` and ``told``, in ms."""

    since: int
    told: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reading showed against the one before; ``asked`` and ``answered`` are its moments, in ms.

    ``uses`` is what each code rose by. ``used_up`` holds codes that went away, each with the uses it had
    left: taken, if it was not taken back. ``faded`` are codes that went away in a way that tells nothing.
    """

    asked: int
    answered: int
    uses: Mapping[str, int]
    used_up: Mapping[str, int]
    faded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """Joins and readings that have to be looked at together, and no others.

    ``last`` is the index of its last reading. ``closed``: no further reading can tell more. ``used_up_at`` is
    when the last reading was answered in which an invite was gone that may have been used up; 0 for none.
    """

    last: int
    arrivals: tuple[int, ...]
    closed: bool
    used_up_at: int
    judge: Callable[[], tuple[Finding, ...]]
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
    """What these readings tell of these joins, case by case in order of time.

    ``sure`` says that every invite taken back would have been told of. A window that ends after the last
    reading is open: its case may change with the next one.
    """
    cases: list[Case] = []
    for group in _groups(arrivals, readings):
        part = readings[group.first : group.last + 1]
        closed = group.last < len(readings)
        used_up_at = max((reading.answered for reading in part if reading.used_up), default=0)
        judge = partial(_judge, group, part, sure=sure, closed=closed)
        cases.append(Case(group.last, tuple(group.arrivals), closed, used_up_at, judge))
    return cases


def is_in(arrival: Arrival, readings: Sequence[Reading]) -> bool:
    """Whether the readings have its use for certain, even one that was counted late."""
    return _window(arrival, readings, LATE_MS)[1] < len(readings)


def _window(arrival: Arrival, readings: Sequence[Reading], late: int) -> Window:
    """First and last reading its use may have appeared in; the number of readings stands for the next one."""
    first = bisect_left(readings, arrival.since, key=lambda reading: reading.answered)
    return first, bisect_left(readings, arrival.told + late, lo=first, key=lambda reading: reading.asked)


def _groups(arrivals: Sequence[Arrival], readings: Sequence[Reading]) -> list[_Group]:
    """Runs of readings between which no join was on its way.

    Where a run's uses are as many as its joins, none of them was late; else its windows are widened, and it
    may run into the next.
    """
    strict = [_window(arrival, readings, 0) for arrival in arrivals]
    late = [_window(arrival, readings, LATE_MS) for arrival in arrivals]
    groups: list[_Group] = [_Group(number, number, [], {}) for number in range(len(readings) + 1)]
    for index, window in enumerate(strict):
        _put(groups, index, window)
    while short := next((one for one in groups if not one.late and _is_short(one, readings)), None):
        short.late = True
        for index in short.arrivals.copy():
            _widen(groups, short, index, late[index])
    return [one for one in groups if one.first < len(readings) or one.arrivals]


def _put(groups: list[_Group], index: int, window: Window) -> None:
    group = _join(groups, *window)
    group.arrivals.append(index)
    group.windows[index] = window


def _widen(groups: list[_Group], group: _Group, index: int, window: Window) -> None:
    """A use that may be late may be in the readings after: what is there is one case with this one."""
    whole = _join(groups, group.first, max(group.last, window[1]))
    whole.windows[index] = window


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
    """How many uses appeared, and how many more if every invite that is gone was used up."""
    rises = sum(sum(reading.uses.values()) for reading in readings)
    return rises, sum(sum(reading.used_up.values()) for reading in readings)


def _judge(group: _Group, readings: Sequence[Reading], *, sure: bool, closed: bool) -> tuple[Finding, ...]:
    """A finding for each join of a group; ``closed`` says that nothing of the group is still to come."""
    count = len(group.arrivals)
    rises, left = _totals(readings)
    windows = [_shift(group.windows[index], -group.first) for index in group.arrivals]
    risen = [reading.uses for reading in readings]
    gone = [(*reading.used_up, *reading.faded) for reading in readings]
    certain = sure and not any(reading.faded for reading in readings)
    if left and rises != count and (certain or (closed and rises + left == count)):
        found = share_out(windows, [_with_used_up(reading) for reading in readings], [()] * len(readings))
        if found is not None:
            return found if certain else tuple(_doubt(finding) for finding in found)
    found = share_out(windows, risen, gone)
    if found is not None:
        return found
    # More uses than joins: somebody's join was not told of, so that any of the codes may be anybody's.
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


def _doubt(finding: Finding) -> Finding:
    """The same, where an invite that is gone may have been taken back."""
    exact = finding.confidence is Confidence.EXACT
    return Finding(Confidence.PROBABLE if exact else finding.confidence, finding.codes)


def _shift(window: Window, by: int) -> Window:
    return window[0] + by, window[1] + by
