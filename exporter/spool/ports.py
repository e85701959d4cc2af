"""What the stages on either side may ask of the spool; the pipeline writes, the runner reads.

Delivery model: an entry is *accepted* when ``append`` returns. Each (sink, lane) has one durable cursor; an
entry leaves the disk once every sink has passed it. Cursors are named by string: the spool does not know
what a sink is.

The spool also stores the state that goes with the entries, written in the same transaction: *state* is a
table of rows by key, of which only those that changed are written; *increments* are numbered and stay until
they are forgotten. A start reads both. The *journal* is what the previous layout stored in their place; it is
read once and then dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from exporter.model import Batch, Entry, Priority, Row

DeadRows: TypeAlias = Sequence[tuple[int, str]]
"""The positions of rows that a sink will never take, each with the reason."""


class StateRow(NamedTuple):
    """A row of saved state; ``value`` is None for a row to delete. ``table`` is ``component/table``."""

    table: str
    key: bytes
    value: bytes | None


class NumberedBody(NamedTuple):
    """A committed increment, or a part of the journal; numbers rise and are never used twice."""

    number: int
    body: bytes


@dataclass(frozen=True, slots=True)
class SinkStats:
    """The entries meant for one sink, by what became of them since the spool was made.

    ``spooled = delivered + dead + evicted + pending`` holds at every moment.
    """

    spooled: int
    delivered: int
    dead: int
    evicted: int
    pending: int
    oldest_pending_at: int | None
    """Time of the commit of the oldest entry not passed yet, in ms since the epoch."""


@dataclass(frozen=True, slots=True)
class SpoolStats:
    """What the spool took in and how large it is, in bytes.

    Up to ``limit`` nothing is evicted: ``max_bytes`` and the size of saved state. ``free`` is what the volume
    has.
    """

    spooled: int
    bytes: int
    wal_bytes: int
    limit: int
    free: int
    sinks: dict[str, SinkStats]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One entry a sink refused; ``entry`` is ``None`` where its bytes cannot be read. Times in ms (epoch)."""

    id: int
    sink: str
    lane: Priority
    position: int
    reason: str
    dead_at: int
    type: str
    guild_id: int
    at: int
    key: str
    entry: Entry | None


class SpoolWriter(Protocol):
    """The pipeline's side."""

    @property
    def source(self) -> str:
        """The spool's own name, made once with the file and unique to it."""
        ...

    async def append(
        self,
        entries: Sequence[Entry],
        *,
        state: Sequence[StateRow] = (),
        increments: Sequence[bytes] = (),
        forget: int = 0,
        forget_journal: bool = False,
    ) -> Sequence[int]:
        """Commit entries and state in one transaction; returns the numbers of the increments, in their order.

        ``state`` lists rows to write or to delete; of several for one key the last one counts. Increments up
        to number ``forget`` are deleted, those of this call excepted; ``forget_journal`` deletes the journal.

        An entry that can never be spooled is left out, counted as dropped and logged: it must not hold up the
        others for ever. A spool that is full evicts the oldest entries of the lowest class, up to the class
        taken in; entries that find no space are evicted at once, and all else is committed. A caller that is
        cancelled cannot know whether the commit was made.

        Raises:
            SpoolError: nothing was committed (volume full, file system read-only …).
        """
        ...

    async def probe(self) -> None:
        """Write one page as an append of entries would, so that a caller need not encode what is refused.

        Raises:
            SpoolError: the disk takes no entries now.
        """
        ...

    async def state(self, prefix: str = "") -> list[StateRow]:
        """The rows of tables whose name starts with ``prefix``, by table and key.

        Damaged ones are left out, counted and logged.

        Raises:
            SpoolError: the file cannot be read.
        """
        ...

    async def increments(self) -> list[NumberedBody]:
        """The increments not forgotten, oldest first; damaged ones are left out, counted and logged."""
        ...

    async def journal(self) -> list[NumberedBody]:
        """What the previous layout left, oldest first; damaged parts are left out, counted and logged."""
        ...


class SpoolReader(Protocol):
    """The runner's side."""

    @property
    def source(self) -> str:
        """The spool's own name."""
        ...

    async def read(self, sink: str, lane: Priority, *, max_rows: int, max_bytes: int) -> Batch | None:
        """The next rows behind the cursor, in order; ``None`` if there are none.

        Holds one row at least, even one above ``max_bytes``. Rows that cannot be read become dead letters.

        Raises:
            SpoolError: the sink is not registered, or the file cannot be read.
        """
        ...

    async def wait(self, lane: Priority, after: int) -> None:
        """Return once the lane holds an entry with a position above ``after``.

        Raises:
            SpoolError: the spool was closed.
        """
        ...

    async def advance(
        self, sink: str, lane: Priority, position: int, *, dead: DeadRows = (), screened: Sequence[Row] = ()
    ) -> None:
        """Move the cursor to ``position`` and keep the ``dead`` rows as dead letters.

        ``screened`` holds those of them that were delivered without people who opted out: they are kept as
        they were delivered.

        Raises:
            SpoolError: nothing was changed.
        """
        ...

    def tip(self, lane: Priority) -> int:
        """The position of the last entry committed to the lane; 0 for a lane that was empty when opened."""
        ...

    def compare(self, sink: str, lane: Priority, position: int) -> None:
        """Log an error if the sink holds the lane up to a position that this file gave to no entry."""
        ...

    async def stats(self) -> SpoolStats:
        """The accounts, exact at one moment."""
        ...
