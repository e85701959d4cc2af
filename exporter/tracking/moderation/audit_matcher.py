"""Which dispatch and which audit-log entry are of one action, whichever comes first.

An action is shown by a dispatch, logged by an entry of the audit log, or both; either may come first and
either may never come. What is begun by the one waits here for the other. Dispatches of one target come in the
order things happened, entries carry Discord's own time; where several actions of one kind on one target are
open, times decide which entry belongs to which.

What differs between actions on members and changes of a guild's objects is a ``MatchPolicy``.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Final, TypeAlias

import msgspec

from exporter.dispatch.component import Emit
from exporter.events.facts.moderation import AuditEntry
from exporter.tracking.moderation.waiting_table import WINDOW_MS, WaitingTable

SLACK_MS: Final = 1_500
"""How much earlier than the moment in its entry a dispatch may seem to be received: clocks differ."""

UNMATCHED_MS: Final = 120_000
"""How long an action waits for an entry that has to be looked up: the guild may have been asked lately."""

MAX_WAITING: Final = 100_000
"""Actions that wait for their dispatch or their entry; the oldest is given up beyond this."""

Place: TypeAlias = tuple[int, str, int]
"""Guild, action and target."""


class PendingAction(msgspec.Struct, array_like=True, eq=False):
    """An action that has its row; ``at`` is when its dispatch was received, or the entry's own time.

    A dispatch that was held up may show what was done later, up to ``until``.

    ``identity`` tells it from others of its place, empty where nothing does. ``recovered``: it was logged by
    an entry made in an absence. ``reversed``: the opposite was done since, so that the same dispatch again is
    a new action. ``deadline`` is on the steady clock.
    """

    key: str
    type: str
    guild_id: int
    action: str
    target_id: int
    at: int
    identity: str = ""
    shown: bool = False
    explained: bool = False
    recovered: bool = False
    reversed: bool = False
    deadline: int = 0
    until: int = 0

    def distance(self, at: int) -> int:
        """How far a moment is from when it can have been done."""
        return max(self.at - at, at - max(self.at, self.until), 0)

    @property
    def place(self) -> Place:
        """Where it is looked for."""
        return (self.guild_id, self.action, self.target_id)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is awaited of it."""
        return self.shown and self.explained


class MatchPolicy:
    """What decides whether a dispatch and an entry are of one action."""

    def may_explain(self, pending: PendingAction, entry: AuditEntry) -> bool:
        """Whether an entry may be of an action that a dispatch has shown at the same place."""
        raise NotImplementedError

    def is_unique(self, place: Place) -> bool:
        """Whether there can be but one action at a place, so that times say nothing."""
        del place
        return False

    def repeats(self, known: list[PendingAction], identity: str) -> bool:
        """Whether a dispatch shows once more what is known at its place."""
        raise NotImplementedError


class AuditMatcher:
    """The actions of the last seconds that wait for their other half.

    ``unread`` says of which guilds the audit log is still to be read: there nothing that waits for an entry
    is given up.
    """

    def __init__(self, emit: Emit, policy: MatchPolicy, unread: Callable[[int], bool]) -> None:
        self._policy = policy
        self._unread = unread
        self._open: dict[Place, list[PendingAction]] = {}
        self.table: WaitingTable[PendingAction] = WaitingTable(
            "actions", PendingAction, MAX_WAITING, emit, give_up=self._forget, read=self._read
        )

    def at(self, place: Place) -> list[PendingAction]:
        """The actions known at a place, in the order they were learnt."""
        return self._open.get(place, [])

    # ------------------------------------------------------------------ matching

    def find_logged(self, place: Place, at: int, identity: str) -> PendingAction | None:
        """The action logged by an entry that a dispatch received ``at`` shows: the nearest in time."""
        found = [
            pending
            for pending in self.at(place)
            if not pending.shown
            and pending.identity in {"", identity}
            and self._is_near(pending, at, recovered=pending.recovered)
        ]
        return min(found, key=lambda pending: abs(pending.at - at), default=None)

    def repeats(self, place: Place, identity: str) -> bool:
        """Whether a dispatch shows an action that is known already."""
        return self._policy.repeats(self.at(place), identity)

    def find_shown(self, place: Place, entry: AuditEntry, *, recovered: bool) -> PendingAction | None:
        """The action shown by a dispatch that an entry is of: the nearest in time."""
        # While the log is to be read, the entry of what was shown long before may come after this one.
        recovered = recovered or self._unread(entry.guild_id)
        found = [
            pending
            for pending in self.at(place)
            if not pending.explained
            and self._policy.may_explain(pending, entry)
            and self._is_near(pending, entry.at, recovered=recovered)
        ]
        return min(found, key=lambda pending: pending.distance(entry.at), default=None)

    def _is_near(self, pending: PendingAction, at: int, *, recovered: bool) -> bool:
        """Whether an entry and a dispatch can be of one action.

        What was done in an absence was not shown; only what was done right before it may have been.
        """
        return not recovered or self._policy.is_unique(pending.place) or pending.distance(at) <= WINDOW_MS

    # ------------------------------------------------------------------ what waits

    def keep(self, pending: PendingAction, now: int, *, look_up: bool = True) -> None:
        """Have an action wait for its other half; where that is its entry, it is looked up if it is late."""
        known = self.table.rows.get(pending.key)
        if known is not None:
            self._forget(known)
        self.table.put(pending.key, pending)
        self._begin(pending, now, look_up=look_up)

    def _begin(self, pending: PendingAction, now: int, *, look_up: bool = True) -> None:
        self._open.setdefault(pending.place, []).append(pending)
        patience = WINDOW_MS if pending.explained else UNMATCHED_MS
        self.table.begin(pending, now, patience, look_up=look_up and not pending.explained)

    def explain(self, pending: PendingAction) -> None:
        """An action has its entry; it stays for a while, since its dispatch may be repeated."""
        pending.explained = True
        self.table.touch(pending.key)
        self.table.end_lookup(pending)

    def settle(self, now: int) -> None:
        """Forget what has waited long enough."""
        for pending in self.table.due(now):
            if not pending.explained and self._unread(pending.guild_id):
                pending.deadline = now + UNMATCHED_MS
            else:
                self._forget(pending)

    def _forget(self, pending: PendingAction) -> None:
        waiting = self._open[pending.place]
        waiting.remove(pending)
        if not waiting:
            del self._open[pending.place]
        self.table.pop(pending.key)
        if not pending.explained:
            self.table.end_lookup(pending)

    # ------------------------------------------------------------------ saved state

    def _read(self, key: str) -> PendingAction | None:
        pending = self.table.rows.get(key)
        return None if pending is None or pending.is_complete else pending

    def resume(self, now: int) -> None:
        """Let restored actions wait anew.

        The opposite may have been done since, for all that is known.
        """
        for pending in self.table.in_order():
            pending.reversed |= not pending.explained
            self._begin(pending, now)

    def clear(self) -> None:
        """Forget everything."""
        self._open.clear()
        self.table.rows.clear()

    def forget_people(self, people: Container[int]) -> None:
        """Forget what was done to these people."""
        for pending in [each for each in self.table.rows.values() if each.target_id in people]:
            self._forget(pending)
