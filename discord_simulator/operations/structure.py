"""Operations on roles, channels, emoji and stickers: created, renamed, deleted.

Emoji and stickers are published as the whole remaining list, roles and channels one by one. Each change has
an audit entry. Sources: Discord docs, Gateway Events › Guild Role Create, Channel Create, Guild Emojis
Update, Guild Stickers Update and following.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from discord_simulator.guild import Channel, Emoji, Role, Sticker
from discord_simulator.objects import channel_object, emoji_object, role_object, sticker_object
from discord_simulator.operations import audit
from discord_simulator.vocabulary import AuditAction, ChannelKind, Intent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from discord_simulator.guild import Guild
    from discord_simulator.objects import Data
    from discord_simulator.operations.audit import Actor
    from discord_simulator.world import World

GuildObject: TypeAlias = Role | Channel | Emoji | Sticker
_Object = TypeVar("_Object", Role, Channel, Emoji, Sticker)

_LEDGER_NAMES = {Role: "ROLE", Channel: "CHANNEL", Emoji: "EMOJI", Sticker: "STICKER"}


def create_role(world: World, guild: Guild, name: str, by: Actor) -> Role:
    """A user creates a role."""
    return _create(world, guild, guild.roles, Role(world.ids.make(world.now()), name, len(guild.roles)), by)


def rename_role(world: World, guild: Guild, role: Role, name: str, by: Actor) -> Role:
    """A user renames a role."""
    return _rename(world, guild, guild.roles, role, name, by)


def set_role_permissions(
    world: World, guild: Guild, role: Role, permissions: tuple[str, str], by: Actor
) -> None:
    """A user changes the permissions of a role; ``permissions`` are the old and the new bits."""
    old, new = permissions
    _record_change(world, guild, role, "UPDATE", {"permissions": (old, new)}, by)


def delete_role(world: World, guild: Guild, role: Role, by: Actor) -> None:
    """A user deletes a role; no event is published for the members who had it."""
    for user_id, roles in guild.given_roles.items():
        if role.id in roles:
            guild.given_roles[user_id] = [role_id for role_id in roles if role_id != role.id]
            world.render.forget_member(guild, user_id)
    _delete(world, guild, guild.roles, role, by)


def create_channel(world: World, guild: Guild, name: str, by: Actor) -> Channel:
    """A user creates a text channel."""
    now = world.now()
    channel = Channel(world.ids.make(now), ChannelKind.TEXT, name, position=len(guild.text), created_at=now)
    return _create(world, guild, guild.created_channels, channel, by)


def rename_channel(world: World, guild: Guild, channel: Channel, name: str, by: Actor) -> None:
    """A user renames a channel."""
    old, channel.name = channel.name, name
    _change(world, guild, channel, "UPDATE", old, by)


def delete_channel(world: World, guild: Guild, channel: Channel, by: Actor) -> None:
    """A user deletes a channel that was created while the simulator ran."""
    _delete(world, guild, guild.created_channels, channel, by)


def create_emoji(world: World, guild: Guild, name: str, by: Actor) -> Emoji:
    """A user uploads an emoji."""
    return _create(world, guild, guild.emojis, Emoji(world.ids.make(world.now()), name), by)


def rename_emoji(world: World, guild: Guild, emoji: Emoji, name: str, by: Actor) -> Emoji:
    """A user renames an emoji."""
    return _rename(world, guild, guild.emojis, emoji, name, by)


def delete_emoji(world: World, guild: Guild, emoji: Emoji, by: Actor) -> None:
    """A user deletes an emoji; reactions with it remain."""
    _delete(world, guild, guild.emojis, emoji, by)


def create_sticker(world: World, guild: Guild, name: str, by: Actor) -> Sticker:
    """A user uploads a sticker."""
    return _create(world, guild, guild.stickers, Sticker(world.ids.make(world.now()), name), by)


def rename_sticker(world: World, guild: Guild, sticker: Sticker, name: str, by: Actor) -> Sticker:
    """A user renames a sticker."""
    return _rename(world, guild, guild.stickers, sticker, name, by)


def delete_sticker(world: World, guild: Guild, sticker: Sticker, by: Actor) -> None:
    """A user deletes a sticker."""
    _delete(world, guild, guild.stickers, sticker, by)


def _create(world: World, guild: Guild, objects: list[_Object], made: _Object, by: Actor) -> _Object:
    objects.append(made)
    _change(world, guild, made, "CREATE", None, by)
    return made


def _rename(
    world: World, guild: Guild, objects: list[_Object], target: _Object, name: str, by: Actor
) -> _Object:
    renamed = objects[objects.index(target)] = replace(target, name=name)
    _change(world, guild, renamed, "UPDATE", target.name, by)
    return renamed


def _delete(world: World, guild: Guild, objects: list[_Object], target: _Object, by: Actor) -> None:
    objects.remove(target)
    _change(world, guild, target, "DELETE", target.name, by)


def _change(world: World, guild: Guild, target: GuildObject, verb: str, old: str | None, by: Actor) -> None:
    new = None if verb == "DELETE" else target.name
    _record_change(world, guild, target, verb, {"name": (old, new)}, by)


def _record_change(
    world: World,
    guild: Guild,
    target: GuildObject,
    verb: str,
    changed: Mapping[str, tuple[str | None, str | None]],
    by: Actor,
) -> None:
    kind = f"{_LEDGER_NAMES[type(target)]}_{verb}"
    changes = tuple(audit.change(key, old, new) for key, (old, new) in changed.items())
    entry = audit.entry_for(world, guild, AuditAction[kind], by, target.id, changes=changes)
    line = world.record(
        kind,
        guild,
        world.now(),
        target_id=str(target.id),
        name=target.name,
        moderator_id=str(by.moderator_id),
        audit_entry_id=str(entry.id),
        reason=by.reason,
        changes={key: {"old": old, "new": new} for key, (old, new) in changed.items()}
        if verb == "UPDATE"
        else {},
    )
    audit.publish_before(world, guild, entry, line, by)
    name, data, intent = _event_of(guild, target, verb)
    world.publish(name, guild, data, intent, line)
    audit.publish_after(world, guild, entry, line, by)


def _event_of(guild: Guild, target: GuildObject, verb: str) -> tuple[str, Data, Intent]:
    """The event of a change: its name, its data and the intent it needs."""
    guild_id = str(guild.id)
    match target:
        case Role():
            data: Data = (
                {"role_id": str(target.id)} if verb == "DELETE" else {"role": role_object(guild, target)}
            )
            return f"GUILD_ROLE_{verb}", {"guild_id": guild_id, **data}, Intent.GUILDS
        case Channel():
            return f"CHANNEL_{verb}", channel_object(guild, target), Intent.GUILDS
        case Emoji():
            emojis = [emoji_object(emoji) for emoji in guild.emojis]
            return "GUILD_EMOJIS_UPDATE", {"guild_id": guild_id, "emojis": emojis}, Intent.GUILD_EXPRESSIONS
        case Sticker():
            stickers = [sticker_object(guild, sticker) for sticker in guild.stickers]
            stickers_data: Data = {"guild_id": guild_id, "stickers": stickers}
            return "GUILD_STICKERS_UPDATE", stickers_data, Intent.GUILD_EXPRESSIONS
