"""Running totals since the start, and their removal some time after their guild or channel was deleted.

A guild the bot was removed from and a deleted channel keep their totals for ``GRACE_MS``: what is still being
decided is counted first, and scrapes show the last amounts. What comes back within that time goes on where it
was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.facts.counting import Series
from exporter.events.facts.guilds import ChannelDeleted, ChannelUpserted, GuildDeleted, GuildUpserted

GRACE_MS: Final = 3_600_000
"""Longer than any scrape interval, any look-up and any removal by mistake that is soon reverted."""

_WHOLE: Final = 0
"""Stands for the guild itself among its channels."""


class RunningTotals:
    """Sums by series and guild; with ``channels`` also by measure, guild and channel."""

    def __init__(self, series: Iterable[Series], *, channels: bool) -> None:
        self.channels = channels
        self.by_guild: dict[Series, dict[int, int]] = {each: {} for each in series}
        self.by_channel: dict[str, dict[int, dict[int, int]]] = {}

    def add(self, series: Series, guild_id: int, channel_id: int, amount: int) -> None:
        """Add an amount."""
        guilds = self.by_guild[series]
        guilds[guild_id] = guilds.get(guild_id, 0) + amount
        if self.channels and channel_id:
            channels = self.by_channel.setdefault(series.measure, {}).setdefault(guild_id, {})
            channels[channel_id] = channels.get(channel_id, 0) + amount

    def channels_of(self, guild_id: int) -> set[int]:
        """The channels of a guild that have a total."""
        return {channel for guilds in self.by_channel.values() for channel in guilds.get(guild_id, ())}

    def drop(self, guild_id: int, channel_id: int) -> None:
        """Forget the totals of a channel, or of a whole guild; what happens there afterwards begins anew."""
        for channels in self.by_channel.values():
            if channel_id == _WHOLE:
                channels.pop(guild_id, None)
            else:
                channels.get(guild_id, {}).pop(channel_id, None)
        if channel_id == _WHOLE:
            for guilds in self.by_guild.values():
                guilds.pop(guild_id, None)


class SeriesExpiry(Component):
    """Deleted objects, and when their totals are removed. ``now`` is in ms on the monotonic clock."""

    name = "series_expiry"

    def __init__(self, emit: Emit, totals: RunningTotals) -> None:
        super().__init__(emit)
        self._totals = totals
        self._due: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        return len(self._due)

    @property
    def departed(self) -> set[int]:
        """Guilds the bot was removed from whose totals are still kept."""
        return {guild_id for guild_id, channel_id in self._due if channel_id == _WHOLE}

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Guilds and channels upserted or deleted."""
        return {
            GuildUpserted: self.see_guild,
            GuildDeleted: self._lose_guild,
            ChannelUpserted: lambda fact: self._keep(fact.guild_id, fact.channel_id),
            ChannelDeleted: self.lose_channel,
        }

    def _lose_guild(self, fact: GuildDeleted, now: int) -> None:
        if not fact.unavailable:
            self._lose(fact.guild_id, _WHOLE, now)

    def _keep(self, guild_id: int, channel_id: int) -> None:
        self._due.pop((guild_id, channel_id), None)

    def lose_channel(self, fact: ChannelDeleted, now: int) -> None:
        """Note that a channel or thread was deleted."""
        if self._totals.channels:
            self._lose(fact.guild_id, fact.channel_id, now)

    def see_guild(self, fact: GuildUpserted, now: int) -> None:
        """Take a guild with all its channels; a channel not among them was deleted unseen."""
        self._due.pop((fact.guild_id, _WHOLE), None)
        listed = {channel.channel_id for channel in fact.channels}
        for channel_id in self._totals.channels_of(fact.guild_id):
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
            self._totals.drop(*place)

    def _lose(self, guild_id: int, channel_id: int, now: int) -> None:
        self._due.pop((guild_id, channel_id), None)  # the order stays that of the deadlines
        self._due[guild_id, channel_id] = now + GRACE_MS
