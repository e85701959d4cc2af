"""The whole configuration as one frozen value, combined from the sections of each package.

A package receives its own section, never the whole. The toggles of ``events`` come from the catalogue, so
every declared event has one.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, ClassVar
from urllib.parse import unquote

from pydantic import Field, SecretStr, create_model, model_validator

from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.config.event_toggles import Track
from exporter.config.fields import section_in
from exporter.discord.config import DiscordConfig
from exporter.events.catalogue import Catalogue
from exporter.exposition.config import ExpositionConfig
from exporter.log import LogConfig
from exporter.screen.config import PrivacyConfig
from exporter.settings import Section
from exporter.sinks.registry import AnySink, registered_sinks
from exporter.sinks.runner_config import RunnerConfig
from exporter.sinks.spec import SectionT, SinkSection, SinkSpec
from exporter.spool.config import SpoolConfig
from exporter.tracking.levels.config import LevelsConfig
from exporter.web.config import WebConfig

_PASSWORD = re.compile(r"[^:]+://[^:/@]*:([^@]*)@")
"""As SQLAlchemy reads it. The standard library's parser fails on `/`, `#` and `[`, which passwords may
contain unescaped."""


class EventToggles(Section):
    """One toggle per event type; derived from a catalogue by ``config_type``."""

    def given(self) -> dict[str, bool]:
        """The toggles that the configuration sets; the others follow ``track`` and the type's default."""
        return {kind: bool(getattr(self, kind)) for kind in sorted(self.model_fields_set)}


class SinksConfig(Section):
    """The sinks; ``config_type`` adds the section of every registered one."""

    specs: ClassVar[tuple[AnySink, ...]] = ()
    """The sinks that have a section here."""

    prometheus: Annotated[ExpositionConfig, Field(description="What a scrape of /metrics exposes.")] = (
        ExpositionConfig()
    )

    def of(self, sink: SinkSpec[SectionT]) -> SectionT:
        """The section of one sink.

        Raises:
            TypeError: this configuration has no section for the sink.
        """
        section = getattr(self, sink.name, None)
        if not isinstance(section, sink.section):
            msg = f"the configuration was read without the sink {sink.name} of {sink.origin}"
            raise TypeError(msg)
        return section

    def active(self) -> Iterator[tuple[AnySink, SinkSection]]:
        """The sinks in use, each with its section."""
        for sink in self.specs:
            section = self.of(sink)
            if section.active:
                yield sink, section


class Config(Section):
    """Every setting."""

    discord: Annotated[DiscordConfig, Field(description="Which bot, and how to reach Discord.")] = (
        DiscordConfig()
    )
    events: Annotated[EventToggles, Field(description="One toggle per event type.")] = EventToggles()
    track: Annotated[Track, Field(description="Whole families of events at once.")] = Track()
    metrics: Annotated[MetricsConfig, Field(description="Windows and top lists of the snapshots.")] = (
        MetricsConfig()
    )
    levels: Annotated[LevelsConfig, Field(description="What earns experience, with XP_GAIN on.")] = (
        LevelsConfig()
    )
    batching: Annotated[BatchingConfig, Field(description="How long entries wait before a commit.")] = (
        BatchingConfig()
    )
    sinks: Annotated[SinksConfig, Field(description="The stores that entries are delivered to.")] = (
        SinksConfig()
    )
    delivery: Annotated[RunnerConfig, Field(description="How entries are delivered to the sinks.")] = (
        RunnerConfig()
    )
    spool: Annotated[SpoolConfig, Field(description="The durable queue before the sinks.")] = SpoolConfig()
    privacy: Annotated[PrivacyConfig, Field(description="Members who are neither counted nor recorded.")] = (
        PrivacyConfig()
    )
    web: Annotated[WebConfig, Field(description="The HTTP server.")] = WebConfig()
    log: Annotated[LogConfig, Field(description="What is logged.")] = LogConfig()
    data_dir: Annotated[
        pathlib.Path, Field(description="Directory of the spool and of the SQLite log; created if absent.")
    ] = pathlib.Path("data")

    @model_validator(mode="before")
    @classmethod
    def _apply_data_dir(cls, data: object) -> object:
        """Set what sinks derive from the data directory, where it is not given."""
        if not isinstance(data, dict) or not isinstance(data.get("data_dir"), str | pathlib.Path):
            return data
        sinks = data.get("sinks", {})
        if isinstance(sinks, SinksConfig):
            sinks = sinks.model_dump(exclude_unset=True)
        if not isinstance(sinks, dict):
            return data
        kind = section_in(cls.model_fields["sinks"].annotation)
        placed = {
            sink.name: {**sink.data_dir_defaults(pathlib.Path(data["data_dir"])), **given}
            for sink in (kind.specs if kind and issubclass(kind, SinksConfig) else ())
            if isinstance(given := sinks.get(sink.name, {}), dict)
        }
        return {**data, "sinks": {**sinks, **placed}}

    def chosen(self, catalogue: Catalogue) -> Catalogue:
        """The part of the catalogue that is on, by ``events``, ``track`` and the types' defaults."""
        return catalogue.switched(self.track.toggles(catalogue) | self.events.given())

    def secrets(self) -> tuple[str, ...]:
        """Every secret text that was configured, and the passwords inside addresses."""
        return tuple(_secrets(self))


def _secrets(section: Section) -> Iterator[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _secrets(value)
        elif isinstance(value, SecretStr):
            yield from secret_parts(value.get_secret_value())


def secret_parts(secret: str) -> tuple[str, ...]:
    """The parts of a secret to mask: the whole, and of an address also its password."""
    if "://" not in secret:
        return (secret,)
    password = _PASSWORD.match(secret)
    return (secret, password[1], unquote(password[1])) if password else ()


def config_type(catalogue: Catalogue, sinks: tuple[AnySink, ...] | None = None) -> type[Config]:
    """``Config`` with a toggle for each event type and a section for each sink, by default all registered.

    The same class for the same types and sinks.

    Raises:
        ConfigError: an installed sink cannot be used.
    """
    events = tuple((spec.type, spec.default, spec.help) for spec in catalogue.events.values())
    return _config_type(events, registered_sinks() if sinks is None else sinks)


@lru_cache(maxsize=8)
def _config_type(events: tuple[tuple[str, bool, str], ...], sinks: tuple[AnySink, ...]) -> type[Config]:
    toggles = {kind: (bool, Field(default=default, description=help_)) for kind, default, help_ in events}
    sections = {sink.name: (sink.section, Field(sink.section(), description=sink.help)) for sink in sinks}
    events_type = create_model(
        "EventsConfig", __base__=EventToggles, __doc__="One toggle per event type.", **toggles
    )  # type: ignore[call-overload] # the overloads cannot see that a dictionary holds only fields
    sinks_type = create_model(
        "SinksConfig", __base__=SinksConfig, __doc__="The stores that entries are delivered to.", **sections
    )  # type: ignore[call-overload] # as above
    sinks_type.specs = sinks
    fields = Config.model_fields
    return create_model(
        "Config",
        __base__=Config,
        __doc__=Config.__doc__,
        events=(events_type, Field(events_type(), description=fields["events"].description)),
        sinks=(sinks_type, Field(sinks_type(), description=fields["sinks"].description)),
    )
