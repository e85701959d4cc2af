"""What has been decided but has not happened yet.

The agenda is in simulated time, which is counted in actions, not read from a clock, so that the same seed
gives the same order of events however fast the machine is. Deadlines are in wall time: what Discord was told
to end at a moment ends at that moment, whatever people do.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

Deed = Callable[[], object]


@dataclass(order=True, slots=True)
class _Appointment:
    due: float
    number: int
    deed: Deed = field(compare=False)
    guild_id: int = field(compare=False)


class Agenda:
    """Deeds to come, by simulated time in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._appointments: list[_Appointment] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._appointments)

    def after(self, seconds: float, deed: Deed, *, echo_of: int = 0) -> None:
        """Do it later.

        ``echo_of`` names a guild if the deed only makes visible what has already happened there; such a deed
        is done at the latest when the guild goes out of sight (``settle``).
        """
        heapq.heappush(
            self._appointments, _Appointment(self.now + seconds, next(self._numbers), deed, echo_of)
        )

    def pop_due(self) -> Deed | None:
        """The earliest deed whose time has come, or None."""
        if self._appointments and self._appointments[0].due <= self.now:
            return heapq.heappop(self._appointments).deed
        return None

    def settle(self, guild_id: int) -> None:
        """Do all echoes of one guild now, in order."""
        echoes = sorted(item for item in self._appointments if item.guild_id == guild_id)
        if not echoes:
            return
        self._appointments = [item for item in self._appointments if item.guild_id != guild_id]
        heapq.heapify(self._appointments)
        for item in echoes:
            item.deed()

    def settle_all(self) -> None:
        """Do every echo now, in order, and forget everything else."""
        appointments, self._appointments = sorted(self._appointments), []
        for item in appointments:
            if item.guild_id:
                item.deed()


class Deadlines:
    """Deeds bound to a moment of wall time, in ms since the Unix epoch."""

    def __init__(self) -> None:
        self._appointments: list[_Appointment] = []
        self._numbers = itertools.count()

    def at(self, moment: int, deed: Deed) -> None:
        """Do it at a moment, or as soon afterwards as somebody looks."""
        heapq.heappush(self._appointments, _Appointment(moment, next(self._numbers), deed, 0))

    def pass_to(self, now: int) -> None:
        """Do everything whose moment has come."""
        while self._appointments and self._appointments[0].due <= now:
            heapq.heappop(self._appointments).deed()
