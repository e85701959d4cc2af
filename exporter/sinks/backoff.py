"""How long to wait before the next try.

Full jitter: a uniform draw between nothing and a bound that doubles with each failure up to a cap. Many
processes that lost the same far end at the same moment then come back spread out, not together.
"""

from __future__ import annotations

import random


class Backoff:
    """The wait of one lane; seconds."""

    __slots__ = ("_after_cap", "_base", "_bound", "_cap", "_rng")

    def __init__(self, base: float, cap: float, after_cap: float, rng: random.Random) -> None:
        self._base = base
        self._cap = cap
        self._after_cap = after_cap
        self._rng = rng
        self._bound = base

    def next(self, retry_after: float | None = None) -> float:
        """The wait after one more failure.

        At least ``retry_after``, as far as that is a number not above the cap for it; a far end that asks for
        a year, or for less than nothing, is not obeyed.
        """
        wait = self._rng.uniform(0, self._bound)
        self._bound = min(self._bound * 2, self._cap)
        # The comparison is false for NaN, which a broken far end may send.
        if retry_after is not None and retry_after > 0:
            return max(wait, min(retry_after, self._after_cap))
        return wait

    def reset(self) -> None:
        """Start again at the base after a success."""
        self._bound = self._base
