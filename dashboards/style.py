"""Style: the meaning of colours, the units, and the colours of label values.

A colour means the same on every dashboard: red is harm or loss, orange a warning, yellow a mild warning,
green good or a join, blue messages, purple voice, pink reactions, grey everything else.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from exporter.events.changes import VERBS
from exporter.events.traits import WATCHED


class Colour(enum.StrEnum):
    """Grafana's palette by meaning; both themes adapt the named colours."""

    HARM = "dark-red"
    BAD = "red"
    WARN = "orange"
    MILD = "yellow"
    GOOD = "green"
    CALM = "dark-green"
    MESSAGE = "blue"
    MESSAGE_LIGHT = "light-blue"
    VOICE = "purple"
    VOICE_LIGHT = "light-purple"
    REACTION = "#F08BB4"
    MACHINE = "#8AB8FF"
    OTHER = "#8E8E8E"
    PLAIN = "text"


class Unit(enum.StrEnum):
    """Grafana's unit ids."""

    COUNT = "locale"
    WHOLE = "none"
    PERCENT = "percent"
    RATIO = "percentunit"
    SECONDS = "s"
    DURATION = "dtdurations"
    BYTES = "bytes"
    PER_SECOND = "cps"
    TIME = "dateTimeAsIso"
    AGO = "dateTimeFromNow"
    DAYS = "suffix: d"
    HOURS = "suffix: h"
    TEXT = "string"


ACTIONS: Final[Mapping[str, Colour]] = MappingProxyType(
    {
        "ban": Colour.HARM,
        "kick": Colour.BAD,
        "prune": Colour.BAD,
        "timeout": Colour.WARN,
        "automod_block": Colour.MILD,
        "automod_flag": Colour.MILD,
        "automod_timeout": Colour.WARN,
        "message_delete": Colour.MESSAGE_LIGHT,
        "message_bulk_delete": Colour.MESSAGE,
        "unban": Colour.GOOD,
        "timeout_removed": Colour.GOOD,
        "timeout_expired": Colour.CALM,
        "voice_mute": Colour.VOICE,
        "voice_deafen": Colour.VOICE,
        "member_move": Colour.VOICE_LIGHT,
        "member_disconnect": Colour.VOICE_LIGHT,
        "voice_unmute": Colour.VOICE_LIGHT,
        "voice_undeafen": Colour.VOICE_LIGHT,
        "role_add": Colour.OTHER,
        "role_remove": Colour.OTHER,
        "nick": Colour.OTHER,
        "bot_add": Colour.MACHINE,
    }
)
"""Moderation actions."""

CHANGE_COLOURS: Final[Mapping[str, Colour]] = MappingProxyType(
    {
        f"{part}_{verb}": colour
        for part in WATCHED
        for verb, colour in zip(VERBS, (Colour.GOOD, Colour.MILD, Colour.BAD), strict=True)
    }
    | {"guild_update": Colour.WARN, "guild_create": Colour.MACHINE, "guild_delete": Colour.HARM}
)
"""Changes of the parts of a server: created, changed, deleted."""

LEAVES: Final[Mapping[str, Colour]] = MappingProxyType(
    {
        "leave": Colour.MILD,
        "kick": Colour.BAD,
        "ban": Colour.HARM,
        "prune": Colour.WARN,
        "unknown": Colour.OTHER,
    }
)
"""Reasons of leaves."""

VOICE_STATES: Final[Mapping[str, Colour]] = MappingProxyType(
    {
        "active": Colour.VOICE,
        "alone": Colour.MILD,
        "muted": Colour.VOICE_LIGHT,
        "deafened": Colour.WARN,
        "afk": Colour.OTHER,
        "bot": Colour.MACHINE,
    }
)
"""States of voice time."""

STATUSES: Final[Mapping[str, Colour]] = MappingProxyType(
    {"online": Colour.GOOD, "idle": Colour.MILD, "dnd": Colour.BAD, "offline": Colour.OTHER}
)
"""Statuses of members, in Discord's own colours."""

JOIN_METHODS: Final[Mapping[str, Colour]] = MappingProxyType(
    {"invite": Colour.GOOD, "vanity": Colour.MESSAGE, "oauth": Colour.MACHINE, "unknown": Colour.OTHER}
)
"""Methods of joins."""

AUTHORS: Final[Mapping[str, Colour]] = MappingProxyType(
    {
        "human": Colour.MESSAGE,
        "bot": Colour.MACHINE,
        "webhook": Colour.VOICE_LIGHT,
        "system": Colour.OTHER,
    }
)
"""Types of authors."""
