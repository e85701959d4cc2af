"""Timeouts of members, and their ends, of which Discord sends nothing.

A timeout is learnt from its audit-log entry, from the member's update, or from both in either order. An entry
has its own time and decides; an update says how things stand, and not who did it. What only an update shows
is held back until no entry can be expected any more: it becomes a row only where the audit log cannot be
read, since an update for any other reason shows a timeout as well.

Of each member the changes of the timeout are kept in the order of Discord's time, whenever they were learnt:
an entry read late takes its place before those already known. A timeout has run out at its end if the next
change was not made before it. That is recorded a window later, so that whatever was done before is known by
then, under the end it was to have, so that it is one row after a restart. While a guild's audit log is still
to be read, or its connection is silent, no end is recorded and no change is forgotten.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Container
from typing import Final

import msgspec

from exporter.dispatch.component import Emit, SavedTable
from exporter.events.facts.moderation import ActionExplained, ActionUnexplained, AuditEntry, TimeoutState
from exporter.tracking.moderation.action_rows import ActionRows
from exporter.tracking.moderation.audit_matcher import SLACK_MS, WINDOW_MS
from exporter.tracking.moderation.lookups import LookupBoard

MAX_TIMEOUTS: Final = 100_000
"""Members whose timeouts are followed, over all guilds; the first is given up beyond this. About 30 MB."""

MAX_CHANGES: Final = 64
"""Changes kept of one member; the oldest is given up beyond this."""

MAX_HELD: Final = 20_000
"""Updates held back; the oldest is given up beyond this."""

LONGEST_MS: Final = 30_000
"""How long an update is held back for an answer, at most."""

MAX_LENGTH_MS: Final = 30 * 86_400_000
"""Discord ends a timeout after 28 days at most; what lasts longer is no timeout."""

LATE_MS: Final = 60_000
"""How long a change is kept after it was superseded: an older entry may still come, which it followed."""

_Place = tuple[int, int]


class TimeoutChange(msgspec.Struct, array_like=True, eq=False):
    """One change of a member's timeout: made at ``at``, to end at ``until``, 0 where it was lifted; in ms.

    One that only an update has ``shown`` may have been made any time before; of one that an entry logged,
    the update is awaited until ``awaited``, on the steady clock. ``ended``: its end is recorded.
    """

    at: int
    until: int
    shown: bool = False
    ended: bool = False
    awaited: int = 0


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
            and (entry.until or change.at - entry.at <= WINDOW_MS)
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

    def show(self, at: int, until: int, now: int) -> bool:
        """Take a change that only an update shows; False if there is none, or no more than an end."""
        unseen = [change.at for change in self.changes if change.awaited > now]
        # Updates come in order: what is shown now was made before what is still to be shown.
        made = min(at, *(moment - 1 for moment in unseen)) if unseen else at
        if not until:
            before = [change.until for change in self.changes if change.at <= made]
            if not before or before[-1] <= at + WINDOW_MS:
                return False
        self.insert(TimeoutChange(made, until, shown=True))
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


class HeldUpdate(msgspec.Struct, array_like=True, eq=False):
    """An update whose entry is awaited; ``until`` as it says. The last two are on the steady clock."""

    guild_id: int
    user_id: int
    until: int
    at: int
    name: str
    arrived: int = 0
    deadline: int = 0

    @property
    def action(self) -> str:
        """What was done, if nothing else explains the update."""
        return "timeout" if self.until else "timeout_removed"

    @property
    def key(self) -> str:
        """The key of the row it may become."""
        return f"{self.action}:{self.guild_id}:{self.user_id}:{self.until or self.at}"


class Timeouts:
    """The timeouts of all members. ``now`` is steady, ``wall`` the time of day; both in ms.

    ``unread`` says of which guilds something from before may still be learnt.
    """

    def __init__(
        self, emit: Emit, rows: ActionRows, lookups: LookupBoard, unread: Callable[[int], bool]
    ) -> None:
        self._emit = emit
        self._rows = rows
        self._lookups = lookups
        self._unread = unread
        self._members: dict[_Place, MemberTimeouts] = {}
        self._due: list[tuple[int, int, int]] = []
        self._waiting: dict[_Place, None] = {}
        self._held: dict[str, HeldUpdate] = {}
        self._automatic: dict[_Place, int] = {}
        self.table: SavedTable[_Place, MemberTimeouts] = SavedTable(
            "timeouts", _Place, MemberTimeouts, self._members.get, self._load
        )
        self.held_table: SavedTable[str, HeldUpdate] = SavedTable(
            "timeout_updates", str, HeldUpdate, self._held.get, self._held.__setitem__
        )

    def __len__(self) -> int:
        return len(self._members)

    def open(self, asked_at: int, wall: int) -> int:
        """Updates held back, and members with timeouts that have run out and can be recorded, by a moment."""
        places = {(guild_id, user_id) for due, guild_id, user_id in self._due if due - WINDOW_MS <= wall}
        return sum(1 for held in self._held.values() if held.arrived <= asked_at) + sum(
            1
            for place in places | self._waiting.keys()
            if not self._unread(place[0])
            and (member := self._members.get(place)) is not None
            and any(change.until <= wall for change in member.ends())
        )

    # ------------------------------------------------------------------ what is learnt

    def enter(self, entry: AuditEntry, now: int) -> None:
        """An entry that sets, changes or lifts a timeout; it has a row of its own."""
        place = (entry.guild_id, entry.target_id)
        self._drop_first(place, lambda held: held.until == entry.until)
        member = self._member(place)
        shown = member.take_shown(entry)
        change = TimeoutChange(entry.at, entry.until, awaited=0 if shown else now + WINDOW_MS)
        change.ended = shown is not None and shown.ended
        member.insert(change)
        self._schedule(place, member)

    def execute(self, guild_id: int, user_id: int, now: int) -> None:
        """AutoModeration set a timeout: the one update that shows it has no entry."""
        place = (guild_id, user_id)
        if not self._drop_first(place, lambda held: held.until > 0):
            self._automatic[place] = now + WINDOW_MS

    def update(self, fact: TimeoutState, now: int) -> None:
        """The timeout a member has, shown for whatever reason."""
        place = (fact.guild_id, fact.target.user_id)
        until = fact.until if fact.at < fact.until <= fact.at + MAX_LENGTH_MS else 0
        if not until and place not in self._members:
            return
        member = self._member(place)
        member.name = fact.target.name
        if member.confirm(until, now):
            self.table.touch(place)
            return
        if not member.show(fact.at, until, now):
            return
        self._schedule(place, member)
        if not until or self._automatic.pop(place, None) is None:
            self._hold(HeldUpdate(*place, until, fact.at, fact.target.name, now, now + WINDOW_MS))

    def _hold(self, held: HeldUpdate) -> None:
        if len(self._held) >= MAX_HELD:
            self._drop(next(iter(self._held.values())))
        self._held[held.key] = held
        self.held_table.touch(held.key)
        self._emit(ActionUnexplained(held.guild_id, held.key, held.at))

    def _drop(self, held: HeldUpdate) -> None:
        del self._held[held.key]
        self.held_table.touch(held.key)
        self._emit(ActionExplained(held.guild_id, held.key))

    def _drop_first(self, place: _Place, matches: Callable[[HeldUpdate], bool]) -> bool:
        """Let go of the first update of a member that matches; False if there is none."""
        for held in self._held.values():
            if (held.guild_id, held.user_id) == place and matches(held):
                self._drop(held)
                return True
        return False

    def _member(self, place: _Place) -> MemberTimeouts:
        member = self._members.get(place)
        if member is None:
            if len(self._members) >= MAX_TIMEOUTS:
                given_up = next(iter(self._members))
                del self._members[given_up]
                self.table.touch(given_up)
            member = self._members[place] = MemberTimeouts()
        return member

    def _schedule(self, place: _Place, member: MemberTimeouts) -> None:
        """Have a member looked at when something of theirs can be recorded or forgotten, and not before."""
        ends = [change.until + WINDOW_MS for change in member.ends()]
        others = [change.at + LATE_MS for change in member.changes if change.until + WINDOW_MS not in ends]
        due = min(ends + others)
        self.table.touch(place)
        if not member.due or due < member.due:
            member.due = due
            heapq.heappush(self._due, (due, *place))

    # ------------------------------------------------------------------ what time decides

    def settle(self, now: int, wall: int) -> None:
        """Record what was held back without an entry, and timeouts that have run out."""
        for held in list(self._held.values()):
            waits = self._lookups.is_pending(held.key) and now - held.arrived < LONGEST_MS
            if held.deadline > now or waits:
                continue
            refused = self._lookups.is_refused(held.key)
            self._drop(held)
            if refused:  # it cannot be learnt who it was
                self._rows.begin_unexplained(
                    *(held.action, held.guild_id, held.at, held.key, held.until, held.user_id),
                    *(held.name, now),
                )
        for place in [place for place, deadline in self._automatic.items() if deadline <= now]:
            del self._automatic[place]
        while self._due and self._due[0][0] <= wall:
            due, guild_id, user_id = heapq.heappop(self._due)
            member = self._members.get((guild_id, user_id))
            if member is not None and member.due == due:
                member.due = 0
                self._waiting[guild_id, user_id] = None
        for place in [place for place in self._waiting if not self._unread(place[0])]:
            del self._waiting[place]
            self._review(place, wall)

    def _review(self, place: _Place, wall: int) -> None:
        """Record the ends that have passed and forget the changes that no older entry can concern."""
        member = self._members.get(place)
        if member is None:
            return
        open_ends = []
        for change in member.ends():
            if change.until + WINDOW_MS > wall:
                open_ends.append(change)
            else:
                self._run_out(place, member.name, change)
        member.changes = [
            change for change in member.changes if change in open_ends or change.at + LATE_MS > wall
        ]
        if member.changes:
            self._schedule(place, member)
        else:
            del self._members[place]
            self.table.touch(place)

    def _run_out(self, place: _Place, name: str, change: TimeoutChange) -> None:
        """Record an end that has passed."""
        change.ended = True
        guild_id, user_id = place
        end = change.until
        data = {"target_user_id": user_id, "target_username": name or None, "until": end}
        key = f"timeout_expired:{guild_id}:{user_id}:{end}"
        self._rows.begin("timeout_expired", guild_id, end, key, data, user_id)

    # ------------------------------------------------------------------ memory

    def forget_guild(self, guild_id: int, wall: int) -> None:
        """Forget a guild the bot was removed from at ``wall``; what had run out by then has run out."""
        for place in [place for place in self._members if place[0] == guild_id]:
            member = self._members.pop(place)
            self.table.touch(place)
            self._waiting.pop(place, None)
            for change in member.ends():
                if change.until <= wall:
                    self._run_out(place, member.name, change)

    def forget_people(self, people: Container[int]) -> None:
        """Forget the timeouts of these people."""
        for place in [place for place in self._members if place[1] in people]:
            del self._members[place]
            self.table.touch(place)
        for held in [held for held in self._held.values() if held.user_id in people]:
            self._drop(held)

    def _load(self, place: _Place, member: MemberTimeouts) -> None:
        self._members[place] = member

    def resume(self, now: int) -> None:
        """Review restored timeouts when they are due, and have what is held looked up again."""
        for place, member in self._members.items():
            member.due = 0
            for change in member.changes:
                change.awaited = 0
            if member.changes:
                self._schedule(place, member)
        for held in self._held.values():
            held.arrived, held.deadline = now, now + WINDOW_MS
            self._emit(ActionUnexplained(held.guild_id, held.key, held.at))

    def clear(self) -> None:
        """Forget everything."""
        self._members.clear()
        self._due.clear()
        self._waiting.clear()
        self._held.clear()
        self._automatic.clear()
