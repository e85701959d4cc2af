"""How far each guild's audit log has been taken: up to a floor, and single entries above it.

Dispatches of entries overtake one another, so the newest one received does not stand for those before it: the
floor of a guild stays as far behind as an entry may be late. Both are committed with what was made of the
entries, so that after a crash each entry is taken once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final

import msgspec

from exporter.dispatch.component import SavedTable
from exporter.dispatch.saved_rows import SavedRows
from exporter.events.payload import snowflake_ms

OVERTAKING_MS: Final = 60_000
"""How much later than a newer entry an older one may still come; a floor stays that far behind."""

MOST_RECENT: Final = 5_000
"""Entries remembered above a floor; a guild with more of them in a minute is under attack, and the oldest
of them are then as good as certain to be complete."""

MOST_UNREAD: Final = 100_000
"""The same while the guild's log is still to be read: below the oldest there may be entries not taken."""

_Key = tuple[int, int]
"""Guild and entry."""


class SavedFloor(msgspec.Struct, frozen=True, array_like=True):
    """All entries of a guild's audit log up to this id have been taken."""

    floor: int


class SavedTaken(msgspec.Struct, frozen=True, array_like=True):
    """An entry above the floor has been taken: the key of the row says which."""


class AuditMarks:
    """The marks of all guilds."""

    def __init__(self) -> None:
        self._recent: dict[int, dict[int, None]] = {}
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

    @property
    def newest(self) -> int:
        """The newest moment that marks tell of, in ms; 0 for none."""
        floors = (saved.floor for saved in self.floors.rows.values())
        return max(
            (snowflake_ms(made) for made in itertools.chain(floors, *self._recent.values())), default=0
        )

    def take(self, guild_id: int, entry_id: int, *, unread: bool) -> bool:
        """Whether an entry has not been taken before; from now on it has.

        ``unread`` says that below it entries may be still to be read.
        """
        if guild_id not in self:
            # The dispatch of a guild the bot has just been added to may come before the guild's own.
            self.set_floor(guild_id, entry_id - 1)
        recent = self._recent.setdefault(guild_id, {})
        if entry_id <= self.floor(guild_id) or entry_id in recent:
            return False
        recent[entry_id] = None
        self.recent.touch((guild_id, entry_id))
        if not unread:
            self.raise_floor(guild_id, entry_id - (OVERTAKING_MS << 22))
        if len(recent) > (MOST_UNREAD if unread else MOST_RECENT):
            self.raise_floor(guild_id, sorted(recent)[len(recent) // 2])
        return True

    def raise_floor(self, guild_id: int, floor: int) -> None:
        """All entries of a guild up to this one have been taken."""
        if floor <= self.floor(guild_id):
            return
        self.set_floor(guild_id, floor)
        recent = self._recent.get(guild_id, {})
        for entry_id in [entry_id for entry_id in recent if entry_id <= floor]:
            del recent[entry_id]
            self.recent.touch((guild_id, entry_id))

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        self.floors.pop(guild_id)
        for entry_id in self._recent.pop(guild_id, ()):
            self.recent.touch((guild_id, entry_id))

    def save_all(self) -> None:
        """Save all marks with the next commit."""
        for guild_id in self.floors.rows:
            self.floors.touch(guild_id)
        for guild_id, recent in self._recent.items():
            for entry_id in recent:
                self.recent.touch((guild_id, entry_id))
