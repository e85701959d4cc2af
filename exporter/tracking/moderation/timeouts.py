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

from exporter.dispatch.component import Emit
from exporter.dispatch.saved_rows import SavedRows
from exporter.events.audit import ENTRY_CREATE
from exporter.events.facts.moderation import AuditEntry, TimeoutState
from exporter.tracking.moderation.action_rows import ActionRows
from exporter.tracking.moderation.audit_matcher import AuditMatcher, PendingAction
from exporter.tracking.moderation.lookups import LookupBoard
from exporter.tracking.moderation.member_timeouts import MemberTimeouts, TimeoutChange
from exporter.tracking.moderation.waiting_table import WINDOW_MS, WaitingTable

MAX_TIMEOUTS: Final = 100_000
"""Members whose timeouts are followed, over all guilds; the first is given up beyond this. About 30 MB."""

MAX_HELD: Final = 20_000
"""Updates held back; the oldest is given up beyond this."""

MAX_LENGTH_MS: Final = 30 * 86_400_000
"""Discord ends a timeout after 28 days at most; what lasts longer is no timeout."""

LATE_UPDATE_MS: Final = 5_000
"""How late an update may come: less than a window, after which an end that is recorded is forgotten."""

LATE_MS: Final = 60_000
"""How long a change is kept after it was superseded: an older entry may still come, which it followed."""

_Place = tuple[int, int]


class HeldUpdate(msgspec.Struct, array_like=True, eq=False):
    """An update whose entry is awaited; ``until`` as it says."""

    guild_id: int
    user_id: int
    until: int
    at: int
    name: str
    deadline: int = 0

    @property
    def action(self) -> str:
        """What was done, if nothing else explains the update."""
        return "timeout" if self.until else "timeout_removed"

    @property
    def key(self) -> str:
        """The key of the row it may become."""
        return _key(self.action, (self.guild_id, self.user_id), self.until or self.at)


def _key(action: str, place: _Place, at: int) -> str:
    guild_id, user_id = place
    return f"{action}:{guild_id}:{user_id}:{at}"


