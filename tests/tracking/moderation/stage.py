"""The components of moderation behind a dispatcher, as the pipeline puts them, and what they put out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from exporter.clock import ManualClock
from exporter.dispatch.component import Component, Handler, StateRow
from exporter.dispatch.dispatcher import Dispatcher
from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.events.facts.base import Fact
from exporter.events.facts.counting import Count, Record
from exporter.events.facts.guilds import SessionStarted, ShardStateChanged
from exporter.events.rest_request import RestRequest, Submit
from exporter.state.shard_timeline import ShardTimeline
from exporter.state.voice_states import VoiceStates
from exporter.telemetry import Telemetry
from exporter.tracking import registry
from exporter.tracking.moderation.catch_up import CatchUp

C = TypeVar("C", bound=Component)
CATALOGUE = full_catalogue()


class Outlet(Component):
    """Takes what the components before it put out; ``amends`` only rows that were begun."""

    name = "outlet"
    records: list[Record]
    counts: Counter[str]

    @property
    def handles(self) -> Mapping[type, Handler]:
        self.records, self.counts = [], Counter()
        return {Record: lambda record, _: self.records.append(record), Count: self._count}

    def _count(self, count: Count) -> None:
        self.counts[count.series.value] += count.amount


class Stage:
    """One run of the program; ``disk`` is what it has committed, by table and key.

    ``catches_up`` says whether it reads audit logs by itself after a gap.
    """

    def __init__(
        self,
        clock: ManualClock,
        types: Iterable[str],
        submit: Submit | None,
        lacks: Callable[[int, str], bool] = lambda *_: False,
        names: Mapping[int, str] | None = None,
        *,
        catches_up: bool = False,
    ) -> None:
        self.dispatcher = Dispatcher(CATALOGUE, clock, Telemetry())
        self.timeline = self.dispatcher.add(lambda emit: ShardTimeline(emit, clock))
        self.dispatcher.reader.timeline = self.timeline
        catalogue = SimpleNamespace(events=dict.fromkeys(types), readers={})
        self.context = registry.TrackingContext(
            cast("Catalogue", catalogue),
            clock,
            Telemetry(),
            cast("Any", SimpleNamespace(people=dict(names or {}))),
            cast("Any", SimpleNamespace(lacks=lacks)),
            self.timeline,
            VoiceStates(lambda _: None),
            60_000,
            submit,
        )
        if catches_up:
            catalogue.readers["REST_AUDIT_LOG"] = ()
        for factory in registry.TRACKERS[1:6]:
            self.dispatcher.add(lambda emit, make=factory: make(self.context, emit))  # type: ignore[misc]  # bound early
        self.outlet = self.dispatcher.add(Outlet)
        self.disk: dict[tuple[str, bytes], StateRow] = {}
        self.has_session = False

    def dispatch(self, fact: Fact) -> None:
        self.has_session |= isinstance(fact, SessionStarted)
        self.dispatcher.dispatch(fact)
        self._check()

    def tick(self) -> None:
        """A second passes, in which a connection that is there shows signs of life."""
        if self.has_session and not self.timeline.is_silent(0):
            self.dispatch(ShardStateChanged(0, "heard"))
        self.dispatcher.tick()
        self._check()

    def _check(self) -> None:
        assert not self.dispatcher.errors, self.dispatcher.errors

    def find(self, kind: type[C]) -> C:
        return next(each for each in self.dispatcher.components if isinstance(each, kind))

    @property
    def catch_up(self) -> CatchUp:
        return self.find(CatchUp)

    def undecided(self, asked_at: int, wall: int) -> int:
        return sum(component.undecided(asked_at, wall) for component in self.dispatcher.components)

    def save(self) -> list[StateRow]:
        """Commit what changed; returns all that is on the disk."""
        for row in self.dispatcher.states.save():
            if row.value is None:
                self.disk.pop((row.table, row.key), None)
            else:
                self.disk[row.table, row.key] = row
        self.dispatcher.states.confirm()
        self._check()
        return list(self.disk.values())

    def restore(self, rows: Iterable[StateRow]) -> None:
        self.disk = {(row.table, row.key): row for row in rows}
        self.dispatcher.states.restore(self.disk.values())
        self._check()

    def saved(self, table: str) -> list[StateRow]:
        """The rows of a table on the disk, as of now."""
        return [row for row in self.save() if row.table == table]


def drop(_: RestRequest) -> None:
    """Without a source nothing is answered."""
