"""What the contract suite needs of a sink: a real far end, and the means to read, break and repair it."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from exporter.clock import SystemClock
from exporter.events.catalogue import full_catalogue
from exporter.model import Entry
from exporter.sinks.base import Sink
from exporter.sinks.registry import AnySink
from exporter.sinks.spec import SinkContext


class Harness(abc.ABC):
    """One far end, empty at first. Whatever is read back is read past the sink."""

    spec: ClassVar[AnySink]
    secrets: ClassVar[tuple[str, ...]] = ()
    """Texts of the settings that nothing may show."""
    probe_notices_absence: ClassVar[bool] = True
    """Whether what is away for a delivery is away for a probe too."""

    @classmethod
    @abc.abstractmethod
    def running(
        cls, tmp_path: Path, request: pytest.FixtureRequest
    ) -> contextlib.AbstractAsyncContextManager[Self]:
        """A far end that is there; gone afterwards."""

    @abc.abstractmethod
    def settings(self) -> dict[str, Any]:
        """The sink's section."""

    @abc.abstractmethod
    def unusable_settings(self) -> dict[str, Any]:
        """A section that an operator has to correct: wrong credentials, or a path that is none."""

    @abc.abstractmethod
    async def records(self, guild: int) -> list[int]:
        """Second of each stored record of a guild, in the store's order; one stored twice is there twice."""

    @abc.abstractmethod
    async def messages(self, guild: int) -> int:
        """Messages counted in a guild."""

    @abc.abstractmethod
    async def texts(self, guild: int) -> set[str]:
        """What the store holds of the reasons of records, or of the emoji of windows."""

    def holds(self, text: str) -> bool:  # noqa: ARG002 - for stores that hold less
        """Whether the store can hold this text as it is; else it holds another, which breaks nothing."""
        return True

    @abc.abstractmethod
    async def contents(self) -> object:
        """All that is stored, to be compared with what is stored at another time."""

    @abc.abstractmethod
    def bad_entry(self, guild: int) -> Entry:
        """An entry that this store can never take."""

    @abc.abstractmethod
    async def go_away(self) -> None:
        """Make the far end unreachable; what it stored stays."""

    @abc.abstractmethod
    async def come_back(self) -> None:
        """Make it reachable again."""

    def make(self, **settings: Any) -> Sink:
        """A sink over this far end."""
        section = self.spec.section.model_validate({**self.settings(), **settings})
        return self.spec.make(section, SinkContext(SystemClock(), full_catalogue()))

    def make_unusable(self) -> Sink:
        """A sink that an operator has to correct."""
        section = self.spec.section.model_validate(self.unusable_settings())
        return self.spec.make(section, SinkContext(SystemClock(), full_catalogue()))

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Sink]:
        """A sink that is open."""
        async with closing(self.make()) as sink:
            await sink.open()
            yield sink


@contextlib.asynccontextmanager
async def closing(sink: Sink) -> AsyncIterator[Sink]:
    """The sink, closed afterwards."""
    try:
        yield sink
    finally:
        await sink.close()
