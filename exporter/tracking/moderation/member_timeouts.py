"""The changes of one member's timeout in the order of Discord's time, whenever they were learnt.

An entry read late takes its place before the changes already known. Updates come in order and show how things
stand: what one shows and no entry has logged was made at some time before, and before whatever is shown next.
"""

from __future__ import annotations

from typing import Final

import msgspec

from exporter.events.facts.moderation import AuditEntry
from exporter.tracking.moderation.audit_matcher import SLACK_MS
from exporter.tracking.moderation.waiting_table import WINDOW_MS

MAX_CHANGES: Final = 64
"""Changes kept of one member; the oldest is given up beyond this."""


class TimeoutChange(msgspec.Struct, array_like=True, eq=False):
    """One change of a member's timeout: made at ``at``, to end at ``until``, 0 where it was lifted; in ms.

    One that only an update has ``shown`` may have been made any time before; of one that an entry logged,
    the update is awaited until ``awaited``, on the steady clock. ``ended``: its end is recorded. ``since`` is
    when the update came or, where it was held up, the earliest moment that it may be of.
    """

    at: int
    until: int
    shown: bool = False
    ended: bool = False
    awaited: int = 0
    since: int = 0


class MemberTimeouts(msgspec.Struct, array_like=True):
    """The changes of one member in the order they were made; ``due`` is when they are reviewed, or 0."""

    name: str = ""
    changes: list[TimeoutChange] = []
    due: int = 0

    def insert(self, change: TimeoutChange) -> None:
        """Put a change in its place in time."""
        self.changes.append(change)
        self.changes.sort(key=lambda each: each.at)
        del self.changes[: max(0, len(self.changes) - MAX_CHANGES)]

    def take_shown(self, entry: AuditEntry) -> TimeoutChange | None:
        """Take out the change that an update has shown and this entry tells of."""
        found = [
            change
            for change in self.changes
            if change.shown
            and change.until == entry.until
            and entry.at <= change.at + SLACK_MS
            # Ends are precise to the millisecond, so equal ones are one; a lifting has only its time.
            and (entry.until or (change.since or change.at) - entry.at <= WINDOW_MS)
        ]
        if not found:
            return None
        shown = min(found, key=lambda change: abs(change.at - entry.at))
        place = self.changes.index(shown)
        self._date_shown(self.changes[:place], entry.at)
        self.changes.remove(shown)
        return shown

    def confirm(self, until: int, now: int) -> bool:
        """Note that an update shows a change that is known; False if it shows another one.

        A lifting is known if its entry came shortly before.
        """
        for change in reversed(self.changes):
            if change.until == until and (until or change.awaited > now):
                change.awaited = 0
                self._date_shown([other for other in self.changes if other is not change], change.at)
                return True
        return False

    def show(self, at: int, until: int, now: int, latest: int) -> bool:
        """Take a change that only an update shows; False if there is none, or no more than an end.

        The update is of ``at``, or later up to ``latest`` where it was held up.
        """
        unseen = [change.at for change in self.changes if change.awaited > now]
        # Updates come in order: what is shown now was made before what is still to be shown.
        made = min(latest, *(moment - 1 for moment in unseen)) if unseen else latest
        # And what was shown earlier was made before this.
        self._date_shown(self.changes, made + 1)
        if not until:
            before = [change.until for change in self.changes if change.at <= made]
            if not before or before[-1] <= at + WINDOW_MS:
                return False
        elif until <= made:
            made = until - 1
        self.insert(TimeoutChange(made, until, shown=True, since=min(at, made)))
        return True

    def _date_shown(self, changes: list[TimeoutChange], before: int) -> None:
        """Move what was shown to before a moment: updates come in order, so it was made before."""
        for change in changes:
            if change.shown:
                change.at = min(change.at, before - 1)
        self.changes.sort(key=lambda each: each.at)

    def ends(self) -> list[TimeoutChange]:
        """Changes whose end comes before the next change, and is not recorded."""
        following = [change.at for change in self.changes[1:]]
        pairs = zip(self.changes, [*following, None], strict=False)
        return [
            change
            for change, then in pairs
            if change.until and not change.ended and (then is None or change.until <= then)
        ]
