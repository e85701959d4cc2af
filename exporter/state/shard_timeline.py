"""Time in each shard's stream of dispatches.

A dispatch has a date (``DispatchDates``), and its shard may be late (``ShardDelays``): what is received of it
has been heard up to then only, and may have happened then (``earliest``).

A connection can be dead for a minute before that shows. So nothing is decided for want of news until every
shard has been heard after the decision was due: ``heard``. While a shard is known to be without connection
(``is_silent``) time in voice is not counted; the replay or the next session shows how long it was.

Messages carry Discord's own time and come in order, also in a replay. So whatever came between two of them
happened between their times (``TimeBounds``), whenever it was received.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import msgspec

from exporter.clock import Clock, steady_ms
from exporter.dispatch.component import Component, Emit, Handler, SavedTable, StateRow
from exporter.events.facts.guilds import SessionStarted, ShardStateChanged
from exporter.state.dispatch_dates import DispatchDates
from exporter.state.shard_delays import LONGEST_SILENCE_MS, ShardDelays

TOGETHER_MS = 100
"""Discord sends what happens this close to one another in either order: its services are not synchronised."""

SKEW_MS = 5_000
"""How much longer than a message just before a dispatch may have been under way."""

CLOCK_MS = 1_500
"""How far this clock may be behind Discord's: nothing happened later than this after it was received."""

DATE_MS = 1_000
"""How exactly an answer of Discord's names its time: to the second (RFC 9110 §5.6.7)."""

MAX_GAPS = 8
"""Gaps remembered of each shard: more within a minute, and Discord would refuse another session."""

MAX_OPEN = 10_000
"""Bounds of one shard that wait for its next message; the oldest keeps what was said of it at first."""


class TimeBounds(msgspec.Struct, array_like=True, eq=False):
    """Between when and when, by Discord's clock, something happened; in ms."""

    since: int
    until: int

    def holds(self, at: int) -> bool:
        """Whether it may have happened at this time."""
        return self.since - TOGETHER_MS <= at <= self.until + TOGETHER_MS


class SavedTimeline(msgspec.Struct, frozen=True, array_like=True):
    """Up to when everything was received on all shards, in ms by Discord's clock."""

    complete_until: int


