"""The smaller objects of Discord's API, as pure functions of the world's state.

Every field that Discord documents as always present is present. Sources: Discord docs,
Resources › Channel, Emoji, Audit Log, Webhook; Topics › Permissions › Role Object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from discord_simulator.snowflake import iso
from discord_simulator.vocabulary import PERMISSION_BITS, ChannelKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from discord_simulator.guild import AuditEntry, Channel, Emoji, Guild, Message, Role, Sticker

Data: TypeAlias = dict[str, object]

_ALL_PERMISSIONS = str((1 << 50) - 1)
_ADMINISTRATOR = 1 << 3
_EVERYONE_PERMISSIONS = "104324673"
"""View, send, react, connect and speak: Discord's default for @everyone."""

_PRIORITY_REACTION_COLOURS = ["#ffcc4d", "#ff7892"]


def bot_permissions(guild: Guild) -> str:
    """Permission bits of the bot's role: all but administrator, without those withdrawn."""
    withdrawn = sum(bit for name, bit in PERMISSION_BITS.items() if name not in guild.permissions)
    return str(int(_ALL_PERMISSIONS) & ~_ADMINISTRATOR & ~withdrawn)


def role_object(guild: Guild, role: Role) -> Data:
    """A role object."""
    moderator = role.position == 1
    permissions = bot_permissions(guild) if role.bot_id == guild.bots[0] else _EVERYONE_PERMISSIONS
    if moderator or role.bot_id not in (0, guild.bots[0]):
        permissions = _ALL_PERMISSIONS
    tags: Data = {"bot_id": str(role.bot_id)} if role.bot_id else {}
    return {
        "id": str(role.id),
        "name": role.name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": moderator,
        "icon": None,
        "unicode_emoji": None,
        "position": role.position,
        "permissions": permissions,
        "managed": bool(role.bot_id),
        "mentionable": role.id != guild.id,
        "flags": 0,
    } | ({"tags": tags} if tags else {})


def emoji_object(emoji: Emoji) -> Data:
    """A custom emoji of a guild."""
    return {
        "id": str(emoji.id),
        "name": emoji.name,
        "roles": [],
        "require_colons": True,
        "managed": False,
        "animated": emoji.animated,
        "available": True,
    }


def sticker_object(guild: Guild, sticker: Sticker) -> Data:
    """A sticker of a guild."""
    return {
        "id": str(sticker.id),
        "name": sticker.name,
        "description": None,
        "tags": "wave",
        "type": 2,
        "format_type": 1,
        "available": True,
        "guild_id": str(guild.id),
    }


def partial_emoji(emoji: Emoji) -> Data:
    """An emoji as reactions carry it; a deleted custom emoji has an id and no name."""
    if not emoji.id:
        return {"id": None, "name": emoji.name}
    return {"id": str(emoji.id), "name": emoji.name or None, "animated": emoji.animated}


def channel_object(guild: Guild, channel: Channel) -> Data:
    """A channel object of any kind but a thread."""
    category = next((c for c in guild.categories if channel.kind is not ChannelKind.CATEGORY), None)
    data: Data = {
        "id": str(channel.id),
        "type": int(channel.kind),
        "guild_id": str(guild.id),
        "position": channel.position,
        "permission_overwrites": [],
        "name": channel.name,
        "nsfw": False,
        "parent_id": str(category.id) if category else None,
        "flags": 0,
    }
    last = str(channel.recent[-1].id) if channel.recent else None
    if channel.kind is ChannelKind.VOICE:
        data |= {
            "bitrate": 64_000,
            "user_limit": 0,
            "rtc_region": None,
            "rate_limit_per_user": 0,
            "last_message_id": last,
        }
    elif channel.kind is ChannelKind.TEXT:
        data |= {"topic": None, "last_message_id": last, "rate_limit_per_user": 0, "last_pin_timestamp": None}
    elif channel.kind is ChannelKind.FORUM:
        data |= {
            "topic": None,
            "last_message_id": None,
            "rate_limit_per_user": 0,
            "available_tags": [],
            "default_reaction_emoji": None,
            "default_sort_order": None,
            "default_forum_layout": 0,
        }
    return data


def thread_object(guild: Guild, thread: Channel, *, archived: bool = False) -> Data:
    """A public thread."""
    return {
        "id": str(thread.id),
        "type": int(thread.kind),
        "guild_id": str(guild.id),
        "parent_id": str(thread.parent_id),
        "owner_id": str(thread.owner_id),
        "name": thread.name,
        "last_message_id": str(thread.recent[-1].id) if thread.recent else None,
        "rate_limit_per_user": 0,
        "message_count": thread.sent,
        "total_message_sent": thread.sent,
        "member_count": 1,
        "flags": 0,
        "applied_tags": [],
        "thread_metadata": {
            "archived": archived,
            "auto_archive_duration": 1440,
            "archive_timestamp": iso(thread.created_at),
            "locked": False,
            "create_timestamp": iso(thread.created_at),
        },
    }


def webhook_user(message: Message) -> Data:
    """The author of a webhook's message: a user object without an account."""
    return {
        "id": str(message.author_id),
        "username": message.webhook_name,
        "discriminator": "0000",
        "avatar": None,
        "bot": True,
        "public_flags": 0,
        "global_name": None,
    }


def audit_object(entry: AuditEntry) -> Data:
    """An audit-log entry, without the guild's id."""
    data: Data = {
        "id": str(entry.id),
        "user_id": str(entry.user_id),
        "target_id": str(entry.target_id) if entry.target_id else None,
        "action_type": entry.action,
    }
    options: Mapping[str, str] = entry.options
    if entry.count:
        options = {**options, "count": str(entry.count)}
    if entry.channel_id:
        options = {**options, "channel_id": str(entry.channel_id)}
    if options:
        data["options"] = options
    if entry.changes:
        data["changes"] = list(entry.changes)
    if entry.reason is not None:
        data["reason"] = entry.reason
    return data


def reaction_colours() -> list[str]:
    """The colours of a super reaction's animation."""
    return list(_PRIORITY_REACTION_COLOURS)


def link_embed() -> Data:
    """The preview of a link."""
    return {"type": "link", "url": "https://example.org/", "title": "Example"}
