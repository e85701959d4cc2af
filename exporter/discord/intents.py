"""Gateway intents: Discord's names in snake_case and their bits, and which of them are privileged.

Source: Discord docs, Gateway › List of Intents; Application › Application Flags. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

INTENTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "guilds": 1 << 0,
        "guild_members": 1 << 1,
        "guild_moderation": 1 << 2,
        "guild_expressions": 1 << 3,
        "guild_integrations": 1 << 4,
        "guild_webhooks": 1 << 5,
        "guild_invites": 1 << 6,
        "guild_voice_states": 1 << 7,
        "guild_presences": 1 << 8,
        "guild_messages": 1 << 9,
        "guild_message_reactions": 1 << 10,
        "guild_message_typing": 1 << 11,
        "direct_messages": 1 << 12,
        "direct_message_reactions": 1 << 13,
        "direct_message_typing": 1 << 14,
        "message_content": 1 << 15,
        "guild_scheduled_events": 1 << 16,
        "auto_moderation_configuration": 1 << 20,
        "auto_moderation_execution": 1 << 21,
        "guild_message_polls": 1 << 24,
        "direct_message_polls": 1 << 25,
    }
)

PRIVILEGED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "guild_members": "Server Members Intent",
        "guild_presences": "Presence Intent",
        "message_content": "Message Content Intent",
    }
)
"""Intents that must be switched on in the Developer Portal, with the switch's caption there."""

_GRANTING_FLAGS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "guild_presences": 1 << 12 | 1 << 13,
        "guild_members": 1 << 14 | 1 << 15,
        "message_content": 1 << 18 | 1 << 19,
    }
)
"""Application flags that show a privileged intent as granted: the full one, and the one of small bots."""


def intent_mask(names: Iterable[str]) -> int:
    """The bit mask to IDENTIFY with.

    Raises:
        ValueError: a name is not one of Discord's; the message lists those that are not.
    """
    wanted = frozenset(names)
    if unknown := sorted(wanted - INTENTS.keys()):
        msg = f"not an intent of Discord's: {', '.join(unknown)}"
        raise ValueError(msg)
    return sum(INTENTS[name] for name in wanted)


def granted_intents(application_flags: int) -> frozenset[str]:
    """The privileged intents an application's flags show as granted."""
    return frozenset(name for name, flags in _GRANTING_FLAGS.items() if application_flags & flags)


def refused_intents(wanted: Iterable[str], application_flags: int) -> tuple[str, ...]:
    """The privileged ones among ``wanted`` that the application was not granted, sorted."""
    return tuple(sorted((frozenset(wanted) & PRIVILEGED.keys()) - granted_intents(application_flags)))
