"""Guilds: what the bot sees, from the first sync on, and how it changes.

A dispatch of a guild means different things by what went before: the first one after identify is a sync, one
after an outage a return, any other an invitation of the bot. The pipeline's directory remembers and tells
them apart. Channels and threads are read whatever is switched on: names and thread parents are needed to
understand everything else.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from exporter.events.facts import (
    ChannelDeleted,
    ChannelUpserted,
    GuildCountsRead,
    GuildDeleted,
    GuildUpdated,
    GuildUpserted,
    SessionStarted,
    ShardStateChanged,
)
from exporter.events.payload import MemberOf, Number, Snowflake, clean, clean_or_none, unix_ms
from exporter.events.records import (
    GuildDeleteRecord,
    GuildRecord,
    GuildSyncRecord,
    GuildUpdateRecord,
    RecordType,
)
from exporter.events.rest_request import RestRequest
from exporter.events.spec import SHARD_NEWS, EventSpec, Family, Gauge, Reader
from exporter.events.voice import VoicePayload
from exporter.model import Priority

THREAD_TYPES = frozenset({10, 11, 12})
"""Announcement, public and private threads. Discord docs, Resources › Channel › Channel Types."""

MEMBERS = Gauge(
    name="members",
    help="Members of the guild.",
    metric="discord_guild_members",
    measurement="discord_guild",
    field="members",
)
BOOSTS = Gauge(
    name="boosts",
    help="Boosts the guild has.",
    metric="discord_guild_boosts",
    measurement="discord_guild",
    field="boosts",
)
ONLINE = Gauge(
    name="online",
    help="Members online, approximately, by the last answer of Discord.",
    metric="discord_guild_online",
    measurement="discord_guild",
    field="online",
)


class ChannelPayload(msgspec.Struct):
    """A channel or thread. Discord docs, Resources › Channel."""

    id: Snowflake
    type: Number = 0
    name: str | None = None
    parent_id: Snowflake | None = None
    guild_id: Snowflake = 0

    def fact(self, guild_id: int) -> ChannelUpserted:
        """The channel as a fact."""
        return ChannelUpserted(guild_id, self.id, clean(self.name or "", 100), self.type, self.parent_id or 0)


class ShardPayload(msgspec.Struct):
    """Not Discord's: the source tells of its own connections by dispatches named SHARD."""

    shard: int
    state: Literal["lost", "identifying", "resuming", "settled", "heard"]


class ThreadList(msgspec.Struct):
    """Discord docs, Gateway Events › Thread List Sync."""

    guild_id: Snowflake
    threads: list[ChannelPayload]


class GuildCore(msgspec.Struct):
    """What GUILD_CREATE and GUILD_UPDATE share. Discord docs, Resources › Guild."""

    id: Snowflake
    name: str = ""
    icon: str | None = None
    owner_id: Snowflake | None = None
    features: list[str] = []
    premium_tier: Number = 0
    premium_subscription_count: Number | None = None
    afk_channel_id: Snowflake | None = None


class GuildCreate(GuildCore):
    """Discord docs, Gateway Events › Guild Create."""

    unavailable: bool = False
    member_count: Number = 0
    joined_at: dt.datetime | None = None
    channels: list[ChannelPayload] = []
    threads: list[ChannelPayload] = []
    voice_states: list[VoicePayload] = []
    members: list[MemberOf] = []


class GuildStub(msgspec.Struct):
    """Discord docs, Resources › Guild › Unavailable Guild."""

    id: Snowflake
    unavailable: bool = False


class GuildCounts(msgspec.Struct):
    """Discord docs, Resources › Guild › Get Guild, ``with_counts``."""

    approximate_member_count: Number | None = None
    approximate_presence_count: Number | None = None


class CountsAnswer(msgspec.Struct):
    """What came of asking for the counts."""

    request: RestRequest
    status: int
    body: GuildCounts | None = None


class Ready(msgspec.Struct):
    """Discord docs, Gateway Events › Ready."""

    guilds: list[GuildStub]
    shard: tuple[Number, Number] = (0, 1)


def read_ready(ready: Ready, received_at: int) -> tuple[SessionStarted, ...]:
    """A new session and the guilds it is about to be sent: all that its shard sees."""
    return (SessionStarted(tuple(guild.id for guild in ready.guilds), received_at, ready.shard),)


