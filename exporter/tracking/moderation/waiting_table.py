"""What waits for its audit entry: actions and updates that a dispatch has shown and no entry has explained.

Whatever waits has its row in a table of saved state. When it is added it is announced as unexplained, so that
it is looked up unless its entry comes; when it is taken out, explained or not, its look-up ends. After a
start all that was saved is announced again and waits anew, since what was looked up before is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from exporter.dispatch.component import Emit
from exporter.dispatch.saved_rows import SavedRows
from exporter.events.facts.moderation import ActionExplained, ActionUnexplained
from exporter.tracking.moderation.lookups import LookupBoard

WINDOW_MS: Final = 10_000
"""How far apart an action and its audit-log entry may arrive. They come within a second of each other as a
rule; ten cover a slow day at Discord, and stay short of the same person being removed twice."""

LONGEST_MS: Final = 30_000
"""How long something waits for the answer of its look-up, at most."""


class Waiting(Protocol):
    """What waits: ``at`` is when it happened, ``deadline`` is until when it waits, on the steady clock."""

    @property
    def key(self) -> str:
        """The key of its row."""
        ...

    guild_id: int
    at: int
    deadline: int


W = TypeVar("W", bound=Waiting)


class WaitingTable(SavedRows[str, W]):
    """What waits, by key in the order it was added; the oldest is given up where there is too much.

    With ``lookups`` it waits as well while an answer about it is awaited, up to ``LONGEST_MS`` in all.
    """

    def __init__(
        self,
        name: str,
        value: type[W],
        limit: int,
        emit: Emit,
        *,
        give_up: Callable[[W], None] | None = None,
        lookups: LookupBoard | None = None,
        read: Callable[[str], W | None] | None = None,
    ) -> None:
        super().__init__(name, str, value, limit, give_up=give_up or self.remove, read=read)
        self._emit = emit
        self._lookups = lookups

    def add(self, one: W, now: int, patience: int = WINDOW_MS, *, look_up: bool = True) -> None:
        """Have something wait; it is looked up unless that is of no use."""
        self.put(one.key, one)
        self.begin(one, now, patience, look_up=look_up)

    def begin(self, one: W, now: int, patience: int = WINDOW_MS, *, look_up: bool = True) -> None:
        """Begin the wait of a row, or the same wait anew after a start."""
        one.deadline = now + patience
        if look_up:
            self._emit(ActionUnexplained(one.guild_id, one.key, one.at))

    def remove(self, one: W) -> None:
        """Take something out: it is explained, or its wait is over."""
        self.pop(one.key)
        self.end_lookup(one)

    def end_lookup(self, one: W) -> None:
        """Let nothing be looked up any more for something that may stay."""
        self._emit(ActionExplained(one.guild_id, one.key))

    def due(self, now: int) -> list[W]:
        """What has waited long enough."""
        return [one for one in self.rows.values() if one.deadline <= now and not self.is_looked_up(one, now)]

    def is_looked_up(self, one: W, now: int) -> bool:
        """Whether an answer is awaited that something may wait for."""
        longest = one.deadline - WINDOW_MS + LONGEST_MS
        return self._lookups is not None and now < longest and self._lookups.is_pending(one.key)

    def is_refused(self, one: W) -> bool:
        """Whether the audit log could not be read for something."""
        return self._lookups is not None and self._lookups.is_refused(one.key)

    def added_by(self, moment: int) -> int:
        """How many were added up to a moment on the steady clock."""
        return sum(1 for one in self.rows.values() if one.deadline - WINDOW_MS <= moment)

    def in_order(self) -> list[W]:
        """Put restored rows in the order they happened, since they come in the order of their keys."""
        rows = sorted(self.rows.values(), key=lambda one: one.at)
        self.rows.clear()
        self.rows.update((one.key, one) for one in rows)
        return rows
