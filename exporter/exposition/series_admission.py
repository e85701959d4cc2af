"""Which guilds have series of their own.

A guild is admitted in the order in which it is first known, up to the limit, and stays until its totals are
dropped, some time after the bot has left it. A guild over the limit stays in ``guild_id="other"`` as long,
even when others leave before: its amounts are already in a counter that must not fall.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

BLOCK_GUILDS = 1000
"""Guilds written at once: about 0.2 ms, and enough to make the fixed cost of a block negligible."""


@dataclass(frozen=True, slots=True)
class Block:
    """Guilds that are written together; ``texts`` are their ids as label values."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]

    def without(self, guilds: Collection[int]) -> Block | None:
        """The block without some guilds; None where nothing is left."""
        if not guilds:
            return self
        kept = tuple(guild for guild in self.ids if guild not in guilds)
        return Block(kept, tuple(map(str, kept))) if kept else None


class SeriesAdmission:
    """The guilds with series of their own, at most ``limit``, and those summed in ``other``."""

    __slots__ = ("_limit", "_shown", "blocks", "excluded")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._shown: dict[int, None] = {}
        self.excluded: dict[int, None] = {}
        self.blocks: tuple[Block, ...] = ()

    def __len__(self) -> int:
        return len(self._shown)

    def __contains__(self, guild_id: object) -> bool:
        return guild_id in self._shown

    def update(self, guilds: Iterable[int], departed: Iterable[int] = ()) -> bool:
        """Apply the set of guilds known now, and of those left that keep their place; whether it changed."""
        known = dict.fromkeys(guilds)
        known |= {guild: None for guild in departed if guild in self._shown or guild in self.excluded}
        if known.keys() == self._shown.keys() | self.excluded.keys():
            return False
        self._shown = {guild: None for guild in self._shown if guild in known}
        self.excluded = {guild: None for guild in self.excluded if guild in known}
        for guild in known:
            if guild in self._shown or guild in self.excluded:
                continue
            (self._shown if len(self._shown) < self._limit else self.excluded)[guild] = None
        self.blocks = tuple(_blocks(self._shown))
        return True


def _blocks(guilds: Iterable[int]) -> Iterator[Block]:
    rest = iter(guilds)
    while ids := tuple(islice(rest, BLOCK_GUILDS)):
        yield Block(ids, tuple(map(str, ids)))
