"""What the event loop hands to the writer thread, and how the result comes back."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from exporter.clock import Clock
from exporter.model import Entry, Priority
from exporter.spool.accounting import append_rows
from exporter.spool.codec import PackedEntry, RefusedError, pack
from exporter.spool.ports import StateRow
from exporter.spool.state import write_increments, write_state

ROW_OVERHEAD: Final = 96
"""Bytes of a row beside its body: the other columns and SQLite's own, about."""

T = TypeVar("T")


class WriteJob(ABC, Generic[T]):
    """Work on the connection that writes, and the future of its result; made on the event loop.

    ``then`` is called with the result on the event loop once that is committed, even if the caller was
    cancelled meanwhile. What ``takes_entries`` is refused on a full volume while that drains. What is to run
    ``alone`` runs outside of a transaction.
    """

    weight = 1
    """Entries and rows of state it writes."""

    size = 4_096
    """Bytes it writes, saved state excepted; final once it has run."""

    def __init__(
        self, then: Callable[[T], None] | None = None, *, alone: bool = False, takes_entries: bool = False
    ) -> None:
        self.alone = alone
        self.takes_entries = takes_entries
        self._then = then
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()

    @abstractmethod
    def write(self, connection: sqlite3.Connection) -> T:
        """Do the work; it may be done more than once, each time in a new transaction."""

    @property
    def state_size(self) -> int:
        """Bytes of saved state it writes."""
        return 0

    @property
    def evictable(self) -> Sequence[Priority]:
        """The lanes that may be evicted from to make space for it, in this order."""
        return tuple(reversed(Priority))

    def run(self, connection: sqlite3.Connection) -> Callable[[], None]:
        """Do the work; returns what gives its result to the event loop, to be called after the commit.

        Raises:
            Exception: the transaction is to be rolled back.
        """
        result = self.write(connection)
        return lambda: self._post(lambda: self._finish(result))

    def fail(self, error: BaseException) -> None:
        """Raise the error at the caller; called in the writer thread."""
        self._post(lambda: None if self.future.done() else self.future.set_exception(error))

    def _finish(self, result: T) -> None:
        # Before the future and even for a caller that was cancelled: it is committed, and others wait for it.
        if self._then is not None:
            self._then(result)
        if not self.future.done():
            self.future.set_result(result)

    def _post(self, call: Callable[[], None]) -> None:
        # The loop may be gone when the program ended in the middle.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)


class CallJob(WriteJob[T]):
    """A function of the connection as a job."""

    def __init__(
        self,
        work: Callable[[sqlite3.Connection], T],
        then: Callable[[T], None] | None = None,
        *,
        alone: bool = False,
        takes_entries: bool = False,
    ) -> None:
        super().__init__(then, alone=alone, takes_entries=takes_entries)
        self._work = work

    def write(self, connection: sqlite3.Connection) -> T:
        """Call the function."""
        return self._work(connection)


class AppendRequest(NamedTuple):
    """What one ``append`` writes; see ``exporter.spool.ports``. False if that is nothing."""

    entries: Sequence[Entry]
    state: Sequence[StateRow]
    increments: Sequence[bytes]
    forget: int
    forget_journal: bool

    @property
    def state_changed(self) -> bool:
        """Whether it writes or deletes anything but entries."""
        return bool(self.state or self.increments or self.forget or self.forget_journal)

    def __bool__(self) -> bool:
        return bool(self.entries) or self.state_changed


@dataclass(frozen=True, slots=True)
class Appended:
    """What was committed: the numbers of the increments, last positions, and what was left out."""

    increments: tuple[int, ...]
    tips: dict[Priority, int]
    """The last position of each lane that got an entry."""
    refused: tuple[tuple[str, str, str], ...]
    """(type, reason, detail) of each entry that can never be spooled."""


class AppendJob(WriteJob[Appended]):
    """Entries and state of one call; state is written in the context ``unbounded``.

    The writer thread encodes, so that the event loop does not wait for it; once, however often the
    transaction is tried.
    """

    def __init__(
        self,
        changes: AppendRequest,
        max_bytes: int,
        unbounded: Callable[[], AbstractContextManager[None]],
        clock: Clock,
        then: Callable[[Appended], None],
    ) -> None:
        super().__init__(then, takes_entries=bool(changes.entries))
        self._changes = changes
        self._max_bytes = max_bytes
        self._unbounded = unbounded
        self._clock = clock
        self._lanes: dict[Priority, list[PackedEntry]] | None = None
        self._refused: list[tuple[str, str, str]] = []
        self.weight = len(changes.entries) + len(changes.state) + len(changes.increments)

    @property
    def state_size(self) -> int:
        """Bytes of saved state it writes."""
        rows = sum(len(row.key) + len(row.value or b"") + ROW_OVERHEAD for row in self._changes.state)
        return rows + sum(map(len, self._changes.increments))

    @property
    def evictable(self) -> Sequence[Priority]:
        """The lanes that may be evicted from: of the classes it takes in and of those below."""
        highest = min((entry.priority for entry in self._changes.entries), default=len(Priority))
        return tuple(lane for lane in reversed(Priority) if lane >= highest)

    def write(self, connection: sqlite3.Connection) -> Appended:
        """Write state and entries, in this order: the hard bound of the file is for the entries."""
        if self._lanes is None:
            self._lanes = self._pack()
        changes = self._changes
        numbers: tuple[int, ...] = ()
        if changes.state_changed:
            with self._unbounded():
                write_state(connection, changes.state)
                numbers = write_increments(connection, changes.increments, changes.forget)
                if changes.forget_journal:
                    connection.execute("DELETE FROM journal")
        tips = append_rows(connection, self._lanes, self._clock.now_ms()) if self._lanes else {}
        return Appended(numbers, tips, tuple(self._refused))

    def _pack(self) -> dict[Priority, list[PackedEntry]]:
        lanes: dict[Priority, list[PackedEntry]] = {}
        for entry in self._changes.entries:
            try:
                row = pack(entry, self._max_bytes)
            except RefusedError as error:
                self._refused.append((entry.type, error.reason, str(error)))
                continue
            lanes.setdefault(entry.priority, []).append(row)
            self.size += len(row.body) + ROW_OVERHEAD
        return lanes
