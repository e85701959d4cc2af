"""The journal of the previous layout: what its parts hold, read once at a start.

A part holds the steps since the part before, and what of voice, marks, moderation and levels changed since.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from exporter.aggregation.increments import Step
from exporter.events.facts.moderation import AuditEntry
from exporter.tracking.voice.saved_sessions import SavedSession


class SavedVoice(msgspec.Struct, frozen=True, array_like=True):
    """Guilds whose sessions changed, each with all it has now; ``run`` tells processes apart.

    ``known_until`` is when the part was written, in ms.
    """

    run: int = 0
    known_until: int = 0
    guilds: dict[int, list[SavedSession]] = {}


Mark: TypeAlias = tuple[int, tuple[int, ...]]
"""How far a guild's audit log has been taken: all entries up to an id, and the listed ones above it."""


class SavedTimeout(msgspec.Struct, frozen=True, array_like=True):
    """A timeout that runs: until when, when it was set, and whose it is."""

    guild_id: int
    user_id: int
    until: int
    set_at: int
    name: str


class SavedGroup(msgspec.Struct, frozen=True, array_like=True):
    """An audit-log entry that may go on counting."""

    guild_id: int
    action_type: int
    entry_id: int
    channel_id: int
    amount: int


class SavedAction(msgspec.Struct, frozen=True, array_like=True):
    """An action that has its row and waits for its audit-log entry, or, having that, for its dispatch."""

    guild_id: int
    action: str
    target_id: int
    at: int
    key: str
    kind: str
    dedup_key: str
    entry: AuditEntry | None = None


class SavedDeparture(msgspec.Struct, frozen=True, array_like=True):
    """A departure whose reason is not decided; ``after`` and ``before`` are the joins around it, where seen.

    ``entry`` is the audit-log entry and ``banned`` the dispatch of a ban known for it so far; ``moment``
    is between when and when it happened.
    """

    type: str
    guild_id: int
    at: int
    user_id: int
    name: str
    bot: bool
    key: str
    after: int
    entry: AuditEntry | None = None
    banned: bool = False
    before: int | None = None
    moment: tuple[int, int] | None = None


class SavedPrune(msgspec.Struct, frozen=True, array_like=True):
    """A prune, and how many of its departures have not been found."""

    entry: AuditEntry
    remaining: int


class SavedModeration(msgspec.Struct, frozen=True, array_like=True):
    """Open moderation state, and up to when every event was received, in ms by Discord's clock."""

    timeouts: list[SavedTimeout] = []
    groups: list[SavedGroup] = []
    actions: list[SavedAction] = []
    departures: list[SavedDeparture] = []
    prunes: list[SavedPrune] = []
    complete_until: int = 0


class SavedLevel(msgspec.Struct, frozen=True, array_like=True):
    """What a member has earned; times in ms."""

    guild_id: int
    user_id: int
    xp: int
    message_at: int
    reaction_at: int
    voice_ms: int


class Begun(msgspec.Struct, frozen=True, array_like=True):
    """Rows begun since the last part or this, committed with them: what follows has to find them."""

    actions: list[SavedAction]
    departures: list[SavedDeparture]


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One committed part. ``lengths`` holds the lengths of windows in ms by kind, as the steps mean them.

    ``marks`` and ``voice`` by guild, and ``levels`` by member, hold what changed since the part before, and
    what stood in parts forgotten with this one.
    """

    steps: list[Step]
    voice: SavedVoice
    lengths: dict[str, int]
    marks: dict[int, Mark] = {}
    moderation: SavedModeration = SavedModeration()
    levels: list[SavedLevel] = []


_DECODER = msgspec.msgpack.Decoder(Part)
_BEGUN_DECODER = msgspec.msgpack.Decoder(Begun)
_BEGUN = b"\x00"
"""No part begins with a number."""


def decode_part(body: bytes) -> Part | Begun:
    """The part, or what was begun, back from bytes.

    Raises:
        msgspec.DecodeError: the bytes are neither a part nor rows just begun.
    """
    if body.startswith(_BEGUN):
        return _BEGUN_DECODER.decode(memoryview(body)[len(_BEGUN) :])
    return _DECODER.decode(body)


def add_begun(known: SavedModeration, begun: Begun) -> SavedModeration:
    """What is open of moderation with what was begun since."""
    keys = {action.key for action in known.actions} | {gone.key for gone in known.departures}
    return msgspec.structs.replace(
        known,
        actions=[*known.actions, *(action for action in begun.actions if action.key not in keys)],
        departures=[*known.departures, *(gone for gone in begun.departures if gone.key not in keys)],
    )
