"""Operations on whole guilds: added, removed, unavailable, changed, boosted; permissions of the bot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_simulator.objects import bot_permissions
from discord_simulator.operations import audit, messages, structure, voice
from discord_simulator.vocabulary import AuditAction, Author, Intent, MessageKind

if TYPE_CHECKING:
    from discord_simulator.guild import Guild
    from discord_simulator.objects import Data
    from discord_simulator.world import World


def add(world: World) -> Guild:
    """The bot is added to a new guild."""
    guild = world.add_guild()
    now = world.now()
    guild.joined_at = now
    line = world.record("GUILD_CREATE", guild, now, **guild.ledger_fields())
    _publish_guild_create(world, guild, line)
    return guild


def remove(world: World, guild: Guild) -> None:
    """The bot is removed from a guild and receives no further events of it."""
    world.scheduler.flush(guild.id)
    now = world.now()
    for user_id in tuple(guild.states):
        voice.end_session(world, guild, user_id, now, "out of sight")
    line = world.record("GUILD_DELETE", guild, now, name=guild.name, member_count=guild.member_count)
    world.publish("GUILD_DELETE", guild, {"id": str(guild.id)}, Intent.GUILDS, line)
    world.remove_guild(guild)


def begin_outage(world: World, guild: Guild) -> None:
    """The guild becomes unavailable: no action happens there, and voice sessions go on."""
    if guild.unavailable:
        return
    world.scheduler.flush(guild.id)
    line = world.record("OUTAGE", guild, world.now(), unavailable=True)
    world.publish("GUILD_DELETE", guild, {"id": str(guild.id), "unavailable": True}, Intent.GUILDS, line)
    guild.unavailable = True
    world.revision += 1


def end_outage(world: World, guild: Guild) -> None:
    """The guild becomes available again, published as a full GUILD_CREATE."""
    if not guild.unavailable:
        return
    guild.unavailable = False
    world.revision += 1
    line = world.record("OUTAGE", guild, world.now(), unavailable=False)
    _publish_guild_create(world, guild, line)


def _publish_guild_create(world: World, guild: Guild, line: int) -> None:
    data = world.render.guild_create(guild, all_members=False, voice=True)
    world.publish("GUILD_CREATE", guild, data, Intent.GUILDS, line)


def rename(world: World, guild: Guild, name: str, actor_id: int) -> None:
    """A member changes the name of the guild."""
    old, guild.name = guild.name, name
    _publish_change(world, guild, actor_id, {"name": {"old": old, "new": name}}, "name")


def change_icon(world: World, guild: Guild, icon: str | None, actor_id: int) -> None:
    """A member changes or removes the icon of the guild."""
    old, guild.icon = guild.icon, icon
    _publish_change(world, guild, actor_id, {"icon": {"old": old, "new": icon}}, "icon_hash")


def transfer_ownership(world: World, guild: Guild, owner_id: int) -> None:
    """The owner transfers the ownership to another member."""
    old, guild.owner_id = guild.owner_id, owner_id
    if owner_id not in guild.moderators:
        guild.moderators.append(owner_id)
        world.render.forget_member(guild, owner_id)
    _publish_change(world, guild, old, {"owner_id": {"old": str(old), "new": str(owner_id)}}, "owner_id")


def boost(world: World, guild: Guild, user_id: int) -> None:
    """A member boosts the guild; this has a system message and no audit entry."""
    tier, boosts = guild.tier, guild.boosts
    guild.boosts += 1
    guild.boosting[user_id] = world.now()
    world.render.forget_member(guild, user_id)
    messages.post(world, guild, guild.system_channel, user_id, Author.SYSTEM, kind=MessageKind.BOOST)
    changes: Data = {"premium_subscription_count": {"old": boosts, "new": guild.boosts}}
    if tier != guild.tier:
        changes["premium_tier"] = {"old": tier, "new": guild.tier}
    line = world.record("GUILD_UPDATE", guild, world.now(), changes=changes)
    world.publish(
        "GUILD_MEMBER_UPDATE",
        guild,
        {**world.render.whole_member(guild, user_id), "guild_id": str(guild.id)},
        Intent.GUILD_MEMBERS,
    )
    world.publish("GUILD_UPDATE", guild, world.render.guild(guild), Intent.GUILDS, line)


def set_permission(world: World, guild: Guild, permission: str, *, granted: bool) -> None:
    """The owner grants the bot a permission or withdraws it, by a change of the bot's role."""
    if granted == (permission in guild.permissions):
        return
    old = bot_permissions(guild)
    if granted:
        guild.permissions.add(permission)
    else:
        guild.permissions.discard(permission)
    world.record("PERMISSION", guild, world.now(), name=permission, granted=granted)
    role = next((role for role in guild.roles if role.bot_id == guild.bots[0]), None)
    if role is not None and old != bot_permissions(guild):
        structure.set_role_permissions(
            world, guild, role, (old, bot_permissions(guild)), audit.Actor(guild.owner_id)
        )


def _publish_change(
    world: World, guild: Guild, actor_id: int, changes: dict[str, dict[str, object]], key: str
) -> None:
    (values,) = changes.values()
    change: Data = {"key": key}
    if values["old"] is not None:
        change["old_value"] = values["old"]
    if values["new"] is not None:
        change["new_value"] = values["new"]
    entry = audit.add_entry(
        world, guild, AuditAction.GUILD_UPDATE, user_id=actor_id, target_id=guild.id, changes=(change,)
    )
    line = world.record(
        "GUILD_UPDATE",
        guild,
        world.now(),
        changes=changes,
        moderator_id=str(actor_id),
        audit_entry_id=str(entry.id),
    )
    world.publish("GUILD_UPDATE", guild, world.render.guild(guild), Intent.GUILDS, line)
    audit.publish_entry(world, guild, entry, line)
