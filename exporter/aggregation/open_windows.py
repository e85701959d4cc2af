"""Open windows of all kinds: amounts go in, guilds are taken out for their snapshots."""

from __future__ import annotations

from collections.abc import Container, Iterable

from exporter.aggregation.cells import Activity, Amounts, WindowKind


class OpenWindows:
    """The windows of each kind; ``cells`` counts the distinct counters held in them."""

    def __init__(self, kinds: Iterable[WindowKind]) -> None:
        self.kinds = tuple(kinds)
        self.cells = 0

    def add(self, start: int, amounts: Amounts) -> None:
        """Add the amounts of a smallest window to the window of each kind it is part of."""
        for kind in self.kinds if amounts else ():
            window = kind.windows.setdefault(kind.start_of(start), {})
            for (series, guild_id, channel_id, user_id, emoji), amount in amounts.items():
                activity = window.get(guild_id)
                if activity is None:
                    activity = window[guild_id] = Activity()
                cells, cell = activity.cells, (series, channel_id, user_id, emoji)
                before = cells.get(cell)
                cells[cell] = amount if before is None else before + amount
                self.cells += before is None

    def extend_seen(self, guild_id: int, user_id: int, first: int, last: int) -> None:
        """Note when a member was active, in the window of each moment: they may be two."""
        for kind in self.kinds:
            begin, end = kind.start_of(first), kind.start_of(last)
            one = ((begin, first, last),)
            for start, since, until in one if begin == end else ((begin, first, first), (end, last, last)):
                window = kind.windows.get(start)
                # Without an activity the guild's counts were shed, and nothing is to be said of its members.
                if window is not None and (activity := window.get(guild_id)) is not None:
                    activity.extend_seen(user_id, since, until)

    def close(self, kind: WindowKind, start: int, guild_ids: Iterable[int]) -> list[tuple[int, Activity]]:
        """Take guilds out of a window.

        The snapshots made of them must be committed together with a ``Closed`` step that names them.
        """
        window = kind.windows.get(start)
        if window is None:
            return []
        closed = [(guild_id, window.pop(guild_id)) for guild_id in guild_ids if guild_id in window]
        self.cells -= sum(len(activity.cells) for _, activity in closed)
        if not window:
            del kind.windows[start]
        return closed

    def reopen(self, kind: WindowKind, start: int, closed: Iterable[tuple[int, Activity]]) -> None:
        """Put guilds back into a window: the snapshots made of them could not be committed."""
        window = kind.windows.setdefault(start, {})
        for guild_id, activity in closed:
            newer = window.pop(guild_id, Activity())
            self.cells -= len(newer.cells)
            kept, added = sorted((newer, activity), key=lambda part: -len(part.cells))
            window[guild_id] = kept
            self.cells += len(kept.cells)
            for cell, amount in added.cells.items():
                before = kept.cells.get(cell)
                kept.cells[cell] = amount if before is None else before + amount
                self.cells += before is None
            for user_id, (first, last) in added.seen.items():
                kept.extend_seen(user_id, first, last)

    def touched_by(self, starts: Iterable[int]) -> set[tuple[str, int]]:
        """Kind and start of the windows that these smallest windows are part of."""
        return {(kind.name, kind.start_of(start)) for kind in self.kinds for start in starts}

    def open(self) -> set[tuple[str, int]]:
        """Kind and start of every window that holds something."""
        return {(kind.name, start) for kind in self.kinds for start in kind.windows}

    def forget_people(self, people: Container[int]) -> None:
        """Take out what was counted for these people."""
        for kind in self.kinds:
            for activity in (activity for window in kind.windows.values() for activity in window.values()):
                hidden = [cell for cell in activity.cells if cell[2] in people]
                self.cells -= len(hidden)
                for cell in hidden:
                    del activity.cells[cell]
                for user_id in [user_id for user_id in activity.seen if user_id in people]:
                    del activity.seen[user_id]
