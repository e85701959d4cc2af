"""Structure as a component: what was done to roles, channels, threads, emoji and stickers, and by whom.

A row is begun by a dispatch or an entry of the audit log and amended by whichever comes second. An object is
created once and deleted once, so the row of either is known by the object. An update is matched by what
changed and to what: the dispatch of one and the entry of another may cross.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from exporter.dispatch.component import Component, Emit, Handler, SavedTable
from exporter.events.facts.counting import Count, Record
from exporter.events.facts.guilds import (
    GuildObjectChanged,
    GuildObjectDeleted,
    GuildObjectsListed,
    GuildObjectUpserted,
)
from exporter.events.facts.moderation import AuditEntry, AuditEntryTaken
from exporter.events.structure import RECORDS, STRUCTURE
from exporter.events.traits import WATCHED
from exporter.model import Json, entry_key
from exporter.tracking.moderation.audit_access import AuditAccess
from exporter.tracking.moderation.audit_matcher import AuditMatcher, MatchPolicy, PendingAction, Place
from exporter.tracking.structure.guild_objects import GuildObjects

UNWATCHED: Final = "unwatched"
"""Identifies an update of which no dispatch is understood."""


class ChangePolicy(MatchPolicy):
    """How dispatches and entries of changes are matched: the watched fields became the same."""

    def may_explain(self, pending: PendingAction, entry: AuditEntry) -> bool:
        """The same fields became the same values."""
        return pending.identity == _identity_of(entry)

    def is_unique(self, place: Place) -> bool:
        """An object is created and deleted once."""
        return not _is_update(place[1])

    def repeats(self, known: list[PendingAction], identity: str) -> bool:
        """What is unique; an object may be changed in the same way again."""
        return bool(known) and not identity


class StructureTracker(Component):
    """Compares the objects of each guild with what was known of them, and records what changed.

    ``name_of`` knows people's names; ``types`` holds the event types that are switched on.
    """

    name = "structure"

    def __init__(
        self,
        emit: Emit,
        types: Iterable[str],
        name_of: Callable[[int], str | None],
        access: AuditAccess,
    ) -> None:
        super().__init__(emit)
        self._types = frozenset(types)
        self._name_of = name_of
        self._access = access
        self._objects = GuildObjects(self._types)
        self._matcher = AuditMatcher(emit, ChangePolicy(), access.is_unread)
        self._numbers = itertools.count(1)

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Objects of guilds, and the entries of their changes."""
        return {
            GuildObjectUpserted: lambda fact, now: self._change(self._objects.upsert(fact), now),
            GuildObjectDeleted: lambda fact, now: self._change(self._objects.delete(fact), now),
            GuildObjectsListed: lambda fact, now: self._change(self._objects.list_all(fact), now),
            AuditEntryTaken: self._enter,
        }

    def _change(self, changes: Iterable[GuildObjectChanged], now: int) -> None:
        for change in changes:
            if change.action.upper() in self._types:
                self._show(change, now)

    def _show(self, change: GuildObjectChanged, now: int) -> None:
        """Take what a dispatch shows."""
        place = (change.guild_id, change.action, change.target_id)
        identity = _identify(change.action, change.changes)
        pending = self._matcher.find_logged(place, change.at, identity)
        if pending is not None:
            pending.shown = True
            self._matcher.table.touch(pending.key)
            if change.name:
                self._record(pending, {"name": change.name}, amends=True)
            return
        if self._matcher.repeats(place, identity):
            return
        key = _key(place)
        if _is_update(change.action):  # numbered, since two changes may come in one millisecond
            key = f"{key}:{change.at}:{next(self._numbers)}"
        pending = PendingAction(
            *(key, change.action.upper(), *place, change.at, identity),
            shown=True,
        )
        changed = {"changes": change.changes} if _is_update(change.action) else {}
        self._begin(pending, {"name": change.name, **self._actor_fields(change.actor_id), **changed})
        self._matcher.keep(pending, now, look_up=not change.actor_id)

    def _enter(self, fact: AuditEntryTaken, now: int) -> None:
        """Take an entry."""
        entry = fact.entry
        if entry.action not in STRUCTURE.series_of or entry.action.upper() not in self._types:
            return
        place = (entry.guild_id, entry.action, entry.target_id)
        data: dict[str, Json] = {
            **self._actor_fields(entry.actor_id),
            "reason": entry.reason,
            "audit_entry_id": entry.entry_id,
            **entry.details,
        }
        pending = self._matcher.find_shown(place, entry, recovered=fact.recovered)
        if pending is not None:
            self._matcher.explain(pending)
            self._record(pending, data, amends=True)
            return
        # The object's own key, where it has one: its dispatch may come long after.
        key = entry_key(entry.entry_id) if _is_update(entry.action) else _key(place)
        pending = PendingAction(
            *(key, entry.action.upper(), *place, entry.at, _identity_of(entry)),
            explained=True,
            recovered=fact.recovered,
        )
        self._begin(pending, data | ({"recovered": True} if fact.recovered else {}))
        self._matcher.keep(pending, now)

    def _begin(self, pending: PendingAction, data: Mapping[str, Json]) -> None:
        self._record(pending, {"target_id": pending.target_id or None, **data}, amends=False)
        self.emit(Count(STRUCTURE[pending.action], pending.guild_id, pending.at))

    def _record(self, pending: PendingAction, data: Mapping[str, Json], *, amends: bool) -> None:
        record = RECORDS[pending.type].of(data)
        self.emit(Record(pending.type, pending.guild_id, pending.at, pending.key, record, amends=amends))

    def _actor_fields(self, actor_id: int) -> dict[str, Json]:
        return {"actor_id": actor_id, "actor_username": self._name_of(actor_id)} if actor_id else {}

    # ------------------------------------------------------------------ time and memory

    def tick(self, now: int, wall: int) -> None:
        """Give up what has waited long enough."""
        del wall
        self._matcher.settle(self._access.heard(now))

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """Changes that wait for their entry or their dispatch."""
        return (self._matcher.table,)

    def clear(self) -> None:
        """Forget what waits."""
        self._matcher.clear()

    def resume(self, now: int, wall: int) -> None:
        """Have what waited looked up again."""
        del wall
        self._matcher.resume(now)

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        self._objects.forget(guild_id)


def _is_update(action: str) -> bool:
    return action.endswith("_update")


def _key(place: Place) -> str:
    guild_id, action, target_id = place
    return f"{action}:{guild_id}:{target_id}"


def _identity_of(entry: AuditEntry) -> str:
    changes = entry.details.get("changes")
    return _identify(entry.action, changes if isinstance(changes, Mapping) else {})


def _identify(action: str, changes: Mapping[str, Json]) -> str:
    """What tells one update of an object from another: which watched fields became what. Empty for the rest.

    Nothing, no and none are one value: the audit log leaves out what a dispatch calls false or 0.
    """
    if not _is_update(action):
        return ""
    changed = [
        (name, str(change.get("old") or ""), str(change.get("new") or ""))
        for name in WATCHED[action.partition("_")[0]]
        if isinstance(change := changes.get(name), Mapping) and change
    ]
    return repr(changed) if changed else UNWATCHED
