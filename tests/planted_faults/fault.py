"""A fault that is planted in the code, and what has to notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """``text`` of ``file``, which is there once, becomes ``planted``; then each of ``tests`` must fail."""

    name: str
    promise: str
    """What the code promises and the fault breaks, in one sentence."""
    file: str
    text: str
    planted: str
    tests: tuple[str, ...]
    """Ids of pytest; of a test with parameters one case has to fail."""
