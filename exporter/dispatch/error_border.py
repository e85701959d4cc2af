"""The error border: an error in one component stays in that component.

It is logged with its traceback and counted. What the failed call put out is dropped; the component is
suspended until its state is put back to what was committed last. One that saves nothing resets the guild of
the fact instead. The others go on. What a suspended component does not handle is counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

from exporter.dispatch.component import Component, Emit, Handler, SavedTable
from exporter.events.facts.base import Fact
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

MAX_DERIVED: Final = 200_000
"""Facts that one dispatch or one tick may cause: a prune of the largest guild causes one for each member who
left. Beyond it a component is taken to cause its own facts without end."""

C = TypeVar("C", bound=Component)
T = TypeVar("T")


class ErrorCounts(dict[str, int]):
    """The number of errors by component since the start; each kind is logged once with its traceback."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._metric = telemetry.component_errors
        self._logged: set[tuple[str, str]] = set()

    def report(self, name: str, error: Exception) -> None:
        """Count an error of a component, and log it with its traceback the first time."""
        self.add(name)
        kind = (name, type(error).__name__)
        if kind not in self._logged:
            self._logged.add(kind)
            log.error(
                "component %s failed, the others go on; saved state that it may have changed halfway is put "
                "back to the last commit (further errors of this kind are counted, not logged)",
                name,
                exc_info=error,
            )

    def add(self, name: str, number: int = 1) -> None:
        """Count errors that were logged where they happened."""
        self[name] = self.get(name, 0) + number
        self._metric.labels(name).inc(number)


class ErrorBorder:
    """The components by position, what they emitted, and calls into them.

    ``reroute`` is called when a component is suspended or no longer is.
    """

    def __init__(self, telemetry: Telemetry, reroute: Callable[[], None]) -> None:
        self._reroute = reroute
        self._skipped_metric = telemetry.component_skipped
        self._skipped: dict[int, int] = {}
        self.errors = ErrorCounts(telemetry)
        self.components: list[Component] = []
        self.tables: list[tuple[SavedTable[Any, Any], ...]] = []
        """The tables of each component, read once: an error must not depend on what the failed one says."""
        self.emitted: deque[tuple[int, Fact]] = deque()
        """Facts that are not handled yet, each with the position of the component that emitted it."""
        self.suspended: set[int] = set()
        self.failed = asyncio.Event()
        """Set when a component is suspended, for what puts it back."""

    def add(self, make: Callable[[Emit], C]) -> C:
        """Create a component, and append it to the list."""
        component = make(self._outlet(len(self.components)))
        component.report = partial(self.errors.report, component.name)
        self.components.append(component)
        self.tables.append(component.tables)
        return component

    def _outlet(self, index: int) -> Emit:
        def emit(fact: Fact) -> None:
            if len(self.emitted) >= MAX_DERIVED:
                msg = f"more than {MAX_DERIVED} facts were caused at once"
                raise OverflowError(msg)
            self.emitted.append((index, fact))

        return emit

    @property
    def active(self) -> Iterator[tuple[int, Component]]:
        """The components that are not suspended when their turn comes, with their positions."""
        return (
            (index, component)
            for index, component in enumerate(self.components)
            if index not in self.suspended
        )

    def call(self, index: int, work: Callable[[], T]) -> T | None:
        """Call into a component, suspended or not; None where it fails."""
        waiting = len(self.emitted)
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            self.fail(index, error, waiting)
            return None

    def fail(self, index: int, error: Exception, waiting: int, fact: Fact | None = None) -> None:
        """Isolate an error of a call: log it, count it, and have the state reset that it may have spoilt.

        ``waiting`` facts were queued before the call; what it put out itself is dropped.
        """
        component = self.components[index]
        self.drop_emitted(index, waiting)
        if self.tables[index]:
            self._suspend(index)
        elif guild_id := getattr(fact, "guild_id", 0):
            self.call(index, partial(component.reset_guild, guild_id))
        self.errors.report(component.name, error)

    def drop_emitted(self, index: int, waiting: int = 0) -> None:
        """Drop what a component emitted since so many facts were waiting."""
        while len(self.emitted) > waiting and self.emitted[-1][0] == index:
            self.emitted.pop()

    # ------------------------------------------------------------------ suspended components

    def _suspend(self, index: int) -> None:
        self.suspended.add(index)
        self._reroute()
        self.failed.set()

    def skip(self, index: int) -> Handler:
        """What counts the facts of a suspended component in place of its handlers, of either signature."""
        skipped = self._skipped_metric.labels(self.components[index].name)

        def count(*_: object) -> None:
            skipped.inc()
            self._skipped[index] = self._skipped.get(index, 0) + 1

        return count

    def release(self, index: int) -> None:
        """Let a suspended component take facts again."""
        self.suspended.discard(index)
        self._reroute()

    def log_skipped(self, index: int) -> None:
        """Log how many facts a component did not handle, once it is no longer suspended."""
        if index not in self.suspended and (number := self._skipped.pop(index, 0)):
            log.error(
                "component %s handles facts again; it did not handle %d while it was suspended, counted in "
                "discord_exporter_component_skipped_total",
                *(self.components[index].name, number),
            )
