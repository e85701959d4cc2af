"""The contract between the runner and a destination.

A sink delivers one batch at a time and says what became of it. It never retries, sleeps, splits, reorders or
logs a payload: the runner does that for all sinks. ``deliver`` never raises for anything the far end does;
an exception is a defect of the sink, which the runner treats as ``RETRY``.

Delivering the same row twice must leave one effect: rows carry (source, position), which never repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from exporter.events.records.snapshots import SnapshotDetail
from exporter.model import Batch, Verdict


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a destination can be used now; ``detail`` is text for ``check``."""

    ok: bool
    detail: str


@runtime_checkable
class Sink(Protocol):
    """A destination."""

    @property
    def name(self) -> str:
        """Names the cursor in the spool, the label ``sink`` and the section in ``sinks``; never changes."""
        ...

    @property
    def needs(self) -> frozenset[SnapshotDetail]:
        """The details of snapshots that it stores; one that no sink needs is not computed."""
        ...

    async def open(self) -> None:
        """Acquire pools and sessions. Does not require the far end to be reachable."""
        ...

    async def deliver(self, batch: Batch) -> Verdict:
        """Store the batch; returns only after the store's own commit, or with why it could not."""
        ...

    async def close(self) -> None:
        """Release everything; safe before ``open`` and twice."""
        ...

    async def probe(self) -> Probe:
        """Try to reach the destination without changing it."""
        ...
