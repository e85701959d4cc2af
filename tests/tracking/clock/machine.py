"""A machine whose clock is wrong, is set and stands still in sleep, and the program that runs on it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from typing import Any

import msgspec

from exporter.aggregation.config import MetricsConfig
from exporter.clock import DiscordClock
from exporter.discord.rest.time_source import TimeSource
from exporter.dispatch.component import Component, Handler, StateRow
from exporter.dispatch.dispatcher import Dispatcher
from exporter.events.catalogue import full_catalogue
from exporter.events.facts.counting import Count, Record
from exporter.events.rest_request import RestRequest
from exporter.telemetry import Telemetry
from exporter.tracking.levels.config import LevelsConfig
from exporter.tracking.moderation.config import CatchUpConfig
from exporter.tracking.registry import TRACKERS, add_state
from exporter.tracking.voice.tracker import VoiceTracker
from tests.entry_data import fields_of

START = 1_700_000_000_000
CATALOGUE = full_catalogue()
METRICS = MetricsConfig()


@dataclass
class Machine:
    """``true`` is Discord's time; the wall clock is ``skew`` ahead of it; all in ms."""

    skew: int
    true: int = START
    awake: int = 0
    is_asleep: bool = False
    is_known = True

    def now_ms(self) -> int:
        return self.true + self.skew

    def monotonic(self) -> float:
        return self.awake / 1000

    def elapsed(self) -> float:
        """Seconds since the machine started, those it slept among them."""
        return (self.true - START) / 1000

    def pass_to(self, moment: int) -> None:
        if not self.is_asleep:
            self.awake += moment - self.true
        self.true = moment


@dataclass
class Disk:
    """What is committed: rows as the stores merge them, voice time by member, reasons, and saved state."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    voice: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    state: dict[tuple[str, bytes], StateRow] = field(default_factory=dict)


class Outlet(Component):
    """Takes what is counted and recorded, until it is committed."""

    name = "outlet"
    records: list[Record]
    counts: list[Count]

    @property
    def handles(self) -> Mapping[type, Handler]:
        self.records, self.counts = [], []
        return {Record: lambda record, _: self.records.append(record), Count: self._count}

    def _count(self, count: Count) -> None:
        if count.series.measure in {"voice_seconds", "member_leaves"}:
            self.counts.append(count)


class Process:
    """One run of the program, on what is on the disk."""

    def __init__(self, machine: Machine, disk: Disk, submit: Callable[[RestRequest], None]) -> None:
        self.machine, self.disk = machine, disk
        self.clock = DiscordClock(machine, machine.elapsed)
        telemetry = Telemetry()
        self.time_source = TimeSource(self.clock, telemetry)
        self.dispatcher = Dispatcher(CATALOGUE, self.clock, telemetry)
        context = add_state(
            *(self.dispatcher, CATALOGUE, self.clock, telemetry, METRICS),
            submit=submit,
            clear_refusals=lambda _: None,
            levels=LevelsConfig(),
            catch_up=CatchUpConfig(),
            rng=random.Random(1),
        )
        for factory in TRACKERS[:6]:  # without invites and levels, which have no part in it
            self.dispatcher.add(partial(factory, context))
        self.voice = self.dispatcher.find(VoiceTracker)
        self.outlet = self.dispatcher.add(Outlet)
        self.dispatcher.states.restore(disk.state.values())

    def accept(self, name: str, body: object) -> None:
        """Take a dispatch of the gateway, or an answer."""
        data = body if isinstance(body, msgspec.Raw) else msgspec.Raw(msgspec.json.encode(body))
        self.dispatcher.accept(name, data, 0, self.clock.now_ms())
        assert not self.dispatcher.errors, self.dispatcher.errors

    def change(self, state: str) -> None:
        """The connection has another state."""
        self.accept("SHARD", {"shard": 0, "state": state})

    def take_date(self, second: int, asked: float) -> None:
        """Take the date of an answer."""
        self.time_source.take(format_datetime(datetime.fromtimestamp(second, UTC), usegmt=True), asked)

    def tick(self) -> None:
        self.dispatcher.tick()
        self.dispatcher.guard(self.voice, lambda: self.voice.accrue_some(self.clock.now_ms()))
        assert not self.dispatcher.errors, self.dispatcher.errors

    def commit(self) -> None:
        """Counts, rows and state in one cut."""
        self.voice.time.settle_guilds(self.clock.now_ms())
        self.dispatcher._drain()
        for count in self.outlet.counts:
            if count.series.measure == "voice_seconds":
                self.disk.voice[count.user_id] += count.amount
            else:
                self.disk.reasons[count.series.value] += 1
        for record in self.outlet.records:
            row = self.disk.rows.setdefault(record.key, {"type": record.type, "at": record.at})
            # What is amended is said later and holds; of an action the first word does, as in the stores.
            said = {name: value for name, value in fields_of(record).items() if value is not None}
            row |= said
        self.outlet.counts.clear()
        self.outlet.records.clear()
        for saved in self.dispatcher.states.save():
            if saved.value is None:
                self.disk.state.pop((saved.table, saved.key), None)
            else:
                self.disk.state[saved.table, saved.key] = saved
        self.dispatcher.states.confirm()
