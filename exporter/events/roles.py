"""What the bot may do in each guild: its roles, and what they permit.

Read whatever event types are on: from the permissions follow which requests would be refused, and what data
is missing. No event type belongs to it.
"""

from __future__ import annotations

import msgspec

from exporter.events.facts.guilds import BotKnown, MemberRoles, RoleDeleted, RolesListed, RoleUpserted
from exporter.events.payload import Identified, MemberOf, Snowflake, User, UserEvent
from exporter.events.spec import Family, Reader


class RolePayload(Identified):
    """Discord docs, Topics › Permissions › Role Object."""

    permissions: Snowflake = 0


class RoleChange(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Role Create, Guild Role Update."""

    guild_id: Snowflake
    role: RolePayload


class RoleDelete(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Role Delete."""

    guild_id: Snowflake
    role_id: Snowflake


class RoleHolder(MemberOf):
    """A guild member, as far as roles go. Discord docs, Resources › Guild › Guild Member."""

    roles: tuple[Snowflake, ...] = ()


class MemberRolesUpdate(UserEvent):
    """Discord docs, Gateway Events › Guild Member Update."""

    roles: tuple[Snowflake, ...] | None = None


class GuildRoles(Identified):
    """Discord docs, Gateway Events › Guild Create: its roles, and the members that are bots."""

    unavailable: bool = False
    owner_id: Snowflake | None = None
    roles: tuple[RolePayload, ...] = ()
    members: tuple[RoleHolder, ...] = ()


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
    roles = tuple((role.id, role.permissions) for role in guild.roles)
    bots = ((member.user, member.roles) for member in guild.members)
    holders = tuple((user.id, tuple(held)) for user, held in bots if user and user.bot)
    return (RolesListed(guild.id, guild.owner_id or 0, roles, holders),)


def read_role(change: RoleChange, _received_at: int) -> tuple[RoleUpserted, ...]:
    """A role as it is now."""
    return (RoleUpserted(change.guild_id, change.role.id, change.role.permissions),)


def read_role_deleted(role: RoleDelete, _received_at: int) -> tuple[RoleDeleted, ...]:
    """A role removed."""
    return (RoleDeleted(role.guild_id, role.role_id),)


def read_member(member: MemberRolesUpdate, _received_at: int) -> tuple[MemberRoles, ...]:
    """Which roles a bot has now; those of people permit us nothing."""
    if member.roles is None or not member.user.bot:
        return ()
    return (MemberRoles(member.guild_id, member.user.id, tuple(member.roles)),)


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
        "GUILD_ROLE_DELETE": Reader(RoleDelete, read_role_deleted),
        "GUILD_MEMBER_UPDATE": Reader(MemberRolesUpdate, read_member),
    },
    core_intents=("guilds",),
)
