"""Has each fact handled by the components that take its type, and calls into them inside the error border.

The order of the components is the order of effects: a fact is handled in that order, and what a component
puts out is handled by the components after it, in the same step of the event loop. So everything that one
dispatch causes is in memory before anything else happens, and a commit holds all of it or none.

``accept`` never raises and never waits: whatever is in a payload, it is counted as accepted or as rejected
with a reason.

Every call into a component is inside the error border (``ErrorBorder``): whatever one raises, the others go
on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

import msgspec

from exporter.clock import Clock
from exporter.dispatch.component import Component, Emit, Handler, timed
from exporter.dispatch.component_states import ComponentStates
from exporter.dispatch.error_border import ErrorBorder
from exporter.dispatch.reader import DispatchReader
from exporter.events.catalogue import Catalogue
from exporter.events.facts.base import ElementsRejected, Fact
from exporter.events.facts.counting import Count
from exporter.events.facts.guilds import GuildDeleted
from exporter.telemetry import Telemetry

C = TypeVar("C", bound=Component)

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
        self._border = ErrorBorder(telemetry, self._route)
        self.errors = self._border.errors
        self.report = self.errors.report
        self.components: Sequence[Component] = self._border.components
        """The components in the order of their effects."""
        self.states = ComponentStates(self._border, clock, people, self._drain)
        self.reader = DispatchReader(catalogue, telemetry, self.report)
        self._read = self.reader.read
        self._handlers: list[Mapping[type, Handler]] = []
        self._routes: dict[type, tuple[_Route, ...]] = {}
        self._counts: tuple[_Route, ...] = ()
        self._queue = self._border.emitted
        self._left: list[int] = []

    # ------------------------------------------------------------------ the list

    def add(self, make: Callable[[Emit], C]) -> C:
        """Create a component that emits facts to those added after it, and append it to the list."""
        component = self._border.add(make)
        self._handlers.append(
            {kind: handle if kind is Count else timed(handle) for kind, handle in component.handles.items()}
        )
        self._route()
        return component

    def find(self, kind: type[C]) -> C:
        """The component of a class that is in the list once."""
        return next(found for found in self.components if isinstance(found, kind))

    def _route(self) -> None:
        """Route facts to the components; those of a suspended one are counted, at no cost to the others."""
        routes: dict[type, tuple[_Route, ...]] = {}
        for index, handlers in enumerate(self._handlers):
            skip = self._border.skip(index) if index in self._border.suspended else None
            for kind, handle in handlers.items():
                routes[kind] = (*routes.get(kind, ()), (index, skip or handle))
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
            for component in self.components:
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
                    self._border.fail(index, error, waiting, fact)
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
                    self._border.fail(index, error, waiting, count)

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
        for component in self.components:
            self.guard(component, partial(call, component))

    def guard(self, component: Component, call: Callable[[], None]) -> None:
        """Call into a component unless it is suspended, and have the facts it emits handled."""
        index = self.components.index(component)
        if index not in self._border.suspended:
            self._border.call(index, call)
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
            self._border.call(index, partial(question, component)) for index, component in self._border.active
        )

    def undecided(self) -> dict[str, int]:
        """How much each component has that is not decided, by its name; of those that ever have any."""
        now, wall = self.now(), self._clock.now_ms()
        return {
            component.name: self._border.call(index, partial(component.undecided, now, wall)) or 0
            for index, component in self._border.active
            if type(component).undecided is not Component.undecided
        }
