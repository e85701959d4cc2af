"""What the stages on either side may ask of the spool; the pipeline writes, the runner reads.

Delivery model: an entry is *accepted* when ``append`` returns. Each (sink, lane) has one durable cursor; an
entry leaves the disk once every sink has passed it. Cursors are named by string: the spool does not know
what a sink is.

The journal holds what is counted but not yet a snapshot. It is written with the same commit as entries, so
that an open window survives a crash: ``append(entries, journal=part, forget=n)`` stores ``part`` and removes
the parts up to number ``n``, which the entries of the same call have replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from exporter.model import Batch, Entry, Priority


@dataclass(frozen=True, slots=True)
class JournalPart:
    """One committed part of the journal; numbers rise."""

    number: int
    body: bytes


@dataclass(frozen=True, slots=True)
class SinkTally:
    """Entries by what became of them for one sink, since the spool was made.

    ``spooled = delivered + dead + evicted + pending`` holds at every moment.
    """

    delivered: int
    dead: int
    evicted: int
    pending: int
    oldest_pending_at: int | None
    """Time of the commit of the oldest entry not passed yet, in ms since the epoch."""


@dataclass(frozen=True, slots=True)
class SpoolTally:
    """The spool's books; in bytes ``limit`` is what its file may grow to, ``free`` what the volume has."""

    spooled: int
    bytes: int
    wal_bytes: int
    limit: int
    free: int
    sinks: dict[str, SinkTally]


class SpoolWriter(Protocol):
    """The pipeline's side."""

    @property
    def source(self) -> str:
        """The spool's own name, made once with the file and unique to it."""
        ...

    async def append(self, entries: Sequence[Entry], *, journal: bytes | None = None, forget: int = 0) -> int:
        """Commit entries and journal in one transaction; returns the journal part's number, 0 without one.

        Raises:
            SpoolError: nothing was committed (disk full, file system read-only …).
        """
        ...

    async def journal(self) -> list[JournalPart]:
        """The parts not forgotten, oldest first; read once at start."""
        ...


class SpoolReader(Protocol):
    """The runner's side."""

    @property
    def source(self) -> str:
        """The spool's own name."""
        ...

    async def read(self, sink: str, lane: Priority, *, max_rows: int, max_bytes: int) -> Batch | None:
        """The next rows behind the cursor, in order; ``None`` if there are none."""
        ...

    async def wait(self, lane: Priority, after: int) -> None:
        """Return once the lane holds an entry with a position above ``after``."""
        ...

    async def advance(
        self, sink: str, lane: Priority, position: int, *, dead: Sequence[tuple[int, str]] = ()
    ) -> None:
        """Move the cursor to ``position`` and keep the ``dead`` rows (position, reason) as dead letters."""
        ...

    async def tally(self) -> SpoolTally:
        """The books, exact at one moment."""
        ...
