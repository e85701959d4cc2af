"""The port through which the exposition reads totals; the pipeline implements it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol


class Source(Protocol):
    """Totals since the process started, read on the event loop's thread.

    The mappings are live views, one for each (measure, label value), from guild id to amount: counting adds
    to one integer, rendering reads one column guild by guild. They may change between two reads of a scrape,
    never during one. Amounts are in the measure's own unit (voice: milliseconds) and never fall while the
    guild is known.
    """

    def refresh(self) -> None:
        """Update the totals to now, including time in progress; called before each scrape."""
        ...

    def guilds(self) -> Mapping[int, str]:
        """Names by id of every guild to expose.

        Every guild with an amount is here, with an empty name until its name is known; but for those the bot
        has left.
        """
        ...

    def departed(self) -> Collection[int]:
        """Guilds the bot has left whose totals are still kept: their counters go on for a while."""
        ...

    def totals(self, measure: str, value: str) -> Mapping[int, int]:
        """Amounts by guild; a guild without an amount may be missing."""
        ...

    def channel_totals(self, measure: str) -> Mapping[int, Mapping[int, int]]:
        """Amounts by guild and channel, summed over all label values; read only with channels on."""
        ...

    def gauges(self, gauge: str) -> Mapping[int, float]:
        """States by guild; a guild whose state is not known is missing and not exposed."""
        ...
