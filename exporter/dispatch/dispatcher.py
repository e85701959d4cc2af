"""Reads dispatches into facts, and has each fact handled by the components that take its type.

The order of the components is the order of effects: a fact is handled in that order, and what a component
puts out is handled by the components after it, in the same step of the event loop. So everything that one
dispatch causes is in memory before anything else happens, and a commit holds all of it or none.

``accept`` never raises and never waits: whatever is in a payload, it is counted as accepted or as rejected
with a reason. A dispatch that cannot be read is not taken at all. Conservation: received = accepted +
rejected, by type.

The error border: an error in one component is logged with its traceback, counted, and stays in that
component. What the failed call put out is dropped; the component is suspended until its state is put back
to what was committed last. The others go on.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

from exporter.clock import Clock
from exporter.dispatch.component import Component, Emit, StateRow
from exporter.events.catalogue import Catalogue
from exporter.events.facts import Count, Fact, GuildDeleted
from exporter.events.rest_request import ANSWERS
from exporter.events.spec import SHARD_NEWS
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

OURS: Final = (SHARD_NEWS, ANSWERS)
"""What the source itself says is no sign of life of a connection, and in no order with what comes by it."""

MESSAGE: Final = "MESSAGE_CREATE"
"""Carries its own time, and comes when it is sent."""

MAX_DERIVED: Final = 200_000
"""Facts that one dispatch or one tick may cause: a prune of the largest guild causes one for each member who
left. Beyond it a component is taken to cause its own facts without end."""

_VALUES: Final = re.compile(
    r"(?<=Invalid value ).*(?= - at `)|(?<=enum value ).*(?= - at `)|['\"].*['\"]", re.DOTALL
)
"""What a message of msgspec quotes from a payload, which may be personal; a place is between backticks."""

MAX_RETRIES: Final = 200
"""Parts of a component's rows that are tried when it cannot resume with all of them: enough for some ten
broken ones among 100,000. What is not tried by then is set aside with them, so that a start always ends."""

C = TypeVar("C", bound=Component)
T = TypeVar("T")


class Timeline(Protocol):
    """Time in the dispatches of each shard, in ms since the epoch."""

    @property
    def replaying(self) -> bool:
        """Whether any shard is in a replay."""
        ...

    def date(self, shard: int, received_at: int) -> int:
        """When a dispatch received now happened."""
        ...

    def learn(self, shard: int, at: int) -> None:
        """Note that a dispatch carried its own time."""
        ...

    def pass_message(self, shard: int, sent_at: int, received_at: int) -> None:
        """Note a message, which comes in the order of Discord's time."""
        ...


class _Route(NamedTuple):
    position: int
    handle: Callable[..., None]


