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
    WINDOW_MS,
    AuditMatcher,
    PendingAction,
    Place,
)

OPPOSITES: Final = {
    "ban": "unban",
    "unban": "ban",
    "voice_mute": "voice_unmute",
    "voice_unmute": "voice_mute",
    "voice_deafen": "voice_undeafen",
    "voice_undeafen": "voice_deafen",
}
"""Actions that cannot be done twice without another one between."""


class ActionPolicy:
    """How dispatches and entries of actions on members are matched."""

    def may_explain(self, pending: PendingAction, entry: AuditEntry) -> bool:
        """Near in time, unless an opposite says more: then before it was reversed, however far."""
        if pending.reversed and entry.at > pending.at + SLACK_MS:
            return False
        if pending.type == ENTRY_CREATE and pending.identity != str(entry.until):
            return False
        return pending.action in OPPOSITES or abs(entry.at - pending.at) <= WINDOW_MS

    def may_show(self, pending: PendingAction, identity: str) -> bool:
        """Any: entries do not hold what identifies a dispatch."""
        del pending, identity
        return True

    def is_unique(self, place: Place) -> bool:
        """No action on a member is."""
        del place
        return False

    def repeats(self, known: list[PendingAction], identity: str) -> bool:
        """The same occurrence, or the same action without its opposite between."""
        if identity:
            return any(pending.identity == identity for pending in known)
        shown = [pending for pending in known if pending.shown]
        return bool(shown) and not shown[-1].reversed


class ActionRows:
    """Puts out the rows and counts of actions, and has them wait for their other half.

    ``name_of`` knows people's names; ``types`` holds the event types that are switched on.
    """

    def __init__(
        self,
        emit: Emit,
        matcher: AuditMatcher,
        name_of: Callable[[int], str | None],
        types: Container[str],
    ) -> None:
        self._emit = emit
        self._matcher = matcher
        self._name_of = name_of
        self._types = types

    def begin(
        self, action: str, guild_id: int, at: int, key: str, data: Mapping[str, Json], target_id: int
    ) -> None:
        """Record and count an action, if its type is on."""
        kind = TYPE_OF_ACTION.get(action, ENTRY_CREATE)
        if kind not in self._types:
            return
        record = RECORDS[kind].of({"action": action, **data})
        self._emit(Record(kind, guild_id, at, key, record, target_id))
        if action in ACTIONS.series_of:
            self._emit(Count(ACTIONS[action], guild_id, at))

    def begin_unexplained(
        self, action: str, guild_id: int, at: int, key: str, until: int, target_id: int, name: str, now: int
    ) -> None:
        """A timeout known from its effect only; the entry with the same end may still be read."""
        data = {"target_user_id": target_id, "target_username": name or None, "until": until or None}
        self.begin(action, guild_id, at, key, data, target_id)
        self._matcher.keep(
            PendingAction(key, ENTRY_CREATE, guild_id, action, target_id, at, str(until), shown=True), now
        )

    def _amend(self, pending: PendingAction, data: Mapping[str, Json]) -> None:
        record = RECORDS[pending.type].of(data)
        self._emit(
            Record(
                *(pending.type, pending.guild_id, pending.at, pending.key, record, pending.target_id),
                amends=True,
            )
        )

    # ------------------------------------------------------------------ entries

    def enter(self, entry: AuditEntry, now: int, *, recovered: bool = False) -> PendingAction | None:
        """Take an entry not known before; returns the action it explains, if a dispatch has shown it."""
        place = (entry.guild_id, entry.action, entry.target_id)
        pending = self._matcher.find_shown(place, entry, recovered=recovered)
        if pending is not None:
            pending.explained = True
            self._matcher.note(pending)
            self._amend(pending, {**actor_fields(entry, self._name_of), **entry.details})
        else:
            self._begin_entry(place, entry, now, recovered=recovered)
        for opposite in self._opposites(place):
            if opposite.at < entry.at:
                self._reverse(opposite)
        return pending

    def _begin_entry(self, place: Place, entry: AuditEntry, now: int, *, recovered: bool) -> None:
        guild_id, action, target_id = place
        data: dict[str, Json] = {
            "target_user_id": target_id or None,
            "target_username": self._name_of(target_id) if target_id else None,
            **actor_fields(entry, self._name_of),
            **entry.details,
        }
        if recovered:
            data["recovered"] = True
        key = entry_key(entry.entry_id)
        self.begin(action, guild_id, entry.at, key, data, target_id)
        kind = TYPE_OF_ACTION.get(action, ENTRY_CREATE)
        if kind != ENTRY_CREATE:  # of the others no dispatch is awaited here
            pending = PendingAction(key, kind, guild_id, action, target_id, entry.at)
            pending.explained, pending.recovered = True, recovered
            self._matcher.keep(pending, now)

    def recount(self, entry: AuditEntry) -> None:
        """Take the count of an entry that has its row and has grown."""
        kind = TYPE_OF_ACTION.get(entry.action, ENTRY_CREATE)
        key = entry_key(entry.entry_id)
        record = RECORDS[kind].of(entry.details)
        self._emit(Record(kind, entry.guild_id, entry.at, key, record, entry.target_id, amends=True))

    # ------------------------------------------------------------------ dispatches

    def act(self, action: Action, now: int) -> PendingAction | None:
        """Take what a dispatch shows; returns the action, None if it was known."""
        place = (action.guild_id, action.action, action.target.user_id)
        if action.dedup_key and self._matcher.repeats(place, action.dedup_key):
            return None
        pending = self._matcher.find_logged(place, action.at, action.dedup_key)
        if pending is not None:
            # The order of dispatches is the true one: its opposite, if it was done, is shown after it.
            pending.shown, pending.reversed, pending.identity = True, False, action.dedup_key
            self._matcher.note(pending)
            self._amend(pending, {"target_username": action.target.name or None, **action.data})
        elif self._matcher.repeats(place, action.dedup_key):
            return None
        else:
            pending = self._begin_action(place, action, now)
        for opposite in self._opposites(place):
            self._reverse(opposite)
        return pending

    def _begin_action(self, place: Place, action: Action, now: int) -> PendingAction:
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
        self.begin(name, guild_id, action.at, key, data, target_id)
        pending = PendingAction(
            *(key, action.type, guild_id, name, target_id, action.at, action.dedup_key), shown=True
        )
        self._matcher.keep(pending, now)
        return pending

    def _opposites(self, place: Place) -> list[PendingAction]:
        guild_id, action, target_id = place
        return self._matcher.at((guild_id, OPPOSITES.get(action, ""), target_id))

    def _reverse(self, pending: PendingAction) -> None:
        if not pending.reversed:
            pending.reversed = True
            self._matcher.note(pending)


def actor_fields(entry: AuditEntry, name_of: Callable[[int], str | None]) -> dict[str, Json]:
    """Who did it and why, as columns."""
    return {
        "moderator_id": entry.actor_id or None,
        "moderator_username": name_of(entry.actor_id) if entry.actor_id else None,
        "reason": entry.reason,
        "audit_entry_id": entry.entry_id,
    }
