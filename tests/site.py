"""A data directory with the pipeline that runs on it: a real spool, a held clock, no Discord."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import ManualClock
from exporter.errors import SpoolError
from exporter.events.catalogue import full_catalogue
from exporter.events.records.snapshots import ALL_DETAILS
from exporter.events.rest_request import Submit
from exporter.model import Entry, Priority
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.spool.config import SpoolConfig
from exporter.spool.store import Spool
from exporter.telemetry import Telemetry
from exporter.tracking.levels.config import LevelsConfig

FIXTURES = Path(__file__).parent / "fixtures" / "gateway"
GUILD = 197038439483310086
CATALOGUE = full_catalogue()


class Site:
    """One data directory, and the process that runs on it at the moment.

    ``fed`` is what a test counts itself; ``sure`` is what it was at the last commit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock()
        self.telemetry = Telemetry()
        self.metrics = MetricsConfig()
        self.batching = BatchingConfig()
        self.privacy = PrivacyConfig()
        self.levels = LevelsConfig()
        self.details = ALL_DETAILS
        self.switches: dict[str, bool] = {}
        self.submit: Submit | None = None
        self.full = False
        self.fed = 0
        self.sure = 0
        self._spool: Spool | None = None

    @property
    def spool(self) -> Spool:
        assert self._spool is not None
        return self._spool

    async def start(self) -> Pipeline:
        """Begin a process; the one before is taken as killed: nothing of its memory is saved."""
        await self.close()
        self.telemetry = Telemetry()
        self._spool = await Spool.open(self.path, SpoolConfig(reserve=0), self.clock, self.telemetry)
        await self._spool.register(["x"])
        append = self._spool.append

        async def guarded(entries: Sequence[Entry], **saved: Any) -> tuple[int, ...]:
            if self.full:
                msg = "the disk is full"
                raise SpoolError(msg)
            fed = self.fed
            numbers = await append(entries, **saved)
            self.sure = fed
            return numbers

        probe = self._spool.probe

        async def guarded_probe() -> None:
            if self.full:
                msg = "the disk is full"
                raise SpoolError(msg)
            await probe()

        self._spool.probe = guarded_probe  # type: ignore[method-assign]  # as below
        self._spool.append = guarded  # type: ignore[method-assign]  # a full disk without filling one
        pipeline = Pipeline(
            CATALOGUE.switched(self.switches),
            self.metrics,
            self.batching,
            self.privacy,
            self._spool,
            self.clock,
            self.telemetry,
            channels=True,
            submit=self.submit,
            levels=self.levels,
            details=self.details,
        )
        await pipeline.start()
        return pipeline

    async def close(self) -> None:
        if self._spool is not None:
            await self._spool.close()
            self._spool = None

    async def entries(self, kind: str | None = None) -> list[Entry]:
        """Everything committed so far, lane by lane."""
        found: list[Entry] = []
        for lane in Priority:
            batch = await self.spool.read("x", lane, max_rows=100_000, max_bytes=2**30)
            found += [row.entry for row in batch.rows] if batch else []
        return [entry for entry in found if kind in {None, entry.type}]

    def feed(self, pipeline: Pipeline, name: str, data: object) -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        pipeline.accept(name, body, 0, self.clock.now_ms())
