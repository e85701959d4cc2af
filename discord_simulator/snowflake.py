"""Snowflakes: ids that contain their time of creation. Discord docs, Reference › Snowflakes.

Invariant: the ids of one source rise strictly, even while the wall clock stands still or steps back.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

EPOCH_MS = 1_420_070_400_000
"""The first second of 2015."""

_WORKER = 3 << 17
"""Worker and process bits of all ids; an arbitrary constant."""

_OLDEST_MS = 1_451_606_400_000
"""2016: old enough for ids of 18 digits, which sort differently from 19 digits as text."""

_NEWEST_MS = 1_735_689_600_000
"""2025: everything that exists at the start was created before."""


def snowflake_ms(snowflake: int) -> int:
    """Time of creation in ms since the Unix epoch."""
    return (snowflake >> 22) + EPOCH_MS


def past_snowflake(rng: random.Random) -> int:
    """A random id of an object that exists at the start."""
    return (rng.randrange(_OLDEST_MS, _NEWEST_MS) - EPOCH_MS) << 22 | rng.getrandbits(22)


def iso(ms: int) -> str:
    """A wall time in ms in Discord's format: ISO 8601 with microseconds and offset."""
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat(timespec="microseconds")


class SnowflakeSource:
    """Creates ids for new objects."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = 0

    def make(self, now_ms: int) -> int:
        """A new id stamped with ``now_ms``, larger than every id before."""
        self._last = max(self._last + 1, (now_ms - EPOCH_MS) << 22 | _WORKER)
        return self._last
