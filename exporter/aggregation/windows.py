"""Windows are closed here: guild by guild into snapshots, committed together with the journal.

A window is closed a little after its end, so that what was under way is in it. Large windows leave in slices
between which the event loop breathes. A slice is one commit: its snapshots, the steps so far, and the step
that says these guilds have left. If the disk refuses, the slice goes back into the window and is tried again.

Journal parts are forgotten from the oldest on, as soon as no window they added to is open any more. The marks
of the audit log, the voice sessions and the standings of members that stood in them are carried over. A part
is written only when no entry waits in memory, so that a mark never speaks of an entry a crash would lose.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import msgspec

from exporter.aggregation.aggregate import Aggregate
from exporter.aggregation.cells import Activity, WindowKind
from exporter.checkpoint.checkpoint import Committer, finish
from exporter.checkpoint.journal import (
    Begun,
    Closed,
    Part,
    SavedModeration,
    Step,
    add_begun,
    decode_part,
    encode_part,
)
from exporter.clock import Clock
from exporter.model import Entry
from exporter.spool.ports import JournalPart
from exporter.tracking.levels.levels import Levels, Member
from exporter.tracking.moderation.catch_up import CatchUp
from exporter.tracking.voice.journal import PORTION as CARRIED
from exporter.tracking.voice.journal import VoiceJournal

log = logging.getLogger(__name__)

GRACE_MS = 2_000
"""Pause between a window's end and its closing: longer than a message takes from Discord to here."""

SLICE = 200
"""Guilds in one commit: about 10 ms of building, well below what a heartbeat would notice."""

PORTION = 2_000
"""Counters in one entry: with the longest names about half a megabyte, half of what the spool takes for one.
A busier guild leaves as several entries, which are deltas like any other."""

Snapshot = Callable[[int, tuple[int, int], str, Activity], Entry | None]
"""Makes the entry of one guild: guild, period in ms, key, activity. Changes nothing, since it is made again
if the disk refuses; None if it would say nothing."""

Settled = Callable[[str, tuple[int, int], list[int]], None]
"""PendingAction after a commit: kind, period in ms and guilds of the snapshots."""


class _Kept(NamedTuple):
    """A part of the journal still on disk: the windows it added to, the guilds and members it tells of."""

    number: int
    windows: set[tuple[str, int]]
    marked: tuple[int, ...]
    voiced: tuple[int, ...]
    levelled: tuple[Member, ...]


