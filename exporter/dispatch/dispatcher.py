"""Has each fact handled by the components that take its type, and calls into them inside the error border.

The order of the components is the order of effects: a fact is handled in that order, and what a component
puts out is handled by the components after it, in the same step of the event loop. So everything that one
dispatch causes is in memory before anything else happens, and a commit holds all of it or none.

``accept`` never raises and never waits: whatever is in a payload, it is counted as accepted or as rejected
with a reason.

The error border: an error in one component is logged with its traceback, counted, and stays in that
component. What the failed call put out is dropped; the component is suspended until its state is put back
to what was committed last. One that saves nothing resets the guild of the fact instead. The others go on.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias, TypeVar

import msgspec

from exporter.clock import Clock
from exporter.dispatch.broken_rows import resume_without_broken
from exporter.dispatch.component import Component, Emit, Handler, StateRow, timed
from exporter.dispatch.error_counts import ErrorCounts
from exporter.dispatch.reader import DispatchReader
from exporter.events.catalogue import Catalogue
from exporter.events.facts.base import ElementsRejected, Fact
from exporter.events.facts.counting import Count
from exporter.events.facts.guilds import GuildDeleted
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

MAX_DERIVED: Final = 200_000
"""Facts that one dispatch or one tick may cause: a prune of the largest guild causes one for each member who
left. Beyond it a component is taken to cause its own facts without end."""

C = TypeVar("C", bound=Component)
T = TypeVar("T")


_Route: TypeAlias = tuple[int, Handler]
"""Position of a component and its handler; a plain tuple, which is taken apart faster than a named one."""


class Dispatcher:
    """The list of components, and the flow of facts through it.

    ``people`` opted out: every fact is asked what remains without them, before any component handles it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        clock: Clock,
        telemetry: Telemetry,
        people: frozenset[int] = frozenset(),
    ) -> None:
        self._clock = clock
        self._people = people
        self.errors = ErrorCounts(telemetry)
        self.report = self.errors.report
        self.reader = DispatchReader(catalogue, telemetry, self.report)
        self._read = self.reader.read
        self._components: list[Component] = []
        self._handlers: list[Mapping[type, Handler]] = []
        self._routes: dict[type, tuple[_Route, ...]] = {}
        self._counts: tuple[_Route, ...] = ()
        self._queue: deque[tuple[int, Fact]] = deque()
        self._left: list[int] = []
        self._suspended: set[int] = set()

    # ------------------------------------------------------------------ the list

    def add(self, make: Callable[[Emit], C]) -> C:
        """Create a component that emits facts to those added after it, and append it to the list."""
        component = make(self._outlet(len(self._components)))
        component.report = partial(self.report, component.name)
        self._components.append(component)
        self._handlers.append(
            {kind: handle if kind is Count else timed(handle) for kind, handle in component.handles.items()}
        )
        self._route()
        return component

    @property
    def components(self) -> Sequence[Component]:
        """The components in the order of their effects."""
        return self._components

    def find(self, kind: type[C]) -> C:
        """The component of a class that is in the list once."""
        return next(found for found in self._components if isinstance(found, kind))

    def _outlet(self, index: int) -> Emit:
        def emit(fact: Fact) -> None:
            if len(self._queue) >= MAX_DERIVED:
                msg = f"more than {MAX_DERIVED} facts were caused at once"
                raise OverflowError(msg)
            self._queue.append((index, fact))

        return emit

    def _route(self) -> None:
        """Route facts to the components that are not suspended."""
        routes: dict[type, tuple[_Route, ...]] = {}
        for index, handlers in enumerate(self._handlers):
            if index not in self._suspended:
                for kind, handle in handlers.items():
                    routes[kind] = (*routes.get(kind, ()), (index, handle))
        self._counts = routes.pop(Count, ())
        self._routes = routes

    # ------------------------------------------------------------------ facts

    def accept(self, name: str, body: bytes | msgspec.Raw, shard: int, received_at: int) -> None:
        """Take one dispatch: its name, the JSON of its data, its shard, and when it was received in ms."""
        for fact in self._read(name, body, shard, received_at):
            if type(fact) is Count and not self._people:
                self._count(fact)
            else:
                self._handle(fact, -1)
            if self._queue or self._left:
                self._drain()

    def dispatch(self, fact: Fact, after: int = -1) -> None:
        """Have a fact handled by the components behind position ``after``, and whatever it causes."""
        self._handle(fact, after)
        self._drain()

    def _drain(self) -> None:
        while self._queue:
            position, derived = self._queue.popleft()
            self._handle(derived, position)
        while self._left:
            guild_id = self._left.pop()
            for component in self._components:
                self.guard(component, partial(component.forget_guild, guild_id))

    def _handle(self, fact: Fact, after: int) -> None:
        if self._people:
            remaining = self._screen(fact)
            if remaining is None:
                return
            fact = remaining
        if type(fact) is Count:
            self._count(fact, after)
            return
        waiting, now = len(self._queue), self.now()
        for index, handle in self._routes.get(type(fact), ()):
            if index > after:
                try:
                    handle(fact, now)
                except Exception as error:  # noqa: BLE001 - the error border: whatever it is
                    self._fail(index, error, waiting, fact)
        if type(fact) is GuildDeleted and not fact.unavailable:
            self._left.append(fact.guild_id)
        elif type(fact) is ElementsRejected:
            self.reader.leave_out(fact)

    def _count(self, count: Count, after: int = -1) -> None:
        """Have a count handled: the hot path."""
        waiting = len(self._queue)
        for index, handle in self._counts:
            if index > after:
                try:
                    handle(count)
                except Exception as error:  # noqa: BLE001 - the error border: whatever it is
                    self._fail(index, error, waiting, count)

    def _screen(self, fact: Fact) -> Fact | None:
        """What remains of a fact without the people who opted out; nothing of one that cannot be screened."""
        try:
            return fact.without(self._people)
        except Exception as error:  # noqa: BLE001 - what is not screened is not handled
            self.report("screen", error)
            return None

    def now(self) -> int:
        """Now on the monotonic clock, in ms."""
        return round(self._clock.monotonic() * 1000)

    # ------------------------------------------------------------------ calls into components

    def each(self, call: Callable[[Component], None]) -> None:
        """Call into every component, and have the facts it emits handled."""
        for component in self._components:
            self.guard(component, partial(call, component))

    def guard(self, component: Component, call: Callable[[], None]) -> None:
        """Call into a component unless it is suspended, and have the facts it emits handled."""
        index = self._components.index(component)
        if index not in self._suspended:
            self._guard(index, call)
            self._drain()

    def tick(self) -> None:
        """Call ``tick`` of every component."""
        # Of a clock that cannot be believed yet no component learns: it would end what has not ended.
        now, wall = self.now(), self._clock.now_ms() if self._clock.is_known else 0
        self.reader.tick(wall)
        self.each(lambda component: component.tick(now, wall))

    def holds_for_any(self, question: Callable[[Component], object]) -> bool:
        """Whether the answer of any component is true; one that is suspended or fails has none."""
        return any(
            self._guard(index, partial(question, component))
            for index, component in enumerate(self._components)
            if index not in self._suspended
        )

    def undecided(self) -> dict[str, int]:
        """How much each component has that is not decided, by its name; of those that ever have any."""
        now, wall = self.now(), self._clock.now_ms()
        return {
            component.name: self._guard(index, partial(component.undecided, now, wall)) or 0
            for index, component in enumerate(self._components)
            if type(component).undecided is not Component.undecided and index not in self._suspended
        }

    def _guard(self, index: int, call: Callable[[], T]) -> T | None:
        """Call into a component; None where it fails."""
        waiting = len(self._queue)
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            self._fail(index, error, waiting)
            return None

    # ------------------------------------------------------------------ saved state

    @property
    def unsaved(self) -> bool:
        """Whether any component has something to save."""
        return self.holds_for_any(lambda component: component.unsaved)

    def save(self) -> list[StateRow]:
        """The rows of all components that changed since the last confirmed commit."""
        rows: list[StateRow] = []
        for index, component in enumerate(self._components):
            if index not in self._suspended:
                rows += self._guard(index, partial(_save, component)) or ()
        return rows

    def confirm(self) -> None:
        """What was saved last is committed."""
        for index, component in enumerate(self._components):
            self._guard(index, component.confirm)

    def merge_back(self) -> None:
        """What was saved last was not committed."""
        for index, component in enumerate(self._components):
            self._guard(index, component.merge_back)

    def restore(self, rows: Iterable[StateRow]) -> None:
        """Give every component the rows that were committed; before anything is accepted."""
        by_component: dict[str, list[StateRow]] = {}
        for row in rows:
            by_component.setdefault(row.table.partition("/")[0], []).append(row)
        for index, component in enumerate(self._components):
            self._restore(index, component, by_component.get(component.name, ()))

    @property
    def suspended(self) -> Iterator[Component]:
        """Components that failed, and wait for their committed rows."""
        return (self._components[index] for index in sorted(self._suspended))

    def revert(self, component: Component, rows: Iterable[StateRow]) -> None:
        """Reset a suspended component to the rows committed last."""
        index = self._components.index(component)
        for table in component.tables:
            table.discard()
        self._guard(index, component.clear)
        self._suspended.discard(index)
        self._route()
        self._restore(index, component, rows)

    def _restore(self, index: int, component: Component, rows: Iterable[StateRow]) -> None:
        rows = list(rows)
        try:
            unread = self._resume(index, component, rows)
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            try:
                retry = partial(self._retry, index, component)
                unread = resume_without_broken(component.name, rows, retry, error)
            except Exception as defect:  # noqa: BLE001 - it is not for its rows that it fails
                self._fail(index, defect, len(self._queue))
                unread = 0
        if unread:
            self.errors.add(component.name, unread)
        if self._people:
            # They may have opted out since the rows were saved.
            self._guard(index, partial(component.forget_people, self._people))
        self._drain()

    def _resume(self, index: int, component: Component, rows: Iterable[StateRow]) -> int:
        """Give a component its rows and resume it; returns how many could not be read.

        What the component emits is in the queue, or dropped where it raises.
        """
        waiting = len(self._queue)
        try:
            unread = component.restore(rows)
            component.resume(self.now(), self._clock.now_ms())
        except Exception:
            self._drop_emitted(index, waiting)
            raise
        return unread

    def _retry(self, index: int, component: Component, rows: Iterable[StateRow]) -> int:
        """Resume a component from nothing but these rows."""
        self._drop_emitted(index)
        for table in component.tables:
            table.discard()
        component.clear()
        return self._resume(index, component, rows)

    # ------------------------------------------------------------------ errors

    def _fail(self, index: int, error: Exception, waiting: int, fact: Fact | None = None) -> None:
        """Isolate an error of a call: log it, count it, and have the state reset that it may have spoilt.

        ``waiting`` facts were queued before the call; what it put out itself is dropped.
        """
        component = self._components[index]
        self._drop_emitted(index, waiting)
        if component.tables:
            self._suspended.add(index)
            self._route()
        elif guild_id := getattr(fact, "guild_id", 0):
            self._guard(index, partial(component.reset_guild, guild_id))
        self.report(component.name, error)

    def _drop_emitted(self, index: int, waiting: int = 0) -> None:
        while len(self._queue) > waiting and self._queue[-1][0] == index:
            self._queue.pop()


def _save(component: Component) -> list[StateRow]:
    """All rows of a component that changed; none of them if one fails."""
    return list(component.save())
