"""Which channels of a guild are shown by themselves, and how much of them.

At most ``limit`` channels of a guild are shown. Places are given to the busiest at a scrape and kept until
the channel is gone, so that no counter ever falls; the others share ``channel_id="other"``. A channel that
gets its place later starts at 0, since what it did before is in ``other`` for good: summed over all
channels, ``other`` among them, nothing is counted twice or lost.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterator, Mapping

from exporter.exposition.other_bucket import Fold


class _Guild:
    __slots__ = ("other", "shown")

    def __init__(self) -> None:
        self.shown: dict[int, int] = {}
        """How much of each shown channel ``other`` holds."""
        self.other = Fold()


class ChannelBoard:
    """The channels shown for one measure."""

    __slots__ = ("_guilds", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._guilds: dict[int, _Guild] = {}

    def read(self, guild_id: int, amounts: Mapping[int, int]) -> Iterator[tuple[str, int]]:
        """Label value and amount of each series of a guild; nothing for one without activity."""
        guild = self._guilds.get(guild_id)
        if guild is None:
            if not amounts:
                return
            guild = self._guilds[guild_id] = _Guild()
        self._admit(guild, amounts)
        guild.other.take((channel for channel in amounts if channel not in guild.shown), amounts)
        for channel in guild.shown:
            amount = amounts[channel]
            if amount < guild.shown[channel]:  # the channel started anew
                guild.shown[channel] = 0
            yield str(channel), amount - guild.shown[channel]
        yield "other", guild.other.total

    def _admit(self, guild: _Guild, amounts: Mapping[int, int]) -> None:
        gone = [channel for channel in guild.shown if channel not in amounts]
        for channel in gone:
            del guild.shown[channel]
        guild.other.keep(amounts)
        room = self._limit - len(guild.shown)
        if room > 0 and len(amounts) > len(guild.shown):
            waiting = [channel for channel in amounts if amounts[channel] and channel not in guild.shown]
            for channel in heapq.nlargest(room, waiting, key=amounts.__getitem__):
                guild.shown[channel] = guild.other.release(channel)

    def keep(self, guilds: Container[int]) -> None:
        """Forget guilds that are not shown any more."""
        for guild in [guild for guild in self._guilds if guild not in guilds]:
            del self._guilds[guild]
