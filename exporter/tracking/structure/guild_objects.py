"""The objects of each guild, kept to find what changed: Discord sends only what is there now.

Kept packed, by guild and kind, and only for kinds of which some event type is on; a guild's objects are
unpacked when one of them changes. Invariant: nothing is put out for a guild not listed whole yet, since there
is nothing to compare with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from exporter.events.facts.guilds import (
    GuildObject,
    GuildObjectChanged,
    GuildObjectDeleted,
    GuildObjectsListed,
    GuildObjectUpserted,
    Trait,
)
from exporter.events.traits import WATCHED
from exporter.model import Json

MAX_OBJECTS = 2_000
"""Objects of one kind remembered of a guild, twice the 1,000 active threads it may have; of all others it may
have fewer. Archived threads stay until they are deleted or the oldest of them have to go."""

_Held: TypeAlias = dict[int, tuple[Trait, ...]]
_HELD = msgspec.msgpack.Decoder(dict[int, tuple[bool | int | str | None, ...]])
_NOTHING = msgspec.msgpack.encode({})


class GuildObjects:
    """The objects of all guilds. ``types`` are the event types that are on."""

    def __init__(self, types: Iterable[str]) -> None:
        on = {kind.partition("_")[0].lower() for kind in types}
        self._kinds = tuple(kind for kind in WATCHED if kind in on)
        self._held: dict[tuple[int, str], bytes] = {}

    def list_all(self, fact: GuildObjectsListed) -> Iterator[GuildObjectChanged]:
        """Take the list of all objects; yields what is different, if the list was sent because of that."""
        for kind in fact.kinds:
            if kind not in self._kinds:
                continue
            new = {each.object_id: _values(each) for each in fact.objects if each.kind == kind}
            packed = self._held.get((fact.guild_id, kind))
            if fact.updated and packed is not None:
                yield from _compare(fact, kind, _HELD.decode(packed), new)
            self._keep(fact.guild_id, kind, new)

    def upsert(self, fact: GuildObjectUpserted) -> Iterator[GuildObjectChanged]:
        """Take an object as it is now; yields what was done to it, nothing if it is as it was."""
        shown = fact.guild_object
        packed = self._held.get((fact.guild_id, shown.kind))
        if packed is None:
            return
        held = _HELD.decode(packed)
        old, new = held.get(shown.object_id), _values(shown)
        held[shown.object_id] = new
        if old != new:
            self._keep(fact.guild_id, shown.kind, held)
        if fact.change == "created":
            yield GuildObjectChanged(
                fact.guild_id,
                fact.at,
                f"{shown.kind}_create",
                shown.object_id,
                _name(new),
                {},
                fact.creator_id,
            )
        elif fact.change == "updated" and old is not None and old != new:
            changes = _differences(shown.kind, old, new)
            yield GuildObjectChanged(
                fact.guild_id, fact.at, f"{shown.kind}_update", shown.object_id, _name(new), changes
            )

    def delete(self, fact: GuildObjectDeleted) -> Iterator[GuildObjectChanged]:
        """An object was deleted."""
        packed = self._held.get((fact.guild_id, fact.kind))
        if packed is None:
            return
        held = _HELD.decode(packed)
        old = held.pop(fact.object_id, None)
        self._keep(fact.guild_id, fact.kind, held)
        name = None if old is None else _name(old)
        yield GuildObjectChanged(fact.guild_id, fact.at, f"{fact.kind}_delete", fact.object_id, name, {})

    def forget(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        for kind in self._kinds:
            self._held.pop((guild_id, kind), None)

    def _keep(self, guild_id: int, kind: str, held: _Held) -> None:
        for object_id in list(held)[: max(0, len(held) - MAX_OBJECTS)]:
            del held[object_id]
        self._held[guild_id, kind] = msgspec.msgpack.encode(held) if held else _NOTHING


def _values(shown: GuildObject) -> tuple[Trait, ...]:
    return tuple(shown.traits.get(name) for name in WATCHED[shown.kind])


def _name(values: tuple[Trait, ...]) -> str | None:
    """The name, which every kind has first."""
    name = values[0]
    return name if isinstance(name, str) else None


def _differences(kind: str, old: tuple[Trait, ...], new: tuple[Trait, ...]) -> dict[str, Json]:
    pairs = zip(WATCHED[kind], old, new, strict=True)
    return {name: {"old": before, "new": after} for name, before, after in pairs if before != after}


def _compare(fact: GuildObjectsListed, kind: str, old: _Held, new: _Held) -> Iterator[GuildObjectChanged]:
    for object_id in old.keys() - new.keys():
        yield GuildObjectChanged(
            fact.guild_id, fact.at, f"{kind}_delete", object_id, _name(old[object_id]), {}
        )
    for object_id, values in new.items():
        before = old.get(object_id)
        if before is None:
            yield GuildObjectChanged(fact.guild_id, fact.at, f"{kind}_create", object_id, _name(values), {})
        elif before != values:
            changes = _differences(kind, before, values)
            yield GuildObjectChanged(
                fact.guild_id, fact.at, f"{kind}_update", object_id, _name(values), changes
            )
