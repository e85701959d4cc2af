"""The rows a benchmark reports: our figure beside the public alternative's, both of the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table. ``ratio`` is ours divided by the other's; ``target`` is the most it may be."""

    name: str
    ours: float
    other: float
    ratio: float
    target: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.ratio <= self.target


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row for what could not be measured; ``skipped`` is the reason."""

    name: str
    skipped: str


def compare(
    name: str,
    ours: Callable[[], object],
    other: Callable[[], object],
    *,
    per: int,
    target: float,
    rounds: int = 7,
) -> Result:
    """CPU time of two ways to do the same, in µs for each of ``per`` items.

    The rounds alternate, so that other load slows both, and medians leave out disturbed rounds.
    """
    ours()
    other()
    samples: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for found, work in zip(samples, (ours, other), strict=True):
            started = time.process_time()
            work()
            found.append((time.process_time() - started) / per * 1e6)
    mine, theirs = map(statistics.median, samples)
    return Result(name, mine, theirs, mine / theirs, target, "µs CPU")
