"""Counts become windows. The hot path adds to one dictionary; everything else happens when it is folded.

``add`` books an amount on the window its time falls in. ``fold``, about once a second and before each
scrape, moves what was added into the running totals that Prometheus is shown, into the open windows and into
the journal. ``close`` takes a window's cells out for a snapshot. What arrives for a window already closed
opens it again and leaves with the next ``close``: a delta like any other, so sums never depend on
punctuality.

The journal is the list of these steps since the last snapshot that replaced them; played back in order it
gives the same open windows. Its parts and the snapshots are committed together, so none is applied twice.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping

from exporter.aggregation.cells import Activity, Cell, WindowKind
from exporter.checkpoint.journal import Added, Cells, Closed, Step, merge
from exporter.events.catalogue import Catalogue
from exporter.events.facts import Count, Series

MAX_ONCE = 50_000
"""Occurrences remembered to recognise a repeated one. Discord repeats an edit within seconds, when
it resolves an embed; at 1,000 edits a second this reaches back most of a minute."""


class Aggregate:
    """All counters of the process.

    ``totals`` holds the running sums since the start by slot and guild, ``channel_totals`` by measure, guild
    and channel; both are read by the exposition. ``predates`` says whether a moment in a guild was before its
    session began: an occurrence of then that is told now was counted by the process before, or was missed.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        kinds: Iterable[WindowKind],
        parents: dict[int, int],
        *,
        channels: bool,
        predates: Callable[[int, int], bool] = lambda _guild_id, _at: False,
    ) -> None:
        self._predates = predates
        self._slots = {
            series for measure in catalogue.measures.values() for series in measure.series_of.values()
        }
        self._live = {
            series
            for measure in catalogue.measures.values()
            if measure.live
            for series in measure.series_of.values()
        }
        self._by_name = {(series.measure, series.value): series for series in self._slots}
        self._parents = parents
        self._channels = channels
        self.kinds = tuple(kinds)
        self.resize(self.lengths())
        self._pending: dict[int, dict[tuple[Series, int, int, int, str], int]] = {}
        self._seen: dict[tuple[int, int], list[int]] = {}
        self._once: dict[tuple[int, int], None] = {}
        self._steps: list[Step] = []
        self._cells = 0
        self.totals: dict[Series, dict[int, int]] = {series: {} for series in self._slots}
        self.channel_totals: dict[str, dict[int, dict[int, int]]] = {}

    def lengths(self) -> dict[str, int]:
        """Length of windows in ms by kind."""
        return {kind.name: kind.length_ms for kind in self.kinds}

    def resize(self, lengths: Mapping[str, int]) -> None:
        """Use other lengths, in ms by kind, for windows opened from now on."""
        for kind in self.kinds:
            kind.length_ms = lengths.get(kind.name, kind.length_ms)
        self._step_ms = min(self.lengths().values(), default=60_000)

    def add(self, count: Count) -> None:
        """Book one count. A thread's activity is its parent's."""
        if count.series not in self._slots:
            return
        if count.dedup_key is not None and (
            self._repeats(count.dedup_key) or self._predates(count.guild_id, count.at)
        ):
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
        cells = self._pending.get(start)
        if cells is None:
            cells = self._pending[start] = {}
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

    def show(self, series: Series, guild_id: int, channel_id: int, amount: int) -> None:
        """Add to the running totals only: an amount of a live measure whose windows are told of it later."""
        if series in self._slots:
            self._add_total(series, guild_id, self._parents.get(channel_id, channel_id), amount)

    def _repeats(self, occurrence: tuple[int, int]) -> bool:
        if occurrence in self._once:
            return True
        if len(self._once) >= MAX_ONCE:
            del self._once[next(iter(self._once))]
        self._once[occurrence] = None
        return False

    def fold(self) -> None:
        """Move what was added since the last fold to the totals, the open windows and the journal."""
        if not self._pending:
            return
        for start, cells in self._pending.items():
            self._total(cells)
            self._open(start, cells)
        for (guild_id, user_id), (first, last) in self._seen.items():
            self._sight(guild_id, user_id, first, last)
        if self.kinds:
            seen = [(guild, user, first, last) for (guild, user), (first, last) in self._seen.items()]
            self._steps.append(
                Added(
                    [
                        (start, series.measure, series.value, guild, channel, user, emoji, amount)
                        for start, cells in self._pending.items()
                        for (series, guild, channel, user, emoji), amount in cells.items()
                    ],
                    seen,
                )
            )
        self._pending = {}
        self._seen = {}

    def _total(self, cells: dict[tuple[Series, int, int, int, str], int]) -> None:
        for (series, guild_id, channel_id, _user, _emoji), amount in cells.items():
            if series not in self._live:
                self._add_total(series, guild_id, channel_id, amount)

    def _add_total(self, series: Series, guild_id: int, channel_id: int, amount: int) -> None:
        guilds = self.totals[series]
        guilds[guild_id] = guilds.get(guild_id, 0) + amount
        if self._channels and channel_id:
            channels = self.channel_totals.setdefault(series.measure, {}).setdefault(guild_id, {})
            channels[channel_id] = channels.get(channel_id, 0) + amount

    def _open(self, start: int, cells: dict[tuple[Series, int, int, int, str], int]) -> None:
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

    def _sight(self, guild_id: int, user_id: int, first: int, last: int) -> None:
        """Note when a member was seen, in the window of each moment: they may be two."""
        for kind in self.kinds:
            begin, end = kind.start_of(first), kind.start_of(last)
            if begin == end:
                kind.activity(end, guild_id).sight(user_id, first, last)
            else:
                kind.activity(begin, guild_id).sight(user_id, first, first)
                kind.activity(end, guild_id).sight(user_id, last, last)

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
        for guild_id, activity in closed:
            kept = kind.activity(start, guild_id)
            for cell, amount in activity.cells.items():
                self._keep(kept, cell, amount)
            for user_id, (first, last) in activity.seen.items():
                kept.sight(user_id, first, last)

    def put_back(self, steps: Iterable[Step]) -> None:
        """Take back steps that could not be committed, summed up: a disk may refuse for hours."""
        self._steps = merge([*steps, *self._steps])

    def take_steps(self) -> list[Step]:
        """The journal's steps since the last call; whoever takes them commits them."""
        steps, self._steps = self._steps, []
        return steps

    def replay(self, steps: Iterable[Step]) -> None:
        """Rebuild the open windows of a process that ended without closing them; totals start anew."""
        kinds = {kind.name: kind for kind in self.kinds}
        for step in steps:
            if isinstance(step, Closed):
                kind = kinds.get(step.kind)
                if kind is not None:
                    self.close(kind, step.start, step.guild_ids)
            elif isinstance(step, Added):
                for start, cells in self._known(step.cells).items():
                    self._open(start, cells)
                for guild_id, user_id, first, last in step.seen:
                    self._sight(guild_id, user_id, first, last)

    def leave_out(self, people: Container[int]) -> None:
        """Take what is booked on these members out of the open windows."""
        for kind in self.kinds:
            for activity in (activity for window in kind.windows.values() for activity in window.values()):
                hidden = [cell for cell in activity.cells if cell[2] in people]
                self._cells -= len(hidden)
                for cell in hidden:
                    del activity.cells[cell]
                for user_id in [user_id for user_id in activity.seen if user_id in people]:
                    del activity.seen[user_id]

    def _known(self, cells: Cells) -> dict[int, dict[tuple[Series, int, int, int, str], int]]:
        known: dict[int, dict[tuple[Series, int, int, int, str], int]] = {}
        for start, measure, value, guild_id, channel_id, user_id, emoji, amount in cells:
            series = self._by_name.get((measure, value))
            if series is not None:
                known.setdefault(start, {})[series, guild_id, channel_id, user_id, emoji] = amount
        return known

    def channels_of(self, guild_id: int) -> set[int]:
        """The channels of a guild that have a running total."""
        return {channel for guilds in self.channel_totals.values() for channel in guilds.get(guild_id, ())}

    @property
    def by_channel(self) -> bool:
        """Whether running totals are kept by channel."""
        return self._channels

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild's running totals; what it did afterwards begins anew."""
        for guilds in self.totals.values():
            guilds.pop(guild_id, None)
        for measure in self.channel_totals.values():
            measure.pop(guild_id, None)

    def forget_channel(self, guild_id: int, channel_id: int) -> None:
        """Forget a channel's running totals."""
        for guilds in self.channel_totals.values():
            guilds.get(guild_id, {}).pop(channel_id, None)

    def cell_count(self) -> int:
        """Distinct counters held in open windows."""
        return self._cells

    def windows_of(self, steps: Iterable[Step]) -> set[tuple[str, int]]:
        """The windows that steps added to: while one of them is open, the steps are needed."""
        starts = {cell[0] for step in steps if isinstance(step, Added) for cell in step.cells}
        return {(kind.name, kind.start_of(start)) for kind in self.kinds for start in starts}

    def open_windows(self) -> set[tuple[str, int]]:
        """WindowKind and start of every window that holds something."""
        return {(kind.name, start) for kind in self.kinds for start in kind.windows}
