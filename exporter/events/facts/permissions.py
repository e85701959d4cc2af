"""What the bot may do: roles and who has them."""

from __future__ import annotations

import msgspec


class BotKnown(msgspec.Struct, frozen=True):
    """Who the bot itself is."""

    user_id: int


class RolesListed(msgspec.Struct, frozen=True):
    """All roles of a guild with what they permit, and which of them its bots have."""

    guild_id: int
    owner_id: int
    roles: tuple[tuple[int, int], ...]
    holders: tuple[tuple[int, tuple[int, ...]], ...]


class RoleUpserted(msgspec.Struct, frozen=True):
    """A role was made or changed; ``permissions`` are Discord's bits."""

    guild_id: int
    role_id: int
    permissions: int


class RoleDeleted(msgspec.Struct, frozen=True):
    """A role was removed."""

    guild_id: int
    role_id: int


class MemberRoles(msgspec.Struct, frozen=True):
    """Which roles a member has now."""

    guild_id: int
    user_id: int
    role_ids: tuple[int, ...]
