"""The rows of the moderation log: begun by whatever tells of an action first, amended by what tells more.

An action is told of by a dispatch, by an entry of the audit log, or by both; either may come first and
either may never come. A row begun by an entry has the entry's id in its key; one begun by a dispatch gets the
id when the entry turns up. Every entry is taken once, however often and by whatever way it comes.

Dispatches of one target come in the order things happened, entries carry their own time. Where several
actions of one kind on one target are open, times decide which entry belongs to which.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass

from exporter.events.facts import Action, AuditEntry, Count, Record
from exporter.events.moderation import ACTIONS, ENTRY_CREATE, TYPE_OF_ACTION
from exporter.model import Json, entry_key
from exporter.tracking.moderation.begun import BegunRows
from exporter.tracking.previous_journal import SavedAction

WINDOW_MS = 10_000
"""How far apart an action and its audit-log entry may arrive. They come within a second of each other as a
rule; ten cover a slow day at Discord, and stay short of the same person being removed twice."""

SLACK_MS = 1_500
"""How much earlier than the moment in its entry a dispatch may seem to be received: clocks differ."""

UNMATCHED_MS = 120_000
"""How long an action waits for an entry that has to be asked for: the guild may have been asked lately."""

MAX_WAITING = 50_000
"""Actions that wait for their other half; the oldest is given up beyond this."""

MAX_ENTRIES = 100_000
"""Entries remembered to recognise a repeated one; about 15 MB. In a raid of 50 actions a second this reaches
back half an hour, far beyond any look-up."""

_OPPOSITE = {
    "ban": "unban",
    "unban": "ban",
    "voice_mute": "voice_unmute",
    "voice_unmute": "voice_mute",
    "voice_deafen": "voice_undeafen",
    "voice_undeafen": "voice_deafen",
}

_Place = tuple[int, str, int]


@dataclass(slots=True, eq=False)
class PendingAction:
    """One action as far as it is known.

    ``seen`` says that its dispatch came; ``undone`` that the opposite was done since, so that the same
    dispatch again is a new action; ``at`` is the time of the dispatch's receipt, or the entry's own.
    """

    key: str
    kind: str
    guild_id: int
    at: int
    deadline: int
    target_id: int
    entry: AuditEntry | None = None
    seen: bool = False
    undone: bool = False
    dedup_key: str = ""


def saved(place: tuple[int, str, int], told: PendingAction) -> SavedAction:
    """An action for the journal; ``place`` is its guild, what was done, and to whom."""
    entry = None if told.seen else told.entry
    return SavedAction(
        told.guild_id, place[1], told.target_id, told.at, told.key, told.kind, told.dedup_key, entry
    )


class ActionLog:
    """Rows of moderation, and the memory that keeps them one for each action.

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
        self.record = record
        self.count = count
        self._name_of = name_of
        self._types = types
        self._entries: dict[int, int] = {}
        self._open: dict[_Place, list[PendingAction]] = {}
        self._entered: deque[tuple[_Place, PendingAction]] = deque()
        self._dispatches: deque[tuple[_Place, PendingAction]] = deque()
        self._restored: deque[tuple[_Place, PendingAction]] = deque()

    # ------------------------------------------------------------------ rows

    def begin(
        self,
        action: str,
        guild_id: int,
        at: int,
        key: str,
        data: Mapping[str, Json],
        target_id: int = 0,
    ) -> None:
        """Record and count an action first heard of, if its type is on, whichever dispatch told of it."""
        kind = TYPE_OF_ACTION.get(action, ENTRY_CREATE)
        if kind not in self._types:
            return
        self.record(Record(kind, guild_id, at, key, {"action": action, **data}, target_id), False)
        if action in ACTIONS.series_of:
            self.count(Count(ACTIONS[action], guild_id, at))

    def begin_unknown(
        self,
        action: str,
        guild_id: int,
        at: int,
        key: str,
        data: Mapping[str, Json],
        target_id: int,
        now: int,
    ) -> None:
        """A timeout known from its effect only; the entry that sets the same end may still be read."""
        self.begin(action, guild_id, at, key, data, target_id)
        told = PendingAction(
            *(key, ENTRY_CREATE, guild_id, at, now + UNMATCHED_MS, target_id),
            seen=True,
            dedup_key=str(data["until"] or 0),
        )
        self._keep((guild_id, action, target_id), told, self._dispatches)
        self._begun.act(saved((guild_id, action, target_id), told))

    def amend(self, told: PendingAction, data: Mapping[str, Json]) -> None:
        """Tell more of an action that has its row."""
        self.record(Record(told.kind, told.guild_id, told.at, told.key, data, told.target_id), True)

    def blame(self, entry: AuditEntry) -> dict[str, Json]:
        """Who and why, as columns."""
        return {
            "moderator_id": entry.actor_id or None,
            "moderator_username": self._name_of(entry.actor_id) if entry.actor_id else None,
            "reason": entry.reason,
            "audit_entry_id": entry.entry_id,
        }

    # ------------------------------------------------------------------ entries

    def is_known(self, entry: AuditEntry) -> bool:
        """Whether the entry was taken before; now it is."""
        if entry.entry_id in self._entries:
            return True
        if len(self._entries) >= MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[entry.entry_id] = entry.amount
        return False

    def recount(self, entry: AuditEntry) -> None:
        """Take the count of an entry that has its row: it may have grown."""
        if entry.action and entry.amount > self._entries.get(entry.entry_id, 0):
            self._entries[entry.entry_id] = entry.amount
            kind = TYPE_OF_ACTION.get(entry.action, ENTRY_CREATE)
            key = entry_key(entry.entry_id)
            record = Record(kind, entry.guild_id, entry.at, key, entry.details, entry.target_id)
            self.record(record, True)

    def enter(self, entry: AuditEntry, now: int, *, recovered: bool = False) -> PendingAction:
        """A row for an entry not known yet, or the row of the dispatch that told of the same action."""
        place = (entry.guild_id, entry.action, entry.target_id)
        told = self._find_dispatched(place, entry)
        if told is not None:
            told.entry = entry
            self.amend(told, {**self.blame(entry), **entry.details})
        else:
            key = entry_key(entry.entry_id)
            data: dict[str, Json] = {
                "target_user_id": entry.target_id or None,
                "target_username": self._name_of(entry.target_id) if entry.target_id else None,
                **self.blame(entry),
                **entry.details,
            }
            if recovered:
                data["recovered"] = True
            self.begin(entry.action, entry.guild_id, entry.at, key, data, entry.target_id)
            kind = TYPE_OF_ACTION.get(entry.action, ENTRY_CREATE)
            told = PendingAction(key, kind, entry.guild_id, entry.at, now + WINDOW_MS, entry.target_id, entry)
            # The process before may have begun the row, and then its dispatch is awaited already.
            if kind != ENTRY_CREATE and all(other.key != key for other in self._open.get(place, ())):
                self._keep(place, told, self._entered)
                self._begun.act(saved(place, told))
        for opposite in self._opposites(place):
            opposite.undone |= opposite.at < entry.at
        return told

    def _find_dispatched(self, place: _Place, entry: AuditEntry) -> PendingAction | None:
        """The open dispatch an entry belongs to: the nearest in time among those it can belong to.

        One whose opposite has been done since is passed over for an entry made later: it belongs to the next.
        """
        waiting = [
            told
            for told in self._open.get(place, ())
            if told.entry is None
            and (not told.undone or entry.at <= told.at + SLACK_MS)
            and (place[1] in _OPPOSITE or abs(entry.at - told.at) <= WINDOW_MS)
            and (told.kind != ENTRY_CREATE or told.dedup_key == str(entry.until))
        ]
        return min(waiting, key=lambda told: abs(told.at - entry.at), default=None)

    # ------------------------------------------------------------------ dispatches

    def act(self, action: Action, now: int) -> PendingAction | None:
        """Take what a dispatch tells; returns the action if it is a new one, or its entry came first."""
        target_id = action.target.user_id
        place = (action.guild_id, action.action, target_id)
        known = self._open.get(place, [])
        if action.dedup_key and any(told.dedup_key == action.dedup_key for told in known):
            return None
        unseen = [told for told in known if not told.seen]
        if unseen:
            told = min(unseen, key=lambda told: abs(told.at - action.at))
            # The order of dispatches is the true one: its opposite, if it was done, is told of after it.
            told.seen, told.undone, told.dedup_key = True, False, action.dedup_key
            self.amend(told, {"target_username": action.target.name or None, **action.data})
        elif not action.dedup_key and known and not known[-1].undone:
            return None
        else:
            told = self._dispatched(place, action, now)
        for opposite in self._opposites(place):
            opposite.undone = True
        return told

    def _dispatched(self, place: _Place, action: Action, now: int) -> PendingAction:
        target_id = action.target.user_id
        key = f"{action.action}:{action.guild_id}:{target_id}:{action.dedup_key or action.at}"
        # In a burst a ban, its unban and another ban are received in one millisecond.
        number = sum(told.key.startswith(key) for told in self._open.get(place, ()))
        if number:
            key = f"{key}:{number}"
        data: dict[str, Json] = {
            "target_user_id": target_id,
            "target_username": action.target.name or self._name_of(target_id),
            **action.data,
        }
        self.begin(action.action, action.guild_id, action.at, key, data, target_id)
        told = PendingAction(
            *(key, action.type, action.guild_id, action.at, now + UNMATCHED_MS, target_id),
            seen=True,
            dedup_key=action.dedup_key,
        )
        self._keep(place, told, self._dispatches)
        self._begun.act(saved(place, told))
        return told

    # ------------------------------------------------------------------ memory

    def unexplained(self) -> Iterator[tuple[_Place, PendingAction]]:
        """Actions whose entry, or dispatch, has not come, with their place."""
        known = (*self._restored, *self._dispatches, *self._entered)
        return ((place, told) for place, told in known if told.entry is None or not told.seen)

    def restore(self, place: _Place, told: PendingAction) -> None:
        """Take up an action of the process before that waits for its entry or its dispatch."""
        self._open.setdefault(place, []).append(told)
        (self._restored if told.entry is None else self._entered).append((place, told))

    def settle(self, now: int, unread: Callable[[int], bool], *, all_of_them: bool = False) -> None:
        """Forget what has waited long enough; the order is that of the deadlines.

        What waits for an entry is kept while its guild's audit log is ``unread``.
        """
        for order in (self._restored, self._dispatches, self._entered):
            while order and (all_of_them or order[0][1].deadline <= now):
                place, told = order[0]
                if told.entry is None and not all_of_them and unread(place[0]):
                    told.deadline = now + UNMATCHED_MS
                    order.append(order.popleft())
                else:
                    self._forget(order)

    def _opposites(self, place: _Place) -> list[PendingAction]:
        guild_id, action, target_id = place
        return self._open.get((guild_id, _OPPOSITE.get(action, ""), target_id), [])

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
