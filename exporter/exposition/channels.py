"""Which channels of a guild have a series of their own, and the amounts of all.

At most ``limit`` channels of a guild. A scrape admits the busiest and keeps them until the channel is
deleted, so that no counter falls; the others share ``channel_id="other"``. A channel admitted later starts
at 0, because its earlier amount stays in ``other``: the sum over all channels and ``other`` counts
everything once.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterator, Mapping

from exporter.exposition.other_bucket import OtherBucket


class _GuildChannels:
    __slots__ = ("other", "shown")

    def __init__(self) -> None:
        self.shown: dict[int, int] = {}
        """By admitted channel, the share of its amount that is in ``other``."""
        self.other = OtherBucket()


class ChannelTopK:
    """The channels with a series of their own for one measure."""

    __slots__ = ("_guilds", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._guilds: dict[int, _GuildChannels] = {}

    def read(self, guild_id: int, amounts: Mapping[int, int]) -> Iterator[tuple[str, int]]:
        """Label value and amount of each series of a guild; none for a guild without activity."""
        guild = self._guilds.get(guild_id)
        if guild is None:
            if not amounts:
                return
            guild = self._guilds[guild_id] = _GuildChannels()
        self._admit(guild, amounts)
        guild.other.take((channel for channel in amounts if channel not in guild.shown), amounts)
        for channel in guild.shown:
            amount = amounts[channel]
            if amount < guild.shown[channel]:  # the channel's count has restarted
                guild.shown[channel] = 0
            yield str(channel), amount - guild.shown[channel]
        yield "other", guild.other.total

    def _admit(self, guild: _GuildChannels, amounts: Mapping[int, int]) -> None:
        gone = [channel for channel in guild.shown if channel not in amounts]
        for channel in gone:
            del guild.shown[channel]
        guild.other.keep(amounts)
        free = self._limit - len(guild.shown)
        if free > 0 and len(amounts) > len(guild.shown):
            waiting = [channel for channel in amounts if amounts[channel] and channel not in guild.shown]
            for channel in heapq.nlargest(free, waiting, key=amounts.__getitem__):
                guild.shown[channel] = guild.other.release(channel)

    def keep(self, guilds: Container[int]) -> None:
        """Drop the guilds that have no series of their own any more."""
        for guild in [guild for guild in self._guilds if guild not in guilds]:
            del self._guilds[guild]
