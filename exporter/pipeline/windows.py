"""Windows are closed here: guild by guild into snapshots, committed together with the journal.

A window is closed a little after its end, so that what was under way is in it. Large windows leave in slices
between which the event loop breathes. A slice is one commit: its snapshots, the steps so far, and the step
that says these guilds have left. If the disk refuses, the slice goes back into the window and is tried again.

Journal parts are forgotten from the oldest on, as soon as no window they added to is open any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from exporter.clock import Clock
from exporter.model import Entry
from exporter.pipeline.aggregate import Activity, Aggregate, Kind
from exporter.pipeline.commit import Committer
from exporter.pipeline.journal import Closed, Part, SavedSession, Step, decode_part, encode_part
from exporter.spool.ports import JournalPart

log = logging.getLogger(__name__)

GRACE_MS = 2_000
"""Pause between a window's end and its closing: longer than a message takes from Discord to here."""

SLICE = 200
"""Guilds in one commit: about 10 ms of building, well below what a heartbeat would notice."""

Snapshot = Callable[[int, tuple[int, int], str, Activity], Entry]
"""Makes the entry of one guild: guild, period in ms, key, activity."""


class Windows:
    """Open windows and the journal that protects them."""

    def __init__(
        self,
        aggregate: Aggregate,
        committer: Committer,
        clock: Clock,
        snapshots: dict[str, Snapshot],
        sessions: Callable[[], list[SavedSession]],
        source: str,
    ) -> None:
        self._aggregate = aggregate
        self._committer = committer
        self._clock = clock
        self._snapshots = snapshots
        self._sessions = sessions
        self._source = source
        self._parts: deque[tuple[int, set[tuple[str, int]]]] = deque()
        self._made = clock.now_ms()
        self._turn = asyncio.Lock()

    def restore(self, parts: list[JournalPart]) -> list[SavedSession]:
        """Rebuild the open windows from the journal; returns the voice sessions of its last part."""
        sessions: list[SavedSession] = []
        for stored in parts:
            try:
                part = decode_part(stored.body)
            except msgspec.DecodeError:
                log.exception("journal part %d cannot be read; its counts are lost", stored.number)
                continue
            self._aggregate.replay(part.steps)
            self._parts.append((stored.number, self._aggregate.windows_of(part.steps)))
            sessions = part.sessions
        return sessions

    async def save(self) -> None:
        """Commit what has been counted since the last commit, without closing anything."""
        async with self._turn:
            steps = self._aggregate.take_steps()
            if (steps or self._sessions()) and not await self._commit((), steps):
                self._aggregate.put_back(steps)

    async def close(self, *, everything: bool = False) -> bool:
        """Close the windows that have ended, or all of them; False if the disk refuses."""
        async with self._turn:
            now = self._clock.now_ms()
            for kind in self._aggregate.kinds:
                for start in sorted(kind.windows):
                    if not everything and start + kind.length_ms + GRACE_MS > now:
                        continue
                    if not await self._close_window(kind, start):
                        return False
            return True

    async def _close_window(self, kind: Kind, start: int) -> bool:
        for guild_ids in _slices(list(kind.windows[start])):
            closed = self._aggregate.close(kind, start, guild_ids)
            period = (start, start + kind.length_ms)
            make = self._snapshots[kind.name]
            entries = tuple(
                make(guild_id, period, self._key(kind, guild_id, start), activity)
                for guild_id, activity in closed
            )
            steps = self._aggregate.take_steps()
            left = Closed(kind.name, start, [guild_id for guild_id, _ in closed])
            if not await self._commit(entries, [*steps, left]):
                self._aggregate.put_back(steps)
                self._aggregate.reopen(kind, start, closed)
                return False
            await asyncio.sleep(0)
        return True

    def _key(self, kind: Kind, guild_id: int, start: int) -> str:
        """Unique for ever: a window may leave more than once, so its start alone does not name a snapshot."""
        self._made = max(self._made + 1, self._clock.now_ms())
        return f"{kind.name}:{self._source}:{guild_id}:{start}:{self._made}"

    async def _commit(self, entries: tuple[Entry, ...], steps: list[Step]) -> bool:
        part = encode_part(Part(steps, self._sessions()))
        number = await self._committer.commit(entries, part, self._forgettable())
        if number is None:
            return False
        self._parts.append((number, self._aggregate.windows_of(steps)))
        return True

    def _forgettable(self) -> int:
        """The last part nobody needs. The newest stays: it holds the voice sessions."""
        open_windows = self._aggregate.open_windows()
        forgotten = 0
        while len(self._parts) > 1 and not self._parts[0][1] & open_windows:
            forgotten = self._parts.popleft()[0]
        return forgotten


def _slices(guild_ids: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(guild_ids), SLICE):
        yield guild_ids[first : first + SLICE]
