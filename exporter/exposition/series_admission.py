"""Which guilds are shown by themselves.

A guild is admitted in the order in which it is first seen, while there is room, and stays until the bot
leaves it. One that found no room stays in ``other`` until then, even when room is made: its amounts so far
are in a counter that must not fall.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

BLOCK_GUILDS = 1000
"""Guilds written in one go: about 0.2 ms, and long enough to make the cost of a block vanish."""


@dataclass(frozen=True, slots=True)
class Block:
    """Guilds that are written together; ``texts`` are the ids as they stand in a label."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]


class Roster:
    """The guilds shown by themselves, at most ``limit``, and those summed up."""

    __slots__ = ("_limit", "_shown", "blocks", "folded")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._shown: dict[int, None] = {}
        self.folded: dict[int, None] = {}
        self.blocks: tuple[Block, ...] = ()

    def __len__(self) -> int:
        return len(self._shown)

    def __contains__(self, guild_id: object) -> bool:
        return guild_id in self._shown

    def update(self, guilds: Iterable[int]) -> bool:
        """Take note of the guilds known now; returns whether anything changed."""
        known = dict.fromkeys(guilds)
        if known.keys() == self._shown.keys() | self.folded.keys():
            return False
        self._shown = {guild: None for guild in self._shown if guild in known}
        self.folded = {guild: None for guild in self.folded if guild in known}
        for guild in known:
            if guild in self._shown or guild in self.folded:
                continue
            (self._shown if len(self._shown) < self._limit else self.folded)[guild] = None
        self.blocks = tuple(_blocks(self._shown))
        return True


def _blocks(guilds: Iterable[int]) -> Iterator[Block]:
    rest = iter(guilds)
    while ids := tuple(islice(rest, BLOCK_GUILDS)):
        yield Block(ids, tuple(map(str, ids)))
