"""What the bot may do in each guild: its roles, and what they permit.

Read whatever event types are on: from the permissions follow which requests would be refused, and what data
is missing. No event type belongs to it.
"""

from __future__ import annotations

import msgspec

from exporter.events.facts import BotKnown, MemberRoles, RoleDeleted, RolesListed, RoleUpserted
from exporter.events.payload import Snowflake, User
from exporter.events.spec import Family, Reader


class RolePayload(msgspec.Struct):
    """Discord docs, Topics › Permissions › Role Object."""

    id: Snowflake
    permissions: Snowflake = 0


class RoleChange(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Role Create, Guild Role Update."""

    guild_id: Snowflake
    role: RolePayload


class RoleDelete(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Role Delete."""

    guild_id: Snowflake
    role_id: Snowflake


class Holder(msgspec.Struct):
    """A guild member, as far as roles go. Discord docs, Resources › Guild › Guild Member."""

    user: User | None = None
    roles: list[Snowflake] = []


class MemberRolesUpdate(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Member Update."""

    guild_id: Snowflake
    user: User
    roles: list[Snowflake] = []


class GuildRoles(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Create: its roles, and the members that are bots."""

    id: Snowflake
    unavailable: bool = False
    owner_id: Snowflake | None = None
    roles: list[RolePayload] = []
    members: list[Holder] = []


class ReadyUser(msgspec.Struct):
    """Discord docs, Gateway Events › Ready: who the bot is."""

    user: User | None = None


def read_ready(ready: ReadyUser, _received_at: int) -> tuple[BotKnown, ...]:
    """Who the bot is."""
    return (BotKnown(ready.user.id),) if ready.user else ()


def read_guild(guild: GuildRoles, _received_at: int) -> tuple[RolesListed, ...]:
    """All roles of a guild, and which of them its bots have: the bot itself is among them."""
    if guild.unavailable or not guild.roles:
        return ()
    bots = (member for member in guild.members if member.user and member.user.bot)
    return (
        RolesListed(
            guild.id,
            guild.owner_id or 0,
            tuple((role.id, role.permissions) for role in guild.roles),
            tuple((bot.user.id, tuple(bot.roles)) for bot in bots if bot.user),
        ),
    )


def read_role(change: RoleChange, _received_at: int) -> tuple[RoleUpserted, ...]:
    """A role as it is now."""
    return (RoleUpserted(change.guild_id, change.role.id, change.role.permissions),)


def read_role_gone(role: RoleDelete, _received_at: int) -> tuple[RoleDeleted, ...]:
    """A role removed."""
    return (RoleDeleted(role.guild_id, role.role_id),)


def read_member(member: MemberRolesUpdate, _received_at: int) -> tuple[MemberRoles, ...]:
    """Which roles a bot has now; those of people permit us nothing."""
    return (MemberRoles(member.guild_id, member.user.id, tuple(member.roles)),) if member.user.bot else ()


_ROLE = Reader(RoleChange, read_role)

FAMILY = Family(
    "rights",
    "What the bot may do.",
    (),
    core={
        "READY": Reader(ReadyUser, read_ready),
        "GUILD_CREATE": Reader(GuildRoles, read_guild),
        "GUILD_ROLE_CREATE": _ROLE,
        "GUILD_ROLE_UPDATE": _ROLE,
        "GUILD_ROLE_DELETE": Reader(RoleDelete, read_role_gone),
        "GUILD_MEMBER_UPDATE": Reader(MemberRolesUpdate, read_member),
    },
    core_intents=("guilds",),
)
