"""House style: what a colour means, the units, and the scales that several panels share.

A colour means the same on every dashboard: red is harm or loss, orange wants a look, yellow is mild,
green is good or arriving, blue is talk, purple is voice, pink is reactions, grey is the rest.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from exporter.events.changes import VERBS, WATCHED


class Colour(enum.StrEnum):
    """Grafana's palette, by meaning; both themes adapt its names."""

    HARM = "dark-red"
    BAD = "red"
    WARN = "orange"
    MILD = "yellow"
    GOOD = "green"
    CALM = "dark-green"
    TALK = "blue"
    TALK_LIGHT = "light-blue"
    VOICE = "purple"
    VOICE_LIGHT = "light-purple"
    REACTION = "#F08BB4"
    MACHINE = "#8AB8FF"
    REST = "#8E8E8E"
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
        "message_delete": Colour.TALK_LIGHT,
        "message_bulk_delete": Colour.TALK,
        "unban": Colour.GOOD,
        "timeout_removed": Colour.GOOD,
        "timeout_expired": Colour.CALM,
        "voice_mute": Colour.VOICE,
        "voice_deafen": Colour.VOICE,
        "member_move": Colour.VOICE_LIGHT,
        "member_disconnect": Colour.VOICE_LIGHT,
        "voice_unmute": Colour.VOICE_LIGHT,
        "voice_undeafen": Colour.VOICE_LIGHT,
        "role_add": Colour.REST,
        "role_remove": Colour.REST,
        "nick": Colour.REST,
        "bot_add": Colour.MACHINE,
    }
)
"""A moderation action has one colour wherever it appears."""

CHANGE_COLOURS: Final[Mapping[str, Colour]] = MappingProxyType(
    {
        f"{part}_{verb}": colour
        for part in WATCHED
        for verb, colour in zip(VERBS, (Colour.GOOD, Colour.MILD, Colour.BAD), strict=True)
    }
    | {"guild_update": Colour.WARN, "guild_create": Colour.MACHINE, "guild_delete": Colour.HARM}
)
"""Changes of what a server is made of: made, changed, deleted."""

LEAVES: Final[Mapping[str, Colour]] = MappingProxyType(
    {
        "leave": Colour.MILD,
        "kick": Colour.BAD,
        "ban": Colour.HARM,
        "prune": Colour.WARN,
        "unknown": Colour.REST,
    }
)
"""Why somebody went."""

VOICE_STATES: Final[Mapping[str, Colour]] = MappingProxyType(
    {
        "active": Colour.VOICE,
        "alone": Colour.MILD,
        "muted": Colour.VOICE_LIGHT,
        "deafened": Colour.WARN,
        "afk": Colour.REST,
        "bot": Colour.MACHINE,
    }
)
"""What time in voice was spent as."""

STATUSES: Final[Mapping[str, Colour]] = MappingProxyType(
    {"online": Colour.GOOD, "idle": Colour.MILD, "dnd": Colour.BAD, "offline": Colour.REST}
)
"""What members show themselves as, in the colours that Discord gives them."""

WAYS_IN: Final[Mapping[str, Colour]] = MappingProxyType(
    {"invite": Colour.GOOD, "vanity": Colour.TALK, "oauth": Colour.MACHINE, "unknown": Colour.REST}
)
"""How somebody came in."""

AUTHORS: Final[Mapping[str, Colour]] = MappingProxyType(
    {
        "human": Colour.TALK,
        "bot": Colour.MACHINE,
        "webhook": Colour.VOICE_LIGHT,
        "system": Colour.REST,
    }
)
"""Who wrote."""
