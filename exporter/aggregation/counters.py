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

from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from exporter.aggregation.cells import Activity, Cell, WindowKind
from exporter.aggregation.increments import CELLS_AT_ONCE, Added, Cells, Closed, Step
from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.catalogue import Catalogue
from exporter.events.facts.counting import Count, Series, TimeElapsed
from exporter.events.spec import Unit
from exporter.state.shard_timeline import ShardTimeline

MAX_REPEATS: Final = 50_000
"""Occurrences remembered to recognise a repeated one. Discord repeats an edit within seconds, when
it resolves an embed; at 1,000 edits a second this reaches back most of a minute."""

_Key: TypeAlias = tuple[Series, int, int, int, str]
"""Series, guild, channel, user, emoji."""

_Amounts: TypeAlias = dict[int, dict[_Key, int]]
"""Amounts by the start of the smallest window."""


class Unsaved(NamedTuple):
    """What was added since the last commit, by start of window; and members' first and last activity."""

    amounts: _Amounts
    seen: dict[tuple[int, int], tuple[int, int]]

    def __bool__(self) -> bool:
        return bool(self.amounts)

    def steps(self) -> Iterator[Added]:
        """The same as it is saved, in pieces of at most ``CELLS_AT_ONCE`` cells and as many members."""
        cells = (
            (start, series.measure, series.value, guild, channel, user, emoji, amount)
            for start, cells in self.amounts.items()
            for (series, guild, channel, user, emoji), amount in cells.items()
        )
        seen = ((*member, *times) for member, times in self.seen.items())
        while True:
            added = Added(list(islice(cells, CELLS_AT_ONCE)), list(islice(seen, CELLS_AT_ONCE)))
            if not (added.cells or added.seen):
                return
            yield added


