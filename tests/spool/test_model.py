"""The spool against a model in plain Python: whatever is done to it in whatever order, both hold the same."""

from __future__ import annotations

import asyncio
import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exporter.clock import ManualClock
from exporter.model import Entry, Priority
from exporter.spool import delivery
from exporter.spool.config import SpoolConfig
from exporter.spool.dead_letters import DeadLetterFilter
from exporter.spool.ports import StateRow
from exporter.spool.schema import counted_as_state
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry
from tests.scale import scaled
from tests.spool.letters import dead_letters
from tests.spool.maintenance import tidy
from tests.spool.state_pages import HAS_DBSTAT, noted_and_found

pytestmark = pytest.mark.timeout(120 + scaled(25) * 10)

SINKS = ("sql", "influx", "webhook")
lanes = st.sampled_from(Priority)
sinks = st.sampled_from(SINKS)
paddings = st.sampled_from([0, 9_000])
"""Bytes beyond a page, to be added to those drawn."""
tables = st.sampled_from(["a/x", "a/y", "b"])


@dataclass
class Sink:
    """Keys in order by lane, and what became of the others."""

    waiting: dict[Priority, list[str]]
    delivered: int = 0
    dead: list[str] = field(default_factory=list)
    dead_letters: int = 0
    evicted: int = 0
    replayed: set[str] = field(default_factory=set)


class SpoolMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.journal = [(1, b"part"), (2, bytes(9_000))]
        self.state: dict[tuple[str, bytes], bytes] = {}
        self.increments: list[tuple[int, bytes]] = []
        self.kept: dict[Priority, list[str]] = {lane: [] for lane in Priority}
        self.sinks: dict[str, Sink] = {}
        self.total = 0
        self.highest = 0
        self.rng = random.Random(0)
        self.spool = self.do(self.open())
        self.register(["sql"])
        self.in_writer(self.leave_journal)

    def do(self, work):
        return self.loop.run_until_complete(work)

    def in_writer(self, work):
        async def run():
            return await self.spool._writer.submit(work)

        return self.do(run())

    def leave_journal(self, connection):
        """As the previous layout did."""
        with counted_as_state(connection):
            for number, body in self.journal:
                connection.execute("INSERT INTO journal VALUES (?, ?, ?)", (number, crc32(body), body))

    async def open(self):
        config = SpoolConfig(reserve=0)
        return await Spool.open(Path(self.directory.name), config, self.clock, Telemetry())

    def register(self, names):
        self.do(self.spool.register(names))
        for name in names:
            if name not in self.sinks:
                self.sinks[name] = Sink({lane: list(keys) for lane, keys in self.kept.items()})

    @rule(
        counts=st.lists(st.tuples(lanes, st.sampled_from([1, 2, 17, 130])), max_size=3),
    )
    def append(self, counts):
        entries = []
        for lane, count in counts:
            for _ in range(count):
                self.total += 1
                entries.append(Entry("T", 1, 1, f"{self.total}", lane, {"n": self.total}))
        self.do(self.spool.append(entries))
        if entries:
            # Behind every position ever given out, whatever happened to those rows.
            used = {entry.priority: self.spool.tip(entry.priority) for entry in entries}
            assert max(used.values()) >= self.highest + len(entries)
            self.highest = max(used.values())
        for entry in entries:
            self.kept[entry.priority].append(entry.key)
            for sink in self.sinks.values():
                sink.waiting[entry.priority].append(entry.key)

    @rule(
        changes=st.lists(st.tuples(tables, st.binary(max_size=2), st.none() | st.binary()), max_size=20),
        bodies=st.lists(st.binary(), max_size=3),
        padding=paddings,
        forget=st.integers(0, 3),
        lane=st.none() | lanes,
    )
    def save(self, changes, bodies, padding, forget, lane):
        changes = [
            (table, key, None if value is None else value + bytes(padding)) for table, key, value in changes
        ]
        bodies = [body + bytes(padding) for body in bodies]
        upto = self.increments[min(forget, len(self.increments)) - 1][0] if forget and self.increments else 0
        entries = []
        if lane is not None:
            self.total += 1
            entries.append(Entry("T", 1, 1, f"{self.total}", lane, {"n": self.total}))
        rows = [StateRow(*change) for change in changes]
        numbers = self.do(self.spool.append(entries, state=rows, increments=bodies, forget=upto))
        for table, key, value in changes:
            if value is None:
                self.state.pop((table, key), None)
            else:
                self.state[table, key] = value
        assert all(new > old for old, _ in self.increments for new in numbers)
        self.increments = [kept for kept in self.increments if kept[0] > upto]
        self.increments += zip(numbers, bodies, strict=True)
        for entry in entries:
            self.highest = self.spool.tip(entry.priority)
            self.kept[entry.priority].append(entry.key)
            for sink in self.sinks.values():
                sink.waiting[entry.priority].append(entry.key)

    @rule()
    def drop_journal(self):
        self.do(self.spool.append([], forget_journal=True))
        self.journal = []

    @rule(
        name=sinks,
        lane=lanes,
        rows=st.integers(1, 200),
        passed=st.floats(0, 1),
        bad=st.sets(st.integers(0, 20)),
    )
    def deliver(self, name, lane, rows, passed, bad):
        sink = self.sinks.get(name)
        if sink is None:
            return
        batch = self.do(self.spool.read(name, lane, max_rows=rows, max_bytes=10**6))
        expected = sink.waiting[lane][:rows]
        assert [row.entry.key for row in batch.rows] == expected if expected else batch is None
        if batch is None:
            return
        count = max(1, round(passed * len(batch.rows)))
        dead = [(row.position, "bad") for index, row in enumerate(batch.rows[:count]) if index in bad]
        self.do(self.spool.advance(name, lane, batch.rows[count - 1].position, dead=dead))
        rejected = [key for index, key in enumerate(expected[:count]) if index in bad]
        sink.delivered += count - len(rejected)
        sink.dead_letters += len(rejected)
        sink.dead += rejected
        del sink.waiting[lane][:count]

    @rule(name=sinks)
    def replay(self, name):
        sink = self.sinks.get(name)
        if sink is None:
            return
        letters = dead_letters(self.spool, DeadLetterFilter(sinks=(name,)))
        assert [letter.key for letter in letters] == sink.dead
        assert self.do(self.spool.replay([letter.id for letter in letters])) == len(letters)
        for letter in letters:
            sink.waiting[letter.lane].append(letter.key)
            sink.replayed.add(letter.key)
        sink.dead.clear()

    @rule(name=st.sampled_from(SINKS[1:]))
    def add_sink(self, name):
        self.do(tidy(self.spool))
        self.trim_kept()
        self.register(sorted({*self.sinks, name}))

    @rule(lane=lanes, count=st.integers(1, 150))
    def evict(self, lane, count):
        # Replayed rows have a place on the disk too; the model knows those only by what its sinks wait for.
        before = {name: list(sink.waiting[lane]) for name, sink in self.sinks.items()}
        self.in_writer(lambda connection: delivery.evict(connection, lane, count))
        for name, sink in self.sinks.items():
            batch = self.do(self.spool.read(name, lane, max_rows=10**6, max_bytes=10**9))
            left = [] if batch is None else [row.entry.key for row in batch.rows]
            lost = len(before[name]) - len(left)
            assert 0 <= lost <= count
            assert before[name][lost:] == left
            sink.evicted += lost
            sink.waiting[lane] = left
        on_disk = self.in_writer(lambda connection: self.keys_of(connection, lane))
        assert on_disk == self.kept[lane][len(self.kept[lane]) - len(on_disk) :]
        self.kept[lane] = on_disk

    @staticmethod
    def keys_of(connection, lane):
        rows = connection.execute(
            f"SELECT key FROM {lane.name.lower()} WHERE only_for IS NULL ORDER BY position"
        )
        return [key for (key,) in rows]

    def trim_kept(self):
        """Rows that every sink has passed are gone from the disk, all others are there."""
        for lane in Priority:
            on_disk = self.in_writer(lambda connection, lane=lane: self.keys_of(connection, lane))
            assert on_disk == self.kept[lane][len(self.kept[lane]) - len(on_disk) :]
            # What a sink gets again is a row of its own, behind all others.
            waiting = {key for sink in self.sinks.values() for key in {*sink.waiting[lane]} - sink.replayed}
            assert waiting & set(self.kept[lane]) <= set(on_disk)
            self.kept[lane] = on_disk

    @rule()
    def tidy(self):
        self.do(tidy(self.spool))
        self.trim_kept()

    @rule()
    def reopen(self):
        source = self.spool.source
        self.do(self.spool.close())
        self.spool = self.do(self.open())
        assert self.spool.source == source
        self.register(list(self.sinks))

    @invariant()
    def accounts_agree(self):
        stats = self.do(self.spool.stats())
        assert stats.spooled == self.total
        for name, sink in self.sinks.items():
            accounts = stats.sinks[name]
            waiting = sum(map(len, sink.waiting.values()))
            assert (accounts.delivered, accounts.dead, accounts.evicted, accounts.pending) == (
                sink.delivered,
                sink.dead_letters,
                sink.evicted,
                waiting,
            )
            assert (
                accounts.spooled == accounts.delivered + accounts.dead + accounts.evicted + accounts.pending
            )

    @invariant()
    def state_agrees(self):
        rows = [StateRow(*key, value) for key, value in sorted(self.state.items())]
        assert self.do(self.spool.state()) == rows
        increments = self.do(self.spool.increments())
        assert [(increment.number, increment.body) for increment in increments] == self.increments
        assert [(part.number, part.body) for part in self.do(self.spool.journal())] == self.journal

    @precondition(lambda _: HAS_DBSTAT)
    @invariant()
    def pages_of_state_agree(self):
        noted, found = self.in_writer(noted_and_found)
        assert noted == found

    def teardown(self):
        self.do(self.spool.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.directory.cleanup()


TestSpoolModel = SpoolMachine.TestCase
TestSpoolModel.settings = settings(
    max_examples=scaled(25), stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
