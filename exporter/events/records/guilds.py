"""Guilds: what the bot sees of them, and their changes."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import UNSET, UnsetType

from exporter.events.records.values import Changes, Doc, Id, Int64, Milliseconds
from exporter.model import EntryData

ListedChannel: TypeAlias = tuple[Id, str, Int64, Id]
"""Id, name, type and parent of a channel; parent 0 for none."""


class GuildRecord(EntryData, frozen=True, kw_only=True):
    """A guild's settings; ``icon`` None says that it has none."""

    name: Annotated[str | None, Doc("Name.")] = None
    icon: Annotated[str | UnsetType | None, Doc("Hash of the icon; null for none.")] = UNSET
    owner_id: Annotated[Id | None, Doc("Who owns it.", personal=True)] = None
    member_count: Annotated[Int64 | None, Doc("Members at that moment.")] = None
    features: Annotated[list[str] | None, Doc("Discord's features, such as COMMUNITY.")] = None
    premium_tier: Annotated[Int64 | None, Doc("Boost level, 0 to 3.")] = None
    premium_subscription_count: Annotated[Int64 | None, Doc("Boosts.")] = None
    joined_at: Annotated[Milliseconds | None, Doc("When the bot joined, ms since the epoch.")] = None


class GuildSyncRecord(GuildRecord, frozen=True, kw_only=True):
    """A guild as it was found when a session started."""

    channels: Annotated[list[ListedChannel] | None, Doc("Channels: id, name, type, parent.")] = None


class GuildUpdateRecord(GuildRecord, frozen=True, kw_only=True):
    """A guild's settings after a change."""

    changes: Annotated[Changes | None, Doc("Only what changed: old and new value by field.")] = None


class GuildDeleteRecord(EntryData, frozen=True, kw_only=True):
    """The bot was removed from a guild."""

    name: Annotated[str | None, Doc("Its name.")] = None
