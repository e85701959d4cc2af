"""Guilds and their channels, whole and in parts, and how many members they have."""

from __future__ import annotations

import msgspec

from exporter.events.facts.voice import VoiceState


class ChannelUpserted(msgspec.Struct, frozen=True):
    """A channel or thread as it is now; a thread's activity is booked on ``parent_id``."""

    guild_id: int
    channel_id: int
    name: str
    kind: int
    parent_id: int = 0


class ChannelDeleted(msgspec.Struct, frozen=True):
    """A channel or thread was removed."""

    guild_id: int
    channel_id: int


class GuildUpserted(msgspec.Struct, frozen=True):
    """A guild, whole: after identify, after an outage, or because the bot was added."""

    guild_id: int
    at: int
    name: str
    icon: str | None
    owner_id: int
    member_count: int
    features: tuple[str, ...]
    premium_tier: int
    premium_subscription_count: int
    joined_at: int
    afk_channel_id: int
    channels: tuple[ChannelUpserted, ...]
    voice_states: tuple[VoiceState, ...]


class GuildUpdated(msgspec.Struct, frozen=True):
    """A guild's settings after a change; what changed follows from what was known."""

    guild_id: int
    at: int
    name: str
    icon: str | None
    owner_id: int
    features: tuple[str, ...]
    premium_tier: int
    premium_subscription_count: int
    afk_channel_id: int


class GuildDeleted(msgspec.Struct, frozen=True):
    """The bot lost sight of a guild: for good, or (``unavailable``) in an outage."""

    guild_id: int
    at: int
    unavailable: bool


class MemberCountChanged(msgspec.Struct, frozen=True):
    """Somebody joined (+1) or left (-1); keeps the member count true between syncs."""

    guild_id: int
    delta: int


class GuildCountsRead(msgspec.Struct, frozen=True):
    """How many members a guild has and how many are online, as it was asked for; None where not told."""

    guild_id: int
    members: int | None = None
    online: int | None = None
