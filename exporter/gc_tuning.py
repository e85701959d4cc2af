"""Keeps the cyclic garbage collector from stopping the event loop.

What is known of guilds stays for the life of the process, yet a full collection walks over all of it: 0.9 s
for 20,000 guilds, in which nothing else happens. Set aside it is never walked over again, and setting aside
costs nothing. It also keeps what is garbage in a cycle at that moment, for ever; therefore only growth sets
aside, and the garbage of a start is a few megabytes.

Source: Python docs, gc.freeze(), gc.set_threshold().
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 10_000
"""Allocated before the young ones are looked at, which takes about a millisecond; Python's own 700 is meant
for small programs and would look a hundred times a second here."""

OLDER: Final = 10
"""Looks at the young before the older are looked at, and of those before everything is. Python's own."""

GROWTH: Final = 0.01
"""Share by which the guilds must have become more; a guild joined now and then is not worth its garbage."""


class GcTuner:
    """Sets aside what has come to stay; ``frozen_guilds`` is for how many guilds that was done."""

    def __init__(self) -> None:
        self.frozen_guilds = 0

    @staticmethod
    def set_thresholds() -> None:
        """Look for garbage as a program of this size should."""
        gc.set_threshold(YOUNG_OBJECTS, OLDER, OLDER)

    def freeze_growth(self, guilds: int) -> None:
        """Set aside everything there is, if there are more guilds than last time by ``GROWTH``."""
        if guilds - self.frozen_guilds > self.frozen_guilds * GROWTH:
            gc.freeze()
            self.frozen_guilds = guilds