def read_shard(news: ShardPayload, _received_at: int) -> tuple[ShardStateChanged, ...]:
    """What became of a connection."""
    return (ShardStateChanged(news.shard, news.state),)


def read_create(guild: GuildCreate, received_at: int) -> tuple[GuildUpserted | GuildDeleted, ...]:
    """The whole guild, or that it is still away."""
    if guild.unavailable:
        return (GuildDeleted(guild.id, received_at, unavailable=True),)
    bots = {member.user.id for member in guild.members if member.user and member.user.bot}
    return (
        GuildUpserted(
            guild.id,
            received_at,
            clean(guild.name, 100),
            clean_or_none(guild.icon),
            guild.owner_id or 0,
            guild.member_count,
            tuple(clean(feature, 64) for feature in guild.features),
            guild.premium_tier,
            guild.premium_subscription_count or 0,
            unix_ms(guild.joined_at),
            guild.afk_channel_id or 0,
            tuple(channel.fact(guild.id) for channel in (*guild.channels, *guild.threads)),
            tuple(
                state.fact(guild.id, received_at, bot=state.user_id in bots)
                for state in guild.voice_states
                if state.channel_id
            ),
        ),
    )


def read_update(guild: GuildCore, received_at: int) -> tuple[GuildUpdated, ...]:
    """The guild's settings as they are now."""
    return (
        GuildUpdated(
            guild.id,
            received_at,
            clean(guild.name, 100),
            clean_or_none(guild.icon),
            guild.owner_id or 0,
            tuple(clean(feature, 64) for feature in guild.features),
            guild.premium_tier,
            guild.premium_subscription_count or 0,
            guild.afk_channel_id or 0,
        ),
    )


def read_counts(answer: CountsAnswer, _received_at: int) -> tuple[GuildCountsRead, ...]:
    """How many members there are; an answer without a number is none."""
    body = answer.body
    if body is None or body.approximate_member_count is None:
        return (GuildCountsRead(answer.request.guild_id),)
    return (
        GuildCountsRead(
            answer.request.guild_id, body.approximate_member_count, body.approximate_presence_count
        ),
    )


def read_delete(guild: GuildStub, received_at: int) -> tuple[GuildDeleted, ...]:
    """Removed, or in an outage."""
    return (GuildDeleted(guild.id, received_at, guild.unavailable),)


def read_channel(channel: ChannelPayload, _received_at: int) -> tuple[ChannelUpserted, ...]:
    """A channel or thread made or changed."""
    return (channel.fact(channel.guild_id),) if channel.guild_id else ()


def read_channel_gone(channel: ChannelPayload, _received_at: int) -> tuple[ChannelDeleted, ...]:
    """A channel or thread removed."""
    return (ChannelDeleted(channel.guild_id, channel.id),) if channel.guild_id else ()


def read_threads(threads: ThreadList, _received_at: int) -> tuple[ChannelUpserted, ...]:
    """Threads that have just become visible to the bot."""
    return tuple(thread.fact(threads.guild_id) for thread in threads.threads)


_CHANNEL = Reader(ChannelPayload, read_channel)
_CHANNEL_GONE = Reader(ChannelPayload, read_channel_gone)


def _declare(
    kind: str,
    help_: str,
    record: RecordType,
    gauges: tuple[Gauge, ...] = (),
    table: str = "guild_events",
) -> EventSpec:
    return EventSpec(
        type=kind,
        family="guilds",
        help=help_,
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
        SHARD_NEWS: Reader(ShardPayload, read_shard),
        "GUILD_CREATE": Reader(GuildCreate, read_create),
        "GUILD_UPDATE": Reader(GuildCore, read_update),
        "GUILD_DELETE": Reader(GuildStub, read_delete),
        "CHANNEL_CREATE": _CHANNEL,
        "CHANNEL_UPDATE": _CHANNEL,
        "CHANNEL_DELETE": _CHANNEL_GONE,
        "THREAD_CREATE": _CHANNEL,
        "THREAD_UPDATE": _CHANNEL,
        "THREAD_DELETE": _CHANNEL_GONE,
        "THREAD_LIST_SYNC": Reader(ThreadList, read_threads),
        "REST_COUNTS": Reader(CountsAnswer, read_counts),
    },
    core_intents=("guilds",),
)
