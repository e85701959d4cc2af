"""What the journal is made of: the steps that lead from committed snapshots to the state in memory.

A part holds the steps since the part before, and the voice sessions of the guilds where something was booked
or changed since. Played back in order, parts give the open windows and sessions at the moment the last one
was committed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from exporter.events.facts import AuditEntry

Cells: TypeAlias = list[tuple[int, str, str, int, int, int, str, int]]
"""Start of the smallest window, measure, label value, guild, channel, user, emoji, amount."""


class Added(msgspec.Struct, frozen=True, tag="added", array_like=True):
    """Amounts were added; ``seen`` lists guild, user, first and last activity in ms."""

    cells: Cells
    seen: list[tuple[int, int, int, int]]


class Closed(msgspec.Struct, frozen=True, tag="closed", array_like=True):
    """Guilds left a window as snapshots, committed with the part this step is in."""

    kind: str
    start: int
    guild_ids: list[int]


Step: TypeAlias = Added | Closed


class SavedSession(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A member in voice: where, since when, booked until when, known to go on until when, in what state.

    One that was ``running`` went on until the last part of the process that wrote it. ``flags`` is made and
    read by ``sessions``; ``session`` is as in the fact.
    """

    user_id: int
    channel_id: int
    since: int
    booked_until: int
    known_until: int
    running: bool
    flags: int
    session: int


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
    """A change of a member's timeout: until when, 0 where it was lifted, when it was made, and whose it is.

    ``shown`` by an update only; ``ended`` where its end is recorded.
    """

    guild_id: int
    user_id: int
    until: int
    set_at: int
    name: str
    shown: bool = False
    ended: bool = False


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

    ``entry`` is the audit-log entry and ``banned`` the dispatch of a ban that speak of it so far; ``moment``
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
    """What is open of moderation, and up to when everything had been told, in ms by Discord's clock."""

    timeouts: list[SavedTimeout] = []
    groups: list[SavedGroup] = []
    actions: list[SavedAction] = []
    departures: list[SavedDeparture] = []
    prunes: list[SavedPrune] = []
    told: int = 0


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


def merge(steps: Iterable[Step]) -> list[Step]:
    """The same steps with what was added between two closings summed up."""
    merged: list[Step] = []
    cells: dict[tuple[int, str, str, int, int, int, str], int] = {}
    seen: dict[tuple[int, int], tuple[int, int]] = {}

    def settle() -> None:
        if cells or seen:
            sums = [(*cell, amount) for cell, amount in cells.items()]
            merged.append(Added(sums, [(*member, *times) for member, times in seen.items()]))
        cells.clear()
        seen.clear()

    for step in steps:
        if isinstance(step, Closed):
            settle()
            merged.append(step)
            continue
        for start, measure, value, guild_id, channel_id, user_id, emoji, amount in step.cells:
            cell = (start, measure, value, guild_id, channel_id, user_id, emoji)
            cells[cell] = cells.get(cell, 0) + amount
        for guild_id, user_id, first, last in step.seen:
            before = seen.get((guild_id, user_id), (first, last))
            seen[guild_id, user_id] = (min(first, before[0]), max(last, before[1]))
    settle()
    return merged


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Part)
_BEGUN_DECODER = msgspec.msgpack.Decoder(Begun)
_BEGUN = b"\x00"
"""No part begins with a number."""


def encode_part(part: Part) -> bytes:
    """The part as bytes."""
    return _ENCODER.encode(part)


def encode_begun(begun: Begun) -> bytes:
    """What was begun as bytes, told apart from a part by the first of them."""
    return _BEGUN + _ENCODER.encode(begun)


def decode_part(body: bytes) -> Part | Begun:
    """The part, or what was begun, back from bytes.

    Raises:
        msgspec.DecodeError: the bytes were written by neither ``encode_part`` nor ``encode_begun``.
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
