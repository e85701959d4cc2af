"""What a guild is made of, kept to tell what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

Trait: TypeAlias = bool | int | str | None
"""The value of one field of a part."""


class GuildObject(msgspec.Struct, frozen=True):
    """A role, channel, thread, emoji or sticker; ``traits`` are the fields whose changes are told."""

    kind: str
    part_id: int
    traits: Mapping[str, Trait]


class GuildObjectUpserted(msgspec.Struct, frozen=True):
    """A part of a guild was ``made``, or ``changed``, or merely came into sight (``shown``).

    ``maker_id`` is who made it, where the dispatch says so.
    """

    guild_id: int
    at: int
    part: GuildObject
    news: str
    maker_id: int = 0


class GuildObjectDeleted(msgspec.Struct, frozen=True):
    """A part of a guild was deleted."""

    guild_id: int
    at: int
    kind: str
    part_id: int


class GuildObjectsListed(msgspec.Struct, frozen=True):
    """All parts of these kinds that a guild has; ``told`` if the list is news of a change."""

    guild_id: int
    at: int
    kinds: tuple[str, ...]
    parts: tuple[GuildObject, ...]
    told: bool = False
