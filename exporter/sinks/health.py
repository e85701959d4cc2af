"""Whether a sink accepts deliveries; each change of state is logged once.

The state of a sink is the worst state of its lanes. WARNING when it is away (nothing is lost, the spool keeps
it), ERROR when an operator has to act, INFO when it is back.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from exporter.clock import Clock
from exporter.model import Priority
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

REMIND_SECONDS: Final = 600.0
"""A sink that stays blocked is logged again at most this often."""


class State(enum.IntEnum):
    """The state of one lane of a sink, better ones first. ``BLOCKED``: an operator has to act."""

    UP = 0
    AWAY = 1
    BLOCKED = 2


class Health:
    """The state of one sink over its lanes."""

    def __init__(
        self, sink: str, clock: Clock, telemetry: Telemetry, waiting: Callable[[], Awaitable[str]]
    ) -> None:
        """``waiting`` returns the number of entries that wait for this sink, as text for a log line."""
        self._sink = sink
        self._clock = clock
        self._telemetry = telemetry
        self._waiting = waiting
        self._lanes = dict.fromkeys(Priority, State.UP)
        self._reason = ""
        self._since = clock.monotonic()
        self._reminded = 0.0
        telemetry.sink_up.labels(sink).set(1)

    @property
    def state(self) -> State:
        """The worst of the lanes."""
        return max(self._lanes.values())

    @property
    def problem(self) -> str:
        """State and reason of the last failed delivery; empty while all lanes are up."""
        return (
            ""
            if self.state is State.UP
            else f"{self.state.name.lower()}: {self._reason or 'no reason given'}"
        )

    async def report(self, lane: Priority, state: State, reason: str = "", detail: str = "") -> None:
        """Set the state of a lane; a change of the sink's state is logged."""
        before = self.state
        self._lanes[lane] = state
        if state is not State.UP:
            self._reason = reason
        after = self.state
        now = self._clock.monotonic()
        if after is before:
            if after is State.BLOCKED and state is State.BLOCKED and now - self._reminded >= REMIND_SECONDS:
                self._reminded = now
                await self._log_blocked("still blocked", reason, detail)
            return
        lasted, self._since = now - self._since, now
        self._telemetry.sink_up.labels(self._sink).set(int(after is State.UP))
        if after is State.UP:
            log.info("sink %s back after %.0f s, %s waiting", self._sink, lasted, await self._waiting())
        elif after is State.BLOCKED:
            self._reminded = now
            await self._log_blocked("blocked", reason, detail)
        else:
            log.warning(
                "sink %s away (%s), nothing lost, %s waiting",
                self._sink,
                _cause(reason, detail),
                await self._waiting(),
            )

    async def _log_blocked(self, what: str, reason: str, detail: str) -> None:
        log.error(
            "sink %s %s (%s): operator action required, nothing lost, %s waiting",
            self._sink,
            what,
            _cause(reason, detail),
            await self._waiting(),
        )


def _cause(reason: str, detail: str) -> str:
    return f"{reason or 'no reason given'}: {detail}" if detail else reason or "no reason given"
