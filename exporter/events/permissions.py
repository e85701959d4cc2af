"""Permissions: Discord's names in snake_case and their bits, and the link that invites the bot with them.

Source: Discord docs, Permissions › Bitwise Permission Flags; OAuth2 › Bot Authorization Flow. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode

PERMISSIONS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "create_instant_invite": 1 << 0,
        "kick_members": 1 << 1,
        "ban_members": 1 << 2,
        "administrator": 1 << 3,
        "manage_channels": 1 << 4,
        "manage_guild": 1 << 5,
        "add_reactions": 1 << 6,
        "view_audit_log": 1 << 7,
        "priority_speaker": 1 << 8,
        "stream": 1 << 9,
        "view_channel": 1 << 10,
        "send_messages": 1 << 11,
        "send_tts_messages": 1 << 12,
        "manage_messages": 1 << 13,
        "embed_links": 1 << 14,
        "attach_files": 1 << 15,
        "read_message_history": 1 << 16,
        "mention_everyone": 1 << 17,
        "use_external_emojis": 1 << 18,
        "view_guild_insights": 1 << 19,
        "connect": 1 << 20,
        "speak": 1 << 21,
        "mute_members": 1 << 22,
        "deafen_members": 1 << 23,
        "move_members": 1 << 24,
        "use_vad": 1 << 25,
        "change_nickname": 1 << 26,
        "manage_nicknames": 1 << 27,
        "manage_roles": 1 << 28,
        "manage_webhooks": 1 << 29,
        "manage_guild_expressions": 1 << 30,
        "use_application_commands": 1 << 31,
        "request_to_speak": 1 << 32,
        "manage_events": 1 << 33,
        "manage_threads": 1 << 34,
        "create_public_threads": 1 << 35,
        "create_private_threads": 1 << 36,
        "use_external_stickers": 1 << 37,
        "send_messages_in_threads": 1 << 38,
        "use_embedded_activities": 1 << 39,
        "moderate_members": 1 << 40,
        "view_creator_monetization_analytics": 1 << 41,
        "use_soundboard": 1 << 42,
        "create_guild_expressions": 1 << 43,
        "create_events": 1 << 44,
        "use_external_sounds": 1 << 45,
        "send_voice_messages": 1 << 46,
        "send_polls": 1 << 49,
        "use_external_apps": 1 << 50,
        "pin_messages": 1 << 51,
        "bypass_slowmode": 1 << 52,
    }
)

SEES_BANS: Final = ("ban_members", "view_audit_log")
"""Discord sends bans and unbans to a bot that has one of these. Source: Gateway Events › Guild Ban Add."""

_AUTHORIZE_URL = "https://discord.com/oauth2/authorize"


def permission_mask(names: Iterable[str]) -> int:
    """The permission integer, as the Developer Portal's calculator shows it.

    Raises:
        ValueError: a name is not one of Discord's; the message lists those that are not.
    """
    wanted = frozenset(names)
    if unknown := sorted(wanted - PERMISSIONS.keys()):
        msg = f"not a permission of Discord's: {', '.join(unknown)}"
        raise ValueError(msg)
    return sum(PERMISSIONS[name] for name in wanted)


def missing_permissions(
    wanted: Iterable[str], granted: int, alternatives: Iterable[Sequence[str]] = ()
) -> tuple[str, ...]:
    """The names in ``wanted`` that ``granted`` does not hold, in order; an administrator lacks none.

    Of ``alternatives`` one is enough: all are missing, or none.
    """
    if granted & PERMISSIONS["administrator"]:
        return ()
    groups = [*((name,) for name in wanted), *alternatives]
    missing = [group for group in groups if not granted & permission_mask(group)]
    return tuple(dict.fromkeys(name for group in missing for name in group))


def name_together(names: Iterable[str]) -> str:
    """Permissions that are missing at once, as one label."""
    return " and ".join(names)


def invite_url(application_id: int, permissions: int) -> str:
    """The link an administrator of a guild follows to add the bot with these permissions."""
    query = urlencode({"client_id": application_id, "permissions": permissions, "scope": "bot"})
    return f"{_AUTHORIZE_URL}?{query}"
