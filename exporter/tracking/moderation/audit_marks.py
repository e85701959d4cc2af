"""How far each guild's audit log has been taken: up to a floor, and single entries above it.

Dispatches of entries overtake one another, so the newest one received does not stand for those before it:
the floor of a guild stays as far behind as an entry may be late. After a gap the floor stays where it is
until the log has been read; meanwhile what is received stands for a span above the gap. Marks are committed
with what was made of the entries, so that after a crash each entry is taken once.

Invariant: a floor never passes an entry not taken, unless the gap is given up, which is counted and logged.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from exporter.dispatch.component import SavedTable
from exporter.dispatch.saved_rows import SavedRows
from exporter.events.payload import snowflake_ms
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

OVERTAKING_MS: Final = 60_000
"""How much later than a newer entry an older one may still come; a floor stays that far behind."""

MOST_RECENT: Final = 5_000
"""Entries remembered above a floor; a guild with more of them in a minute is under attack, and the oldest
of them are then as good as certain to be complete."""

MOST_UNREAD: Final = 100_000
"""The same after a gap: of more in a minute or two the gap before them is given up."""

MOST_SPANS: Final = 16
"""Spans between gaps of a guild that have not been read; the oldest gap is given up beyond this. So many
sessions begin only while a log cannot be read."""

_OVERTAKING: Final = OVERTAKING_MS << 22
"""The same between the ids of two entries."""

_Key = tuple[int, int]
"""Guild and entry."""


class SavedFloor(msgspec.Struct, frozen=True, array_like=True):
    """All entries of a guild's audit log up to ``floor`` have been taken, and those in the ``spans``.

    A span is from one entry, exclusive, to another. Those below it are in the log and still to be read.
    """

    floor: int
    spans: tuple[tuple[int, int], ...] = ()


class SavedTaken(msgspec.Struct, frozen=True, array_like=True):
    """An entry above the floor has been taken: the key of the row says which."""


class AuditMarks:
    """The marks of all guilds."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._given_up = telemetry.audit_gaps
        self._recent: dict[int, dict[int, None]] = {}
        self._first: dict[int, int] = {}
        """The first entry of each guild that was received since its last gap."""
        self._unreadable: set[int] = set()
        """Guilds whose last gap was given up."""
        self.floors: SavedRows[int, SavedFloor] = SavedRows("floors", int, SavedFloor)
        self.recent: SavedTable[_Key, SavedTaken] = SavedTable(
            *("recent", _Key, SavedTaken),
            read=lambda key: SavedTaken() if key[1] in self._recent.get(key[0], ()) else None,
            load=lambda key, _: self._recent.setdefault(key[0], {}).update({key[1]: None}),
        )

    def __contains__(self, guild_id: int) -> bool:
        return guild_id in self.floors.rows

    def guilds(self) -> Iterable[int]:
        """The guilds whose audit log is followed."""
        return self.floors.rows.keys()

    def floor(self, guild_id: int) -> int:
        """Up to which entry all have been taken."""
        return self.floors.rows[guild_id].floor

    def set_floor(self, guild_id: int, floor: int) -> None:
        """Follow a guild's audit log from here on."""
        self.floors.put(guild_id, SavedFloor(floor))

    def open_gap(self, guild_id: int) -> None:
        """What is received from now on comes after a gap, which is to be read."""
        self._first.pop(guild_id, None)
        self._unreadable.discard(guild_id)

    @property
    def newest(self) -> int:
        """The newest moment that marks stand for, in ms; 0 for none."""
        floors = (saved.floor for saved in self.floors.rows.values())
        return max(
            (snowflake_ms(made) for made in itertools.chain(floors, *self._recent.values())), default=0
        )

    # ------------------------------------------------------------------ entries

    def take(self, guild_id: int, entry_id: int, *, live: bool, unread: bool, late: int = 0) -> bool:
        """Whether an entry has not been taken before; from now on it has.

        ``live`` says that it came as a dispatch, ``unread`` that gaps before it are still to be read. Entries
        may be ``late`` by so many ms more than usual.
        """
        if guild_id not in self:
            # The dispatch of a guild the bot has just been added to may come before the guild's own.
            self.set_floor(guild_id, entry_id - 1)
        recent = self._recent.setdefault(guild_id, {})
        if entry_id in recent or self._is_covered(guild_id, entry_id):
            return False
        recent[entry_id] = None
        self.recent.touch((guild_id, entry_id))
        if not unread or guild_id in self._unreadable:
            self.raise_floor(guild_id, entry_id - _OVERTAKING - (late << 22))
            if len(recent) > MOST_RECENT:
                self.raise_floor(guild_id, sorted(recent)[len(recent) // 2])
            return True
        if live:
            self._extend_span(guild_id, entry_id, late)
        if len(recent) > MOST_UNREAD:
            self._give_up(guild_id, sorted(recent)[len(recent) // 2])
            self._unreadable.add(guild_id)
        return True

    def _is_covered(self, guild_id: int, entry_id: int) -> bool:
        saved = self.floors.rows[guild_id]
        return entry_id <= saved.floor or any(since < entry_id <= until for since, until in saved.spans)

    def _extend_span(self, guild_id: int, entry_id: int, late: int) -> None:
        """Have a span stand for what is received, shorter at both ends by as much as an entry may be late."""
        since = self._first.setdefault(guild_id, entry_id) + _OVERTAKING
        until = entry_id - _OVERTAKING - (late << 22)
        saved = self.floors.rows[guild_id]
        spans = dict(saved.spans)
        if until <= spans.get(since, since):
            return
        spans[since] = until
        self.floors.put(guild_id, SavedFloor(saved.floor, tuple(sorted(spans.items()))))
        self._forget_between(guild_id, since, until)
        if len(spans) > MOST_SPANS:
            self._give_up(guild_id, min(spans))

    def raise_floor(self, guild_id: int, floor: int) -> None:
        """All entries of a guild up to this one have been taken, and those of a span that begins below it."""
        saved = self.floors.rows[guild_id]
        if floor > saved.floor:
            for since, until in saved.spans:
                if since <= floor:
                    floor = max(floor, until)
            spans = tuple(span for span in saved.spans if span[0] > floor)
            self.floors.put(guild_id, SavedFloor(floor, spans))
            self._forget_between(guild_id, 0, floor)

    def _give_up(self, guild_id: int, until: int) -> None:
        """Leave unread what lies between the floor and an entry: there is no memory for more above it."""
        self._given_up.inc()
        log.error(
            "the audit log of guild %d from %s to %s is given up: it could not be read before too much else "
            "came; what only the audit log says of that time is lost",
            *(guild_id, _time(self.floor(guild_id)), _time(until)),
        )
        self.raise_floor(guild_id, until)

    def _forget_between(self, guild_id: int, since: int, until: int) -> None:
        recent = self._recent.get(guild_id, {})
        for entry_id in [entry_id for entry_id in recent if since < entry_id <= until]:
            del recent[entry_id]
            self.recent.touch((guild_id, entry_id))

    # ------------------------------------------------------------------ all guilds

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        self.floors.pop(guild_id)
        self.open_gap(guild_id)
        for entry_id in self._recent.pop(guild_id, ()):
            self.recent.touch((guild_id, entry_id))

    def save_all(self) -> None:
        """Save all marks with the next commit."""
        for guild_id in self.floors.rows:
            self.floors.touch(guild_id)
        for guild_id, recent in self._recent.items():
            for entry_id in recent:
                self.recent.touch((guild_id, entry_id))


def _time(entry_id: int) -> str:
    return datetime.fromtimestamp(snowflake_ms(entry_id) / 1000, UTC).isoformat(timespec="seconds")
