"""Current state of each guild: its settings, member count, channel names and thread parents.

The cache distinguishes what Discord sends in one form: a guild that is there when a session starts (sync),
one that comes back from an outage (return) and one the bot was added to (create). An outage never removes
a guild, so its gauges do not dip.

Memory is the concern at 50,000 guilds: a guild is one slotted object, its channel names one packed blob that
is opened only to name a snapshot's top channels, and people's names a cache with a bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.facts.base import Fact
from exporter.events.facts.counting import Count, Person, Record
from exporter.events.facts.guilds import (
    ChannelDeleted,
    ChannelUpserted,
    GuildDeleted,
    GuildUpdated,
    GuildUpserted,
    MemberCountChanged,
    MemberCountCorrected,
    SessionStarted,
)
from exporter.events.facts.moderation import AuditPage
from exporter.events.guilds import THREAD_TYPES
from exporter.events.records.occurrences import (
    GuildDeleteRecord,
    GuildRecord,
    GuildSyncRecord,
    GuildUpdateRecord,
)
from exporter.events.records.values import Changes
from exporter.state.guild import Guild, Presence

MAX_NAMES = 100_000
"""Most users whose names are kept, for top lists and moderators; about 15 MB."""

MAX_THREADS = 500_000
"""Most threads whose parent is kept, the oldest removed first; Discord archives idle ones, a guild has at
most 1,000 active."""

MAX_CHANNELS = 1_000
"""Most channels of a guild whose names are kept, twice what Discord allows."""


class GuildCache(Component):
    """All known guilds, and the names of their channels and members.

    ``guilds`` is the dictionary to keep them in, where others read it too; ``counts_members`` says whether
    dispatches of joins and departures keep the member counts: with half of them a count would drift.
    """

    name = "guild_cache"

    def __init__(
        self, emit: Emit, guilds: dict[int, Guild] | None = None, *, counts_members: bool = True
    ) -> None:
        super().__init__(emit)
        self._counts_members = counts_members
        self.guilds: dict[int, Guild] = {} if guilds is None else guilds
        self.parents: dict[int, int] = {}
        self.people: dict[int, str] = {}
        self._updates = 0

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Guilds, channels, names and member counts."""
        return {
            Count: self._take_name,
            Person: lambda fact: self.name_person(fact.user_id, fact.name),
            AuditPage: self._take_names,
            SessionStarted: self._start_session,
            ChannelUpserted: self.see_channel,
            ChannelDeleted: self.lose_channel,
            GuildUpserted: lambda fact: self._emit_all(self.see_guild(fact)),
            GuildUpdated: lambda fact: self._emit_all(self.change_guild(fact)),
            GuildDeleted: lambda fact: self._emit_all(self.lose_guild(fact)),
            MemberCountChanged: self.move_member,
            MemberCountCorrected: self.correct_count,
        }

    def _emit_all(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            self.emit(fact)

    def _start_session(self, fact: SessionStarted) -> None:
        for gone in self.start_session(fact):
            self.emit(gone)
            self._emit_all(self.lose_guild(gone))

    def _take_name(self, count: Count) -> None:
        name = count.name
        if name and self.people.get(count.user_id) != name:
            self.name_person(count.user_id, name)

    def _take_names(self, page: AuditPage) -> None:
        for person in page.people:
            if person.name:
                self.name_person(person.user_id, person.name)

    def start_session(self, fact: SessionStarted) -> list[GuildDeleted]:
        """Take the guilds that a new session will receive; returns those its shard no longer has."""
        expected = set(fact.guild_ids)
        shard, shards = fact.shard
        gone = [
            GuildDeleted(guild_id, fact.at, unavailable=False)
            for guild_id in self.guilds
            if guild_id not in expected and shards > 0 and (guild_id >> 22) % shards == shard
        ]
        for guild_id in fact.guild_ids:
            guild = self.guilds.get(guild_id)
            if guild is None:
                self.guilds[guild_id] = Guild(guild_id, Presence.EXPECTED)
            elif guild.presence is Presence.HERE:
                guild.presence = Presence.EXPECTED
        return gone

    def see_guild(self, fact: GuildUpserted) -> Iterator[Record]:
        """Take a guild whole; yields what that means, nothing for a return from an outage."""
        guild = self.guilds.get(fact.guild_id)
        invited = guild is None
        returned = guild is not None and guild.presence is Presence.OUTAGE and guild.known
        if guild is None:
            guild = self.guilds[fact.guild_id] = Guild(fact.guild_id, Presence.HERE)
        changes = guild.apply(fact)
        if not guild.known:
            changes = {}
        guild.presence = Presence.HERE
        guild.known = True
        guild.member_count = fact.member_count
        guild.joined_at = fact.joined_at
        names: dict[int, str] = {}
        for channel in fact.channels:
            self._see_parent(channel)
            if channel.kind not in THREAD_TYPES and len(names) < MAX_CHANNELS:
                names[channel.channel_id] = channel.name
        guild.channel_names = msgspec.msgpack.encode(names)
        if invited:
            key = f"guild:{guild.guild_id}:{fact.joined_at or fact.at}"
            yield Record("GUILD_CREATE", guild.guild_id, fact.at, key, guild.describe(GuildRecord))
        if changes:
            yield self._changed(guild, fact.at, changes)
        if not returned:
            channels = [
                (channel.channel_id, channel.name, channel.kind, channel.parent_id)
                for channel in fact.channels
            ]
            data = guild.describe(GuildSyncRecord, channels=channels)
            yield Record("GUILD_SYNC", guild.guild_id, fact.at, f"sync:{guild.guild_id}:{fact.at}", data)

    def change_guild(self, fact: GuildUpdated) -> Iterator[Record]:
        """Take a guild's new settings; yields the change, nothing if nothing changed."""
        guild = self.guilds.get(fact.guild_id)
        if guild is None or not guild.known:
            return
        if changes := guild.apply(fact):
            yield self._changed(guild, fact.at, changes)

    def lose_guild(self, fact: GuildDeleted) -> Iterator[Record]:
        """Note an outage, or remove a guild that the bot was removed from."""
        guild = self.guilds.get(fact.guild_id)
        if fact.unavailable:
            if guild is None:
                guild = self.guilds[fact.guild_id] = Guild(fact.guild_id, Presence.OUTAGE)
            guild.presence = Presence.OUTAGE
            return
        if guild is None:
            return
        del self.guilds[fact.guild_id]
        channels = guild.names
        for thread in [thread for thread, parent in self.parents.items() if parent in channels]:
            del self.parents[thread]
        key = f"gone:{fact.guild_id}:{fact.at}"
        yield Record("GUILD_DELETE", fact.guild_id, fact.at, key, GuildDeleteRecord(name=guild.name))

    def see_channel(self, fact: ChannelUpserted) -> None:
        """Take a channel's name, or a thread's parent."""
        self._see_parent(fact)
        guild = self.guilds.get(fact.guild_id)
        if guild is not None and fact.kind not in THREAD_TYPES:
            names = guild.names
            if fact.channel_id not in names and len(names) >= MAX_CHANNELS:
                return
            names[fact.channel_id] = fact.name
            guild.channel_names = msgspec.msgpack.encode(names)

    def lose_channel(self, fact: ChannelDeleted) -> None:
        """Remove a channel or thread."""
        self.parents.pop(fact.channel_id, None)
        guild = self.guilds.get(fact.guild_id)
        if guild is not None:
            names = guild.names
            if names.pop(fact.channel_id, None) is not None:
                guild.channel_names = msgspec.msgpack.encode(names)

    def move_member(self, fact: MemberCountChanged) -> None:
        """Update the member count between syncs."""
        guild = self.guilds.get(fact.guild_id)
        if guild is not None and self._counts_members:
            guild.member_count = max(0, guild.member_count + fact.delta)

    def correct_count(self, fact: MemberCountCorrected) -> None:
        """Correct a member count, and take the number of members online."""
        guild = self.guilds.get(fact.guild_id)
        if guild is not None:
            guild.online = fact.online
            guild.member_count = max(0, guild.member_count + fact.difference)

    def name_person(self, user_id: int, name: str) -> None:
        """Keep a name; when the cache is full its older half is removed."""
        if len(self.people) >= MAX_NAMES and user_id not in self.people:
            for known in list(self.people)[: MAX_NAMES // 2]:
                del self.people[known]
        self.people[user_id] = name

    def has_vanity(self, guild_id: int) -> bool:
        """Whether a guild may have a vanity URL."""
        guild = self.guilds.get(guild_id)
        return guild is not None and "VANITY_URL" in guild.features

    def channel_names(self, guild_id: int) -> dict[int, str]:
        """The names of a guild's channels."""
        guild = self.guilds.get(guild_id)
        return {} if guild is None else guild.names

    def _see_parent(self, channel: ChannelUpserted) -> None:
        if channel.kind in THREAD_TYPES and channel.parent_id:
            if len(self.parents) >= MAX_THREADS and channel.channel_id not in self.parents:
                del self.parents[next(iter(self.parents))]
            self.parents[channel.channel_id] = channel.parent_id

    def _changed(self, guild: Guild, at: int, changes: Changes) -> Record:
        data = guild.describe(GuildUpdateRecord, changes=changes)
        # Numbered, since two changes may come in one millisecond.
        self._updates += 1
        return Record(
            "GUILD_UPDATE", guild.guild_id, at, f"update:{guild.guild_id}:{at}:{self._updates}", data
        )
