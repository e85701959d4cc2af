"""Timeouts: how long members may not talk, and their end, which Discord tells nobody.

A timeout is learnt from its audit-log entry, from the member's update, or from both in either order. An entry
has its own time and decides; an update says how things stand and by nobody. What only an update tells is held
back until no entry can be expected any more: it becomes a row only where the audit log cannot be read, since
an update for any other reason shows a timeout as well.

A timeout that was neither lifted nor changed has run out at its end. That is recorded a window later, so
that whatever was done before is known by then, and under the end it was to have, so that it is one row after
a restart. While a guild's audit log is still to be read, or its connection is silent, it may yet be told that
the timeout was lifted or changed before its end; until then the end has only passed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from exporter.checkpoint.journal import SavedTimeout
from exporter.events.facts import AuditEntry, Person, TimeoutState
from exporter.tracking.moderation.audit_matcher import WINDOW_MS, ActionLog
from exporter.tracking.moderation.lookups import Fate, LookUps, Miss

MAX_TIMEOUTS = 100_000
"""Timeouts followed, over all guilds; the one set first is given up beyond this. About 20 MB."""

MAX_HELD = 20_000
"""Updates held back; the oldest is given up beyond this."""

LONGEST_MS = 30_000
"""How long an update is held back for an answer, at most."""

MAX_LENGTH_MS = 30 * 86_400_000
"""Discord ends a timeout after 28 days at most; what lasts longer is no timeout."""

_Place = tuple[int, int]


@dataclass(slots=True)
class Silence:
    """How a member stands: ``until`` in ms, 0 for lifted; ``set_at`` is when it was so decided."""

    until: int
    set_at: int
    name: str = ""


@dataclass(slots=True, eq=False)
class Held:
    """An update whose entry is awaited; ``until`` as it says."""

    place: _Place
    at: int
    target: Person
    until: int
    arrived: int
    deadline: int
    miss: Miss


class Timeouts:
    """Every timeout that runs. ``now`` is steady, ``wall`` the time of day; both in ms.

    ``untold`` says of which guilds something from before may still be told.
    """

    def __init__(self, log: ActionLog, lookups: LookUps, untold: Callable[[int], bool]) -> None:
        self._log = log
        self._lookups = lookups
        self._untold = untold
        self._silences: dict[_Place, Silence] = {}
        self._ends: list[tuple[int, int, int]] = []
        self._passed: dict[_Place, list[Silence]] = {}
        self._held: dict[Held, None] = {}
        self._said: dict[tuple[_Place, int], int] = {}
        self._automatic: dict[_Place, int] = {}

    def __len__(self) -> int:
        return len(self._silences)

    def open(self, wall: int) -> int:
        """Updates held back, and timeouts that have run out and are not recorded yet."""
        return (
            len(self._held)
            + sum(
                1
                for until, *place in self._ends
                if until <= wall and self._ends_at((place[0], place[1]), until)
            )
            + sum(not self._untold(guild_id) for guild_id, _ in self._passed)
        )

    def _ends_at(self, place: _Place, end: int) -> bool:
        silence = self._silences.get(place)
        return silence is not None and silence.until == end

    # ------------------------------------------------------------------ what is told

    def enter(self, entry: AuditEntry, now: int) -> None:
        """An entry that sets, changes or lifts a timeout; it has a row of its own."""
        place = (entry.guild_id, entry.target_id)
        self._explain(place, entry.until, now)
        if self._correct(place, entry):
            return
        before = self._silences.get(place)
        if before is not None and before.set_at > entry.at:
            return
        if entry.until > entry.at:
            self._set(place, entry.until, entry.at, before.name if before else "")
        elif before is None or before.until > entry.at:
            # Remembered, so that the entry of the timeout itself, if it comes later, does not set it again.
            self._silences[place] = Silence(0, entry.at)
            heapq.heappush(self._ends, (entry.at, *place))

    def _correct(self, place: _Place, entry: AuditEntry) -> bool:
        """Forget ends that have passed of timeouts that an entry changed or lifted before.

        Returns whether the entry is that of one whose end has passed.
        """
        ended = self._passed.pop(place, [])
        known = any(silence.until == entry.until for silence in ended)
        if not known:
            ended = [silence for silence in ended if not silence.set_at < entry.at < silence.until]
        if ended:
            self._passed[place] = ended
        return known

    def execute(self, guild_id: int, user_id: int, now: int) -> None:
        """AutoModeration timed somebody out: the one update that shows it has no entry."""
        place = (guild_id, user_id)
        shown = next((held for held in self._held if held.place == place and held.until), None)
        if shown is None:
            self._automatic[place] = now + WINDOW_MS
        else:
            self._drop(shown)

    def update(self, fact: TimeoutState, now: int) -> None:
        """How a member stands, told for whatever reason."""
        place = (fact.guild_id, fact.target.user_id)
        before = self._silences.get(place)
        known = before.until if before is not None else 0
        until = fact.until if fact.at < fact.until <= fact.at + MAX_LENGTH_MS else 0
        if until == known:
            if before is not None:
                before.name = fact.target.name
            self._explain_update(place, until)
            return
        if not until and known <= fact.at + WINDOW_MS:
            return  # it ran out, or is about to
        if until:
            self._set(place, until, fact.at, fact.target.name)
        else:
            self._silences[place] = Silence(0, fact.at)
            heapq.heappush(self._ends, (fact.at, *place))
        if self._explain_update(place, until):
            return
        if not until or self._automatic.pop(place, None) is None:
            self._hold(place, fact, until, now)

    def _explain_update(self, place: _Place, until: int) -> bool:
        return self._said.pop((place, until), None) is not None

    def _explain(self, place: _Place, until: int, now: int) -> None:
        for held in self._held:
            if held.place == place and held.until == until:
                self._drop(held)
                return
        self._said[place, until] = now + WINDOW_MS

    def _hold(self, place: _Place, fact: TimeoutState, until: int, now: int) -> None:
        if len(self._held) >= MAX_HELD:
            self._drop(next(iter(self._held)))
        miss = self._lookups.miss(fact.guild_id, fact.at, now)
        self._held[Held(place, fact.at, fact.target, until, now, now + WINDOW_MS, miss)] = None

    def _drop(self, held: Held) -> None:
        del self._held[held]
        self._lookups.find(held.miss)

    def _set(self, place: _Place, until: int, at: int, name: str) -> None:
        before = self._silences.get(place)
        if before is not None and 0 < before.until <= at:
            self._expire(place, before.until)
        if place not in self._silences and len(self._silences) >= MAX_TIMEOUTS:
            del self._silences[next(iter(self._silences))]
        self._silences[place] = Silence(until, at, name)
        heapq.heappush(self._ends, (until, *place))

    # ------------------------------------------------------------------ what time decides

    def settle(self, now: int, wall: int, *, all_of_them: bool = False) -> None:
        """Record what is held back without an entry, and timeouts that have run out."""
        for held in list(self._held):
            waits = held.miss.fate in {Fate.OPEN, Fate.ASKED} and now - held.arrived < LONGEST_MS
            if not all_of_them and (held.deadline > now or waits):
                continue
            self._drop(held)
            if held.miss.fate is Fate.BLIND:
                self._record(held, now)
        for memory in (self._said, self._automatic):
            _forget(memory, now)
        while self._ends and self._ends[0][0] + WINDOW_MS <= wall:
            until, guild_id, user_id = heapq.heappop(self._ends)
            self._expire((guild_id, user_id), until)
        for place in [place for place in self._passed if not self._untold(place[0])]:
            self._run_out(place)

    def _expire(self, place: _Place, end: int) -> None:
        silence = self._silences.get(place)
        if silence is None or (silence.until or silence.set_at) != end:
            return
        del self._silences[place]
        if not silence.until:
            return
        if place not in self._passed and len(self._passed) >= MAX_TIMEOUTS:
            self._run_out(next(iter(self._passed)))
        self._passed.setdefault(place, []).append(silence)
        if not self._untold(place[0]):
            self._run_out(place)

    def _run_out(self, place: _Place) -> None:
        """Record the ends that have passed."""
        guild_id, user_id = place
        for silence in self._passed.pop(place):
            end = silence.until
            data = {"target_user_id": user_id, "target_username": silence.name or None, "until": end}
            self._log.begin(
                "timeout_expired", guild_id, end, f"timeout_expired:{guild_id}:{user_id}:{end}", data, user_id
            )

    def _record(self, held: Held, now: int) -> None:
        """A timeout by somebody unknown."""
        guild_id, user_id = held.place
        action = "timeout" if held.until else "timeout_removed"
        data = {
            "target_user_id": user_id,
            "target_username": held.target.name or None,
            "until": held.until or None,
        }
        key = f"{action}:{guild_id}:{user_id}:{held.until or held.at}"
        self._log.begin_unknown(action, guild_id, held.at, key, data, user_id, now)

    # ------------------------------------------------------------------ memory

    def forget(self, guild_id: int, wall: int) -> None:
        """Forget a guild the bot was removed from at ``wall``; what had run out by then has run out."""
        for place, silence in [item for item in self._silences.items() if item[0][0] == guild_id]:
            if 0 < silence.until <= wall:
                self._expire(place, silence.until)
            else:
                del self._silences[place]
        for place in [place for place in self._passed if place[0] == guild_id]:
            self._run_out(place)

    def save(self) -> list[SavedTimeout]:
        """The timeouts that run, and those of which it is not sure that they ran out, for the journal."""
        passed = [(place, silence) for place, ended in self._passed.items() for silence in ended]
        return [
            SavedTimeout(*place, silence.until, silence.set_at, silence.name)
            for place, silence in (*passed, *self._silences.items())
            if silence.until
        ]

    def restore(self, saved: list[SavedTimeout]) -> None:
        """Take up the timeouts of the process before; those that ended meanwhile run out."""
        for item in saved:
            self._set((item.guild_id, item.user_id), item.until, item.set_at, item.name)


def _forget(memory: dict[tuple[_Place, int], int] | dict[_Place, int], now: int) -> None:
    for key in [key for key, deadline in memory.items() if deadline <= now]:
        del memory[key]  # type: ignore[arg-type]  # a key of the same dictionary
