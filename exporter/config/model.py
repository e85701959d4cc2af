"""The whole configuration as one frozen value, put together from the sections beside each stage.

A stage is given its own section and never the whole. The switches of ``events`` come from the catalogue, so
an event declared is an event that can be switched.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated
from urllib.parse import unquote

from pydantic import Field, SecretStr, create_model, model_validator

from exporter.config.event_toggles import Track
from exporter.discord.config import DiscordConfig
from exporter.events.catalogue import Catalogue
from exporter.exposition.config import ExpositionConfig
from exporter.log import LogConfig
from exporter.settings import Section
from exporter.sinks.influx.config import InfluxConfig
from exporter.sinks.runner_config import RunnerConfig
from exporter.sinks.sql.config import SqlConfig
from exporter.spool.config import SpoolConfig
from exporter.tracking.config import BatchingConfig, LevelsConfig, MetricsConfig, PrivacyConfig
from exporter.web.config import WebConfig

LOG_FILE = "discord.db"

_PASSWORD = re.compile(r"[^:]+://[^:/@]*:([^@]*)@")
"""As SQLAlchemy reads it. The standard library's parser stumbles over `/`, `#` and `[`, which passwords may
hold unescaped."""


class Switches(Section):
    """One switch per event type; derived for a catalogue by ``config_type``."""

    def given(self) -> dict[str, bool]:
        """The switches somebody set; the others follow ``track`` and the type's own default."""
        return {kind: bool(getattr(self, kind)) for kind in sorted(self.model_fields_set)}


class SinksConfig(Section):
    """Where the numbers go."""

    prometheus: Annotated[ExpositionConfig, Field(description="What a scrape of /metrics shows.")] = (
        ExpositionConfig()
    )
    influxdb: Annotated[InfluxConfig, Field(description="InfluxDB 2; off until its url is set.")] = (
        InfluxConfig()
    )
    sql: Annotated[SqlConfig, Field(description="The exact log: SQLite, or PostgreSQL by its DSN.")] = (
        SqlConfig()
    )


class Config(Section):
    """Everything that can be set."""

    discord: Annotated[DiscordConfig, Field(description="Which bot, and how to reach Discord.")] = (
        DiscordConfig()
    )
    events: Annotated[Switches, Field(description="One switch per event type.")] = Switches()
    track: Annotated[Track, Field(description="Whole kinds of activity at once.")] = Track()
    metrics: Annotated[MetricsConfig, Field(description="Windows and tops of the snapshots.")] = (
        MetricsConfig()
    )
    levels: Annotated[LevelsConfig, Field(description="What earns experience, with XP_GAIN on.")] = (
        LevelsConfig()
    )
    batching: Annotated[BatchingConfig, Field(description="How long entries gather before a commit.")] = (
        BatchingConfig()
    )
    sinks: Annotated[SinksConfig, Field(description="Where the numbers go.")] = SinksConfig()
    delivery: Annotated[RunnerConfig, Field(description="How entries are handed to the sinks.")] = (
        RunnerConfig()
    )
    spool: Annotated[SpoolConfig, Field(description="The durable queue before the sinks.")] = SpoolConfig()
    privacy: Annotated[PrivacyConfig, Field(description="Who is left out.")] = PrivacyConfig()
    web: Annotated[WebConfig, Field(description="The HTTP server.")] = WebConfig()
    log: Annotated[LogConfig, Field(description="What is logged.")] = LogConfig()
    data_dir: Annotated[
        pathlib.Path, Field(description="Directory of the spool and of the SQLite log; made if absent.")
    ] = pathlib.Path("data")

    @model_validator(mode="before")
    @classmethod
    def _place_log(cls, data: object) -> object:
        """Without a DSN the log is a file in the data directory, wherever that is."""
        if not isinstance(data, dict) or not isinstance(data.get("data_dir"), str | pathlib.Path):
            return data
        default = f"sqlite:///{data['data_dir']}/{LOG_FILE}"
        sinks = data.get("sinks", {})
        if isinstance(sinks, SinksConfig) and "dsn" not in sinks.sql.model_fields_set:
            sql = sinks.sql.model_copy(update={"dsn": SecretStr(default)})
            return {**data, "sinks": sinks.model_copy(update={"sql": sql})}
        if not isinstance(sinks, dict) or not isinstance(sql := sinks.get("sql", {}), dict):
            return data
        return {**data, "sinks": {**sinks, "sql": {"dsn": default, **sql}}}

    def chosen(self, catalogue: Catalogue) -> Catalogue:
        """The part of the catalogue that is on, by ``events``, ``track`` and the types' defaults."""
        return catalogue.switched(self.track.switches(catalogue) | self.events.given())

    def secrets(self) -> tuple[str, ...]:
        """Every secret text that was configured, and the passwords inside addresses."""
        return tuple(_secrets(self))


def _secrets(section: Section) -> Iterator[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _secrets(value)
        elif isinstance(value, SecretStr):
            secret = value.get_secret_value()
            if "://" not in secret:
                yield secret
            elif password := _PASSWORD.match(secret):
                yield from (secret, password[1], unquote(password[1]))


def config_type(catalogue: Catalogue) -> type[Config]:
    """``Config`` with one switch for each event type of this catalogue; the same class for the same types."""
    return _config_type(tuple((spec.type, spec.default, spec.help) for spec in catalogue.events.values()))


@lru_cache(maxsize=8)
def _config_type(events: tuple[tuple[str, bool, str], ...]) -> type[Config]:
    fields = {kind: (bool, Field(default=default, description=help_)) for kind, default, help_ in events}
    switches = create_model("EventsConfig", __base__=Switches, __doc__="One switch per event type.", **fields)  # type: ignore[call-overload] # the overloads cannot see that a dictionary holds only fields
    section = Field(default=switches(), description=Config.model_fields["events"].description)
    return create_model("Config", __base__=Config, __doc__=Config.__doc__, events=(switches, section))
