"""The spool: what ``append`` has returned for is on the disk and stays there until every sink has passed it.

The event loop never touches the file. One thread owns the connection that writes, another one that reads;
both answer through futures. See ``exporter.spool.ports`` for what the stages on either side may ask.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from exporter.clock import Clock
from exporter.errors import SpoolError
from exporter.model import Batch, Entry, Priority
from exporter.spool import accounting, dead_letters
from exporter.spool.config import SpoolConfig
from exporter.spool.database import full_volume_error, spool_error
from exporter.spool.dead_letters import DeadLetter
from exporter.spool.directory import SpoolDirectory
from exporter.spool.disk_quota import DiskQuota
from exporter.spool.ports import JournalPart, SpoolStats, StateRow, StoredIncrement
from exporter.spool.reader import LanePage, ReaderThread, read_page
from exporter.spool.recovery import mark_clean, open_database
from exporter.spool.state import read_numbered, read_state
from exporter.spool.write_jobs import Appended, AppendJob, AppendRequest, CallJob
from exporter.spool.writer import WriterThread
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)


class Spool:
    """Both sides of the ports over one SQLite file. Made by ``Spool.open``."""

    def __init__(
        self, directory: SpoolDirectory, config: SpoolConfig, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._directory = directory
        self._config = config
        self._clock = clock
        self._telemetry = telemetry
        self._source = ""
        self._tips: dict[Priority, int] = {}
        self._grown = {lane: asyncio.Event() for lane in Priority}
        self._refused: set[tuple[str, str]] = set()
        self._refused_bytes = 0
        self._closed = False

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

    @property
    def source(self) -> str:
        """The spool's own name, made once with the file and unique to it."""
        return self._source

    async def register(self, sinks: Sequence[str]) -> None:
        """Name the sinks that entries are kept for; once at start, before any of them reads.

        A new one starts at the oldest entry still kept. Entries are no longer kept for one that is not named.

        Raises:
            SpoolError: it could not be written.
        """
        names = tuple(sinks)
        await self._writer.run(CallJob(lambda connection: self._register(connection, names)))

    async def append(
        self,
        entries: Sequence[Entry],
        *,
        state: Sequence[StateRow] = (),
        increments: Sequence[bytes] = (),
        forget: int = 0,
        forget_journal: bool = False,
    ) -> tuple[int, ...]:
        """Commit entries and state in one transaction; returns the numbers of the increments, in their order.

        An entry that can never be spooled (``RefusedError``) is left out, counted as dropped and logged: it
        must not hold up the others for ever. A caller that is cancelled cannot know whether the commit was
        made.

        Raises:
            SpoolError: nothing was committed (disk full, file system read-only …).
        """
        changes = AppendRequest(tuple(entries), tuple(state), tuple(increments), forget, forget_journal)
        if not changes:
            return ()
        began = self._clock.monotonic()
        limit, unbounded = self._config.max_entry_bytes, self._quota.unbounded_for_state
        job = AppendJob(changes, limit, unbounded, self._clock, self._announce)
        self._refused_bytes = 0
        try:
            appended = await self._writer.run(job)
        except SpoolError:
            self._refused_bytes = job.size + job.state_size
            raise
        self._telemetry.commit_seconds.observe(self._clock.monotonic() - began)
        return appended.increments

    async def probe(self) -> None:
        """Write one page as an append of entries would, so that a caller need not encode what is refused.

        A page fits into the log on a volume that is full; what was refused last has to have space, too.

        Raises:
            SpoolError: the disk takes no entries now.
        """
        needed = self._refused_bytes

        def touch(connection: sqlite3.Connection) -> None:
            _, reusable = self._directory.sizes()
            if self._directory.free() + reusable < needed:
                raise full_volume_error(self._directory.database)
            connection.execute("UPDATE books SET clean = clean")

        await self._writer.run(CallJob(touch, takes_entries=True))

    async def state(self, prefix: str = "") -> list[StateRow]:
        """The rows of the tables whose name starts with ``prefix``, by table and key.

        Damaged ones are left out, counted and logged.

        Raises:
            SpoolError: the file cannot be read.
        """
        rows, damaged = await self._reader.run(lambda connection: read_state(connection, prefix))
        self._leave_out(damaged, "rows of saved state")
        return rows

    async def increments(self) -> list[StoredIncrement]:
        """The increments not forgotten, oldest first; damaged ones are left out, counted and logged.

        Raises:
            SpoolError: the file cannot be read.
        """
        rows, damaged = await self._reader.run(lambda connection: read_numbered(connection, "increments"))
        self._leave_out(damaged, "increments")
        return [StoredIncrement(number, body) for number, body in rows]

    async def journal(self) -> list[JournalPart]:
        """What the previous layout left, oldest first; damaged parts are left out, counted and logged.

        Raises:
            SpoolError: the file cannot be read.
        """
        rows, damaged = await self._reader.run(lambda connection: read_numbered(connection, "journal"))
        self._leave_out(damaged, "parts of the journal")
        return [JournalPart(number, body) for number, body in rows]

    async def read(self, sink: str, lane: Priority, *, max_rows: int, max_bytes: int) -> Batch | None:
        """The next rows behind the cursor, in order; ``None`` if there are none.

        Holds one row at least, even one above ``max_bytes``. Rows that cannot be read become dead letters.

        Raises:
            SpoolError: the sink is not registered, or the file cannot be read.
        """

        def read(connection: sqlite3.Connection) -> LanePage:
            after = accounting.cursor_of(connection, sink, lane)
            return read_page(connection, sink, lane, after, max_rows=max_rows, max_bytes=max_bytes)

        while True:
            page = await self._reader.run(read)
            if page.unreadable:
                await self._quarantine(lane, page.unreadable)
            if page.rows:
                return Batch(self._source, lane, page.rows)
            if not page.unreadable:
                return None

    def tip(self, lane: Priority) -> int:
        """The position of the last entry committed to the lane; 0 for a lane that was empty when opened."""
        return self._tips[lane]

    async def wait(self, lane: Priority, after: int) -> None:
        """Return once the lane holds an entry with a position above ``after``.

        Raises:
            SpoolError: the spool was closed.
        """
        while self._tips[lane] <= after:
            if self._closed:
                msg = f"the spool {self._directory.path} is closed"
                raise SpoolError(msg)
            await self._grown[lane].wait()

    async def advance(
        self, sink: str, lane: Priority, position: int, *, dead: Sequence[tuple[int, str]] = ()
    ) -> None:
        """Move the cursor to ``position`` and keep the dead rows (position, reason) in the dead-letter table.

        Raises:
            SpoolError: nothing was changed.
        """
        refused = tuple(dead)
        await self._writer.run(
            CallJob(lambda connection: self._advance(connection, sink, lane, position, refused))
        )

    async def stats(self) -> SpoolStats:
        """The accounts, exact at one moment.

        Raises:
            SpoolError: the file cannot be read.
        """

        def read(connection: sqlite3.Connection) -> SpoolStats:
            spooled, state_bytes = connection.execute(
                "SELECT spooled, state_pages * page_size FROM books, pragma_page_size"
            ).fetchone()
            database, wal = self._directory.sizes()
            limit = self._config.max_bytes + state_bytes
            sinks = accounting.sink_stats(connection)
            return SpoolStats(spooled, database, wal, limit, self._directory.free(), sinks)

        return await self._reader.run(read)

    async def dead_letters(
        self, *, sink: str | None = None, after: int = 0, limit: int = 100
    ) -> list[DeadLetter]:
        """Dead letters with an id above ``after``, oldest first.

        Raises:
            SpoolError: the file cannot be read.
        """
        return await self._reader.run(partial(dead_letters.listing, sink=sink, after=after, limit=limit))

    async def replay(self, ids: Sequence[int]) -> int:
        """Put dead letters back behind their lane for the sink that refused them; returns how many.

        Those that cannot be read, and those of a sink that is not registered, stay.

        Raises:
            SpoolError: nothing was changed.
        """
        now = self._clock.now_ms()
        numbers = tuple(ids)
        replayed = await self._writer.run(
            CallJob(
                lambda connection: dead_letters.replay(connection, numbers, now),
                lambda result: self._grow(result.tips),
            )
        )
        return replayed.count

    async def tidy(self) -> None:
        """Do now what is done in an idle moment: delete passed rows, age out dead letters, empty the log.

        Raises:
            SpoolError: some of it could not be done.
        """
        await self._writer.tidy()

    async def close(self) -> None:
        """Commit what waits, write the log back and release the directory; safe twice."""
        if self._closed:
            return
        self._closed = True
        for event in self._grown.values():
            event.set()
        await asyncio.to_thread(self._close)

    def _open(self) -> None:
        self._directory.claim()
        try:
            self._open_claimed()
        except BaseException:
            self._directory.release()
            raise

    def _open_claimed(self) -> None:
        connection = open_database(self._directory, self._clock)
        try:
            self._quota = DiskQuota(connection, self._directory, self._config, self._clock)
            self._quota.take_reserve()
            self._tips = accounting.tips(connection)
            (self._source,) = connection.execute("SELECT value FROM meta WHERE name = 'source'").fetchone()
            self._reader = ReaderThread(self._directory.database)
        except sqlite3.Error as error:
            connection.close()
            raise spool_error(self._directory.database, "opening", error) from error
        self._connection = connection
        self._writer = WriterThread(connection, self._quota, self._directory.database, self._clock)

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

    def _register(self, connection: sqlite3.Connection, sinks: Sequence[str]) -> None:
        accounting.register(connection, sinks)
        self._quota.cursor_moved()

    def _advance(
        self,
        connection: sqlite3.Connection,
        sink: str,
        lane: Priority,
        position: int,
        dead: Sequence[tuple[int, str]],
    ) -> None:
        now = self._clock.now_ms()
        accounting.advance(connection, sink, lane, position, dead, now)
        self._quota.cursor_moved()
        if dead:
            dead_letters.trim(connection, self._config, now)

    async def _quarantine(self, lane: Priority, reasons: Mapping[int, str]) -> None:
        now = self._clock.now_ms()
        await self._writer.run(
            CallJob(lambda connection: dead_letters.quarantine(connection, lane, reasons, now))
        )
        for reason, count in Counter(reasons.values()).items():
            log.error(
                "spool: %d %s %s entries were moved to the dead letters", count, reason, lane.name.lower()
            )

    def _leave_out(self, damaged: int, what: str) -> None:
        if damaged:
            self._telemetry.damaged_state.inc(damaged)
            log.error("spool: %d %s are damaged and left out", damaged, what)

    def _announce(self, appended: Appended) -> None:
        for kind, reason, detail in appended.refused:
            self._telemetry.dropped.labels(reason).inc()
            if (kind, reason) not in self._refused:
                self._refused.add((kind, reason))
                log.error("spool: an entry of type %s cannot be kept (%s): %s", kind, reason, detail)
        self._grow(appended.tips)

    def _grow(self, tips: dict[Priority, int]) -> None:
        for lane, position in tips.items():
            self._tips[lane] = max(position, self._tips[lane])
            self._grown[lane].set()
            self._grown[lane] = asyncio.Event()
