"""What changes in the list of a guild's channels within a session, as records: the stores' names follow.

A sync lists all channels, and nothing else does until the next session. Changes of one guild are collected
for ``PERIOD_MS``, so that of many of one channel the last is recorded, and a new order of all is one record.

Invariants: it comes before the guild cache, and so reads each guild as it was before a fact; no more than
``MAX_CHANGES`` of a guild wait; ``_digests`` are of lists that nothing has changed since. Nothing is saved:
the next process begins with syncs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.clock import Clock
from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.facts.counting import Record
from exporter.events.facts.guilds import ChannelDeleted, ChannelUpserted, GuildDeleted, GuildUpserted
from exporter.events.guilds import THREAD_TYPES
from exporter.events.records.occurrences import GuildChannelsRecord, ListedChannel
from exporter.state.guild import Guild, Presence

PERIOD_MS: Final = 10_000
"""How long changes of a guild are collected: less than the shortest window, whose counts need the names."""

MAX_CHANGES: Final = 1_000
"""Most changes of a guild that wait; more are recorded at once. Twice the channels a guild may have."""


@dataclass(slots=True)
class _Changes:
    """What changed in one guild, by channel, None for one deleted; ``since`` is monotonic, in ms."""

    since: int
    at: int = 0
    channels: dict[int, ListedChannel | None] = field(default_factory=dict)


class ChannelChanges(Component):
    """The changes that wait, by guild; ``guilds`` are those known, with the names of their channels."""

    name = "channel_changes"

    def __init__(self, emit: Emit, guilds: Mapping[int, Guild], clock: Clock) -> None:
        super().__init__(emit)
        self._guilds = guilds
        self._clock = clock
        self._changes: dict[int, _Changes] = {}
        self._digests: dict[int, int] = {}
        self._recorded = 0

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Channels, and guilds as a whole."""
        return {
            ChannelUpserted: self._upsert,
            ChannelDeleted: lambda fact, now: self._note(fact.guild_id, fact.channel_id, None, now),
            GuildUpserted: self._list,
            GuildDeleted: lambda fact: self._record(fact.guild_id),
        }

    def tick(self, now: int, wall: int) -> None:
        """Record what was collected for long enough."""
        del wall
        for guild_id in [found for found, each in self._changes.items() if now - each.since >= PERIOD_MS]:
            self._record(guild_id)

    def hurry(self, now: int) -> None:
        """Record all that waits."""
        del now
        for guild_id in list(self._changes):
            self._record(guild_id)

    def stop(self, now: int) -> None:
        """Record all that waits."""
        self.hurry(now)

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        self._digests.pop(guild_id, None)

    def reset_guild(self, guild_id: int) -> None:
        """Forget what waits of a guild, after an error in a call about it."""
        self._changes.pop(guild_id, None)

    def _upsert(self, fact: ChannelUpserted, now: int) -> None:
        self._note(fact.guild_id, fact.channel_id, _listed(fact), now)

    def _list(self, fact: GuildUpserted, now: int) -> None:
        """A guild that comes back from an outage has no sync: what it lists may have changed meanwhile."""
        self._record(fact.guild_id)
        digest = hash(frozenset(map(_listed, fact.channels)))
        unchanged = self._digests.get(fact.guild_id) == digest
        guild = self._guilds.get(fact.guild_id)
        if guild is None or not guild.known or guild.presence is not Presence.OUTAGE or unchanged:
            self._digests[fact.guild_id] = digest
            return
        listed = {channel.channel_id for channel in fact.channels if channel.kind not in THREAD_TYPES}
        for channel_id in guild.names.keys() - listed if listed else ():
            self._note(fact.guild_id, channel_id, None, now)
        for channel in fact.channels:
            self._upsert(channel, now)
        self._digests[fact.guild_id] = digest

    def _note(self, guild_id: int, channel_id: int, channel: ListedChannel | None, now: int) -> None:
        guild = self._guilds.get(guild_id)
        if guild is None or not guild.known:
            return  # it is about to be listed whole
        self._digests.pop(guild_id, None)
        changes = self._changes.get(guild_id)
        if changes is None:
            changes = self._changes[guild_id] = _Changes(now)
        elif channel_id in changes.channels and changes.channels[channel_id] == channel:
            return
        changes.at = self._clock.now_ms()
        changes.channels[channel_id] = channel
        if len(changes.channels) >= MAX_CHANGES:
            self._record(guild_id)

    def _record(self, guild_id: int) -> None:
        changes = self._changes.pop(guild_id, None)
        if changes is None:
            return
        data = GuildChannelsRecord(
            channels=[channel for channel in changes.channels.values() if channel],
            deleted=[channel_id for channel_id, channel in changes.channels.items() if not channel],
        )
        # Numbered, since two records may be of one millisecond.
        self._recorded += 1
        key = f"channels:{guild_id}:{changes.at}:{self._recorded}"
        self.emit(Record("GUILD_CHANNELS", guild_id, changes.at, key, data))


def _listed(channel: ChannelUpserted) -> ListedChannel:
    return channel.channel_id, channel.name, channel.kind, channel.parent_id
