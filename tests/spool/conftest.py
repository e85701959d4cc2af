from __future__ import annotations

import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol
from zlib import crc32

import pytest

from exporter.clock import ManualClock
from exporter.model import Entry, Priority
from exporter.spool.config import SpoolConfig
from exporter.spool.ports import SpoolStats
from exporter.spool.schema import counted_as_state
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry


class MakeEntry(Protocol):
    def __call__(self, number: int, lane: Priority = Priority.SLOW, *, padding: int = 0) -> Entry: ...


@pytest.fixture
def make_entry() -> MakeEntry:
    def make(number: int, lane: Priority = Priority.SLOW, *, padding: int = 0) -> Entry:
        data = {"number": number, "text": "x" * padding}
        return Entry(
            "MESSAGE_DELETE", 123_456_789_012_345_678, 1_700_000_000_000 + number, f"key:{number}", lane, data
        )

    return make


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


OpenSpool = Callable[..., Awaitable[Spool]]


@pytest.fixture
async def open_spool(tmp_path: Path, clock: ManualClock, telemetry: Telemetry) -> AsyncIterator[OpenSpool]:
    opened: list[Spool] = []

    async def open_(config: SpoolConfig | None = None, *, sinks: tuple[str, ...] = ("sql",)) -> Spool:
        config = config or SpoolConfig(reserve=0)
        spool = await Spool.open(tmp_path / "spool", config, clock, telemetry)
        opened.append(spool)
        await spool.register(sinks)
        return spool

    yield open_
    for spool in opened:
        await spool.close()


ReadAll = Callable[..., Awaitable[list[Entry]]]


@pytest.fixture
def drain() -> ReadAll:
    """Read and pass everything, lane by lane."""

    async def drain_(
        spool: Spool, sink: str = "sql", lanes: tuple[Priority, ...] = tuple(Priority)
    ) -> list[Entry]:
        entries: list[Entry] = []
        for lane in lanes:
            while (batch := await spool.read(sink, lane, max_rows=1_000, max_bytes=2**20)) is not None:
                entries += [row.entry for row in batch.rows]
                await spool.advance(sink, lane, batch.rows[-1].position)
        return entries

    return drain_


CheckAccounts = Callable[[Spool], Awaitable[SpoolStats]]


@pytest.fixture
def check_accounts() -> CheckAccounts:
    """The accounts add up, and ``pending`` is what can really be read."""

    async def check(spool: Spool) -> SpoolStats:
        waiting = dict.fromkeys((await spool.stats()).sinks, 0)
        for name, lane in itertools.product(waiting, Priority):
            batch = await spool.read(name, lane, max_rows=10**6, max_bytes=10**9)
            waiting[name] += 0 if batch is None else len(batch.rows)
        # After the reads, which move rows they find damaged to the dead letters.
        tally = await spool.stats()
        for name, sink in tally.sinks.items():
            assert sink.spooled == sink.delivered + sink.dead + sink.evicted + sink.pending
            assert min(sink.delivered, sink.dead, sink.evicted, sink.pending) >= 0
            assert sink.pending == waiting[name]
            assert (sink.oldest_pending_at is None) == (sink.pending == 0)
        return tally

    return check


LeaveJournal = Callable[..., Awaitable[None]]


@pytest.fixture
def leave_journal() -> LeaveJournal:
    """Write parts of the journal as the previous layout did."""

    async def leave(spool: Spool, *bodies: bytes) -> None:
        def write(connection: sqlite3.Connection) -> None:
            with counted_as_state(connection):
                for body in bodies:
                    row = (crc32(body), body)
                    connection.execute("INSERT INTO journal (crc, body) VALUES (?, ?)", row)

        await spool._writer.submit(write)

    return leave
