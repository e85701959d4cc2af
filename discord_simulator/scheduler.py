"""Callbacks that are due later, in simulated time and in wall time.

Simulated time is counted in actions, not read from a clock, so that the same seed gives the same order of
events on any machine. Wall time is for what Discord ends at a given moment: timeouts and invites.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

Callback = Callable[[], object]


@dataclass(order=True, slots=True)
class _Scheduled:
    due: float
    number: int
    callback: Callback = field(compare=False)
    guild_id: int = field(compare=False)


class Scheduler:
    """Callbacks by simulated time in seconds since the start."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[_Scheduled] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._queue)

    def after(self, seconds: float, callback: Callback, *, before_outage_of: int = 0) -> None:
        """Call ``callback`` after this many simulated seconds.

        ``before_outage_of`` is the id of a guild if the callback completes an operation that has begun there:
        ``flush`` calls it at the latest, before the guild becomes unavailable. 0 for any other callback.
        """
        heapq.heappush(
            self._queue, _Scheduled(self.now + seconds, next(self._numbers), callback, before_outage_of)
        )

    def pop_due(self) -> Callback | None:
        """Remove and return the earliest callback that is due, or None."""
        if self._queue and self._queue[0].due <= self.now:
            return heapq.heappop(self._queue).callback
        return None

    def flush(self, guild_id: int) -> None:
        """Call the callbacks that complete operations of one guild now, in order."""
        pending = sorted(item for item in self._queue if item.guild_id == guild_id)
        if not pending:
            return
        self._queue = [item for item in self._queue if item.guild_id != guild_id]
        heapq.heapify(self._queue)
        for item in pending:
            item.callback()

    def flush_all(self) -> None:
        """Call the callbacks that complete operations now, in order, and drop every other callback."""
        scheduled, self._queue = sorted(self._queue), []
        for item in scheduled:
            if item.guild_id:
                item.callback()


class Deadlines:
    """Callbacks by wall time in ms since the Unix epoch."""

    def __init__(self) -> None:
        self._queue: list[_Scheduled] = []
        self._numbers = itertools.count()

    def at(self, moment: int, callback: Callback) -> None:
        """Call ``callback`` at the first ``pass_to`` at or after this moment."""
        heapq.heappush(self._queue, _Scheduled(moment, next(self._numbers), callback, 0))

    def pass_to(self, now: int) -> None:
        """Call every callback that is due at ``now``."""
        while self._queue and self._queue[0].due <= now:
            heapq.heappop(self._queue).callback()
