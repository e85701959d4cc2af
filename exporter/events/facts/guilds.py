"""Guilds and their channels, whole and in parts, and how many members they have."""

from __future__ import annotations

from collections.abc import Container
from typing import Self

import msgspec

from exporter.events.facts.base import Fact
from exporter.events.facts.voice import VoiceState


class ChannelUpserted(Fact, frozen=True):
    """A channel or thread as it is now; a thread's activity is counted for ``parent_id``."""

    guild_id: int
    channel_id: int
    name: str
    kind: int
    parent_id: int = 0


class ChannelDeleted(Fact, frozen=True):
    """A channel or thread was removed."""

    guild_id: int
    channel_id: int


class GuildUpserted(Fact, frozen=True):
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

    def without(self, people: Container[int]) -> Self | None:
        """The guild without the voice states of people who opted out, and without an owner who did."""
        return msgspec.structs.replace(
            self,
            voice_states=tuple(state for state in self.voice_states if state.user_id not in people),
            owner_id=0 if self.owner_id in people else self.owner_id,
        )


class GuildUpdated(Fact, frozen=True):
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

    def without(self, people: Container[int]) -> Self | None:
        """The guild without an owner who opted out."""
        return msgspec.structs.replace(self, owner_id=0) if self.owner_id in people else self


class GuildDeleted(Fact, frozen=True):
    """A guild is not available to the bot: it left the guild, or (``unavailable``) there is an outage."""

    guild_id: int
    at: int
    unavailable: bool


class MemberCountChanged(Fact, frozen=True):
    """A member joined (+1) or left (-1); keeps the member count true between syncs."""

    guild_id: int
    delta: int


class GuildCountsRead(Fact, frozen=True):
    """How many members a guild has and how many are online, as requested by REST; None where not given."""

    guild_id: int
    members: int | None = None
    online: int | None = None


class MemberCountCorrected(Fact, frozen=True):
    """By what Discord's own count of members differs, and how many are online; None if not given."""

    guild_id: int
    difference: int
    online: int | None