class ShardTimeline(Component):
    """The dispatches of all shards of this process in time.

    Times are in ms: of dispatches on the wall clock, of silence on one that never steps.
    """

    name = "shard_timeline"

    def __init__(self, emit: Emit, clock: Clock, witness: Callable[[int], None] | None = None) -> None:
        """``witness`` takes, about once a second, a time that it is at least by Discord's clock."""
        super().__init__(emit)
        self._clock = clock
        self._witness = witness
        self._table: SavedTable[int, SavedTimeline] = SavedTable(
            "complete", int, SavedTimeline, lambda _: SavedTimeline(self.complete_until), self._load
        )
        self._saved_until = 0
        self.hurried = False
        """Whether a connected shard is taken to be heard: a flush or a stop waits for no heartbeat."""
        self._silent: set[int] = set()
        """The shards without a connection."""
        self.dates = DispatchDates(clock, self._silent)
        self._replays = self.dates.replays
        self.delays = ShardDelays(clock)
        self._noticed: dict[int, int] = {}
        self._heard: dict[int, int] = {}
        self._looked = 0
        self._cut: dict[int, int] = {}
        self._messages: dict[int, tuple[int, int]] = {}
        self._open: dict[int, deque[TimeBounds]] = {}
        self._gaps: dict[int, deque[TimeBounds]] = {}
        self._began: dict[int, tuple[int, int]] = {}
        """When each shard asked for its session: on the steady clock, and on the wall clock."""
        self._ready: dict[int, tuple[int, int]] = {}
        """And when it had it."""
        self._sessions: dict[int, TimeBounds] = {}
        self._before = 0
        self.shards = 1

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Changes of connections and sessions."""
        return {
            ShardStateChanged: self.take,
            SessionStarted: self.start_session,
        }

    @property
    def tables(self) -> tuple[SavedTable[int, SavedTimeline], ...]:
        """Up to when everything was received."""
        return (self._table,)

    def save(self) -> Iterator[StateRow]:
        """The moment up to which everything was received, where it moved."""
        if self.complete_until != self._saved_until:
            self._saved_until = self.complete_until
            self._table.touch(0)
        return super().save()

    def clear(self) -> None:
        """Forget up to when everything was received; what is known of the connections stays.

        No row holds that, and no dispatch says it again.
        """
        self._before = self._saved_until = 0

    def _load(self, _: int, saved: SavedTimeline) -> None:
        """Continue where the previous run stopped: later events may never have been received."""
        self._before = saved.complete_until

    def pass_message(self, shard: int, sent_at: int, received_at: int) -> None:
        """Note a message: what came before it happened before, what comes after it later."""
        if not self._replays and not self.delays.resumes:
            self.delays.measure(shard, sent_at, received_at)
        elif shard not in self._replays:
            self.delays.measure_resumed(shard, sent_at, received_at)
        last, last_received = self._messages.get(shard, (0, 0))
        if sent_at > last:
            # One that was held up says nothing of how long what comes later is under way.
            way = last_received - last if shard in self._replays else received_at - sent_at
            self._messages[shard] = (sent_at, sent_at + way)
        if self._open:
            for moment in self._open.pop(shard, ()):
                moment.until = max(moment.since, min(moment.until, sent_at))

    def moment(self, guild_id: int, at: int) -> TimeBounds:
        """When, by Discord's clock, what is now received of a guild happened; ``at`` is its date."""
        shard = self.shard_of(guild_id)
        sent_at, received_at = self._messages.get(shard, (0, 0))
        if shard in self._replays:
            moment = TimeBounds(sent_at or at, self._clock.now_ms() + SKEW_MS)
        else:
            about = at - (received_at - sent_at)
            moment = TimeBounds(max(sent_at, about - SKEW_MS), min(about + SKEW_MS, at + CLOCK_MS))
        self._wait_for_message(shard, moment)
        return moment

    def _wait_for_message(self, shard: int, moment: TimeBounds) -> None:
        self._open.setdefault(shard, deque(maxlen=MAX_OPEN)).append(moment)

    def latest(self, guild_id: int, at: int) -> int:
        """Until when what is now received of a guild, and dated ``at``, may have happened."""
        return max(at, self._clock.now_ms()) if self.shard_of(guild_id) in self._replays else at

    def earliest(self, guild_id: int) -> int:
        """The monotonic moment after which what is now received of a guild was sent, ms."""
        shard, now = self.shard_of(guild_id), steady_ms(self._clock)
        if shard in self._replays:
            return self._heard.get(shard, now - LONGEST_SILENCE_MS)
        return max(now - self.delays.of(shard), self._heard.get(shard, 0))

    def start_session(self, fact: SessionStarted) -> None:
        """Note that a new session begins: what happened since the last message may never be received."""
        shard, self.shards = fact.shard
        self.take(ShardStateChanged(shard, "settled"))
        # What was before will not come any more, what comes was after.
        self._heard[shard] = steady_ms(self._clock)
        self.delays.forget(shard)
        sent_at, _ = self._messages.get(shard, (self._before, 0))
        gap = TimeBounds(sent_at, self._clock.now_ms() + SKEW_MS)
        self._gaps.setdefault(shard, deque(maxlen=MAX_GAPS)).append(gap)
        self._wait_for_message(shard, gap)
        if shard in self._began:
            self._ready[shard] = (steady_ms(self._clock), self._clock.now_ms())
            self._sessions[shard] = TimeBounds(0, 0)
            self._date_session(shard)

    def session(self, guild_id: int) -> TimeBounds | None:
        """Between when and when Discord began to report on a guild in its session.

        What is returned is narrowed by the messages of the next minutes.
        """
        return self._sessions.get(self.shard_of(guild_id))

    def _date_session(self, shard: int) -> None:
        session = self._sessions[shard]
        session.since = self._by_discord(self._began[shard], -DATE_MS)
        session.until = self._by_discord(self._ready[shard], DATE_MS)

    def _by_discord(self, moment: tuple[int, int], doubt: int) -> int:
        """A moment on both clocks by Discord's; within ``doubt`` of the wall clock before a message."""
        steady, wall = moment
        way = self.delays.least_way
        return round(
            wall + doubt if way == math.inf else min(max(steady - way, wall - DATE_MS), wall + DATE_MS)
        )

    def predates(self, guild_id: int, at: int) -> bool:
        """Whether a time of Discord's lies before the guild's session, whose dispatches do not report it.

        The wall clock is Discord's within a second; messages show more exactly what its time was.
        """
        began = self._began.get(self.shard_of(guild_id))
        return began is not None and at < self._by_discord(began, 0)

    def missed(self, guild_id: int, since: int, until: int) -> bool:
        """Whether something that happened between two moments may never have been received."""
        gaps = self._gaps.get(self.shard_of(guild_id), ())
        return any(gap.since - TOGETHER_MS <= until and since <= gap.until + TOGETHER_MS for gap in gaps)

    @property
    def held_up(self) -> int:
        """How long the machine has slept lately, ms: so much later things may be looked up."""
        return self.dates.held_up

    @property
    def complete_until(self) -> int:
        """Up to when everything was received on all shards, ms by Discord's clock; 0 if unknown."""
        return min((sent_at for sent_at, _ in self._messages.values()), default=self._before)

    def take(self, news: ShardStateChanged) -> None:
        """Follow a connection: lost, identifying or resuming, and settled again by READY or RESUMED."""
        shard = news.shard
        if news.state == "lost":
            self._cut[shard] = self.dates.disconnect(shard)
            self._silent.add(shard)
        elif news.state == "identifying":
            self.dates.disconnect(shard)
            self._began[shard] = (steady_ms(self._clock), self._clock.now_ms())
        elif news.state == "resuming":
            self.dates.resume(shard)
            self.delays.begin_replay(shard)
        elif news.state == "heard":
            self.dates.hear(shard)
        else:
            self._silent.discard(shard)
            if self.dates.settle(shard):
                self.delays.end_replay(shard)

    def tick(self, now: int, wall: int) -> None:
        """Note which shards have been heard since the last tick, about once a second."""
        del now, wall
        self.dates.tick()
        for shard, last in self.dates.last.items():
            if shard in self._replays or shard in self._silent:
                continue
            if self._noticed.get(shard) != last:
                self._noticed[shard] = last
                self._heard[shard] = max(self._heard.get(shard, 0), self._looked - self.delays.of(shard))
        looked, self._looked, at = self._looked, steady_ms(self._clock), self._clock.now_ms()
        fastest = self.delays.least_since(looked)
        if fastest is not None and self._witness is not None:
            self._witness(math.floor(self._looked - fastest))
        for shard, (steady, wall) in self._ready.items():
            passed = self._looked - steady
            # Where the clocks differ by more than before, the machine has slept or its time was corrected.
            if passed < LONGEST_SILENCE_MS and abs(at - wall - passed) <= TOGETHER_MS:
                self._date_session(shard)

    @property
    def heard(self) -> int:
        """The monotonic moment up to which everything has been heard, on every shard."""
        now = steady_ms(self._clock)
        if not self.hurried:
            return max(min(self._heard.values(), default=now), now - LONGEST_SILENCE_MS)
        waiting = self._silent | self._replays.keys()
        moments = (
            heard if shard in waiting else now - self.delays.of(shard) for shard, heard in self._heard.items()
        )
        return max(min(moments, default=now), now - LONGEST_SILENCE_MS)

    def cut_at(self, shard: int) -> int:
        """When the shard's connection was lost that is not there now, as far as that is known."""
        return self._cut.get(shard, 0)

    def is_silent(self, guild_id: int) -> bool:
        """Whether the guild's shard is without a connection, or what it sent in a sleep is to be read."""
        return bool(self._silent or self.dates.woken) and (
            (shard := self.shard_of(guild_id)) in self._silent or shard in self.dates.woken
        )

    def shard_of(self, guild_id: int) -> int:
        """The shard a guild is on. Discord docs, Gateway › Sharding."""
        return (guild_id >> 22) % self.shards
