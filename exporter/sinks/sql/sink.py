"""The SQL sink: one transaction for each batch, answered after its commit.

The sink connects with the first batch, so a database that is away at start delays only its own rows. Tables
are made or upgraded then, and checked again after an error that needs an operator (a restored or dropped
database).
"""

from __future__ import annotations

import asyncio
import logging
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
from exporter.sinks.sql.engine import dispose_engine, make_engine
from exporter.sinks.sql.error_mapping import FAILURES, describe, verdict_of
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
            self._engine = make_engine(self._config)

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
        try:
            await self._prepare(self._engine)
            await self._apply(self._engine, batch)
        except FAILURES as error:
            verdict = verdict_of(error)
            if verdict.outcome is Outcome.NEEDS_OPERATOR:
                self._prepared = False
            return verdict
        return STORED

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

    async def _prepare(self, engine: AsyncEngine) -> None:
        if self._prepared:
            return
        async with self._preparing:
            if self._prepared:
                return
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
            self._prepared = True
            if state.views_lack:
                log.warning(
                    "%s; rows are stored all the same: run `discord-exporter migrate` as the tables' owner",
                    state.views_lack,
                )
            log.info("SQL store ready: %s, schema %s", engine.dialect.name, state.current)

    async def _apply(self, engine: AsyncEngine, batch: Batch) -> None:
        # Planned before the transaction, which holds SQLite's only write lock; redelivery is the exception.
        write_set = await self._plan(batch, batch.rows)
        async with engine.begin() as connection:
            position = await self._writer.lock_position(connection, batch)
            if batch.rows[-1].position <= position:
                return
            if batch.rows[0].position <= position:
                fresh = tuple(row for row in batch.rows if row.position > position)
                write_set = await self._plan(batch, fresh)
            await self._writer.write(connection, write_set, batch)

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
