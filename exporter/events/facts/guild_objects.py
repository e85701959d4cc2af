"""Roles, channels, threads, emojis and stickers of a guild, kept to detect changes."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Self, TypeAlias

import msgspec

from exporter.events.facts.base import Fact
from exporter.model import Json

Trait: TypeAlias = bool | int | str | None
"""The value of one field of a part."""


class GuildObject(msgspec.Struct, frozen=True):
    """A role, channel, thread, emoji or sticker; ``traits`` are the fields whose changes are recorded."""

    kind: str
    part_id: int
    traits: Mapping[str, Trait]


class GuildObjectUpserted(Fact, frozen=True):
    """A part of a guild was ``made``, or ``changed``, or only became visible (``shown``).

    ``maker_id`` is who made it, where the dispatch says so.
    """

    guild_id: int
    at: int
    part: GuildObject
    news: str
    maker_id: int = 0

    def without(self, people: Container[int]) -> Self | None:
        """The object belongs to the guild; only its creator is left out."""
        return msgspec.structs.replace(self, maker_id=0) if self.maker_id in people else self


class GuildObjectDeleted(Fact, frozen=True):
    """A part of a guild was deleted."""

    guild_id: int
    at: int
    kind: str
    part_id: int


class GuildObjectsListed(Fact, frozen=True):
    """All parts of these kinds that a guild has; ``told`` if the list was sent because of a change."""

    guild_id: int
    at: int
    kinds: tuple[str, ...]
    parts: tuple[GuildObject, ...]
    told: bool = False


class GuildObjectChanged(Fact, frozen=True):
    """What was done to an object, as its dispatch shows it; ``actor_id`` 0 where that is not said."""

    guild_id: int
    at: int
    action: str
    target_id: int
    name: str | None
    changes: Mapping[str, Json]
    actor_id: int = 0
