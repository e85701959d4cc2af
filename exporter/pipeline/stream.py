"""Each shard's stream of dispatches, and what time it is in it.

As a rule a dispatch happened when it is received. Not in a replay: after RESUME, Discord sends in one burst
what was missed in seconds or minutes, and most dispatches carry no time of their own. Some do, in a message's
id or an audit-log entry's; between two of those the others happened. So in a replay a dispatch is dated by
the last one that told its time, starting from when the connection was last heard.

A connection can be dead for a minute before that shows. So nothing is decided for want of news until every
shard has been heard after the decision was due: ``heard``. While a shard is known to be
without connection (``is_silent``) time in voice is not booked; the replay or the next session tells how long
it was.
"""

from __future__ import annotations

from exporter.clock import Clock
from exporter.events.facts import ShardNews

LONGEST_SILENCE_MS = 120_000
"""A connection that says nothing for longer is known to be dead: it answers a heartbeat every 41 s."""


class Streams:
    """The streams of all shards of this process.

    Times are in ms: of dispatches on the wall clock, of silence on one that never steps.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[int, int] = {}
        self._noticed: dict[int, int] = {}
        self._heard: dict[int, int] = {}
        self._looked = 0
        self._replays: dict[int, int] = {}
        self._silent: set[int] = set()
        self.shards = 1

    def date(self, shard: int, received_at: int) -> int:
        """When a dispatch received now happened."""
        if shard in self._replays:
            return min(self._replays[shard], received_at)
        self._last[shard] = received_at
        return received_at

    def learn(self, shard: int, at: int) -> None:
        """Note that a dispatch of this shard told its own time; only a replay has use for it."""
        if shard in self._replays:
            self._replays[shard] = max(self._replays[shard], at)

    @property
    def replaying(self) -> bool:
        """Whether any shard is in a replay."""
        return bool(self._replays)

    def take(self, news: ShardNews) -> None:
        """Follow a connection: lost, resuming, and settled again by RESUMED or READY."""
        shard = news.shard
        if news.state == "lost":
            self._silent.add(shard)
        elif news.state == "resuming":
            self._replays[shard] = self._last.get(shard, self._clock.now_ms())
        elif news.state == "heard":
            self._last[shard] = self._clock.now_ms()
        else:
            self._silent.discard(shard)
            self._replays.pop(shard, None)
            self._last[shard] = self._clock.now_ms()

    def look(self) -> None:
        """Note which shards have been heard since the last look; about once a second."""
        for shard, last in self._last.items():
            if shard in self._replays or shard in self._silent:
                continue
            if self._noticed.get(shard) != last:
                self._noticed[shard] = last
                self._heard[shard] = self._looked
        self._looked = self._now()

    @property
    def heard(self) -> int:
        """The monotonic moment up to which everything has been heard, on every shard."""
        now = self._now()
        return max(min(self._heard.values(), default=now), now - LONGEST_SILENCE_MS)

    def is_silent(self, guild_id: int) -> bool:
        """Whether the guild's shard is without a connection, or still catching up."""
        return bool(self._silent) and self._shard_of(guild_id) in self._silent

    def _shard_of(self, guild_id: int) -> int:
        """Discord docs, Gateway › Sharding."""
        return (guild_id >> 22) % self.shards

    def _now(self) -> int:
        return round(self._clock.monotonic() * 1000)
