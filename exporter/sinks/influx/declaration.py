"""The declaration of the InfluxDB sink. The client library is imported when a sink is made."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Final

from exporter.events.catalogue import Catalogue
from exporter.events.spec import EventSpec
from exporter.sinks.base import Sink
from exporter.sinks.influx.config import InfluxConfig
from exporter.sinks.spec import MigrateOptions, SinkContext, SinkSpec


def _make(section: InfluxConfig, context: SinkContext) -> Sink:
    from exporter.sinks.influx.sink import InfluxSink

    return InfluxSink(section, context.catalogue, context.clock)


def _migrate(section: InfluxConfig, options: MigrateOptions) -> Iterator[str]:
    from exporter.sinks.influx.setup import prepare

    for done in prepare(section, options.catalogue):
        yield f"{section.url}: {done}."
    yield f"{section.url} has every bucket and task."


def _places(spec: EventSpec) -> tuple[str, ...]:
    from exporter.sinks.influx.reference import places

    return places(spec)


def _pages(catalogue: Catalogue) -> Mapping[str, str]:
    from exporter.sinks.influx.reference import influxdb_page

    return {"influxdb.md": influxdb_page(catalogue)}


SINK: Final = SinkSpec(
    name="influxdb",
    title="InfluxDB",
    help="InfluxDB 2; off until its url is set.",
    section=InfluxConfig,
    make=_make,
    environment={"INFLUXDB_URL": "url", "INFLUXDB_TOKEN": "token", "INFLUXDB_ORG": "org"},
    loggers={"influxdb_client": logging.INFO},
    migrate=_migrate,
    places=_places,
    pages=_pages,
)
