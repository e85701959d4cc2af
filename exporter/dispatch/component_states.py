"""The saved state of all components: what a commit takes, and what a start or an error puts back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial

from exporter.clock import Clock, steady_ms
from exporter.dispatch.broken_rows import resume_without_broken
from exporter.dispatch.component import Component, StateRow
from exporter.dispatch.error_border import ErrorBorder
from exporter.errors import SpoolError


class ComponentStates:
    """The state of the components behind an error border.

    ``people`` opted out, maybe since it was saved; ``drain`` has the facts handled that components emit when
    they resume.
    """

    def __init__(
        self, border: ErrorBorder, clock: Clock, people: frozenset[int], drain: Callable[[], None]
    ) -> None:
        self._border = border
        self._clock = clock
        self._people = people
        self._drain = drain
        self.report = border.errors.report
        self.failed = border.failed

    # ------------------------------------------------------------------ for a commit

    @property
    def unsaved(self) -> bool:
        """Whether any component has something to save."""
        call = self._border.call
        return any(call(index, partial(_is_unsaved, component)) for index, component in self._border.active)

    def save(self) -> list[StateRow]:
        """The rows of all components that changed since the last confirmed commit."""
        rows: list[StateRow] = []
        for index, component in self._border.active:
            rows += self._border.call(index, partial(_save, component)) or ()
        return rows

    def confirm(self) -> None:
        """What was saved last is committed."""
        for index, component in enumerate(self._border.components):
            self._border.call(index, component.confirm)

    def merge_back(self) -> None:
        """What was saved last was not committed."""
        for index, component in enumerate(self._border.components):
            self._border.call(index, component.merge_back)

    # ------------------------------------------------------------------ after a start or an error

    def restore(self, rows: Iterable[StateRow]) -> None:
        """Give every component the rows that were committed; before anything is accepted."""
        by_component: dict[str, list[StateRow]] = {}
        for row in rows:
            by_component.setdefault(row.table.partition("/")[0], []).append(row)
        for index, component in enumerate(self._border.components):
            self._restore(index, component, by_component.get(component.name, ()))

    @property
    def suspended(self) -> Iterator[Component]:
        """Components that failed, and wait for their committed rows."""
        return (self._border.components[index] for index in sorted(self._border.suspended))

    async def revert_suspended(self, read: Callable[[str], Awaitable[Iterable[StateRow]]]) -> None:
        """Reset components that failed; ``read`` gives rows committed last, by the prefix of their tables.

        To be called while no commit is in flight, which may hold newer rows of theirs.
        """
        for component in list(self.suspended):
            try:
                rows = await read(f"{component.name}/")
            except SpoolError as error:
                self.report("spool", error)
                return
            self.revert(component, rows)

    def revert(self, component: Component, rows: Iterable[StateRow]) -> None:
        """Reset a suspended component to the rows committed last; it stays so if it cannot be cleared."""
        index = self._border.components.index(component)
        for table in self._border.tables[index]:
            table.discard()
        try:
            component.clear()
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            # Restored over what is left of its state, it would save a mixture of both.
            self._border.fail(index, error, len(self._border.emitted))
            return
        self._border.release(index)
        self._restore(index, component, rows)
        self._border.log_skipped(index)

    def _restore(self, index: int, component: Component, rows: Iterable[StateRow]) -> None:
        border, rows = self._border, list(rows)
        try:
            unread = self._resume(index, component, rows)
        except Exception as error:  # noqa: BLE001 - the error border: whatever it is
            try:
                retry = partial(self._retry, index, component)
                unread = resume_without_broken(component.name, rows, retry, error)
            except Exception as defect:  # noqa: BLE001 - it is not for its rows that it fails
                border.fail(index, defect, len(border.emitted))
                unread = 0
        if unread:
            border.errors.add(component.name, unread)
        if self._people:
            # They may have opted out since the rows were saved.
            border.call(index, partial(component.forget_people, self._people))
        self._drain()

    def _resume(self, index: int, component: Component, rows: Iterable[StateRow]) -> int:
        """Give a component its rows and resume it; returns how many could not be read.

        What the component emits is in the queue, or dropped where it raises.
        """
        waiting = len(self._border.emitted)
        try:
            unread = component.restore(rows)
            component.resume(steady_ms(self._clock), self._clock.now_ms())
        except Exception:
            self._border.drop_emitted(index, waiting)
            raise
        return unread

    def _retry(self, index: int, component: Component, rows: Iterable[StateRow]) -> int:
        """Resume a component from nothing but these rows."""
        self._border.drop_emitted(index)
        for table in self._border.tables[index]:
            table.discard()
        component.clear()
        return self._resume(index, component, rows)


def _is_unsaved(component: Component) -> bool:
    return component.unsaved


def _save(component: Component) -> list[StateRow]:
    """All rows of a component that changed; none of them if one fails."""
    return list(component.save())
