"""Garbage collection settings that keep full collections from blocking the event loop.

Guild state lives as long as the process, but a full collection visits all of it: 0.9 s for 20,000 guilds,
during which nothing else runs. Frozen objects are never visited again, and freezing costs nothing. It also
keeps cyclic garbage of that moment for ever; therefore only growth freezes, and the garbage of a start is a
few megabytes.

Source: Python docs, gc.freeze(), gc.set_threshold().
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 10_000
"""Allocations between two collections of the youngest generation, about 1 ms each. Python's default of 700
would collect a hundred times a second here."""

OLDER: Final = 10
"""Collections of one generation before the next older one is collected; Python's default."""

GROWTH: Final = 0.01
"""Relative increase of the number of guilds that freezes again; single guilds are not worth their garbage."""


class GcTuner:
    """Freezes guild state as it grows; ``frozen_guilds`` is the number of guilds at the last freeze."""

    def __init__(self) -> None:
        self.frozen_guilds = 0

    @staticmethod
    def set_thresholds() -> None:
        """Set the thresholds for a program of this size."""
        gc.set_threshold(YOUNG_OBJECTS, OLDER, OLDER)

    def freeze_growth(self, guilds: int) -> None:
        """Freeze all objects if the number of guilds has grown by ``GROWTH`` since the last freeze."""
        if guilds - self.frozen_guilds > self.frozen_guilds * GROWTH:
            gc.freeze()
            self.frozen_guilds = guilds
