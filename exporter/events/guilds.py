"""Guilds: what the bot sees, from the first sync on, and how it changes.

A dispatch of a guild means different things by what went before: the first one after identify is a sync, one
after an outage a return, any other an invitation of the bot. The guild cache remembers, and distinguishes
them. Channels and threads are read whatever is switched on: names and thread parents are needed to
understand everything else.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, TypeAlias

import msgspec

from exporter.events.facts.counting import BotSeen
from exporter.events.facts.guilds import (
    ChannelDeleted,
    ChannelUpserted,
    GuildCountsRead,
    GuildDeleted,
    GuildUpdated,
    GuildUpserted,
    SessionStarted,
    ShardStateChanged,
)
from exporter.events.payload import (
    Identified,
    InGuild,
    MemberOf,
    Number,
    Snowflake,
    clean,
    clean_or_none,
    unix_ms,
)
from exporter.events.reading import read_body
from exporter.events.records.occurrences import (
    GuildChannelsRecord,
    GuildDeleteRecord,
    GuildRecord,
    GuildSyncRecord,
    GuildUpdateRecord,
)
from exporter.events.records.values import RecordType
from exporter.events.rest_request import Answer
from exporter.events.spec import SHARD_STATE, EventSpec, Family, Gauge, Reader
from exporter.events.voice import VoicePayload
from exporter.model import Priority

THREAD_TYPES = frozenset({10, 11, 12})
"""Announcement, public and private threads. Discord docs, Resources › Channel › Channel Types."""

MEMBERS = Gauge(name="members", help="Members of the guild.", metric="discord_guild_members")
BOOSTS = Gauge(name="boosts", help="Boosts the guild has.", metric="discord_guild_boosts")
ONLINE = Gauge(
    name="online",
    help="Members online, approximately, by the last answer of Discord.",
    metric="discord_guild_online",
)


class ChannelPayload(InGuild):
    """A channel or thread; in lists without its guild. Discord docs, Resources › Channel."""

    id: Snowflake
    type: Number = 0
    name: str | None = None
    parent_id: Snowflake | None = None

    def fact(self, guild_id: int) -> ChannelUpserted:
        """The channel as a fact."""
        return ChannelUpserted(guild_id, self.id, clean(self.name or "", 100), self.type, self.parent_id or 0)


class ShardPayload(msgspec.Struct):
    """Not Discord's: the source reports the state of its own connections by dispatches named SHARD."""

    shard: int
    state: Literal["lost", "identifying", "resuming", "settled", "heard"]


class ThreadList(msgspec.Struct):
    """Discord docs, Gateway Events › Thread List Sync."""

    guild_id: Snowflake
    threads: tuple[ChannelPayload, ...]


class GuildUpdate(Identified):
    """Discord docs, Gateway Events › Guild Update."""

    name: str = ""
    icon: str | None = None
    owner_id: Snowflake | None = None
    features: tuple[str, ...] = ()
    premium_tier: Number = 0
    premium_subscription_count: Number | None = None
    afk_channel_id: Snowflake | None = None

    def settings(self, at: int) -> _Settings:
        """The guild and its settings, in the order of ``GuildUpdated``."""
        return (
            self.id,
            at,
            clean(self.name, 100),
            clean_or_none(self.icon),
            self.owner_id or 0,
            tuple(clean(feature, 64) for feature in self.features),
            self.premium_tier,
            _count(self.premium_subscription_count) or 0,
            self.afk_channel_id or 0,
        )


_Settings: TypeAlias = tuple[int, int, str, str | None, int, tuple[str, ...], int, int, int]


class GuildCreate(GuildUpdate):
    """Discord docs, Gateway Events › Guild Create."""

    unavailable: bool = False
    member_count: Number = 0
    joined_at: dt.datetime | None = None
    channels: tuple[ChannelPayload, ...] = ()
    threads: tuple[ChannelPayload, ...] = ()
    voice_states: tuple[VoicePayload, ...] = ()
    members: tuple[MemberOf, ...] = ()


class GuildStub(Identified):
    """Discord docs, Resources › Guild › Unavailable Guild."""

    unavailable: bool = False


class GuildCounts(msgspec.Struct):
    """Discord docs, Resources › Guild › Get Guild, ``with_counts``."""

    approximate_member_count: Number | None = None
    approximate_presence_count: Number | None = None


class Ready(msgspec.Struct):
    """Discord docs, Gateway Events › Ready."""

    guilds: tuple[Identified, ...]
    shard: tuple[Number, Number] = (0, 1)


def read_ready(ready: Ready, received_at: int) -> tuple[SessionStarted, ...]:
    """A new session and the guilds it is about to be sent: all that its shard sees."""
    return (SessionStarted(tuple(guild.id for guild in ready.guilds), received_at, ready.shard),)


