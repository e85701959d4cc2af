"""What is derived from each event's declaration, as one flat value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from exporter.events.catalogue import Catalogue
from exporter.events.spec import EventSpec
from exporter.sinks.registry import AnySink, built_in_sinks


@dataclass(frozen=True, slots=True)
class EventSummary:
    """One event type.

    ``prometheus`` and ``stores``, by sink, hold the names that queries use.
    """

    type: str
    family: str
    help: str
    default: bool
    priority: str
    intents: tuple[str, ...]
    permissions: tuple[str, ...]
    prometheus: tuple[str, ...]
    stores: Mapping[str, tuple[str, ...]]

    def as_json(self) -> dict[str, object]:
        """The same for programs."""
        known: dict[str, object] = asdict(self)
        del known["stores"]
        return {**known, **self.stores}


def describe_events(catalogue: Catalogue, sinks: Sequence[AnySink] | None = None) -> tuple[EventSummary, ...]:
    """Every event type, in the order of declaration."""
    return tuple(describe_event(spec, sinks) for spec in catalogue.events.values())


def describe_event(spec: EventSpec, sinks: Sequence[AnySink] | None = None) -> EventSummary:
    """One event type, as stored by ``sinks``, the built-in ones by default."""
    sinks = built_in_sinks() if sinks is None else sinks
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
        stores={sink.name: sink.places(spec) for sink in sinks},
    )
