"""What a batch says of channels, as one state of each: as if its entries were applied one after the other.

A sync lists all channels of a guild. Those it does not list are gone, except threads, of which it lists only
the active ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from exporter.events.guilds import THREAD_TYPES
from exporter.events.records.occurrences import GuildChannelsRecord, GuildSyncRecord
from exporter.model import Entry
from exporter.sinks.sql.dimension_rows import channel_rows
from exporter.sinks.sql.increments import Parameters
from exporter.sinks.sql.statements import AT

_CHANNEL = "the_channel"


@dataclass(slots=True)
class ChannelPlan:
    """Changes of ``channels``.

    ``removals`` are in the order of the batch: channels that were deleted, and lists of all there are.
    ``described`` are rows by guild and channel, deleted ones among them; they are written afterwards.
    """

    removals: list[Parameters] = field(default_factory=list)
    described: dict[int, dict[int, Parameters]] = field(default_factory=dict)

    def add_sync(self, entry: Entry, data: GuildSyncRecord) -> None:
        """Take all channels of a guild.

        Raises:
            InvalidValueError: a name does not fit its column.
        """
        self.add_changes(entry, GuildChannelsRecord(channels=data.channels))
        listed = {channel_id for channel_id, _, kind, _ in data.channels or () if kind not in THREAD_TYPES}
        if not listed:
            return  # no guild is without channels: the list is not known
        for channel_id, row in self.described[entry.guild_id].items():
            if channel_id not in listed and row["type"] not in THREAD_TYPES and row["deleted_at"] is None:
                row["deleted_at"] = entry.at
        ids = f"[{','.join(map(str, sorted(listed)))}]"
        self.removals.append({"the_guild": entry.guild_id, "listed": ids, AT: entry.at})

    def add_changes(self, entry: Entry, data: GuildChannelsRecord) -> None:
        """Take channels that have changed.

        Raises:
            InvalidValueError: a name does not fit its column.
        """
        described = self.described.setdefault(entry.guild_id, {})
        described.update((row["channel_id"], row) for row in channel_rows(entry, data.channels or ()))
        for channel_id in data.deleted or ():
            if channel_id not in described:
                self.removals.append({"the_guild": entry.guild_id, _CHANNEL: channel_id, AT: entry.at})
            elif described[channel_id]["deleted_at"] is None:
                described[channel_id]["deleted_at"] = entry.at

    def removal_runs(self) -> Iterator[tuple[bool, list[Parameters]]]:
        """Removals by guild, in runs of one kind: whether it is of single channels, and the parameters."""
        ordered = sorted(self.removals, key=itemgetter("the_guild"))
        for single, run in groupby(ordered, key=lambda row: _CHANNEL in row):
            yield single, list(run)

    def rows(self) -> list[Parameters]:
        """Rows for ``channels``, by key."""
        return [
            channels[channel_id]
            for _, channels in sorted(self.described.items())
            for channel_id in sorted(channels)
        ]
