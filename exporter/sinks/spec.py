"""What a sink declares of itself, as one value in the sink's own folder.

The section of the configuration, the environment variables, the levels of its loggers, what ``check`` and
``migrate`` do and the reference pages are all read from the declaration; see ``exporter.sinks.registry``.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import Field

from exporter.clock import Clock
from exporter.events.catalogue import Catalogue
from exporter.events.spec import EventSpec
from exporter.settings import Section
from exporter.sinks.base import Sink


class SinkSection(Section):
    """Base of a sink's section of the configuration; every setting needs a default."""

    enabled: bool = Field(default=True, description="Write to this sink.")

    @property
    def active(self) -> bool:
        """Whether the sink is used."""
        return self.enabled


SectionT = TypeVar("SectionT", bound=SinkSection)


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What a sink is made with. ``catalogue`` holds every event type: the spool may hold types now off."""

    clock: Clock
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class MigrateOptions:
    """What ``migrate`` was asked for. ``reader_role`` is to be allowed to read, and nothing else."""

    catalogue: Catalogue
    reader_role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SinkSpec(Generic[SectionT]):
    """The declaration of one sink."""

    name: str
    """Its key below ``sinks``, its cursor in the spool and its label ``sink``; never changes."""
    title: str
    """Its name in headings."""
    help: str
    """What it writes to, in one sentence."""
    section: type[SectionT]
    make: Callable[[SectionT, SinkContext], Sink]
    """The sink of an active section; connects to nothing."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that give a setting where the file does not: variable → name of the setting."""
    data_dir_defaults: Callable[[pathlib.Path], Mapping[str, object]] = lambda _data_dir: {}
    """Settings that follow from ``data_dir`` where they are not given."""
    loggers: Mapping[str, int] = field(default_factory=dict)
    """Least level written of what its libraries log; below INFO many log payloads."""
    migrate: Callable[[SectionT, MigrateOptions], Iterable[str]] | None = None
    """Bring the far end up to date; yields a line for each thing done. Blocks; raises ``ExporterError``."""
    places: Callable[[EventSpec], tuple[str, ...]] = lambda _spec: ()
    """Where the events of a type are found at the far end, by the names that queries use."""
    pages: Callable[[Catalogue], Mapping[str, str]] = lambda _catalogue: {}
    """Its reference pages, by file name."""
    origin: str = "discord-exporter"
    """The distribution it came with; set by the registry."""
