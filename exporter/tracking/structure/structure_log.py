"""The rows of changes to a guild's structure: begun by dispatch or entry, amended by whichever comes second.

A part is made once and deleted once, so the row of either is known by the part. An update is matched by what
changed and to what: the dispatch of one and the entry of another may cross.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Final

from exporter.events.changes import WATCHED
from exporter.events.facts import AuditEntry, Count, GuildObjectChanged, Record
from exporter.events.structure import STRUCTURE
from exporter.model import Json
from exporter.tracking.moderation.audit_matcher import (
    MAX_WAITING,
    UNMATCHED_MS,
    WINDOW_MS,
    PendingAction,
    saved,
)
from exporter.tracking.moderation.begun import BegunRows

TYPES: Final = frozenset(action.upper() for action in STRUCTURE.values)
"""Event types whose rows are kept here; in small letters the action."""

_Place = tuple[int, str, int]

_UNWATCHED: Final = "unwatched"
"""Stands for an update of which no dispatch is understood."""


class StructureLog:
    """Rows of changes, and the memory that keeps them one for each.

    ``record`` takes records and, with ``amends``, what else is known of one; ``count`` takes counts;
    ``name_of`` knows people's names; ``types`` holds the event types that are switched on; ``begun`` is told
    of rows that the next process would have to know of.
    """

    def __init__(
        self,
        record: Callable[[Record, bool], None],
        count: Callable[[Count], None],
        name_of: Callable[[int], str | None],
        types: Container[str],
        begun: BegunRows,
    ) -> None:
        self._begun = begun
        self._record = record
        self._count = count
        self._name_of = name_of
        self._types = types
        self._open: dict[_Place, list[PendingAction]] = {}
        self._dispatched: deque[tuple[_Place, PendingAction]] = deque()
        self._entered: deque[tuple[_Place, PendingAction]] = deque()
        self._restored: deque[tuple[_Place, PendingAction]] = deque()
        self._numbers = itertools.count(1)

    # ------------------------------------------------------------------ what is told

    def change(self, change: GuildObjectChanged, now: int) -> PendingAction | None:
        """Take what a dispatch tells; returns the change if it is a new one that nobody explained yet."""
        kind = change.action.upper()
        if kind not in self._types:
            return None
        place = (change.guild_id, change.action, change.target_id)
        dedup_key = _once(change.action, change.changes)
        known = [told for told in self._open.get(place, ()) if told.dedup_key == dedup_key]
        told = next((told for told in known if not told.seen), None)
        if told is not None:
            told.seen = True
            if change.name:
                self._tell(told, {"name": change.name}, amends=True)
            return None
        if known and not dedup_key:
            return None
        told = PendingAction(
            self._key(change),
            kind,
            change.guild_id,
            change.at,
            now + UNMATCHED_MS,
            change.target_id,
            seen=True,
            dedup_key=dedup_key,
        )
        self._begin(told, {"name": change.name, **self._blame(change.actor_id), **_changed(change)})
        self._keep(place, told, self._dispatched)
        self._begun.act(saved(place, told))
        return None if change.actor_id else told

    def enter(self, entry: AuditEntry, now: int, *, recovered: bool = False) -> PendingAction | None:
        """Take an entry; returns the change it explains, if a dispatch had told of it."""
        kind = entry.action.upper()
        if kind not in self._types:
            return None
        place = (entry.guild_id, entry.action, entry.target_id)
        changes = entry.details.get("changes")
        dedup_key = _once(entry.action, changes if isinstance(changes, Mapping) else {})
        waiting = [
            told for told in self._open.get(place, ()) if told.entry is None and told.dedup_key == dedup_key
        ]
        told = min(waiting, key=lambda told: abs(told.at - entry.at), default=None)
        blame: dict[str, Json] = {
            **self._blame(entry.actor_id),
            "reason": entry.reason,
            "audit_entry_id": entry.entry_id,
            **entry.details,
        }
        if told is not None:
            told.entry = entry
            self._tell(told, blame, amends=True)
            return told
        # The part's own key, where it has one: its dispatch may come long after.
        key = f"audit:{entry.entry_id}" if _is_update(entry.action) else _key(place)
        told = PendingAction(
            key, kind, entry.guild_id, entry.at, now + WINDOW_MS, entry.target_id, entry, dedup_key=dedup_key
        )
        self._begin(told, blame | ({"recovered": True} if recovered else {}))
        self._keep(place, told, self._entered)
        return None

    def _begin(self, told: PendingAction, data: Mapping[str, Json]) -> None:
        self._tell(told, {"target_id": told.target_id or None, **data}, amends=False)
        self._count(Count(STRUCTURE[told.kind.lower()], told.guild_id, told.at))

    def _tell(self, told: PendingAction, data: Mapping[str, Json], *, amends: bool) -> None:
        self._record(Record(told.kind, told.guild_id, told.at, told.key, data), amends)

    def _blame(self, actor_id: int) -> dict[str, Json]:
        if not actor_id:
            return {}
        return {"actor_id": actor_id, "actor_username": self._name_of(actor_id)}

    def _key(self, change: GuildObjectChanged) -> str:
        key = _key((change.guild_id, change.action, change.target_id))
        # Numbered, since two changes may come in one millisecond.
        return f"{key}:{change.at}:{next(self._numbers)}" if _is_update(change.action) else key

    # ------------------------------------------------------------------ memory

    def unexplained(self) -> Iterator[tuple[_Place, PendingAction]]:
        """Changes whose entry has not come, with their place."""
        return ((place, told) for place, told in (*self._restored, *self._dispatched) if told.entry is None)

    def restore(self, place: _Place, told: PendingAction) -> None:
        """Take up a change of the process before that waits for its entry."""
        self._open.setdefault(place, []).append(told)
        self._restored.append((place, told))

    def settle(self, now: int, unread: Callable[[int], bool], *, all_of_them: bool = False) -> None:
        """Forget what has waited long enough; the order is that of the deadlines.

        What waits for an entry is kept while its guild's audit log is ``unread``.
        """
        for order in (self._restored, self._dispatched, self._entered):
            while order and (all_of_them or order[0][1].deadline <= now):
                place, told = order[0]
                if told.entry is None and not all_of_them and unread(place[0]):
                    told.deadline = now + UNMATCHED_MS
                    order.append(order.popleft())
                else:
                    self._forget(order)

    def _keep(self, place: _Place, told: PendingAction, order: deque[tuple[_Place, PendingAction]]) -> None:
        if len(order) >= MAX_WAITING:
            self._forget(order)
        self._open.setdefault(place, []).append(told)
        order.append((place, told))

    def _forget(self, order: deque[tuple[_Place, PendingAction]]) -> None:
        place, told = order.popleft()
        waiting = self._open[place]
        waiting.remove(told)
        if not waiting:
            del self._open[place]


def _is_update(action: str) -> bool:
    return action.endswith("_update")


def _changed(change: GuildObjectChanged) -> dict[str, Json]:
    return {"changes": change.changes} if _is_update(change.action) else {}


def _key(place: _Place) -> str:
    guild_id, action, target_id = place
    return f"{action}:{guild_id}:{target_id}"


def _once(action: str, changes: Mapping[str, Json]) -> str:
    """What tells one update of a part from another: which watched fields became what. Empty for the rest.

    Nothing, no and none are one value: the audit log leaves out what a dispatch calls false or 0.
    """
    if not _is_update(action):
        return ""
    told = [
        (name, str(change.get("old") or ""), str(change.get("new") or ""))
        for name in WATCHED[action.partition("_")[0]]
        if isinstance(change := changes.get(name), Mapping) and change
    ]
    return repr(told) if told else _UNWATCHED
