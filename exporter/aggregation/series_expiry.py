"""Removes running totals of deleted guilds and channels after a while, so that they do not grow for ever.

A guild the bot was removed from is not shown any more, and its counters may vanish with it; a deleted channel
is never active again. Both keep their totals for ``GRACE_MS``: what is still being decided is counted first,
and a scrape or two shows the last amounts. What comes back within that time goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from exporter.aggregation.counters import Counters
from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.facts.guilds import ChannelDeleted, ChannelUpserted, GuildDeleted, GuildUpserted

GRACE_MS: Final = 3_600_000
"""Longer than any scrape interval, any look-up and any removal by mistake that is soon reverted."""

_WHOLE: Final = 0
"""Stands for the guild itself among its channels."""


class SeriesExpiry(Component):
    """Deleted objects, and when their totals are removed. ``now`` is in ms on the monotonic clock."""

    name = "series_expiry"

    def __init__(self, emit: Emit, counters: Counters) -> None:
        super().__init__(emit)
        self._counters = counters
        self._due: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        return len(self._due)

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Guilds and channels upserted or deleted."""
        return {
            GuildUpserted: self.see_guild,
            GuildDeleted: self._lose_guild,
            ChannelUpserted: lambda fact, _: self._keep(fact.guild_id, fact.channel_id),
            ChannelDeleted: self.lose_channel,
        }

    def _lose_guild(self, fact: GuildDeleted, now: int) -> None:
        if not fact.unavailable:
            self._lose(fact.guild_id, _WHOLE, now)

    def _keep(self, guild_id: int, channel_id: int) -> None:
        self._due.pop((guild_id, channel_id), None)

    def lose_channel(self, fact: ChannelDeleted, now: int) -> None:
        """Note that a channel or thread was deleted."""
        if self._counters.by_channel:
            self._lose(fact.guild_id, fact.channel_id, now)

    def see_guild(self, fact: GuildUpserted, now: int) -> None:
        """Take a guild with all its channels; a channel not among them was deleted unseen."""
        self._due.pop((fact.guild_id, _WHOLE), None)
        listed = {channel.channel_id for channel in fact.channels}
        for channel_id in self._counters.channels_of(fact.guild_id):
            if channel_id in listed:
                self._due.pop((fact.guild_id, channel_id), None)
            elif (fact.guild_id, channel_id) not in self._due:
                self._lose(fact.guild_id, channel_id, now)

    def tick(self, now: int, wall: int) -> None:
        """Remove the totals of objects deleted long enough ago."""
        del wall
        while self._due:
            place = next(iter(self._due))
            if self._due[place] > now:
                return
            del self._due[place]
            guild_id, channel_id = place
            if channel_id == _WHOLE:
                self._counters.drop_guild_totals(guild_id)
            else:
                self._counters.drop_channel_totals(guild_id, channel_id)

    def _lose(self, guild_id: int, channel_id: int, now: int) -> None:
        self._due.pop((guild_id, channel_id), None)  # the order stays that of the deadlines
        self._due[guild_id, channel_id] = now + GRACE_MS
