"""Settings of a guild, as last seen."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from exporter.events.facts.guilds import GuildUpdated, GuildUpserted
from exporter.events.records.occurrences import GuildRecord
from exporter.events.records.values import Changes

_Record = TypeVar("_Record", bound=GuildRecord)

_NAMES = msgspec.msgpack.Decoder(dict[int, str])

_CHANGEABLE = (
    "name",
    "icon",
    "owner_id",
    "features",
    "premium_tier",
    "premium_subscription_count",
)


class Presence(enum.Enum):
    """Whether a guild is available."""

    EXPECTED = "expected"
    HERE = "here"
    OUTAGE = "outage"


@dataclass(slots=True)
class Guild:
    """Current state of one guild."""

    guild_id: int
    presence: Presence
    name: str = ""
    icon: str | None = None
    owner_id: int = 0
    member_count: int = 0
    online: int | None = None
    features: tuple[str, ...] = ()
    premium_tier: int = 0
    premium_subscription_count: int = 0
    joined_at: int = 0
    channel_names: bytes = b"\x80"
    known: bool = False

    @property
    def names(self) -> dict[int, str]:
        """The names of its channels, threads not among them; decoded at each call."""
        return _NAMES.decode(self.channel_names)

    def describe(self, record: type[_Record], **more: Any) -> _Record:
        """The settings as an entry's data, with ``more`` fields that this kind of record has."""
        return record(
            name=self.name,
            icon=self.icon,
            owner_id=self.owner_id,
            member_count=self.member_count,
            features=list(self.features),
            premium_tier=self.premium_tier,
            premium_subscription_count=self.premium_subscription_count,
            joined_at=self.joined_at,
            **more,
        )

    def apply(self, fact: GuildUpserted | GuildUpdated) -> Changes:
        """Take the settings; returns what changed."""
        changes: Changes = {}
        for attribute in _CHANGEABLE:
            old, new = getattr(self, attribute), getattr(fact, attribute)
            if old != new:
                changes[attribute] = {
                    "old": list(old) if isinstance(old, tuple) else old,
                    "new": list(new) if isinstance(new, tuple) else new,
                }
                setattr(self, attribute, new)
        return changes
