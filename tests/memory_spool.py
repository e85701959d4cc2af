"""Spools in memory, for tests that look at what is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from exporter.errors import SpoolError
from exporter.model import Entry
from exporter.spool.ports import NumberedBody, StateRow


class MemorySpool:
    """Takes every commit and keeps its entries."""

    def __init__(self, source: str = "memory") -> None:
        self.source = source
        self.entries: list[Entry] = []

    async def append(self, entries: Sequence[Entry], **_: object) -> Sequence[int]:
        self.entries += entries
        return ()

    async def probe(self) -> None: ...

    async def journal(self) -> list[NumberedBody]:
        return []

    async def increments(self) -> list[NumberedBody]:
        return []

    async def state(self, prefix: str = "") -> list[StateRow]:
        del prefix
        return []


class GatedSpool:
    """A spool that refuses commits while it is ``full`` and delays them while its ``gate`` is closed."""

    source = "disk"

    def __init__(self) -> None:
        self.full = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def take_commit(self) -> None:
        """Return once a commit may be made."""
        self.asked.set()
        await self.gate.wait()
        self.refuse_if_full()

    async def probe(self) -> None:
        self.refuse_if_full()

    def refuse_if_full(self) -> None:
        if self.full:
            msg = "full"
            raise SpoolError(msg)