class Dispatcher:
    """The list of components, and the flow of facts through it.

    ``people`` opted out: every fact is asked what remains without them, before any component handles it.
    ``timeline`` has to be set before anything is accepted.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        clock: Clock,
        telemetry: Telemetry,
        people: frozenset[int] = frozenset(),
    ) -> None:
        self._readers = {
            dispatch: tuple(
                (msgspec.json.Decoder(reader.payload, strict=False).decode, reader.read) for reader in readers
            )
            for dispatch, readers in catalogue.readers.items()
        }
        self._clock = clock
        self._people = people
        self._telemetry = telemetry
        self._received = telemetry.received.values
        self._accepted = telemetry.accepted.values
        self.timeline: Timeline
        self._components: list[Component] = []
        self._routes: dict[type, tuple[_Route, ...]] = {}
        self._counts: tuple[_Route, ...] = ()
        self._queue: deque[tuple[int, Fact]] = deque()
        self._left: list[int] = []
        self._suspended: set[int] = set()
        self._logged: set[tuple[str, str]] = set()
        self.errors: dict[str, int] = {}
        """Errors by component since the start."""

    # ------------------------------------------------------------------ the list

    def add(self, make: Callable[[Emit], C]) -> C:
        """Create a component that emits facts to those added after it, and append it to the list."""
        component = make(self._outlet(len(self._components)))
        index = len(self._components)
        self._components.append(component)
        for kind, handle in component.handles.items():
            if kind is Count:
                self._counts += (_Route(index, handle),)
            else:
                self._routes[kind] = (*self._routes.get(kind, ()), _Route(index, handle))
        return component

    @property
    def components(self) -> Sequence[Component]:
        """The components in the order of their effects."""
        return self._components

    def _outlet(self, index: int) -> Emit:
        def emit(fact: Fact) -> None:
            if len(self._queue) >= MAX_DERIVED:
                msg = f"more than {MAX_DERIVED} facts were caused at once"
                raise OverflowError(msg)
            self._queue.append((index, fact))

        return emit

    # ------------------------------------------------------------------ facts

    def accept(self, name: str, body: bytes | msgspec.Raw, shard: int, received_at: int) -> None:
        """Take one dispatch: its name, the JSON of its data, its shard, and when it was received in ms."""
        readers = self._readers.get(name)
        ours = name.startswith(OURS)
        at = received_at if ours else self.timeline.date(shard, received_at)
        if readers is None:
            return
        label = (name,)
        self._received[label] = self._received.get(label, 0) + 1
        try:
            # Everything is read before anything is handled: a dispatch counts whole or not at all.
            facts = [fact for decode, read in readers for fact in read(decode(body), at)]
            if name == MESSAGE or (self.timeline.replaying and not ours):
                self._learn_time(name, shard, facts, at, received_at)
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            self._reject(name, error)
            return
        for fact in facts:
            self._handle(fact, -1)
            if self._queue or self._left:
                self._drain()
        self._accepted[label] = self._accepted.get(label, 0) + 1

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
            for index, handle in self._counts:
                if index > after and index not in self._suspended:
                    try:
                        handle(fact)
                    except Exception as error:  # noqa: BLE001 - the error border: whatever it is
                        self._fail(index, error)
            return
        now = round(self._clock.monotonic() * 1000)
        for index, handle in self._routes.get(type(fact), ()):
            if index > after and index not in self._suspended:
                self._guard(index, handle, fact, now)
        if type(fact) is GuildDeleted and not fact.unavailable:
            self._left.append(fact.guild_id)

    def _screen(self, fact: Fact) -> Fact | None:
        """What remains of a fact without the people who opted out; nothing of one that cannot be screened."""
        try:
            return fact.without(self._people)
        except Exception as error:  # noqa: BLE001 - what is not screened is not handled
            self.report("screen", error)
            return None

    def _guard(self, index: int, call: Callable[..., Any], *arguments: object) -> None:
        """Call into a component; facts emitted by a failed call are dropped."""
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            self._fail(index, error)

    def _learn_time(self, name: str, shard: int, facts: Iterable[Fact], at: int, received_at: int) -> None:
        """Update the shard's time from facts that carry their own."""
        for fact in facts:
            own = getattr(fact, "at", at)
            if name == MESSAGE and type(fact) is Count:
                self.timeline.pass_message(shard, own, received_at)
            if at < own <= received_at:
                self.timeline.learn(shard, own)

    def _reject(self, name: str, error: Exception) -> None:
        """Count a dispatch that cannot be read by the reason, and log the place in it without its value."""
        reason = "defect"
        if isinstance(error, msgspec.ValidationError):
            reason = "shape"
        elif isinstance(error, (msgspec.DecodeError, UnicodeDecodeError)):
            reason = "json"
        elif isinstance(error, RecursionError):
            reason = "depth"
        self._telemetry.rejected.labels(name, reason).inc()
        if reason != "defect":
            log.warning(
                "a %s could not be read and is lost (%s): %s",
                *(name, reason, _VALUES.sub("…", str(error))),
                extra={"once_per": name},
            )
        elif (name, "") not in self._logged:
            self._logged.add((name, ""))
            log.error("a %s could not be used; counted, not logged again", name, exc_info=error)

    # ------------------------------------------------------------------ what goes over the list

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
        now, wall = self.now(), self._clock.now_ms()
        self.each(lambda component: component.tick(now, wall))

    def now(self) -> int:
        """Now on the monotonic clock, in ms."""
        return round(self._clock.monotonic() * 1000)

    def save(self) -> list[StateRow]:
        """The rows of all components that changed since the last confirmed commit."""
        rows: list[StateRow] = []
        for index, component in enumerate(self._components):
            if index in self._suspended:
                continue
            try:
                rows += list(component.save())  # all rows of a component or none
            except Exception as error:  # noqa: BLE001 - the error border: whatever it is
                self._fail(index, error)
        return rows

    def confirm(self) -> None:
        """What was saved last is committed."""
        for index, component in enumerate(self._components):
            self._guard(index, component.confirm)

    def merge_back(self) -> None:
        """What was saved last was not committed."""
        for index, component in enumerate(self._components):
            self._guard(index, component.merge_back)

    @property
    def unsaved(self) -> bool:
        """Whether any component has something to save."""
        return any(self.ask(lambda component: component.unsaved, default=False))

    def ask(self, question: Callable[[Component], T], default: T) -> Iterator[T]:
        """The answer of every component; ``default`` of one that is suspended, or fails to answer."""
        for index, component in enumerate(self._components):
            answer = default
            if index not in self._suspended:
                try:
                    answer = question(component)
                except Exception as error:  # noqa: BLE001 - the error border: whatever it is
                    self._fail(index, error)
            yield answer

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
        try:
            component.clear()
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            self._fail(index, error)
        self._suspended.discard(index)
        self._restore(index, component, rows)

    def _restore(self, index: int, component: Component, rows: Iterable[StateRow]) -> None:
        rows = list(rows)
        try:
            unread = self._resume(index, component, rows)
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            try:
                unread = self._resume_without_broken(index, component, rows, error)
            except Exception as defect:  # noqa: BLE001 - it is not for its rows that it fails
                self._fail(index, defect)
                unread = 0
        if unread:
            self._count_error(component.name, unread)
        if self._people:
            # They may have opted out since the rows were saved.
            self._guard(index, lambda: component.forget_people(self._people))
        self._drain()

    def _resume(self, index: int, component: Component, rows: Iterable[StateRow]) -> int:
        """Give a component its rows and resume it; returns how many could not be read.

        What the component emits is in the queue, or dropped where it raises.
        """
        try:
            unread = component.restore(rows)
            component.resume(self.now(), self._clock.now_ms())
        except Exception:
            self._drop_emitted(index)
            raise
        return unread

    def _resume_without_broken(
        self, index: int, component: Component, rows: list[StateRow], error: Exception
    ) -> int:
        """Resume a component without the rows that break it; returns how many are set aside or unread.

        Each of them would break the next start and every revert in the same way. They are found by halves,
        each tried alone, so that a broken row among many costs about three times what all of them cost.
        """
        self._retry(index, component, ())  # raises what is no fault of a row
        kept: list[StateRow] = []
        parts = [rows]
        for _ in range(MAX_RETRIES):
            if not parts:
                break
            part = parts.pop()
            try:
                self._retry(index, component, part)
                kept += part
            except Exception:  # noqa: BLE001 - whatever it is
                half = len(part) // 2
                parts += [part[half:], part[:half]] if half else []
        try:
            unread = self._retry(index, component, kept)
        except Exception:  # noqa: BLE001 - rows that break it only together
            kept = []
            unread = self._retry(index, component, kept)
        aside = len(rows) - len(kept)
        log.error(
            "component %s cannot resume with %d of its %d saved rows: they are set aside, what they hold is "
            "lost",
            *(component.name, aside, len(rows)),
            exc_info=error,
        )
        return unread + aside

    def _retry(self, index: int, component: Component, rows: Iterable[StateRow]) -> int:
        """Resume a component from nothing but these rows."""
        self._drop_emitted(index)
        for table in component.tables:
            table.discard()
        component.clear()
        return self._resume(index, component, rows)

    # ------------------------------------------------------------------ errors

    def _fail(self, index: int, error: Exception) -> None:
        """Isolate an error: log it, count it, and suspend the component if it has state to reset."""
        component = self._components[index]
        self._drop_emitted(index)
        if component.tables:
            self._suspended.add(index)
        self.report(component.name, error)

    def _drop_emitted(self, index: int) -> None:
        while self._queue and self._queue[-1][0] == index:
            self._queue.pop()

    def report(self, name: str, error: Exception) -> None:
        """Count an error of a component, and log it with its traceback the first time."""
        self._count_error(name)
        kind = (name, type(error).__name__)
        if kind not in self._logged:
            self._logged.add(kind)
            log.error(
                "component %s failed, the others go on; state that it saves is put back to the last commit "
                "(further errors of this kind are counted, not logged)",
                name,
                exc_info=error,
            )

    def _count_error(self, name: str, number: int = 1) -> None:
        self.errors[name] = self.errors.get(name, 0) + number
        self._telemetry.component_errors.labels(name).inc(number)
