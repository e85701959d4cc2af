"""Ids that carry the moment they were made. Discord docs, Reference › Snowflakes.

Invariant: ids from one source rise strictly, even while the wall clock stands still or steps back.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

EPOCH_MS = 1_420_070_400_000
"""The first second of 2015."""

_WORKER = 3 << 17
"""Worker and process bits of this simulator's ids; any constant will do."""

_OLDEST_MS = 1_451_606_400_000
"""2016: old enough for ids of 18 digits, which sort differently from 19 digits as text."""

_NEWEST_MS = 1_735_689_600_000
"""2025: whatever exists when the simulator starts was made before."""


def snowflake_ms(snowflake: int) -> int:
    """When the id was made, in ms since the Unix epoch."""
    return (snowflake >> 22) + EPOCH_MS


def past_snowflake(rng: random.Random) -> int:
    """An id of something that was there before the simulator started."""
    return (rng.randrange(_OLDEST_MS, _NEWEST_MS) - EPOCH_MS) << 22 | rng.getrandbits(22)


def iso(ms: int) -> str:
    """A wall time as Discord writes it: ISO 8601 with microseconds and offset."""
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat(timespec="microseconds")


class SnowflakeSource:
    """Makes the ids of what happens now."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = 0

    def make(self, now_ms: int) -> int:
        """A new id stamped with ``now_ms``, larger than every id before."""
        self._last = max(self._last + 1, (now_ms - EPOCH_MS) << 22 | _WORKER)
        return self._last
