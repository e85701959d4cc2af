"""Running totals of what is gone are forgotten after a while, so that they do not grow for ever.

A guild the bot was removed from is not shown any more, and its counters may vanish with it; a deleted channel
is never active again. Both keep their totals for ``GRACE_MS``: what is still being decided is counted first,
and a scrape or two shows the last amounts. What comes back within that time goes on where it was.
"""

from __future__ import annotations

from exporter.aggregation.aggregate import Aggregate
from exporter.events.facts import ChannelDeleted, ChannelUpserted, GuildUpserted

GRACE_MS = 3_600_000
"""Longer than any scrape interval, any look-up and any removal by mistake that is soon undone."""

_WHOLE = 0
"""Stands for the guild itself among its channels."""


class Leftovers:
    """What is gone, and when its totals are forgotten. ``now`` is in ms on a clock that never steps."""

    def __init__(self, aggregate: Aggregate) -> None:
        self._aggregate = aggregate
        self._due: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        return len(self._due)

    def lose_guild(self, guild_id: int, now: int) -> None:
        """The bot was removed from a guild."""
        self._lose(guild_id, _WHOLE, now)

    def lose_channel(self, fact: ChannelDeleted, now: int) -> None:
        """A channel or thread was deleted."""
        if self._aggregate.by_channel:
            self._lose(fact.guild_id, fact.channel_id, now)

    def see_guild(self, fact: GuildUpserted, now: int) -> None:
        """A guild is there, with all its channels; what is not among them was deleted unseen."""
        self._due.pop((fact.guild_id, _WHOLE), None)
        listed = {channel.channel_id for channel in fact.channels}
        for channel_id in self._aggregate.channels_of(fact.guild_id):
            if channel_id in listed:
                self._due.pop((fact.guild_id, channel_id), None)
            elif (fact.guild_id, channel_id) not in self._due:
                self._lose(fact.guild_id, channel_id, now)

    def see_channel(self, fact: ChannelUpserted) -> None:
        """A channel or thread is there."""
        self._due.pop((fact.guild_id, fact.channel_id), None)

    def tick(self, now: int) -> None:
        """Forget what has been gone long enough."""
        while self._due:
            place = next(iter(self._due))
            if self._due[place] > now:
                return
            del self._due[place]
            guild_id, channel_id = place
            if channel_id == _WHOLE:
                self._aggregate.forget_guild(guild_id)
            else:
                self._aggregate.forget_channel(guild_id, channel_id)

    def _lose(self, guild_id: int, channel_id: int, now: int) -> None:
        self._due.pop((guild_id, channel_id), None)  # the line stays in the order of its deadlines
        self._due[guild_id, channel_id] = now + GRACE_MS
