"""What follows from each event's declaration, in one flat value."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from exporter.events.aggregates import MEMBER_ACTIVITY_SNAPSHOT, METRICS_SNAPSHOT
from exporter.events.catalogue import Catalogue
from exporter.events.spec import EventSpec, Measure
from exporter.sinks.influx.line_protocol import EVENT_MEASUREMENT, MEMBER_MEASUREMENT


@dataclass(frozen=True, slots=True)
class EventSummary:
    """One event type.

    ``prometheus`` holds names as they are queried, ``influxdb`` measurement and field, or a measurement that
    holds the fields of other types, ``sql`` tables.
    """

    type: str
    family: str
    help: str
    default: bool
    priority: str
    intents: tuple[str, ...]
    permissions: tuple[str, ...]
    prometheus: tuple[str, ...]
    influxdb: tuple[str, ...]
    sql: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The same for programs."""
        return asdict(self)


def describe_events(catalogue: Catalogue) -> tuple[EventSummary, ...]:
    """Every event type, in the order of declaration."""
    return tuple(describe_event(spec) for spec in catalogue.events.values())


def describe_event(spec: EventSpec) -> EventSummary:
    """One event type."""
    gauges = spec.gauges
    return EventSummary(
        type=spec.type,
        family=spec.family,
        help=spec.help,
        default=spec.default,
        priority=spec.priority.name.lower(),
        intents=spec.intents,
        permissions=spec.permissions,
        prometheus=(
            *(f"{measure.metric}_total" for measure in spec.measures if measure.metric),
            *(gauge.metric for gauge in gauges),
        ),
        influxdb=(
            *(f"{measure.measurement}.{measure.field}" for measure in spec.measures),
            *(f"{gauge.measurement}.{gauge.field}" for gauge in gauges),
            *_as_entries(spec),
        ),
        sql=tuple(dict.fromkeys((*((spec.table,) if spec.table else ()), *_daily_tables(spec.measures)))),
    )


def _as_entries(spec: EventSpec) -> tuple[str, ...]:
    """What the type's entries are in InfluxDB, apart from what is counted of them."""
    if spec.type == MEMBER_ACTIVITY_SNAPSHOT:
        return (MEMBER_MEASUREMENT,)  # its fields are those of other types' measures
    is_listed = spec.table is not None and spec.type != METRICS_SNAPSHOT
    return (f"{EVENT_MEASUREMENT}.count",) if is_listed else ()


def _daily_tables(measures: tuple[Measure, ...]) -> list[str]:
    tables: list[str] = []
    for measure in measures:
        if measure.columns:
            tables.append("guild_daily")
            if "channel" in measure.by:
                tables.append("channel_daily")
        if measure.member_columns:
            tables.append("member_daily")
    return tables
