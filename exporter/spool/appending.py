"""One ``append`` as work for the writer: its thread encodes, so that the event loop never waits for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from exporter.clock import Clock
from exporter.model import Entry, Priority
from exporter.spool import books
from exporter.spool.codec import Packed, RefusedError, pack
from exporter.spool.ports import StateRow
from exporter.spool.state import drop_journal, write_increments, write_journal, write_state


@dataclass(frozen=True, slots=True)
class Appended:
    """What was committed: numbers of increments, each lane's last position, and what was left out."""

    increments: tuple[int, ...]
    journal: int
    tips: dict[Priority, int]
    refused: tuple[tuple[str, str, str], ...]
    """(type, reason, detail) of each entry that can never be spooled."""


@dataclass(slots=True)
class Append:
    """Entries and state of one call. Entries are encoded once, however often the transaction is tried."""

    entries: tuple[Entry, ...]
    max_bytes: int
    clock: Clock
    state: Sequence[StateRow] = ()
    increments: Sequence[bytes] = ()
    forget: int = 0
    forget_journal: bool = False
    journal: bytes | None = None
    forget_parts: int = 0
    size: int = 4_096
    adds: bool = True
    _lanes: dict[Priority, list[Packed]] | None = None
    _refused: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def weight(self) -> int:
        """Entries to be written."""
        return len(self.entries)

    def __call__(self, connection: sqlite3.Connection) -> Appended:
        """Write them.

        Raises:
            sqlite3.Error: the transaction is to be rolled back.
        """
        if self._lanes is None:
            self._lanes = self._pack()
        write_state(connection, self.state)
        numbers = write_increments(connection, self.increments, self.forget)
        part = write_journal(connection, self.journal, self.forget_parts)
        if self.forget_journal:
            drop_journal(connection)
        tips = books.append(connection, self._lanes, self.clock.now_ms()) if self._lanes else {}
        return Appended(numbers, part, tips, tuple(self._refused))

    def _pack(self) -> dict[Priority, list[Packed]]:
        lanes: dict[Priority, list[Packed]] = {}
        size = len(self.journal or b"") + sum(map(len, self.increments))
        size += sum(len(row.key) + len(row.value or b"") + ROW_OVERHEAD for row in self.state)
        for entry in self.entries:
            try:
                row = pack(entry, self.max_bytes)
            except RefusedError as error:
                self._refused.append((entry.type, error.reason, str(error)))
                continue
            lanes.setdefault(entry.priority, []).append(row)
            size += len(row.body) + ROW_OVERHEAD
        self.size += size
        return lanes


ROW_OVERHEAD = 96
"""Columns beside the body and SQLite's own bytes for a row, about."""
