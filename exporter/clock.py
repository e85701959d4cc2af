"""The only source of time in the program, so that a test can control it.

Wall time dates events; monotonic time measures durations and drives every timer. The two are never mixed: a
stepped wall clock must not fire or delay a timer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol


class Clock(Protocol):
    """Wall time and monotonic time."""

    def now_ms(self) -> int:
        """Wall time in milliseconds since the Unix epoch (UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps; only differences are meaningful."""
        ...

    @property
    def is_known(self) -> bool:
        """Whether the wall time can be believed: nothing is ended for its age before that."""
        ...


def steady_ms(clock: Clock) -> int:
    """Now on the clock that never steps, in ms."""
    return round(clock.monotonic() * 1000)


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()
    is_known = True

    def now_ms(self) -> int:
        """Wall time in milliseconds since the Unix epoch (UTC)."""
        return time.time_ns() // 1_000_000

    monotonic = staticmethod(time.monotonic)


DOUBT_MS = 2_000
"""An answer that is further from the clock is believed only with another one: a proxy's may be anything."""

TOLERANCE_MS: Final = 1_000
"""How far the clock may be from Discord's time before it is moved while dispatches are dated by it: a step
makes a session in voice longer or shorter, an offset does not."""


class DiscordClock:
    """Discord's time, counted on a clock that never steps and corrected by what Discord's answers say.

    Messages narrow what the answers leave possible. So a machine whose clock is wrong, is set or sleeps dates
    nothing wrongly: a step of the wall clock moves nothing, and time in sleep has passed. Until the first
    answer the machine is believed.
    """

    def __init__(self, machine: Clock | None = None, elapsed: Callable[[], float] | None = None) -> None:
        """Count on from the machine's time; ``elapsed`` are seconds that pass while it sleeps, too."""
        self._machine = machine or SystemClock()
        self._elapsed = elapsed or (_elapsed if machine is None else machine.monotonic)
        self._zero = self._machine.now_ms() - self._elapsed() * 1000
        self._possible = _Interval(-math.inf, math.inf)
        self._doubted: _Interval | None = None
        self._is_believed = False

    def now_ms(self) -> int:
        """Discord's time in milliseconds since the Unix epoch (UTC), as far as it is known."""
        return round(self._zero + self._elapsed() * 1000)

    def monotonic(self) -> float:
        """Seconds on a clock that never steps."""
        return self._machine.monotonic()

    @property
    def is_known(self) -> bool:
        """Whether Discord has said what time it is, or is not going to (``believe``)."""
        return self._is_believed or math.isfinite(self._possible.earliest)

    def believe(self) -> None:
        """Believe the machine where no answer has named a time by now, as behind a proxy that removes it."""
        self._is_believed = True

    @property
    def offset(self) -> float:
        """By how many seconds Discord's time is ahead of the machine's."""
        return (self.now_ms() - self._machine.now_ms()) / 1000

    @property
    def elapsed(self) -> float:
        """Seconds that have passed, for ``observe``."""
        return self._elapsed()

    def observe(self, second: int, asked: float, answered: float, tolerance_ms: float = 0) -> None:
        """Take the second that an answer named, in ms since the epoch (RFC 9110 §6.6.1, Date).

        It was that second at some moment between question and answer, both by ``elapsed``. Each answer
        narrows what is possible; a clock within the tolerance of it is not moved, since durations would show
        it. One that contradicts the earlier ones, or this clock by far, is doubted until another one agrees:
        then the clock it is counted on has stood still or drifted, and those before are forgotten.
        """
        answer = _Interval(second - answered * 1000, second + 1_000 - asked * 1000)
        possible = self._possible.meet(answer)
        if not possible.is_empty and possible.distance(self._zero) <= DOUBT_MS:
            self._possible, self._doubted = possible, None
        elif self._doubted is None or self._doubted.meet(answer).is_empty:
            self._doubted = answer
            return
        else:
            self._possible, self._doubted = self._doubted.meet(answer), None
        self._move(tolerance_ms)

    def witness(self, least_ms: int) -> None:
        """Take a time that it is at least by Discord's clock: a message made then has been received.

        It narrows what answers leave possible. One that they exclude, or that is far ahead of the clock, is
        refused.
        """
        earliest = least_ms - self._elapsed() * 1000
        least, most = self._possible.earliest, min(self._possible.latest, self._zero + DOUBT_MS)
        if math.isfinite(least) and least < earliest <= most:
            self._possible = self._possible._replace(earliest=earliest)
            self._move(TOLERANCE_MS)

    def _move(self, tolerance_ms: float) -> None:
        if self._possible.distance(self._zero) > tolerance_ms:
            self._zero = (self._possible.earliest + self._possible.latest) / 2

    @property
    def is_doubted(self) -> bool:
        """Whether the last answer named another time by far, and waits for another one that agrees."""
        return self._doubted is not None


class _Interval(NamedTuple):
    """Between two moments."""

    earliest: float
    latest: float

    @property
    def is_empty(self) -> bool:
        return self.earliest > self.latest

    def meet(self, other: _Interval) -> _Interval:
        """What both hold."""
        return _Interval(max(self.earliest, other.earliest), min(self.latest, other.latest))

    def distance(self, moment: float) -> float:
        """How far a moment is outside."""
        return max(self.earliest - moment, moment - self.latest, 0.0)


def _elapsed() -> float:
    """Seconds since the machine started, those it slept among them where the system counts them."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class ManualClock:
    """A clock that moves only by ``advance``; ``step`` moves the wall clock alone."""

    __slots__ = ("_monotonic", "_wall_ms")
    is_known = True

    def __init__(self, wall_ms: int = 1_700_000_000_000) -> None:
        self._wall_ms = wall_ms
        self._monotonic = 0.0

    def now_ms(self) -> int:
        """The wall time set so far, in milliseconds since the Unix epoch."""
        return self._wall_ms

    def monotonic(self) -> float:
        """The seconds advanced so far."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._monotonic += seconds
        self._wall_ms += round(seconds * 1000)

    def step(self, seconds: float) -> None:
        """Step the wall clock as an administrator or NTP would; monotonic time stays."""
        self._wall_ms += round(seconds * 1000)
