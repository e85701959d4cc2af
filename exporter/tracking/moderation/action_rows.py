"""The rows of moderation: begun by whatever shows an action first, amended by what tells more.

A row begun by an entry has the entry's id in its key; one begun by a dispatch gets the id when the entry
turns up. An action is counted once, with its row.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Final

from exporter.dispatch.component import Emit
from exporter.events.audit import ENTRY_CREATE
from exporter.events.facts.counting import Count, Record
from exporter.events.facts.moderation import Action, AuditEntry
from exporter.events.moderation import ACTIONS, RECORDS, TYPE_OF_ACTION
from exporter.model import Json, entry_key
from exporter.tracking.moderation.audit_matcher import (
    SLACK_MS,
    AuditMatcher,
    MatchPolicy,
    PendingAction,
    Place,
)
from exporter.tracking.moderation.waiting_table import WINDOW_MS

OPPOSITES: Final = {
    "ban": "unban",
    "unban": "ban",
    "voice_mute": "voice_unmute",
    "voice_unmute": "voice_mute",
    "voice_deafen": "voice_undeafen",
    "voice_undeafen": "voice_deafen",
}
"""Actions that cannot be done twice without another one between."""


class ActionPolicy(MatchPolicy):
    """How dispatches and entries of actions on members are matched."""

    def may_explain(self, pending: PendingAction, entry: AuditEntry) -> bool:
        """Near in time, unless an opposite says more: then before it was reversed, however far."""
        if pending.reversed and entry.at > max(pending.at, pending.until) + SLACK_MS:
            return False
        if pending.type == ENTRY_CREATE and pending.identity != str(entry.until):
            return False
        return pending.action in OPPOSITES or pending.distance(entry.at) <= WINDOW_MS

    def repeats(self, known: list[PendingAction], identity: str) -> bool:
        """The same occurrence, or the same action without its opposite between."""
        if identity:
            return any(pending.identity == identity for pending in known)
        shown = [pending for pending in known if pending.shown]
        return bool(shown) and not shown[-1].reversed


class ActionRows:
    """Puts out the rows and counts of actions, and has them wait for their other half.

    ``name_of`` knows people's names; ``types`` holds the event types that are switched on; ``latest`` says
    until when what is received of a guild may have happened.
    """

    def __init__(
        self,
        emit: Emit,
        matcher: AuditMatcher,
        name_of: Callable[[int], str | None],
        types: Container[str],
        latest: Callable[[int, int], int],
    ) -> None:
        self._emit = emit
        self._latest = latest
        self._matcher = matcher
        self._name_of = name_of
        self._types = types

    def begin(self, action: PendingAction, data: Mapping[str, Json]) -> None:
        """Record and count an action, if its type is on."""
        if action.type in self._types:
            self._record(action, {"action": action.action, **data}, amends=False)
            if action.action in ACTIONS.series_of:
                self._emit(Count(ACTIONS[action.action], action.guild_id, action.at))

    def _record(self, action: PendingAction, data: Mapping[str, Json], *, amends: bool) -> None:
        place = (action.type, action.guild_id, action.at, action.key)
        self._emit(Record(*place, RECORDS[action.type].of(data), action.target_id, amends=amends))

    # ------------------------------------------------------------------ entries

    def enter(self, entry: AuditEntry, now: int, *, recovered: bool = False) -> None:
        """Take an entry not known before: it explains an action that a dispatch has shown, or is one."""
        place = (entry.guild_id, entry.action, entry.target_id)
        pending = self._matcher.find_shown(place, entry, recovered=recovered)
        if pending is not None:
            self._matcher.explain(pending)
            self._record(pending, {**actor_fields(entry, self._name_of), **entry.details}, amends=True)
        else:
            self._begin_entry(entry, now, recovered=recovered)
        self._reverse_opposite(place, entry.at)

    def _begin_entry(self, entry: AuditEntry, now: int, *, recovered: bool) -> None:
        action = _action_of(entry)
        action.recovered = recovered
        data: dict[str, Json] = {
            "target_user_id": entry.target_id or None,
            "target_username": self._name_of(entry.target_id) if entry.target_id else None,
            **actor_fields(entry, self._name_of),
            **entry.details,
        }
        self.begin(action, data | ({"recovered": True} if recovered else {}))
        if action.type != ENTRY_CREATE:  # of the others no dispatch is awaited here
            self._matcher.keep(action, now)

    def recount(self, entry: AuditEntry) -> None:
        """Take the count of an entry that has its row and has grown."""
        self._record(_action_of(entry), entry.details, amends=True)

    # ------------------------------------------------------------------ dispatches

    def act(self, action: Action, now: int) -> bool:
        """Take what a dispatch shows; False if it was known."""
        place = (action.guild_id, action.action, action.target.user_id)
        if action.dedup_key and self._matcher.repeats(place, action.dedup_key):
            return False
        pending = self._matcher.find_logged(place, action.at, action.dedup_key)
        if pending is not None:
            # The order of dispatches is the true one: its opposite, if it was done, is shown after it.
            pending.shown, pending.reversed, pending.identity = True, False, action.dedup_key
            self._matcher.table.touch(pending.key)
            self._record(pending, {"target_username": action.target.name or None, **action.data}, amends=True)
        elif self._matcher.repeats(place, action.dedup_key):
            return False
        else:
            self._begin_action(place, action, now)
        self._reverse_opposite(place)
        return True

    def _begin_action(self, place: Place, action: Action, now: int) -> None:
        guild_id, name, target_id = place
        key = f"{name}:{guild_id}:{target_id}:{action.dedup_key or action.at}"
        # In a burst a ban, its unban and another ban are received in one millisecond.
        number = sum(pending.key.startswith(key) for pending in self._matcher.at(place))
        if number:
            key = f"{key}:{number}"
        data: dict[str, Json] = {
            "target_user_id": target_id,
            "target_username": action.target.name or self._name_of(target_id),
            **action.data,
        }
        pending = PendingAction(
            *(key, action.type, guild_id, name, target_id, action.at, action.dedup_key), shown=True
        )
        pending.until = self._latest(guild_id, action.at)
        self.begin(pending, data)
        self._matcher.keep(pending, now)

    def _reverse_opposite(self, place: Place, before: int | None = None) -> None:
        """The opposite is not done any more, where it was done before a moment."""
        guild_id, action, target_id = place
        for opposite in self._matcher.at((guild_id, OPPOSITES.get(action, ""), target_id)):
            if not opposite.reversed and (before is None or opposite.at < before):
                opposite.reversed = True
                self._matcher.table.touch(opposite.key)


def _action_of(entry: AuditEntry) -> PendingAction:
    """The action that an entry logs, with the row of the entry."""
    kind = TYPE_OF_ACTION.get(entry.action, ENTRY_CREATE)
    place = (entry.guild_id, entry.action, entry.target_id)
    return PendingAction(entry_key(entry.entry_id), kind, *place, entry.at, explained=True)


def actor_fields(entry: AuditEntry, name_of: Callable[[int], str | None]) -> dict[str, Json]:
    """Who did it and why, as columns."""
    return {
        "moderator_id": entry.actor_id or None,
        "moderator_username": name_of(entry.actor_id) if entry.actor_id else None,
        "reason": entry.reason,
        "audit_entry_id": entry.entry_id,
    }
