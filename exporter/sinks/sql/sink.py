"""The SQL sink: one transaction for each batch, answered after its commit.

The sink connects with the first batch, so a database that is away at start delays only its own rows. Tables
are made or upgraded then, and checked again after an error that needs an operator (a restored or dropped
database).
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from exporter.clock import Clock, SystemClock
from exporter.errors import SchemaError
from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.events.records.snapshots import ALL_DETAILS, SnapshotDetail
from exporter.model import STORED, Batch, Outcome, Priority, Row, Verdict
from exporter.sinks.base import Probe
from exporter.sinks.sql.batch_plan import Rules, plan_batch
from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.delivered import Delivered
from exporter.sinks.sql.engine import dispose_engine, make_engine
from exporter.sinks.sql.error_mapping import FAILURES, describe, verdict_of
from exporter.sinks.sql.log_file import LogFile, empty_wal
from exporter.sinks.sql.migration import migrate_engine, schema_state
from exporter.sinks.sql.writer import SqlWriter, WriteSet

log = logging.getLogger(__name__)

NAME: Final = "sql"
MISSING: Final = "does not exist yet"


class SqlSink:
    """Writes batches to SQLite or PostgreSQL, each row with one effect however often it comes.

    A lane's parts must be delivered in order: what lies at or below the stored position is taken as
    applied. ``catalogue`` holds every event type, whatever is switched on: the spool may hold older entries.
    """

    def __init__(
        self, config: SqlConfig, *, clock: Clock | None = None, catalogue: Catalogue | None = None
    ) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._rules = Rules.of(catalogue or full_catalogue(), store_snapshots=config.store_snapshots)
        self._engine: AsyncEngine | None = None
        self._writer = SqlWriter(config.url.get_backend_name())
        self._preparing = asyncio.Lock()
        self._prepared = False
        sqlite = config.url.get_backend_name() == "sqlite"
        self._file = LogFile(config.url.database or "") if sqlite else None
        self._delivered = Delivered(self._file.path) if self._file is not None else None
        self._compared: set[Priority] = set()
        self._replaced: Path | None = None
        self._lost = 0

    @property
    def name(self) -> str:
        """Names the cursor and the label."""
        return NAME

    @property
    def needs(self) -> frozenset[SnapshotDetail]:
        """All details while snapshots are kept as they are, else none."""
        return ALL_DETAILS if self._config.store_snapshots else frozenset()

    async def open(self) -> None:
        """Make the pool; connects to nothing."""
        if self._engine is None:
            self._engine = self._make_engine()

    def _make_engine(self) -> AsyncEngine:
        engine = make_engine(self._config)
        if self._file is not None:
            self._file.watch(engine)
        return engine

    async def close(self) -> None:
        """Close every connection."""
        engine, self._engine, self._prepared = self._engine, None, False
        if engine is not None:
            await dispose_engine(engine)

    async def deliver(self, batch: Batch) -> Verdict:
        """Apply what of the batch is not applied yet."""
        if self._engine is None:
            return Verdict(Outcome.RETRY, reason="closed", detail="the sink is not open")
        if not batch.rows:
            return STORED
        verdict = await self._deliver(batch)
        lost, self._lost = self._lost, 0
        return replace(verdict, lost=lost) if lost else verdict

    async def _deliver(self, batch: Batch) -> Verdict:
        try:
            engine = await self._prepare()
            before = await self._apply(engine, batch)
        except FAILURES as error:
            verdict = verdict_of(error)
            if verdict.outcome is Outcome.NEEDS_OPERATOR:
                self._prepared = False
            return verdict
        if self._delivered is not None:
            self._delivered.add(batch)
            await asyncio.to_thread(self._note_files)
        return replace(STORED, before=before)

    def _note_files(self) -> None:
        if self._file is not None and self._delivered is not None:
            self._file.complete()
            self._delivered.save()

    async def probe(self) -> Probe:
        """Connect and read the schema's version."""
        url = self._config.url
        where = url.render_as_string(hide_password=True).replace("+aiosqlite", "").replace("+asyncpg", "")
        if url.get_backend_name() == "sqlite":
            # Connecting would make the file.
            problem = await asyncio.to_thread(_missing_file, Path(url.database or ""))
            if problem is not None:
                return Probe(self._config.migrate_on_start and not problem, f"{where} {problem or MISSING}")
        engine = make_engine(self._config)
        try:
            state = await schema_state(engine)
        except FAILURES as error:
            return Probe(ok=False, detail=f"{where}: {describe(error)}")
        finally:
            await dispose_engine(engine)
        try:
            state.require_known()
        except SchemaError as error:
            return Probe(ok=False, detail=f"{where}: {error}")
        version = f"{where}: {engine.dialect.name}, schema {state.current or 'empty'}, needed {state.needed}"
        if state.is_current or self._config.migrate_on_start:
            return Probe(ok=True, detail=version)
        return Probe(ok=False, detail=f"{version}: run `discord-exporter migrate`")

    async def _prepare(self) -> AsyncEngine:
        """An engine whose database is the one at its path and has its tables."""
        async with self._preparing:
            engine, file = self._engine or self._make_engine(), self._file
            if file is not None and (changed := await asyncio.to_thread(file.changed)) is not None:
                await asyncio.to_thread(file.refuse_links)
                await empty_wal(engine)
                await dispose_engine(engine)
                engine = self._make_engine()
                self._prepared, self._replaced = False, changed
            self._engine = engine
            if not self._prepared:
                await self._prepare_files(engine)
                self._prepared = True
            if self._replaced is not None and file is not None and self._delivered is not None:
                await self._report_loss(engine, self._delivered, file, self._replaced)
                self._replaced = None
            return engine

    async def _prepare_files(self, engine: AsyncEngine) -> None:
        file, delivered = self._file, self._delivered
        if file is None or delivered is None:
            await self._prepare_schema(engine)
            return
        await asyncio.to_thread(file.refuse_links)
        await asyncio.to_thread(delivered.load)
        await self._prepare_schema(engine)
        await asyncio.to_thread(file.remember)

    async def _prepare_schema(self, engine: AsyncEngine) -> None:
        if self._config.migrate_on_start:
            state = await migrate_engine(engine)
        else:
            state = await schema_state(engine)
            state.require_known()
            if not state.is_current:
                msg = (
                    f"the database has schema version {state.current or 'none'}, "
                    f"version {state.needed} is needed: run `discord-exporter migrate`"
                )
                raise SchemaError(msg)
        if state.views_lack:
            log.warning(
                "%s; rows are stored all the same: run `discord-exporter migrate` as the tables' owner",
                state.views_lack,
            )
        log.info("SQL store ready: %s, schema %s", engine.dialect.name, state.current)

    async def _report_loss(
        self, engine: AsyncEngine, delivered: Delivered, file: LogFile, changed: Path
    ) -> None:
        """Say which entries were confirmed to the runner and are not in the file that is there now."""
        async with engine.begin() as connection:
            held = await self._writer.positions(connection)
        ranges = []
        for source, lane in delivered.lanes():
            position = max(held.get((source, lane), 0), 0)
            if missing := delivered.take_missing(source, lane, position):
                ranges.append(self._count(lane, position, *missing))
        if not ranges:
            log.warning(
                "%s was deleted or replaced while it was in use; the SQLite file %s that is there now holds "
                "all that was delivered",
                *(changed, file.path),
            )
            return
        log.error(
            "the SQLite file %s was deleted or replaced while it was in use; delivery goes on in the file "
            "that is there now. Delivered before and not in it, by position: %s. To have them, stop the "
            "exporter, put the earlier file back and start it; replace the file only while it is stopped",
            *(file.path, ", ".join(ranges)),
        )

    def _compare(self, batch: Batch, position: int) -> None:
        """Once for each lane: say what an earlier run confirmed and the file that is there now lacks."""
        if self._file is None or self._delivered is None or batch.lane in self._compared:
            return
        self._compared.add(batch.lane)
        held = max(position, 0)
        missing = self._delivered.take_missing(batch.source, batch.lane, held, batch.rows[0].position)
        if missing:
            log.error(
                "the SQLite file %s was deleted or replaced since an earlier run wrote to it, or its -wal "
                "was; delivery goes on in the file that is there now. Delivered before and not in it, by "
                "position: %s. To have them, stop the exporter, put the earlier file back and start it",
                *(self._file.path, self._count(batch.lane, held, *missing)),
            )

    def _count(self, lane: Priority, held: int, last: int, entries: int) -> str:
        self._lost += entries
        return f"{lane.name.lower()} {held + 1} to {last}"

    async def _apply(self, engine: AsyncEngine, batch: Batch) -> int:
        """Write what is not stored yet; returns the position up to which the lane was."""
        # Planned before the transaction, which holds SQLite's only write lock; redelivery is the exception.
        write_set = await self._plan(batch, batch.rows)
        async with engine.begin() as connection:
            position = await self._writer.lock_position(connection, batch)
            self._compare(batch, position)
            if batch.rows[-1].position <= position:
                return position
            if batch.rows[0].position <= position:
                fresh = tuple(row for row in batch.rows if row.position > position)
                write_set = await self._plan(batch, fresh)
            await self._writer.write(connection, write_set, batch)
        return position

    async def _plan(self, batch: Batch, rows: tuple[Row, ...]) -> WriteSet:
        now = self._clock.now_ms()
        if batch.lane is Priority.SLOW:
            # Snapshots of many guilds take a while to add up; the event loop is not held for it.
            return await asyncio.to_thread(self._arrange, rows, now)
        return self._arrange(rows, now)

    def _arrange(self, rows: tuple[Row, ...], now: int) -> WriteSet:
        return self._writer.arrange(plan_batch(rows, self._rules, now))


def _missing_file(file: Path) -> str | None:
    """None where the file exists; else what keeps it from being made, empty if nothing does."""
    if file.exists():
        return None
    parent = next(path for path in file.absolute().parents if path.exists())
    return "" if parent.is_dir() else f"cannot be made: {parent} is not a directory"
