"""What of a guild's structure can change, and how an entry of the audit log describes it.

Sources: Discord docs, Resources › Audit Log › Audit Log Events, Audit Log
Change Object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from exporter.events.facts.guilds import Trait
from exporter.events.payload import Number, clean
from exporter.events.traits import WATCHED, tidy
from exporter.model import Json

VERBS: Final = ("create", "update", "delete")

_FIRST: Final = {"channel": 10, "role": 30, "emoji": 60, "sticker": 90, "thread": 110}
"""The entry type of a creation; update and deletion follow it."""

OVERWRITES: Final = frozenset({13, 14, 15})
"""Entries about what a channel allows one role or member: changes of the channel."""

CHANGES_BY_TYPE: Final = {
    first + number: f"{kind}_{verb}" for kind, first in _FIRST.items() for number, verb in enumerate(VERBS)
} | dict.fromkeys(OVERWRITES, "channel_update")
"""What was done, by the type of an entry."""

CHANGES: Final = tuple(f"{kind}_{verb}" for kind in WATCHED for verb in VERBS)
"""Everything that can be done to an object; in capitals it is the event type."""

MAX_CHANGES = 32
"""Fields kept of one change, more than any object has."""

_VALUE: msgspec.json.Decoder[Trait] = msgspec.json.Decoder(bool | Number | str | None)


def read_changes(changed: Iterable[tuple[str, msgspec.Raw, msgspec.Raw]]) -> dict[str, Json]:
    """Old and new value by field; a field whose values no column could hold is only named."""
    found: dict[str, Json] = {}
    for name, old, new in changed:
        if len(found) >= MAX_CHANGES:
            break
        try:
            before, after = tidy(_VALUE.decode(old)), tidy(_VALUE.decode(new))
        except (msgspec.DecodeError, UnicodeDecodeError):
            found[clean(name, 64)] = {}
        else:
            if before != after:
                found[clean(name, 64)] = {"old": before, "new": after}
    return found


def describe(action: str, changes: Mapping[str, Json]) -> dict[str, Json]:
    """Details of an object's entry: its name, and for an update the changed fields."""
    name = changes.get("name")
    known = (name.get("new") or name.get("old")) if isinstance(name, Mapping) else None
    details: dict[str, Json] = {"name": known} if known is not None else {}
    return details | {"changes": changes} if action.endswith("_update") else details
