"""The catalogue: every family found in this package, checked once and asked for everything derived.

A file of this package that has a ``FAMILY`` is part of the catalogue; nothing else lists them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from types import ModuleType

import exporter.events as package
from exporter.events.spec import EventSpec, Family, Gauge, Measure, Reader


class Catalogue:
    """The event types the program knows, or a part of them chosen by switches.

    Raises:
        ValueError: two declarations contradict each other; the message names them.
    """

    def __init__(self, families: Iterable[Family]) -> None:
        self.families: tuple[Family, ...] = tuple(families)
        self.events: dict[str, EventSpec] = {}
        for family in self.families:
            for event in family.events:
                if event.type in self.events:
                    msg = f"event type {event.type} is declared twice"
                    raise ValueError(msg)
                self.events[event.type] = event
        self._check_measures()

    def _check_measures(self) -> None:
        declared: dict[int, Measure | Gauge] = {}
        for event in self.events.values():
            declared |= {id(measure): measure for measure in event.measures}
            declared |= {id(gauge): gauge for gauge in event.gauges}
        ways: dict[str, Callable[[Measure | Gauge], str | None]] = {
            "name": lambda quantity: quantity.name,
            "metric": lambda quantity: quantity.metric,
            "InfluxDB field": lambda quantity: f"{quantity.measurement}.{quantity.field}",
        }
        for way, name_of in ways.items():
            names = Counter(name_of(quantity) for quantity in declared.values())
            repeated = sorted(name for name, count in names.items() if name and count > 1)
            if repeated:
                msg = f"measures or gauges share the {way} {', '.join(repeated)}"
                raise ValueError(msg)

    @cached_property
    def measures(self) -> dict[str, Measure]:
        """Every measure by name, in the order of declaration."""
        return {measure.name: measure for event in self.events.values() for measure in event.measures}

    @cached_property
    def readers(self) -> dict[str, tuple[Reader, ...]]:
        """What to do with each dispatch; a reader shared by several types stands once."""
        readers: dict[str, dict[int, Reader]] = {}
        sources = [family.core for family in self.families]
        sources += [event.reads for event in self.events.values()]
        for source in sources:
            for dispatch, reader in source.items():
                readers.setdefault(dispatch, {})[id(reader)] = reader
        return {dispatch: tuple(found.values()) for dispatch, found in readers.items()}

    @cached_property
    def gauges(self) -> dict[str, Gauge]:
        """Every gauge by name."""
        return {gauge.name: gauge for event in self.events.values() for gauge in event.gauges}

    @cached_property
    def intents(self) -> dict[str, tuple[str, ...]]:
        """Intents needed, each with the event types that need it; core ones may have none."""
        core = {intent: () for family in self.families for intent in family.core_intents}
        return core | self._collect(lambda event: event.intents)

    @cached_property
    def permissions(self) -> dict[str, tuple[str, ...]]:
        """Permissions of use, each with the event types that use it."""
        return self._collect(lambda event: event.permissions)

    @cached_property
    def alternatives(self) -> tuple[tuple[str, ...], ...]:
        """Permissions of which one is enough, where something is lost without all of them."""
        return tuple(sorted({group for event in self.events.values() for group in event.blind_without_all}))

    def _collect(self, wanted: Callable[[EventSpec], Iterable[str]]) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for event in self.events.values():
            for name in wanted(event):
                found.setdefault(name, []).append(event.type)
        return {name: tuple(types) for name, types in sorted(found.items())}

    def switched(self, switches: Mapping[str, bool]) -> Catalogue:
        """The catalogue of what is on: a type's switch, or its default where there is none."""
        return Catalogue(
            Family(
                family.name,
                family.help,
                tuple(event for event in family.events if switches.get(event.type, event.default)),
                family.core,
                family.core_intents,
            )
            for family in self.families
        )


def families(modules: Iterable[ModuleType] | None = None) -> tuple[Family, ...]:
    """The families declared in this package's files, in the order of their names."""
    if modules is None:
        names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
        modules = (importlib.import_module(f"{package.__name__}.{name}") for name in names)
    return tuple(module.FAMILY for module in modules if hasattr(module, "FAMILY"))


def full_catalogue() -> Catalogue:
    """Every event type there is."""
    return Catalogue(families())
