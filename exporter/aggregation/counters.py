"""Counts become windows. The hot path adds to one dictionary; everything else happens when it is folded.

``add`` puts an amount into the window its time falls in. ``fold``, about once a second and before each scrape
and commit, moves what was added into the running totals that Prometheus reads, into the open windows, and
into what the next commit saves. ``close`` takes a window's cells out for a snapshot. What arrives for a
window already closed opens it again and leaves with the next ``close``: a delta like any other, so sums never
depend on punctuality.

Invariant: while ``limit`` is set, no counter is added beyond it to open windows. While the disk refuses,
windows cannot close; what would need a further counter is then shed, and counted by the caller of
``take_shed``. The running totals still have it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Final

from exporter.aggregation.cells import Amounts, WindowKind
from exporter.aggregation.increments import Cells, Closed, Step
from exporter.aggregation.open_windows import OpenWindows
from exporter.aggregation.running_totals import RunningTotals
from exporter.aggregation.unsaved import Unsaved
from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.catalogue import Catalogue
from exporter.events.facts.counting import Count, TimeElapsed
from exporter.events.spec import Unit
from exporter.state.shard_timeline import ShardTimeline

MAX_REPEATS: Final = 50_000
"""Occurrences remembered to recognise a repeated one. Discord repeats an edit within seconds, when
it resolves an embed; at 1,000 edits a second this reaches back most of a minute."""


class Counters(Component):
    """All counters of the process.

    ``totals`` are the running sums since the start, read by the exposition. ``parents`` maps threads to their
    channels; ``timeline`` knows when sessions began: an occurrence from before, which is received now, was
    counted by the previous run, or was missed.
    """

    name = "counters"

    def __init__(
        self,
        emit: Emit,
        catalogue: Catalogue,
        kinds: Iterable[WindowKind],
        parents: Mapping[int, int],
        timeline: ShardTimeline,
        *,
        channels: bool,
    ) -> None:
        super().__init__(emit)
        measures = catalogue.measures.values()
        self._timeline = timeline
        self._series = {series for measure in measures for series in measure.series_of.values()}
        self._live = {series for measure in measures if measure.live for series in measure.series_of.values()}
        self._occurrences = {
            series
            for measure in measures
            if measure.unit is Unit.COUNT
            for series in measure.series_of.values()
        }
        self._by_name = {(series.measure, series.value): series for series in self._series}
        self._parents = parents
        self.limit: int | None = None
        self.windows = OpenWindows(kinds)
        self.resize(self.lengths())
        self._added: dict[int, Amounts] = {}
        self._seen: dict[tuple[int, int], list[int]] = {}
        self._unsaved = Unsaved()
        self._repeats: dict[tuple[int, int], None] = {}
        self._shed = 0
        self.totals = RunningTotals(self._series, channels=channels)

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Amounts for the windows and for the running totals."""
        return {Count: self.add, TimeElapsed: self._elapse}

    def lengths(self) -> dict[str, int]:
        """Length of windows in ms by kind."""
        return {kind.name: kind.length_ms for kind in self.windows.kinds}

    def resize(self, lengths: Mapping[str, int]) -> None:
        """Use other lengths, in ms by kind, for windows opened from now on."""
        for kind in self.windows.kinds:
            kind.length_ms = lengths.get(kind.name, kind.length_ms)
        self._step_ms = min(self.lengths().values(), default=60_000)

    # ------------------------------------------------------------------ what is counted

    def add(self, count: Count) -> None:
        """Add one count. A thread's activity is its parent's."""
        if count.series not in self._series:
            return
        if count.dedup_key is not None and self._is_repeated(count, count.dedup_key):
            return
        at = count.at
        channel = count.channel_id
        key = (
            count.series,
            count.guild_id,
            self._parents.get(channel, channel),
            count.user_id,
            count.emoji,
        )
        start = at - at % self._step_ms
        cells = self._added.get(start)
        if cells is None:
            cells = self._added[start] = {}
        cells[key] = cells.get(key, 0) + count.amount
        if count.user_id:
            member = (count.guild_id, count.user_id)
            seen = self._seen.get(member)
            if seen is None:
                self._seen[member] = [at, count.until or at]
            elif count.until:
                seen[:] = min(at, seen[0]), max(count.until, seen[1])
            elif at > seen[1]:
                seen[1] = at
            elif at < seen[0]:
                seen[0] = at

    def _elapse(self, fact: TimeElapsed, _: int) -> None:
        if fact.series in self._series:
            channel_id = self._parents.get(fact.channel_id, fact.channel_id)
            self.totals.add(fact.series, fact.guild_id, channel_id, fact.amount)

    def _is_repeated(self, count: Count, occurrence: tuple[int, int]) -> bool:
        if occurrence in self._repeats:
            return True
        if len(self._repeats) >= MAX_REPEATS:
            del self._repeats[next(iter(self._repeats))]
        self._repeats[occurrence] = None
        return self._timeline.predates(count.guild_id, count.at)

    # ------------------------------------------------------------------ folding

    def fold(self) -> None:
        """Move what was added since the last fold to the totals, the open windows and the unsaved amounts."""
        if not self._added:
            return
        added, self._added = self._added, {}
        seen, self._seen = self._seen, {}
        shed = self._shed
        active: set[tuple[int, int]] = set()
        for start, cells in added.items():
            self._total(cells)
            if self.windows.kinds:
                admitted = self._admit(start, cells)
                self.windows.add(start, admitted)
                self._unsaved.add(start, admitted)
                if self.limit is not None:
                    active |= {(guild_id, user_id) for _, guild_id, _, user_id, _ in admitted}
        if self.windows.kinds:
            for member, (first, last) in seen.items():
                # Of a member whose counts were all shed nothing is kept, or memory would grow by members.
                if self._shed == shed or member in active:
                    self.windows.extend_seen(*member, first, last)
                    self._unsaved.extend_seen(member, first, last)

    def _total(self, cells: Amounts) -> None:
        live, add = self._live, self.totals.add
        for (series, guild_id, channel_id, _user, _emoji), amount in cells.items():
            if series not in live:
                add(series, guild_id, channel_id, amount)

    def _admit(self, start: int, cells: Amounts) -> Amounts:
        """The cells there is memory for: those that have a counter already, and new ones up to the limit."""
        if self.limit is None or self.windows.cells + len(cells) * len(self.windows.kinds) <= self.limit:
            return cells
        admitted: Amounts = {}
        free = (self.limit - self.windows.cells) // len(self.windows.kinds)
        windows = [kind.windows.get(kind.start_of(start), {}) for kind in self.windows.kinds]
        for key, amount in cells.items():
            series, guild_id, *cell = key
            held = all(
                (activity := window.get(guild_id)) is not None and (series, *cell) in activity.cells
                for window in windows
            )
            if held or free > 0:
                free -= not held
                admitted[key] = amount
            else:
                self._shed += amount if series in self._occurrences else 1
        return admitted

    def take_shed(self) -> int:
        """How many occurrences were shed since the last call; an amount of time is one."""
        shed, self._shed = self._shed, 0
        return shed

    # ------------------------------------------------------------------ what is saved

    @property
    def has_unsaved(self) -> bool:
        """Whether anything was counted since the last commit."""
        return bool(self._added or self._unsaved)

    def take_unsaved(self) -> Unsaved:
        """What was added since the last commit; given back with ``merge_unsaved`` if it is not committed."""
        unsaved, self._unsaved = self._unsaved, Unsaved()
        return unsaved

    def merge_unsaved(self, unsaved: Unsaved) -> None:
        """Take back what could not be committed."""
        newer, self._unsaved = self._unsaved, unsaved
        unsaved.merge(newer)

    def replay(self, steps: Iterable[Step]) -> set[tuple[str, int]]:
        """Rebuild open windows from saved steps; returns the windows they added to. Totals start anew."""
        kinds = {kind.name: kind for kind in self.windows.kinds}
        touched: set[tuple[str, int]] = set()
        for step in steps:
            if isinstance(step, Closed):
                kind = kinds.get(step.kind)
                if kind is not None:
                    self.windows.close(kind, step.start, step.guild_ids)
                continue
            for start, cells in self._known(step.cells).items():
                self.windows.add(start, cells)
                touched |= self.windows.touched_by((start,))
            for guild_id, user_id, first, last in step.seen:
                self.windows.extend_seen(guild_id, user_id, first, last)
        return touched

    def _known(self, cells: Cells) -> dict[int, Amounts]:
        known: dict[int, Amounts] = {}
        for start, measure, value, guild_id, channel_id, user_id, emoji, amount in cells:
            series = self._by_name.get((measure, value))
            if series is not None:
                key = (series, guild_id, channel_id, user_id, emoji)
                window = known.setdefault(start, {})
                window[key] = window.get(key, 0) + amount
        return known

    def forget_people(self, people: Container[int]) -> None:
        """Take what was counted for these people out of the open windows."""
        self.windows.forget_people(people)
