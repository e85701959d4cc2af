"""An event loop on which time passes only where everything waits, so that a day takes a moment."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")

EPOCH_MS = 1_700_000_000_000


class _Selector(selectors.SelectSelector):
    """Does not wait: what it would have waited for has passed."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout is not None:
            self.passed += max(0.0, timeout)
        return found


class _HeldLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._passing = _Selector()
        super().__init__(self._passing)

    def time(self) -> float:
        return self._passing.passed


class HeldClock:
    """The time of the running loop."""

    is_known = True

    def now_ms(self) -> int:
        return EPOCH_MS + round(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def run_held(work: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end on a loop of its own; work that waits for nothing that will come never ends."""
    with asyncio.Runner(loop_factory=_HeldLoop) as runner:
        return runner.run(work)
