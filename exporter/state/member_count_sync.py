"""Member counts are compared with Discord's own at intervals, and corrected where they differ.

Joins and departures keep a count true while all of them are received. What was missed is in no dispatch,
so Discord is asked for its count: every guild once an interval, the one waiting longest first, at most
``PER_SECOND`` a second over all guilds. A round of a large bot therefore takes longer than the interval.

Discord's answer and its dispatches overtake each other, so one difference proves nothing. Invariant: where
dispatches keep the count, it is put right only if two answers some time apart differ to the same side, and
by no more than the smaller difference; what came and went while an answer was awaited is no difference.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.answer_meaning import AnswerMeaning, pause_after
from exporter.events.facts.guilds import (
    GuildCountsRead,
    GuildUpserted,
    MemberCountChanged,
    MemberCountCorrected,
)
from exporter.events.rest_request import RequestKind, RestRequest, Submit
from exporter.state.guild import Guild, Presence
from exporter.telemetry import Telemetry

PER_SECOND = 2.0
"""A tenth of what the source spends by default: 50,000 guilds take seven hours, and catching up, which
cannot wait, hardly notices."""

MOST_ASKED = 50
"""Most requests not answered yet; beyond this the source is busy with more urgent ones."""

CONFIRM_MS = 30_000
"""How long after a difference the count is requested again: longer than the delay of a dispatch."""

LOST_MS = 900_000
"""Time without an answer after which a request is given up: as long as the source's whole queue takes."""


@dataclass(slots=True)
class _Asked:
    """A request in progress: since when, and the range of the count meanwhile."""

    since: int
    low: int
    high: int


class MemberCountSync(Component):
    """When each guild's count is compared next, and the results.

    ``guilds`` are those known now; ``interval`` is in ms, 0 for never; ``counts_members`` says whether
    dispatches keep the counts. ``now`` is in ms on a clock that never steps.
    """

    name = "member_count_sync"

    def __init__(
        self,
        emit: Emit,
        guilds: Mapping[int, Guild],
        submit: Submit | None,
        telemetry: Telemetry,
        rng: random.Random,
        *,
        interval: int,
        counts_members: bool,
    ) -> None:
        super().__init__(emit)
        self._guilds = guilds
        self._submit: Callable[[RestRequest], None] | None = submit if interval else None
        self._telemetry = telemetry
        self._rng = rng
        self._interval = interval
        self._counts_members = counts_members
        self._due: dict[int, int] = {}
        self._line: list[tuple[int, int]] = []
        self._asked: dict[int, _Asked] = {}
        self._doubts: dict[int, int] = {}
        self._failures: dict[int, int] = {}
        self._credit = 0.0
        self._ticked = 0

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Guilds, changes of their counts, and Discord's own counts."""
        return {
            GuildUpserted: lambda fact, now: self.see_guild(fact.guild_id, now),
            MemberCountChanged: self.move,
            GuildCountsRead: self.answer,
        }

    def see_guild(self, guild_id: int, now: int) -> None:
        """A guild was seen whole, and with it its count; the next look is at a moment of its own."""
        if self._submit is None:
            return
        self._doubts.pop(guild_id, None)
        self._asked.pop(guild_id, None)  # its answer may be older than what was seen
        if guild_id not in self._due:
            self._schedule(guild_id, now + round(self._interval * self._rng.random()))

    def forget_guild(self, guild_id: int) -> None:
        """The bot was removed from a guild."""
        self._due.pop(guild_id, None)
        self._asked.pop(guild_id, None)
        self._doubts.pop(guild_id, None)
        self._failures.pop(guild_id, None)

    def move(self, fact: MemberCountChanged) -> None:
        """Take a member who joined or left."""
        asked = self._asked.get(fact.guild_id)
        guild = self._guilds.get(fact.guild_id)
        if asked is not None and guild is not None and self._counts_members:
            count = max(0, guild.member_count + fact.delta)
            asked.low, asked.high = min(asked.low, count), max(asked.high, count)

    def tick(self, now: int, wall: int) -> None:
        """Request the counts of guilds that are due."""
        del wall
        if self._submit is None:
            return
        self._credit = min(PER_SECOND, self._credit + (now - self._ticked) * PER_SECOND / 1000)
        self._ticked = now
        while self._credit >= 1 and self._line and self._line[0][0] <= now and self._has_capacity(now):
            due, guild_id = heapq.heappop(self._line)
            if self._due.get(guild_id) != due:
                continue
            guild = self._guilds.get(guild_id)
            if guild is None or guild.presence is not Presence.HERE:
                self._schedule(guild_id, self._next(now))
                continue
            self._credit -= 1
            del self._due[guild_id]
            self._asked[guild_id] = _Asked(now, guild.member_count, guild.member_count)
            self._submit(RestRequest(RequestKind.COUNTS, guild_id))

    def answer(self, fact: GuildCountsRead, now: int) -> None:
        """Take an answer of Discord."""
        asked = self._asked.pop(fact.guild_id, None)
        guild = self._guilds.get(fact.guild_id)
        if asked is None or guild is None:
            return
        if fact.meaning is not AnswerMeaning.ANSWERED:
            failures = self._failures[fact.guild_id] = self._failures.get(fact.guild_id, 0) + 1
            self._schedule(fact.guild_id, now + min(pause_after(failures), self._interval))
            return
        self._failures.pop(fact.guild_id, None)
        if fact.members is None:
            self._schedule(fact.guild_id, self._next(now))
            return
        difference = fact.members - min(max(fact.members, asked.low), asked.high)
        doubt = self._doubts.pop(fact.guild_id, None)
        if self._counts_members and difference and doubt is None:
            self._doubts[fact.guild_id] = difference
            self.emit(MemberCountCorrected(fact.guild_id, 0, fact.online))
            self._schedule(fact.guild_id, now + min(CONFIRM_MS, self._interval))
            return
        if self._counts_members and doubt is not None:
            difference = _common(difference, doubt)
        self.emit(MemberCountCorrected(fact.guild_id, difference, fact.online))
        if difference:
            self._telemetry.member_corrections.inc()
            self._telemetry.member_drift.inc(abs(difference))
        self._schedule(fact.guild_id, self._next(now))

    def _has_capacity(self, now: int) -> bool:
        if len(self._asked) < MOST_ASKED:
            return True
        for guild_id in [guild for guild, asked in self._asked.items() if now - asked.since >= LOST_MS]:
            del self._asked[guild_id]
            self._schedule(guild_id, self._next(now))
        return len(self._asked) < MOST_ASKED

    def _next(self, now: int) -> int:
        # Spread, so that guilds seen in the same second do not stay together.
        return now + round(self._interval * self._rng.uniform(0.9, 1.1))

    def _schedule(self, guild_id: int, due: int) -> None:
        self._due[guild_id] = due
        heapq.heappush(self._line, (due, guild_id))


def _common(one: int, other: int) -> int:
    """The part that two differences have in common."""
    if (one > 0) != (other > 0):
        return 0
    return min(one, other, key=abs)
