"""What the exposition reads, which the pipeline implements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Source(Protocol):
    """Totals since the process started, read on the event loop's thread.

    The mappings are live views, one for each (measure, label value), from guild id to amount: to count is to
    add to one integer, to render is to walk one column guild by guild. They may change between two reads of
    a scrape, never during one. Amounts are in the measure's own step (voice: milliseconds) and never
    fall while the guild is known.
    """

    def refresh(self) -> None:
        """Bring the totals up to now, time in progress among them; called before each scrape."""
        ...

    def guilds(self) -> Mapping[int, str]:
        """Names by id of every guild to show.

        Every guild with an amount is here, with an empty name until one is known. A guild the bot has left
        is gone from here and from the totals alike.
        """
        ...

    def totals(self, measure: str, value: str) -> Mapping[int, int]:
        """Amounts by guild; a guild without an amount may be missing."""
        ...

    def channel_totals(self, measure: str) -> Mapping[int, Mapping[int, int]]:
        """Amounts by guild and channel, all label values summed up; asked for only where channels are on."""
        ...

    def gauges(self, gauge: str) -> Mapping[int, float]:
        """States by guild; a guild whose state is not known is missing and not shown."""
        ...
