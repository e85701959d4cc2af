"""How long to wait before the next attempt: exponential backoff with jitter.

The bound doubles with each failure up to a cap; the wait is drawn uniformly between a share of the bound and
the bound. Processes that lost the same server at the same moment then reconnect spread out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

_MAX_DOUBLINGS: Final = 64
"""Far above any cap, and far below the overflow of a float."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits in seconds. ``floor`` is the least share of the bound; 0 (full jitter) spreads attempts most."""

    base: float
    cap: float
    floor: float = 0.0

    def wait(self, failures: int, rng: random.Random) -> float:
        """The wait after ``failures`` in a row; 0 after none."""
        if failures <= 0:
            return 0.0
        bound = min(self.cap, self.base * 2.0 ** min(failures - 1, _MAX_DOUBLINGS))
        return bound * rng.uniform(self.floor, 1.0)
