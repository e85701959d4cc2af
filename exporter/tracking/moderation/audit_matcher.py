"""Which dispatch and which audit-log entry are of one action, whichever comes first.

An action is shown by a dispatch, logged by an entry of the audit log, or both; either may come first and
either may never come. What is begun by the one waits here for the other. Dispatches of one target come in the
order things happened, entries carry Discord's own time; where several actions of one kind on one target are
open, times decide which entry belongs to which.

What differs between actions on members and changes of a guild's objects is a ``MatchPolicy``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Final, Protocol, TypeAlias

import msgspec

from exporter.dispatch.component import SavedTable
from exporter.events.facts.moderation import AuditEntry

WINDOW_MS: Final = 10_000
"""How far apart an action and its audit-log entry may arrive. They come within a second of each other as a
rule; ten cover a slow day at Discord, and stay short of the same person being removed twice."""

SLACK_MS: Final = 1_500
"""How much earlier than the moment in its entry a dispatch may seem to be received: clocks differ."""

UNMATCHED_MS: Final = 120_000
"""How long an action waits for an entry that has to be looked up: the guild may have been asked lately."""

MAX_WAITING: Final = 50_000
"""Actions that wait for their dispatch, and for their entry; the oldest is given up beyond this."""

Place: TypeAlias = tuple[int, str, int]
"""Guild, action and target."""


class PendingAction(msgspec.Struct, array_like=True, eq=False):
    """An action that has its row; ``at`` is when its dispatch was received, or the entry's own time.

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

    @property
    def place(self) -> Place:
        """Where it is looked for."""
        return (self.guild_id, self.action, self.target_id)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is awaited of it."""
        return self.shown and self.explained


class MatchPolicy(Protocol):
    """What decides whether a dispatch and an entry are of one action."""

    def may_explain(self, pending: PendingAction, entry: AuditEntry) -> bool:
        """Whether an entry may be of an action that a dispatch has shown at the same place."""
        ...

    def may_show(self, pending: PendingAction, identity: str) -> bool:
        """Whether a dispatch may show an action that an entry has logged at the same place."""
        ...

    def is_unique(self, place: Place) -> bool:
        """Whether there can be but one action at a place, so that times say nothing."""
        ...

    def repeats(self, known: list[PendingAction], identity: str) -> bool:
        """Whether a dispatch shows once more what is known at its place."""
        ...


class AuditMatcher:
    """The actions of the last seconds that wait for their other half.

    ``unread`` says of which guilds the audit log is still to be read: there nothing that waits for an entry
    is given up. ``give_up`` takes what is given up and has no entry.
    """

    def __init__(
        self,
        policy: MatchPolicy,
        unread: Callable[[int], bool],
        give_up: Callable[[PendingAction], None],
    ) -> None:
        self._policy = policy
        self._unread = unread
        self._give_up = give_up
        self._open: dict[Place, list[PendingAction]] = {}
        self._keys: dict[str, PendingAction] = {}
        self._shown: deque[PendingAction] = deque()
        self._logged: deque[PendingAction] = deque()
        self.table: SavedTable[str, PendingAction] = SavedTable(
            "actions", str, PendingAction, self._read, lambda _, pending: self._load(pending)
        )

    def __len__(self) -> int:
        return len(self._keys)

    def at(self, place: Place) -> list[PendingAction]:
        """The actions known at a place, in the order they were learnt."""
        return self._open.get(place, [])

    def is_known(self, key: str) -> bool:
        """Whether the action of this key is kept here."""
        return key in self._keys

    # ------------------------------------------------------------------ matching

    def find_logged(self, place: Place, at: int, identity: str) -> PendingAction | None:
        """The action logged by an entry that a dispatch received ``at`` shows: the nearest in time."""
        found = [
            pending
            for pending in self.at(place)
            if not pending.shown
            and self._policy.may_show(pending, identity)
            and self._is_near(pending, at, recovered=pending.recovered)
        ]
        return min(found, key=lambda pending: abs(pending.at - at), default=None)

    def repeats(self, place: Place, identity: str) -> bool:
        """Whether a dispatch shows an action that is known already."""
        return self._policy.repeats(self.at(place), identity)

    def find_shown(self, place: Place, entry: AuditEntry, *, recovered: bool) -> PendingAction | None:
        """The action shown by a dispatch that an entry is of: the nearest in time."""
        found = [
            pending
            for pending in self.at(place)
            if not pending.explained
            and self._policy.may_explain(pending, entry)
            and self._is_near(pending, entry.at, recovered=recovered)
        ]
        return min(found, key=lambda pending: abs(pending.at - entry.at), default=None)

    def _is_near(self, pending: PendingAction, at: int, *, recovered: bool) -> bool:
        """Whether an entry and a dispatch can be of one action.

        What was done in an absence was not shown; only what was done right before it may have been.
        """
        return not recovered or self._policy.is_unique(pending.place) or abs(pending.at - at) <= WINDOW_MS

    # ------------------------------------------------------------------ what waits

    def keep(self, pending: PendingAction, now: int) -> None:
        """Have an action wait for its other half."""
        order = self._logged if pending.explained else self._shown
        pending.deadline = now + (WINDOW_MS if pending.explained else UNMATCHED_MS)
        if len(order) >= MAX_WAITING:
            self._forget(order.popleft())
        order.append(pending)
        self._open.setdefault(pending.place, []).append(pending)
        self._keys[pending.key] = pending
        self.table.touch(pending.key)

    def note(self, pending: PendingAction) -> None:
        """More is known of an action than before."""
        self.table.touch(pending.key)

    def settle(self, now: int) -> None:
        """Forget what has waited long enough; the orders are those of the deadlines."""
        for order in (self._shown, self._logged):
            while order and order[0].deadline <= now:
                pending = order.popleft()
                if not pending.explained and self._unread(pending.guild_id):
                    pending.deadline = now + UNMATCHED_MS
                    order.append(pending)
                else:
                    self._forget(pending)

    def _forget(self, pending: PendingAction) -> None:
        waiting = self._open[pending.place]
        waiting.remove(pending)
        if not waiting:
            del self._open[pending.place]
        if self._keys.get(pending.key) is pending:
            del self._keys[pending.key]
        self.table.touch(pending.key)
        if not pending.explained:
            self._give_up(pending)

    # ------------------------------------------------------------------ saved state

    def _read(self, key: str) -> PendingAction | None:
        pending = self._keys.get(key)
        return None if pending is None or pending.is_complete else pending

    def _load(self, pending: PendingAction) -> None:
        (self._logged if pending.explained else self._shown).append(pending)
        self._open.setdefault(pending.place, []).append(pending)
        self._keys[pending.key] = pending

    def resume(self, now: int) -> Iterator[PendingAction]:
        """Let restored actions wait anew; yields those that wait for an entry.

        The opposite may have been done since, for all that is known.
        """
        # Rows come in the order of their keys.
        self._shown = deque(sorted(self._shown, key=lambda pending: pending.at))
        self._logged = deque(sorted(self._logged, key=lambda pending: pending.at))
        for waiting in self._open.values():
            waiting.sort(key=lambda pending: pending.at)
        for pending in (*self._shown, *self._logged):
            pending.deadline = now + (WINDOW_MS if pending.explained else UNMATCHED_MS)
            if not pending.explained:
                pending.reversed = True
                yield pending

    def clear(self) -> None:
        """Forget everything."""
        self._open.clear()
        self._keys.clear()
        self._shown.clear()
        self._logged.clear()

    def forget_people(self, people: Container[int]) -> None:
        """Forget what was done to these people."""
        for order in (self._shown, self._logged):
            gone: Iterable[PendingAction] = [each for each in order if each.target_id in people]
            for pending in gone:
                order.remove(pending)
                self._forget(pending)
