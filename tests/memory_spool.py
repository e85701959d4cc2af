"""A spool in memory, for tests that look at what is committed."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.model import Entry
from exporter.spool.ports import JournalPart, StateRow, StoredIncrement


class MemorySpool:
    """Takes every commit and keeps its entries."""

    def __init__(self, source: str = "memory") -> None:
        self.source = source
        self.entries: list[Entry] = []

    async def append(self, entries: Sequence[Entry], **_: object) -> Sequence[int]:
        self.entries += entries
        return ()

    async def probe(self) -> None: ...

    async def journal(self) -> list[JournalPart]:
        return []

    async def increments(self) -> list[StoredIncrement]:
        return []

    async def state(self, prefix: str = "") -> list[StateRow]:
        del prefix
        return []