class Timeouts:
    """The timeouts of all members. ``now`` is steady, ``wall`` the time of day; both in ms.

    ``unread`` says of which guilds something from before may still be learnt, ``latest`` until when what is
    received of one may have happened.
    """

    def __init__(
        self,
        emit: Emit,
        rows: ActionRows,
        matcher: AuditMatcher,
        lookups: LookupBoard,
        unread: Callable[[int], bool],
        latest: Callable[[int, int], int],
    ) -> None:
        self._latest = latest
        self._rows = rows
        self._matcher = matcher
        self._unread = unread
        self._due: list[tuple[int, int, int]] = []
        self._waiting: dict[_Place, None] = {}
        self._automatic: dict[_Place, int] = {}
        self.members: SavedRows[_Place, MemberTimeouts] = SavedRows(
            "timeouts", _Place, MemberTimeouts, MAX_TIMEOUTS
        )
        self.held: WaitingTable[HeldUpdate] = WaitingTable(
            "timeout_updates", HeldUpdate, MAX_HELD, emit, lookups=lookups
        )

    def open(self, asked_at: int, wall: int) -> int:
        """Updates held back, and members with timeouts that have run out and can be recorded, by a moment."""
        places = {(guild_id, user_id) for due, guild_id, user_id in self._due if due - WINDOW_MS <= wall}
        return self.held.added_by(asked_at) + sum(
            1
            for place in places | self._waiting.keys()
            if not self._unread(place[0])
            and (member := self.members.rows.get(place)) is not None
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
        # One that comes late may show a timeout that has run out since: that is no lifting.
        until = fact.until if fact.at - LATE_UPDATE_MS < fact.until <= fact.at + MAX_LENGTH_MS else 0
        if until <= fact.at and place not in self.members.rows:
            return
        member = self._member(place)
        member.name = fact.target.name
        if member.confirm(fact.until, now) or member.confirm(until, now):
            self.members.touch(place)
            return
        if not member.show(fact.at, until, now, self._latest(fact.guild_id, fact.at)):
            return
        self._schedule(place, member)
        if not until or self._automatic.pop(place, None) is None:
            self.held.add(HeldUpdate(*place, until, fact.at, fact.target.name), now)

    def _drop_first(self, place: _Place, matches: Callable[[HeldUpdate], bool]) -> bool:
        """Let go of the first update of a member that matches; False if there is none."""
        for held in self.held.rows.values():
            if (held.guild_id, held.user_id) == place and matches(held):
                self.held.remove(held)
                return True
        return False

    def _member(self, place: _Place) -> MemberTimeouts:
        member = self.members.rows.get(place)
        if member is None:
            member = MemberTimeouts()
            self.members.put(place, member)
        return member

    def _schedule(self, place: _Place, member: MemberTimeouts) -> None:
        """Have a member looked at when something of theirs can be recorded or forgotten, and not before."""
        ends = [change.until + WINDOW_MS for change in member.ends()]
        others = [change.at + LATE_MS for change in member.changes if change.until + WINDOW_MS not in ends]
        due = min(ends + others)
        self.members.touch(place)
        if not member.due or due < member.due:
            member.due = due
            heapq.heappush(self._due, (due, *place))

    # ------------------------------------------------------------------ what time decides

    def settle(self, now: int, wall: int) -> None:
        """Record what was held back without an entry, and timeouts that have run out."""
        for held in self.held.due(now):
            refused = self.held.is_refused(held)
            self.held.remove(held)
            if refused:  # it cannot be learnt who it was; the entry with the same end may still be read
                place = (held.guild_id, held.user_id)
                action = self._begin(held.action, place, held.name, held.at, held.until)
                self._matcher.keep(action, now, look_up=False)
        for place in [place for place, deadline in self._automatic.items() if deadline <= now]:
            del self._automatic[place]
        while self._due and self._due[0][0] <= wall:
            due, guild_id, user_id = heapq.heappop(self._due)
            member = self.members.rows.get((guild_id, user_id))
            if member is not None and member.due == due:
                member.due = 0
                self._waiting[guild_id, user_id] = None
        for place in [place for place in self._waiting if not self._unread(place[0])]:
            del self._waiting[place]
            self._review(place, wall)

    def _review(self, place: _Place, wall: int) -> None:
        """Record the ends that have passed and forget the changes that no older entry can concern."""
        member = self.members.rows.get(place)
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
            self.members.pop(place)

    def _run_out(self, place: _Place, name: str, change: TimeoutChange) -> None:
        """Record an end that has passed."""
        change.ended = True
        self._begin("timeout_expired", place, name, change.until, change.until)

    def _begin(self, action: str, place: _Place, name: str, at: int, until: int) -> PendingAction:
        """Record an action that has no entry."""
        guild_id, user_id = place
        key = _key(action, place, until or at)
        begun = PendingAction(key, ENTRY_CREATE, guild_id, action, user_id, at, str(until), shown=True)
        data = {"target_user_id": user_id, "target_username": name or None, "until": until or None}
        self._rows.begin(begun, data)
        return begun

    # ------------------------------------------------------------------ memory

    def forget_guild(self, guild_id: int, wall: int) -> None:
        """Forget a guild the bot was removed from at ``wall``; what had run out by then has run out."""
        for place in [place for place in self.members.rows if place[0] == guild_id]:
            member = self.members.pop(place) or MemberTimeouts()
            self._waiting.pop(place, None)
            for change in member.ends():
                if change.until <= wall:
                    self._run_out(place, member.name, change)

    def forget_people(self, people: Container[int]) -> None:
        """Forget the timeouts of these people."""
        for place in [place for place in self.members.rows if place[1] in people]:
            self.members.pop(place)
        for held in [held for held in self.held.rows.values() if held.user_id in people]:
            self.held.remove(held)

    def resume(self, now: int) -> None:
        """Review restored timeouts when they are due, and have what is held looked up again."""
        for place, member in self.members.rows.items():
            member.due = 0
            for change in member.changes:
                change.awaited = 0
            if member.changes:
                self._schedule(place, member)
        for held in self.held.in_order():
            self.held.begin(held, now)

    def clear(self) -> None:
        """Forget everything."""
        for state in (self.members.rows, self._due, self._waiting, self.held.rows, self._automatic):
            state.clear()
