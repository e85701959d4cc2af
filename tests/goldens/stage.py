"""A script played through the stage: everything real but the disk, the clock and the far ends."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import ManualClock
from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.events.rest_request import ANSWERS, RestRequest
from exporter.exposition.config import ExpositionConfig
from exporter.exposition.renderer import MetricsRenderer
from exporter.model import Entry, Row
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.spool.codec import pack, unpack
from exporter.telemetry import Telemetry
from tests.goldens.script import Script, Step
from tests.memory_spool import MemorySpool

CATALOGUE = full_catalogue()
PRELUDE_SECONDS = 5
RECORDED_AT = 1_700_000_000_000
"""When the payloads were recorded: the time their ids hold, and when what is compared begins."""

ALIVE = Step(dispatch="SHARD", case="heard", changes={"shard": 0})
"""Nothing that waits for an explanation is decided before the connection has shown that it lives."""

CARRIERS = ("METRICS_SNAPSHOT", "MEMBER_ACTIVITY_SNAPSHOT")
"""What takes counters to the stores; on with every type."""


class PackedSpool(MemorySpool):
    """A spool in memory, under one name for ever: a real one makes its own, which keys and times hold."""

    source = "goldens"

    def __init__(self) -> None:
        super().__init__(self.source)
        self.rows: list[Row] = []

    async def append(self, entries: Sequence[Entry], **_: object) -> tuple[int, ...]:
        for entry in entries:
            packed = pack(entry, 2**20)
            stored = unpack(packed.body, packed.crc)
            assert stored == entry
            self.rows.append(Row(len(self.rows) + 1, stored))
        return ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a script left: the exposition before and after it, and the rows for the stores."""

    before: str
    after: str
    rows: tuple[Row, ...]


class Stage:
    """The pipeline with the types of one script switched on."""

    def __init__(self, kind: str, script: Script) -> None:
        on = {kind, *script.alongside, *CARRIERS}
        catalogue = CATALOGUE.switched({name: name in on for name in CATALOGUE.events})
        self.telemetry = Telemetry()
        self._clock = ManualClock(RECORDED_AT - PRELUDE_SECONDS * 1000)
        self._spool = PackedSpool()
        self._asked: list[RestRequest] = []
        answered = any(step.dispatch.startswith(ANSWERS) for step in script.steps)
        self._pipeline = Pipeline(
            catalogue,
            MetricsConfig(),
            BatchingConfig(),
            PrivacyConfig(),
            self._spool,
            self._clock,
            self.telemetry,
            channels=True,
            submit=self._asked.append if answered else None,
            levels=script.levels,
            rng=random.Random(0),
        )
        self._renderer = _renderer(self._pipeline, catalogue)

    @property
    def rows(self) -> tuple[Row, ...]:
        """What was committed so far."""
        return tuple(self._spool.rows)

    async def play(self, script: Script) -> Outcome:
        await self.begin(script)
        before = await self._expose()
        seen = len(self.rows)
        for step in script.steps:
            await self.perform(step)
        await self.pass_time(script.rest)
        await self.perform(ALIVE)
        await self.pass_time(2)
        after = await self._expose()
        await self.flush()
        return Outcome(before, after, self.rows[seen:])

    async def begin(self, script: Script) -> None:
        """Play what comes before."""
        await self._pipeline.start()
        for step in script.before:
            await self.perform(step)
        await self.pass_time(PRELUDE_SECONDS)

    async def flush(self) -> None:
        assert await self._pipeline.flush()

    async def perform(self, step: Step) -> None:
        await self.pass_time(step.after)
        data = step.data
        if step.dispatch.startswith(ANSWERS):
            data["request"] = _fields(self._next_asked(step.dispatch))
        self.feed(step.dispatch, json.dumps(data).encode())

    def feed(self, dispatch: str, body: bytes) -> None:
        self._pipeline.accept(dispatch, body, 0, self._clock.now_ms())

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self._clock.advance(1)
            await self._pipeline.tick()

    def _next_asked(self, dispatch: str) -> RestRequest:
        found = next(request for request in self._asked if request.dispatch == dispatch)
        self._asked.remove(found)
        return found

    async def _expose(self) -> str:
        self._pipeline.refresh()
        return (await self._renderer.render(None, None)).body.decode()


def _renderer(source: Pipeline, catalogue: Catalogue) -> MetricsRenderer:
    # The exporter's own meters stay out of it: what they say is no event's.
    return MetricsRenderer(source, Telemetry(), catalogue, ExpositionConfig(channels=True))


def _fields(request: RestRequest) -> dict[str, object]:
    return {name: getattr(request, name) for name in request.__struct_fields__}


async def play(kind: str, script: Script) -> Outcome:
    """Play a type's script."""
    return await Stage(kind, script).play(script)
