"""What the event loop hands to the writer thread, and how the answer comes back."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Work(Protocol[T_co]):
    """What is done on the connection, in a transaction; it may be run again after a rollback."""

    @property
    def weight(self) -> int:
        """Entries it writes."""
        ...

    @property
    def size(self) -> int:
        """Bytes it writes; final once it has run."""
        ...

    @property
    def adds(self) -> bool:
        """Whether it takes in something new, which is refused on a full volume while that drains."""
        ...

    def __call__(self, connection: sqlite3.Connection) -> T_co:
        """Do it."""
        ...


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """Work of a few rows at most."""

    work: Callable[[sqlite3.Connection], T]
    weight: int = 1
    size: int = 4_096
    adds: bool = False

    def __call__(self, connection: sqlite3.Connection) -> T:
        """Do it."""
        return self.work(connection)


@dataclass(slots=True)
class Job(Generic[T]):
    """Work and who waits for it. ``alone`` keeps it outside of a transaction."""

    work: Work[T]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[T]
    then: Callable[[T], None] | None = None
    alone: bool = False

    def answer(self, result: T) -> None:
        """Give the result to the event loop; called in the writer thread."""
        self._post(lambda: self._finish(result))

    def fail(self, error: BaseException) -> None:
        """Raise the error at the caller; called in the writer thread."""
        self._post(lambda: None if self.future.done() else self.future.set_exception(error))

    def _finish(self, result: T) -> None:
        # Before the future and even for a caller that was cancelled: it is committed, and others wait for it.
        if self.then is not None:
            self.then(result)
        if not self.future.done():
            self.future.set_result(result)

    def _post(self, call: Callable[[], None]) -> None:
        # The loop may be gone when the program ended in the middle.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(call)