class Counters(Component):
    """All counters of the process.

    ``totals`` holds the running sums since the start by series and guild, ``channel_totals`` by measure,
    guild and channel; both are read by the exposition. ``parents`` maps threads to their channels;
    ``timeline`` knows when sessions began: an occurrence from before, which is received now, was counted by
    the previous run, or was missed.
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
        self._channels = channels
        self.limit: int | None = None
        self.kinds = tuple(kinds)
        self.resize(self.lengths())
        self._added: _Amounts = {}
        self._seen: dict[tuple[int, int], list[int]] = {}
        self._unsaved = Unsaved({}, {})
        self._repeats: dict[tuple[int, int], None] = {}
        self._cells = 0
        self._shed = 0
        self.totals: dict[Series, dict[int, int]] = {series: {} for series in self._series}
        self.channel_totals: dict[str, dict[int, dict[int, int]]] = {}

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Amounts for the windows and for the running totals."""
        return {Count: self.add, TimeElapsed: self._elapse}

    def lengths(self) -> dict[str, int]:
        """Length of windows in ms by kind."""
        return {kind.name: kind.length_ms for kind in self.kinds}

    def resize(self, lengths: Mapping[str, int]) -> None:
        """Use other lengths, in ms by kind, for windows opened from now on."""
        for kind in self.kinds:
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
            self._add_total(fact.series, fact.guild_id, channel_id, fact.amount)

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
            if self.kinds:
                admitted = self._admit(start, cells)
                self._open(start, admitted)
                self._note_unsaved(start, admitted)
                if self.limit is not None:
                    active |= {(guild_id, user_id) for _, guild_id, _, user_id, _ in admitted}
        if self.kinds:
            for member, (first, last) in seen.items():
                # Of a member whose counts were all shed nothing is kept, or memory would grow by members.
                if self._shed == shed or member in active:
                    self._extend_seen(*member, first, last)
                    self._note_seen(member, first, last)

    def _total(self, cells: Mapping[_Key, int]) -> None:
        for (series, guild_id, channel_id, _user, _emoji), amount in cells.items():
            if series not in self._live:
                self._add_total(series, guild_id, channel_id, amount)

    def _add_total(self, series: Series, guild_id: int, channel_id: int, amount: int) -> None:
        guilds = self.totals[series]
        guilds[guild_id] = guilds.get(guild_id, 0) + amount
        if self._channels and channel_id:
            channels = self.channel_totals.setdefault(series.measure, {}).setdefault(guild_id, {})
            channels[channel_id] = channels.get(channel_id, 0) + amount

    def _admit(self, start: int, cells: dict[_Key, int]) -> dict[_Key, int]:
        """The cells there is memory for: those that have a counter already, and new ones up to the limit."""
        if self.limit is None or self._cells + len(cells) * len(self.kinds) <= self.limit:
            return cells
        admitted: dict[_Key, int] = {}
        free = (self.limit - self._cells) // len(self.kinds)
        windows = [kind.windows.get(kind.start_of(start), {}) for kind in self.kinds]
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

    def _open(self, start: int, cells: Mapping[_Key, int]) -> None:
        for kind in self.kinds:
            begin = kind.start_of(start)
            for (series, guild_id, channel_id, user_id, emoji), amount in cells.items():
                self._keep(kind.activity(begin, guild_id), (series, channel_id, user_id, emoji), amount)

    def _keep(self, activity: Activity, cell: Cell, amount: int) -> None:
        before = activity.cells.get(cell)
        if before is None:
            self._cells += 1
            before = 0
        activity.cells[cell] = before + amount

    def _extend_seen(self, guild_id: int, user_id: int, first: int, last: int) -> None:
        """Note when a member was active, in the window of each moment: they may be two."""
        for kind in self.kinds:
            for at in {kind.start_of(first): first, kind.start_of(last): last}.values():
                window = kind.windows.get(kind.start_of(at))
                # Without an activity the guild's counts were shed, and nothing is to be said of its members.
                if window is not None and (activity := window.get(guild_id)) is not None:
                    same = kind.start_of(first) == kind.start_of(last)
                    activity.extend_seen(user_id, first if same else at, last if same else at)

    def _note_unsaved(self, start: int, cells: dict[_Key, int]) -> None:
        known = self._unsaved.amounts.get(start)
        if known is None:
            if cells:
                self._unsaved.amounts[start] = cells
            return
        if len(known) < len(cells):
            # After a commit that hung for long, what came meanwhile is the larger part.
            known, cells = cells, known
            self._unsaved.amounts[start] = known
        for key, amount in cells.items():
            known[key] = known.get(key, 0) + amount

    def _note_seen(self, member: tuple[int, int], first: int, last: int) -> None:
        before = self._unsaved.seen.get(member, (first, last))
        self._unsaved.seen[member] = (min(first, before[0]), max(last, before[1]))

    # ------------------------------------------------------------------ windows

    def close(self, kind: WindowKind, start: int, guild_ids: Iterable[int]) -> list[tuple[int, Activity]]:
        """Take guilds out of a window.

        The snapshots made of them must be committed together with a ``Closed`` step that names them.
        """
        window = kind.windows.get(start)
        if window is None:
            return []
        closed = [(guild_id, window.pop(guild_id)) for guild_id in guild_ids if guild_id in window]
        self._cells -= sum(len(activity.cells) for _, activity in closed)
        if not window:
            del kind.windows[start]
        return closed

    def reopen(self, kind: WindowKind, start: int, closed: Iterable[tuple[int, Activity]]) -> None:
        """Put guilds back into a window: the snapshots made of them could not be committed."""
        window = kind.windows.setdefault(start, {})
        for guild_id, activity in closed:
            newer = window.pop(guild_id, Activity())
            self._cells -= len(newer.cells)
            kept, added = sorted((newer, activity), key=lambda part: -len(part.cells))
            window[guild_id] = kept
            self._cells += len(kept.cells)
            for cell, amount in added.cells.items():
                self._keep(kept, cell, amount)
            for user_id, (first, last) in added.seen.items():
                kept.extend_seen(user_id, first, last)

    def cell_count(self) -> int:
        """Distinct counters held in open windows."""
        return self._cells

    def take_shed(self) -> int:
        """How many occurrences were shed since the last call; an amount of time is one."""
        shed, self._shed = self._shed, 0
        return shed

    def windows_of(self, unsaved: Unsaved) -> set[tuple[str, int]]:
        """The windows these amounts were added to: while one of them is open, their increment is needed."""
        return {(kind.name, kind.start_of(start)) for kind in self.kinds for start in unsaved.amounts}

    def open_windows(self) -> set[tuple[str, int]]:
        """Kind and start of every window that holds something."""
        return {(kind.name, start) for kind in self.kinds for start in kind.windows}

    # ------------------------------------------------------------------ what is saved

    @property
    def has_unsaved(self) -> bool:
        """Whether anything was counted since the last commit."""
        return bool(self._added or self._unsaved)

    def take_unsaved(self) -> Unsaved:
        """What was added since the last commit; given back with ``merge_unsaved`` if it is not committed."""
        unsaved, self._unsaved = self._unsaved, Unsaved({}, {})
        return unsaved

    def merge_unsaved(self, unsaved: Unsaved) -> None:
        """Take back what could not be committed."""
        newer, self._unsaved = self._unsaved, unsaved
        for start, cells in newer.amounts.items():
            self._note_unsaved(start, cells)
        for member, (first, last) in newer.seen.items():
            self._note_seen(member, first, last)

    def replay(self, steps: Iterable[Step]) -> set[tuple[str, int]]:
        """Rebuild open windows from saved steps; returns the windows they added to. Totals start anew."""
        kinds = {kind.name: kind for kind in self.kinds}
        touched: set[tuple[str, int]] = set()
        for step in steps:
            if isinstance(step, Closed):
                kind = kinds.get(step.kind)
                if kind is not None:
                    self.close(kind, step.start, step.guild_ids)
                continue
            for start, cells in self._known(step.cells).items():
                self._open(start, cells)
                touched |= {(kind.name, kind.start_of(start)) for kind in self.kinds}
            for guild_id, user_id, first, last in step.seen:
                self._extend_seen(guild_id, user_id, first, last)
        return touched

    def _known(self, cells: Cells) -> _Amounts:
        known: _Amounts = {}
        for start, measure, value, guild_id, channel_id, user_id, emoji, amount in cells:
            series = self._by_name.get((measure, value))
            if series is not None:
                key = (series, guild_id, channel_id, user_id, emoji)
                window = known.setdefault(start, {})
                window[key] = window.get(key, 0) + amount
        return known

    def forget_people(self, people: Container[int]) -> None:
        """Take what was counted for these people out of the open windows."""
        for kind in self.kinds:
            for activity in (activity for window in kind.windows.values() for activity in window.values()):
                hidden = [cell for cell in activity.cells if cell[2] in people]
                self._cells -= len(hidden)
                for cell in hidden:
                    del activity.cells[cell]
                for user_id in [user_id for user_id in activity.seen if user_id in people]:
                    del activity.seen[user_id]

    # ------------------------------------------------------------------ running totals

    def channels_of(self, guild_id: int) -> set[int]:
        """The channels of a guild that have a running total."""
        return {channel for guilds in self.channel_totals.values() for channel in guilds.get(guild_id, ())}

    @property
    def by_channel(self) -> bool:
        """Whether running totals are kept by channel."""
        return self._channels

    def drop_guild_totals(self, guild_id: int) -> None:
        """Forget a guild's running totals; what it does afterwards begins anew."""
        for guilds in self.totals.values():
            guilds.pop(guild_id, None)
        for measure in self.channel_totals.values():
            measure.pop(guild_id, None)

    def drop_channel_totals(self, guild_id: int, channel_id: int) -> None:
        """Forget a channel's running totals."""
        for guilds in self.channel_totals.values():
            guilds.get(guild_id, {}).pop(channel_id, None)
