"""Every sink there is: those of this package, and those that installed distributions register.

A distribution registers a sink through the entry-point group ``discord_exporter.sinks``, whose values lead to
a ``SinkSpec``. A plug-in that cannot be used is an error of the configuration that names its distribution:
to go on without it would be to lose what it should have stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, TypeAlias

from exporter.errors import ConfigError, ExporterError
from exporter.sinks.base import Sink
from exporter.sinks.spec import SinkContext, SinkSection, SinkSpec

GROUP: Final = "discord_exporter.sinks"
BUILT_IN: Final = (
    "exporter.sinks.influx.declaration:SINK",
    "exporter.sinks.sql.declaration:SINK",
)

AnySink: TypeAlias = SinkSpec[Any]
"""A sink whose section is known to itself only."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED: Final = frozenset({"prometheus"})
"""A section of ``sinks`` that is not a sink: Prometheus pulls."""


@cache
def built_in_sinks() -> tuple[AnySink, ...]:
    """The sinks of this package."""
    return load_sinks(())


@cache
def registered_sinks() -> tuple[AnySink, ...]:
    """Every sink, those of this package first.

    Raises:
        ConfigError: an installed plug-in cannot be used; every problem is listed.
    """
    return load_sinks(sorted(entry_points(group=GROUP), key=lambda point: point.name))


def load_sinks(plugins: Iterable[EntryPoint]) -> tuple[AnySink, ...]:
    """The sinks of this package and those of ``plugins``.

    Raises:
        ConfigError: one of ``plugins`` cannot be used; every problem is listed.
    """
    found = {sink.name: sink for sink in map(_load_built_in, BUILT_IN)}
    problems = []
    for point in plugins:
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.module
        sink, problem = _load(point)
        if sink is not None and sink.name in found:
            problem = f"its name {sink.name} is taken by {found[sink.name].origin}"
        if sink is None or problem:
            problems.append(
                f"sink plug-in {point.name} of {origin}: {problem}; repair or uninstall the distribution"
            )
        else:
            found[sink.name] = replace(sink, origin=origin)
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(found.values())


def make_sink(spec: AnySink, section: SinkSection, context: SinkContext) -> Sink:
    """The sink of a section.

    Raises:
        ConfigError: it cannot be made, or what is made is not a sink of the declared name.
    """
    try:
        sink: object = spec.make(section, context)
    except ExporterError:
        raise
    except Exception as error:
        problem = f"cannot be made ({type(error).__name__}: {error})"
        raise ConfigError((f"sinks.{spec.name}: the sink of {spec.origin} {problem}",)) from error
    if not isinstance(sink, Sink) or sink.name != spec.name:
        problem = f"is a {type(sink).__name__}, which is not a Sink named {spec.name}"
        raise ConfigError((f"sinks.{spec.name}: the sink of {spec.origin} {problem}",))
    return sink


def _load_built_in(path: str) -> AnySink:
    sink: AnySink = EntryPoint(name=path, value=path, group=GROUP).load()
    return sink


def _load(point: EntryPoint) -> tuple[AnySink | None, str]:
    """The declaration an entry point leads to, or why there is none."""
    try:
        sink = point.load()
    except Exception as error:  # noqa: BLE001 - importing a plug-in runs code that can fail in any way
        return None, f"{point.value} cannot be loaded ({type(error).__name__}: {error})"
    if not isinstance(sink, SinkSpec):
        return None, f"{point.value} is not a SinkSpec"
    if not _NAME.fullmatch(sink.name) or sink.name in _RESERVED:
        return None, f"its name {sink.name!r} cannot be used; a name is lower-case letters, digits and _"
    section: object = sink.section
    if not (isinstance(section, type) and issubclass(section, SinkSection)):
        return None, "its section is not a SinkSection"
    try:
        section()
    except ValueError as error:
        return None, f"its section is not valid without settings ({str(error).splitlines()[0]})"
    return sink, ""
