"""What the bot may do: roles and who has them."""

from __future__ import annotations

from collections.abc import Container
from typing import Self

import msgspec

from exporter.events.facts.base import Fact


class BotKnown(Fact, frozen=True):
    """Who the bot itself is."""

    user_id: int


class RolesListed(Fact, frozen=True):
    """All roles of a guild with what they permit, and which of them its bots have."""

    guild_id: int
    owner_id: int
    roles: tuple[tuple[int, int], ...]
    holders: tuple[tuple[int, tuple[int, ...]], ...]

    def without(self, people: Container[int]) -> Self | None:
        """The owner's id only says whether the bot itself owns the guild, and a bot cannot opt out."""
        return msgspec.structs.replace(self, owner_id=0) if self.owner_id in people else self


class RoleUpserted(Fact, frozen=True):
    """A role was made or changed; ``permissions`` are Discord's bits."""

    guild_id: int
    role_id: int
    permissions: int


class RoleDeleted(Fact, frozen=True):
    """A role was removed."""

    guild_id: int
    role_id: int


class MemberRoles(Fact, frozen=True):
    """Which roles a member has now."""

    guild_id: int
    user_id: int
    role_ids: tuple[int, ...]


class PermissionsChanged(Fact, frozen=True):
    """The bot may do more or less in a guild than before, or its permissions there are first known."""

    guild_id: int