def read_shard(shard: ShardPayload, _received_at: int) -> tuple[ShardStateChanged, ...]:
    """What became of a connection."""
    return (ShardStateChanged(shard.shard, shard.state),)


def read_create(guild: GuildCreate, received_at: int) -> tuple[BotSeen | GuildUpserted | GuildDeleted, ...]:
    """The whole guild, or that it is still away."""
    if guild.unavailable:
        return (GuildDeleted(guild.id, received_at, unavailable=True),)
    bots = {member.user.id for member in guild.members if member.user and member.user.bot}
    channels = tuple(channel.fact(guild.id) for channel in (*guild.channels, *guild.threads))
    in_voice = (state for state in guild.voice_states if state.channel_id)
    states = tuple(state.fact(guild.id, received_at, bot=state.user_id in bots) for state in in_voice)
    upserted = GuildUpserted(
        *guild.settings(received_at),
        _count(guild.member_count) or 0,
        unix_ms(guild.joined_at),
        channels,
        states,
    )
    return (*map(BotSeen, sorted(bots)), upserted)


def read_update(guild: GuildUpdate, received_at: int) -> tuple[GuildUpdated, ...]:
    """The guild's settings as they are now."""
    return (GuildUpdated(*guild.settings(received_at)),)


def read_counts(answer: Answer, _received_at: int) -> tuple[GuildCountsRead, ...]:
    """How many members there are, or that they could not be read."""
    meaning, found = read_body(answer, GuildCounts)
    counts = found or GuildCounts()
    members, online = _count(counts.approximate_member_count), _count(counts.approximate_presence_count)
    return (GuildCountsRead(answer.request.guild_id, meaning, members, online),)


def _count(number: int | None) -> int | None:
    """A number of members or boosts; one below zero says as little as none."""
    return None if number is None or number < 0 else number


def read_delete(guild: GuildStub, received_at: int) -> tuple[GuildDeleted, ...]:
    """Removed, or in an outage."""
    return (GuildDeleted(guild.id, received_at, guild.unavailable),)


def read_channel(channel: ChannelPayload, _received_at: int) -> tuple[ChannelUpserted, ...]:
    """A channel or thread made or changed."""
    return (channel.fact(channel.guild_id),)


def read_channel_deleted(channel: ChannelPayload, _received_at: int) -> tuple[ChannelDeleted, ...]:
    """A channel or thread removed."""
    return (ChannelDeleted(channel.guild_id, channel.id),)


def read_threads(threads: ThreadList, _received_at: int) -> tuple[ChannelUpserted, ...]:
    """Threads that have just become visible to the bot."""
    return tuple(thread.fact(threads.guild_id) for thread in threads.threads)


_CHANNEL = Reader(ChannelPayload, read_channel)
_CHANNEL_DELETED = Reader(ChannelPayload, read_channel_deleted)


def _declare(
    kind: str,
    help_: str,
    record: RecordType,
    gauges: tuple[Gauge, ...] = (),
    table: str = "guild_events",
) -> EventSpec:
    return EventSpec(
        kind,
        help_,
        priority=Priority.CRITICAL,
        intents=("guilds",),
        gauges=gauges,
        table=table,
        record=record,
    )


FAMILY = Family(
    "guilds",
    "The guilds the bot sees.",
    (
        _declare(
            "GUILD_SYNC",
            "A guild as it was found when a session started.",
            GuildSyncRecord,
            gauges=(MEMBERS, BOOSTS, ONLINE),
            table="guilds",
        ),
        _declare(
            "GUILD_CHANNELS",
            "Channels and threads of a guild were created, changed or deleted; the stores' names follow.",
            GuildChannelsRecord,
            table="channels",
        ),
        _declare("GUILD_CREATE", "The bot was added to a guild.", GuildRecord),
        _declare(
            "GUILD_DELETE",
            "The bot was removed from a guild; an outage is not a removal.",
            GuildDeleteRecord,
        ),
        _declare("GUILD_UPDATE", "A guild's settings changed.", GuildUpdateRecord),
    ),
    core={
        "READY": Reader(Ready, read_ready),
        SHARD_STATE: Reader(ShardPayload, read_shard),
        "GUILD_CREATE": Reader(GuildCreate, read_create),
        "GUILD_UPDATE": Reader(GuildUpdate, read_update),
        "GUILD_DELETE": Reader(GuildStub, read_delete),
        "CHANNEL_CREATE": _CHANNEL,
        "CHANNEL_UPDATE": _CHANNEL,
        "CHANNEL_DELETE": _CHANNEL_DELETED,
        "THREAD_CREATE": _CHANNEL,
        "THREAD_UPDATE": _CHANNEL,
        "THREAD_DELETE": _CHANNEL_DELETED,
        "THREAD_LIST_SYNC": Reader(ThreadList, read_threads),
        "REST_COUNTS": Reader(Answer, read_counts),
    },
    core_intents=("guilds",),
)
