"""The spool: what ``append`` has returned for is on the disk and stays there until every sink has passed it.

The event loop never touches the file. One thread owns the connection that writes, another one that reads;
both answer through futures. What the stages on either side may rely on is said in ``exporter.spool.ports``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from exporter.clock import Clock
from exporter.errors import SpoolError
from exporter.model import Batch, Entry, Priority, Row
from exporter.spool import delivery
from exporter.spool.accounts import AccountsFile
from exporter.spool.commit import Append, read_numbered, read_state
from exporter.spool.config import SpoolConfig
from exporter.spool.database import full_volume_error, spool_error
from exporter.spool.dead_letters import discard, replay, trim_dead_letters
from exporter.spool.directory import SpoolDirectory
from exporter.spool.disk_quota import DiskQuota
from exporter.spool.inspection import read_stats
from exporter.spool.ports import DeadRows, NumberedBody, SpoolReader, SpoolStats, SpoolWriter, StateRow
from exporter.spool.reader import LaneTips, ReaderThread
from exporter.spool.recovery import mark_clean, open_database
from exporter.spool.writer import WriterThread
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

T = TypeVar("T")


class Spool(SpoolWriter, SpoolReader):
    """Both sides of the ports over one SQLite file. Made by ``Spool.open``."""

    def __init__(
        self, directory: SpoolDirectory, config: SpoolConfig, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._directory = directory
        self._config = config
        self._clock = clock
        self._telemetry = telemetry
        self._source = ""
        self._refused: set[tuple[str, str]] = set()
        self._refused_bytes, self._closed = 0, False

    # ------------------------------------------------------------------ opening and closing

    @classmethod
    async def open(cls, path: Path, config: SpoolConfig, clock: Clock, telemetry: Telemetry) -> Spool:
        """Open the spool in ``path``, a directory of its own, making what is missing.

        A damaged file is kept beside the new one and what can be read of it is taken over.

        Raises:
            SchemaError: it was written by a newer version; the file is untouched.
            SpoolError: the directory cannot be used, or another process uses it.
        """
        spool = cls(SpoolDirectory(path), config, clock, telemetry)
        opening = asyncio.ensure_future(asyncio.to_thread(spool._open))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            # A thread cannot be called off; what it has opened is closed in order.
            await asyncio.wait((opening,))
            if opening.exception() is None:
                await spool.close()
            raise
        return spool

    def _open(self) -> None:
        directory = self._directory
        with contextlib.ExitStack() as undo:
            directory.claim()
            undo.callback(directory.release)
            accounts = AccountsFile(directory.accounts)
            undo.callback(accounts.close)
            self._opened = opened = open_database(directory, self._clock, accounts.read())
            self._connection = connection = opened.connection
            undo.callback(connection.close)
            self._quota = DiskQuota(connection, directory, self._config, self._clock)
            self._quota.take_reserve()
            try:
                self._tips = LaneTips(delivery.tips(connection))
                (self._source,) = connection.execute(
                    "SELECT value FROM meta WHERE name = 'source'"
                ).fetchone()
                self._reader = ReaderThread(directory.database)
            except sqlite3.Error as error:
                raise spool_error(directory.database, "opening", error) from error
            undo.pop_all()
        if lost := opened.lost_increments:
            self._telemetry.damaged_state.inc(lost)
            log.error("spool: %d increments are lost: counts of windows that were open are too low", lost)
        self._writer = WriterThread(connection, self._quota, accounts, directory, self._clock)

    async def close(self) -> None:
        """Commit what waits, write the log back and release the directory; safe twice."""
        if self._closed:
            return
        self._closed = True
        for lane in Priority:
            self._tips.wake(lane)
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.close()
        self._reader.close()
        try:
            mark_clean(self._connection, clean=True)
            self._quota.empty_log()
        except sqlite3.Error as error:
            log.warning("spool: the log was not written back, the next start does it: %s", error)
        self._connection.close()
        self._directory.release()

    async def register(self, sinks: Sequence[str]) -> None:
        """Name the sinks that entries are kept for; once at start, before any of them reads.

        A new one starts at the oldest entry still kept. Entries are no longer kept for one that is not named.

        Raises:
            SpoolError: it could not be written.
        """
        await self._writer.submit(partial(delivery.register, sinks=tuple(sinks)))

    # ------------------------------------------------------------------ the pipeline's side

    @property
    def source(self) -> str:
        return self._source

    @property
    def displaced(self) -> str:
        """Which file is not in its place, so that nothing is saved, and what to do; empty while all are."""
        return self._writer.displaced

    async def append(
        self,
        entries: Sequence[Entry],
        *,
        state: Sequence[StateRow] = (),
        increments: Sequence[bytes] = (),
        forget: int = 0,
        forget_journal: bool = False,
    ) -> tuple[int, ...]:
        append = Append(tuple(entries), tuple(state), tuple(increments), forget, forget_journal, self._config)
        if not append.entries and not append.changes_state:
            return ()
        began = self._clock.monotonic()
        self._refused_bytes = 0
        try:
            numbers = await self._writer.submit(
                lambda connection: append.write(connection, self._clock.now_ms(), self._quota.make_space),
                lambda _: self._announce(append),
                takes_entries=bool(append.entries),
                state_size=append.state_size,
            )
        except SpoolError:
            self._refused_bytes = append.size + append.state_size
            raise
        self._telemetry.commit_seconds.observe(self._clock.monotonic() - began)
        return numbers

    def _announce(self, append: Append) -> None:
        for kind, reason, detail in append.refused:
            self._telemetry.dropped.labels(reason).inc()
            if (kind, reason) not in self._refused:
                self._refused.add((kind, reason))
                log.error("spool: an entry of type %s cannot be kept (%s): %s", kind, reason, detail)
        self._tips.raise_to(append.tips)

    async def probe(self) -> None:
        # A page fits into the log on a volume that is full; what was refused last has to have space, too.
        needed = self._refused_bytes

        def touch(connection: sqlite3.Connection) -> None:
            _, reusable = self._directory.sizes()
            if self._directory.free() + reusable < needed:
                raise full_volume_error(self._directory.database)
            connection.execute("UPDATE books SET clean = clean")

        await self._writer.submit(touch, takes_entries=True)

    async def state(self, prefix: str = "") -> list[StateRow]:
        return await self._read_saved(partial(read_state, prefix=prefix), "rows of saved state")

    async def increments(self) -> list[NumberedBody]:
        return await self._read_saved(partial(read_numbered, table="increments"), "increments")

    async def journal(self) -> list[NumberedBody]:
        return await self._read_saved(partial(read_numbered, table="journal"), "parts of the journal")

    async def _read_saved(
        self, read: Callable[[sqlite3.Connection], tuple[list[T], int]], what: str
    ) -> list[T]:
        rows, damaged = await self._read(read)
        if damaged:
            self._telemetry.damaged_state.inc(damaged)
            log.error("spool: %d %s are damaged and left out", damaged, what)
        return rows

    # ------------------------------------------------------------------ the runner's side

    async def read(self, sink: str, lane: Priority, *, max_rows: int, max_bytes: int) -> Batch | None:
        page = partial(delivery.read_page, sink=sink, lane=lane, max_rows=max_rows, max_bytes=max_bytes)
        while True:
            rows, unreadable = await self._read(page)
            if unreadable:
                await self._quarantine(lane, unreadable)
            if rows:
                return Batch(self._source, lane, tuple(rows))
            if not unreadable:
                return None

    async def _quarantine(self, lane: Priority, reasons: Mapping[int, str]) -> None:
        def quarantine(connection: sqlite3.Connection) -> None:
            delivery.quarantine(connection, lane, reasons, self._clock.now_ms())
            self._bound_dead_letters(connection, lane)

        await self._writer.submit(quarantine, drains=True)
        for reason, count in Counter(reasons.values()).items():
            log.error(
                "spool: %d %s %s entries were moved to the dead letters", count, reason, lane.name.lower()
            )

    def tip(self, lane: Priority) -> int:
        return self._tips[lane]

    def compare(self, sink: str, lane: Priority, position: int) -> None:
        self._opened.compare(sink, lane, position)

    async def wait(self, lane: Priority, after: int) -> None:
        while self._tips[lane] <= after:
            if self._closed:
                raise self._closed_error()
            await self._tips.growth(lane)

    async def advance(
        self, sink: str, lane: Priority, position: int, *, dead: DeadRows = (), screened: Sequence[Row] = ()
    ) -> None:
        refused = dict(dead)

        def advance(connection: sqlite3.Connection) -> None:
            now = self._clock.now_ms()
            delivery.advance(connection, sink, lane, position, refused, now, screened)
            # In this transaction: one of its own would double the commits.
            delivery.delete_passed(connection)
            if refused:
                self._bound_dead_letters(connection, lane)

        await self._writer.submit(advance, drains=True)

    def _bound_dead_letters(self, connection: sqlite3.Connection, lane: Priority) -> None:
        trim_dead_letters(connection, self._config, self._clock)
        self._quota.make_space(lane)

    async def stats(self) -> SpoolStats:
        return await self._read(partial(read_stats, directory=self._directory, config=self._config))

    # ------------------------------------------------------------------ for operators

    async def replay(self, ids: Sequence[int]) -> int:
        """Put dead letters back behind their lane for the sink that refused them; returns how many.

        Those that cannot be read, and those of a sink that is not registered, stay.

        Raises:
            SpoolError: nothing was changed.
        """
        count, _ = await self._writer.submit(
            partial(replay, ids=tuple(ids), now_ms=self._clock.now_ms()),
            lambda replayed: self._tips.raise_to(replayed[1]),
        )
        return count

    async def discard(self, ids: Sequence[int]) -> int:
        """Delete dead letters; returns how many there were.

        Raises:
            SpoolError: nothing was changed.
        """
        return await self._writer.submit(partial(discard, ids=tuple(ids)))

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise self._closed_error()
        return await self._reader.read(work)

    def _closed_error(self) -> SpoolError:
        return SpoolError(f"the spool {self._directory.path} is closed")