class Windows:
    """Open windows and the journal that protects them.

    ``moderation`` is what the newest part of the journal says is open of moderation.
    """

    def __init__(
        self,
        aggregate: Aggregate,
        committer: Committer,
        clock: Clock,
        snapshots: dict[str, Snapshot],
        settled: Settled,
        voice: VoiceJournal,
        audit: CatchUp,
        source: str,
        moderation: Callable[[], SavedModeration],
        levels: Levels,
    ) -> None:
        self._aggregate = aggregate
        self._committer = committer
        self._clock = clock
        self._snapshots = snapshots
        self._settled = settled
        self._voice = voice
        self._audit = audit
        self._moderation = moderation
        self._levels = levels
        self.moderation = SavedModeration()
        self._source = source
        self._parts: deque[_Kept] = deque()
        self._marked: dict[int, int] = {}
        self._made = clock.now_ms()
        self._turn = asyncio.Lock()

    def restore(self, parts: list[JournalPart]) -> None:
        """Rebuild the open windows, and what else the journal speaks of."""
        for stored in parts:
            try:
                part = decode_part(stored.body)
            except msgspec.DecodeError:
                log.exception("journal part %d cannot be read; its counts are lost", stored.number)
                continue
            if isinstance(part, Begun):
                self.moderation = add_begun(self.moderation, part)
                continue
            self._aggregate.resize(part.lengths)
            self._aggregate.replay(part.steps)
            self._audit.restore(part.marks)
            self._voice.replay(part.voice)
            self._levels.restore(part.levels)
            self._keep(stored.number, part)
            self.moderation = part.moderation

    async def resize(self, lengths: Mapping[str, int]) -> None:
        """Go over to new lengths of windows, in ms by kind; those still open leave at their old ones."""
        if self._aggregate.lengths() == lengths:
            return
        if await self.close(everything=True):
            self._aggregate.resize(lengths)
        else:
            log.warning("the spool takes nothing: windows keep the lengths they had until the next start")

    async def save(self) -> bool:
        """Commit what has been counted since the last commit, without closing anything; False if refused."""
        async with self._turn:
            return await finish(self._save())

    async def close(self, *, everything: bool = False) -> bool:
        """Close the windows that have ended, or all of them; False if the disk refuses."""
        async with self._turn:
            self._aggregate.fold()
            now = self._clock.now_ms()
            for kind in self._aggregate.kinds:
                for start in sorted(kind.windows):
                    if not everything and not _ended(kind, start, now):
                        continue
                    if not await self._close_window(kind, start):
                        return False
            return True

    def due(self) -> bool:
        """Whether a window has ended."""
        now = self._clock.now_ms()
        return any(_ended(kind, start, now) for kind in self._aggregate.kinds for start in kind.windows)

    async def _save(self) -> bool:
        if not await self._committer.drain():
            return False
        # What sessions say is booked must be among the steps.
        self._aggregate.fold()
        steps = self._aggregate.take_steps()
        unchanged = self._moderation() == self.moderation and not (
            self._audit.unsaved or self._levels.unsaved
        )
        if not steps and not self._voice.due and unchanged:
            return True
        if await self._commit((), steps):
            return True
        self._aggregate.put_back(steps)
        return False

    async def _close_window(self, kind: WindowKind, start: int) -> bool:
        for guild_ids in _slices(list(kind.windows[start])):
            if not await finish(self._close_slice(kind, start, guild_ids)):
                return False
            await asyncio.sleep(0)
        return True

    async def _close_slice(self, kind: WindowKind, start: int, guild_ids: list[int]) -> bool:
        if not await self._committer.drain():
            return False
        # Before the guilds leave: a step behind theirs would be undone by the step that says they have left.
        self._aggregate.fold()
        closed = self._aggregate.close(kind, start, guild_ids)
        period = (start, start + kind.length_ms)
        try:
            entries = tuple(self._entries(kind, period, closed))
        except BaseException:
            # Or the journal would forget the parts these guilds' counts are in.
            self._aggregate.reopen(kind, start, closed)
            raise
        steps = self._aggregate.take_steps()
        if not await self._commit(entries, [*steps, Closed(kind.name, start, guild_ids)]):
            self._aggregate.put_back(steps)
            self._aggregate.reopen(kind, start, closed)
            return False
        self._settled(kind.name, period, guild_ids)
        return True

    def _entries(
        self, kind: WindowKind, period: tuple[int, int], closed: Iterable[tuple[int, Activity]]
    ) -> Iterator[Entry]:
        make = self._snapshots[kind.name]
        for guild_id, activity in closed:
            for portion in _portions(activity):
                entry = make(guild_id, period, self._key(kind, guild_id, period[0]), portion)
                if entry is not None:
                    yield entry

    def _key(self, kind: WindowKind, guild_id: int, start: int) -> str:
        """Unique for ever: a window may leave more than once, so its start alone does not name a snapshot."""
        self._made = max(self._made + 1, self._clock.now_ms())
        return f"{kind.name}:{self._source}:{guild_id}:{start}:{self._made}"

    async def _commit(self, entries: tuple[Entry, ...], steps: list[Step]) -> bool:
        unneeded = self._unneeded()
        forget = self._parts[unneeded - 1].number if unneeded else 0
        unsaved = self._audit.take_unsaved()
        marks = self._audit.marks(self._carried(unneeded)) | unsaved
        moderation = self._moderation()
        forgotten = (self._voice.stale(old.number, old.voiced) for old in islice(self._parts, unneeded))
        voice = self._voice.take(forgotten)
        outdated = (self._levels.stale(old.number, old.levelled) for old in islice(self._parts, unneeded))
        levels = self._levels.collect(outdated)
        part = Part(steps, voice, self._aggregate.lengths(), marks, moderation, levels)
        number = await self._committer.commit(entries, encode_part(part), forget)
        if number is None:
            self._audit.put_back(unsaved)
            self._voice.put_back(voice)
            self._levels.put_back(levels)
            return False
        for _ in range(unneeded):
            self._parts.popleft()
        self._keep(number, part)
        self.moderation = moderation
        return True

    def _keep(self, number: int, part: Part) -> None:
        windows = self._aggregate.windows_of(part.steps)
        voiced = self._voice.keep(number, part.voice)
        levelled = self._levels.keep(number, part.levels)
        self._parts.append(_Kept(number, windows, tuple(part.marks), voiced, levelled))
        self._marked |= dict.fromkeys(part.marks, number)

    def _carried(self, unneeded: int) -> Iterator[int]:
        """Guilds whose newest mark stands in a part about to be forgotten."""
        for part in islice(self._parts, unneeded):
            for guild_id in part.marked:
                if self._marked.get(guild_id) == part.number:
                    yield guild_id

    def _unneeded(self) -> int:
        """How many parts, from the oldest on, nobody needs, without carrying too much over at once.

        The newest stays: it tells how far everything is known.
        """
        open_windows = self._aggregate.open_windows()
        unneeded = carried = 0
        for part in islice(self._parts, max(0, len(self._parts) - 1)):
            carried += len(self._voice.stale(part.number, part.voiced))
            if part.windows & open_windows or (unneeded and carried > CARRIED):
                break
            unneeded += 1
        return unneeded


def _ended(kind: WindowKind, start: int, now: int) -> bool:
    return start + kind.length_ms + GRACE_MS <= now


def _slices(guild_ids: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(guild_ids), SLICE):
        yield guild_ids[first : first + SLICE]


def _portions(activity: Activity) -> Iterator[Activity]:
    if len(activity.cells) <= PORTION:
        yield activity
        return
    # By member, so that what one member did stays in one entry as far as it can.
    cells = iter(sorted(activity.cells.items(), key=lambda item: item[0][2]))
    while portion := dict(islice(cells, PORTION)):
        members = {user_id for _, _, user_id, _ in portion}
        seen = {user_id: activity.seen[user_id] for user_id in members if user_id in activity.seen}
        yield Activity(portion, seen)
