"""The reference pages, each generated from the declarations it describes.

Names on these pages are an interface: queries and dashboards of users rely on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from exporter.config.fields import Setting, settings
from exporter.config.load import shortcuts
from exporter.config.model import config_type
from exporter.config.problems import dotted
from exporter.config.schema import write_schema
from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.events.permissions import name_together
from exporter.events.spec import EventSpec, Unit
from exporter.exposition.guilds import CHANNEL_MEASURES
from exporter.markdown import code, page, table
from exporter.reference.events import describe_event
from exporter.sinks.registry import built_in_sinks
from exporter.telemetry import metric_specs

_EVENTS: Final = """
Every event type. Each has a toggle under `events` in `config.yaml`; the intents requested from Discord and
the permissions in the invite link are derived from the types that are on.
"""
_PRIORITIES: Final = """
Priorities: `critical` entries are committed at once, `important` ones within 2 s, `slow` ones within 10 s.
`batching` changes these limits.
"""
_METRICS: Final = """
The families on `/metrics`, in the Prometheus text format or OpenMetrics as requested. Ids are labels, names
are in `discord_guild_info`, and no label names a member. Counters start at 0 with the process, as `rate()`
and `increase()` expect.
"""
_CHANNELS: Final = """
Only with `sinks.prometheus.channels`. The most active channels of each guild; the others are summed in
`channel_id="other"`.
"""
_CONFIGURATION: Final = """
Every setting of `config.yaml`, which is optional. Durations are written `500ms`, `10s`, `5m`, `12h` or
`90d`; sizes `64KiB`, `512MiB` or `2GiB`. Any value may be `${VAR}` or `${VAR:-default}`. A secret must
be such a reference, or be in a file named by `<name>_file`. All mistakes are reported at once, with line and
suggestion, and exit code 78.
"""


def write_pages(catalogue: Catalogue | None = None) -> Mapping[str, str]:
    """Every generated file of ``docs/`` by its name."""
    catalogue = catalogue or full_catalogue()
    pages = {
        "events.md": _events(catalogue),
        "metrics.md": _metrics(catalogue),
        "configuration.md": _configuration(catalogue),
        "config.schema.json": write_schema(catalogue, built_in_sinks()),
    }
    for sink in built_in_sinks():
        pages |= sink.pages(catalogue)
    return pages


def _events(catalogue: Catalogue) -> str:
    parts = [
        _EVENTS,
        table(
            ("type", "default", "priority", "what"),
            (
                (f"[`{event.type}`](#{event.type.lower()})", _on(event.default), _priority(event), event.help)
                for event in catalogue.events.values()
            ),
        ),
        _PRIORITIES,
    ]
    for family in catalogue.families:
        if family.events:
            parts.append(f"## {family.name.capitalize()}\n\n{family.help}")
            parts.extend(_event(event) for event in family.events)
    return page("Events", *parts)


def _event(event: EventSpec) -> str:
    found = describe_event(event)
    facts = [
        ("Toggle", f"`events.{event.type}`, {_on(event.default)} by default"),
        ("Priority", _priority(event)),
        ("Dispatches", code(*event.reads)),
        ("Intents", code(*event.intents)),
        ("Permissions", code(*event.permissions)),
        (
            "Not recorded without",
            "; ".join(
                f"{name_together(f'`{name}`' for name in group)}: {lost}"
                for group, lost in event.losses.items()
            ),
        ),
        ("Prometheus", code(*found.prometheus)),
        *((sink.title, code(*found.stores[sink.name])) for sink in built_in_sinks()),
    ]
    lines = [f"### {event.type}", "", event.help, "", *(f"- {name}: {text}" for name, text in facts if text)]
    if event.fields:
        rows = ((f"`{field.name}`", field.help, "yes" if field.personal else "") for field in event.fields)
        lines += ["", table(("data", "what", "personal"), rows)]
    return "\n".join(lines)


def _metrics(catalogue: Catalogue) -> str:
    guild = [("`discord_guild_info`", "gauge", code("guild_id", "guild_name"), "The guild's name, always 1.")]
    guild += [
        (f"`{gauge.metric}`", "gauge", code("guild_id"), gauge.help) for gauge in catalogue.gauges.values()
    ]
    guild += list(_counters(catalogue))
    own = ((f"`{spec.exposed_name}`", spec.kind, code(*spec.labels), spec.help) for spec in metric_specs())
    channels = (
        (f"`discord_channel_{name}_total`", "counter", code("guild_id", "channel_id"), measure.help)
        for name in CHANNEL_MEASURES
        if (measure := catalogue.measures.get(name))
    )
    head = ("family", "type", "labels", "what")
    return page(
        "Metrics",
        _METRICS,
        "## Guilds",
        table(head, guild),
        "## Channels",
        _CHANNELS,
        table(head, channels),
        "## The exporter itself",
        table(head, own),
    )


def _counters(catalogue: Catalogue) -> Iterator[tuple[str, str, str, str]]:
    for measure in catalogue.measures.values():
        if measure.metric:
            label = f", `{measure.label}` ({code(*measure.values)})" if measure.label else ""
            seconds = " In seconds." if measure.unit is Unit.MILLISECONDS else ""
            yield f"`{measure.metric}_total`", "counter", f"`guild_id`{label}", measure.help + seconds


def _configuration(catalogue: Catalogue) -> str:
    found = list(settings(config_type(catalogue, built_in_sinks())))
    parts = [
        _CONFIGURATION,
        "An editor that knows YAML schemas checks the file against [config.schema.json](config.schema.json).",
        "## Environment",
        "Used for settings that the file does not set:",
        table(
            ("variable", "setting"),
            ((f"`{name}`", f"`{dotted(path)}`") for name, path in shortcuts(built_in_sinks())),
        ),
    ]
    sections: dict[str, list[Setting]] = {}
    for setting in found:
        sections.setdefault(str(setting.path[0]), []).append(setting)
    for name, members in sections.items():
        parts.append(f"## {name}")
        parts.append(members[0].help if members[0].section else "")
        rows = (
            (f"`{dotted(each.path)}`", each.kind, each.default and f"`{each.default}`", each.help)
            for each in members
            if not each.section
        )
        parts.append(table(("setting", "kind", "default", "what"), rows))
    return page("Configuration", *parts)


def _on(default: bool) -> str:  # noqa: FBT001 - the value itself
    return "on" if default else "off"


def _priority(event: EventSpec) -> str:
    return event.priority.name.lower()
