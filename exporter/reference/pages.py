"""The reference pages, each from the declarations it is about.

Names on these pages are an interface: queries and dashboards of other people rely on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from exporter.config.fields import Setting, settings
from exporter.config.load import SHORTCUTS
from exporter.config.model import config_type
from exporter.config.problems import dotted
from exporter.config.schema import write_schema
from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.events.spec import Dimension, EventSpec, Gauge, Measure, Unit
from exporter.exposition.guilds import CHANNEL_MEASURES
from exporter.reference.events import describe_event
from exporter.reference.page import code, page, table
from exporter.sinks.influx.line_protocol import EVENT_MEASUREMENT, MEMBER_MEASUREMENT
from exporter.sinks.sql.reference import schema_reference
from exporter.sinks.sql.views.catalogue import VIEWS
from exporter.telemetry import meter_specs

_EVENTS: Final = """
Everything that can be observed. Each type has a switch of its own under `events` in `config.yaml`; the
intents asked of Discord and the permissions in the invite link follow from what is on.
"""
_PRIORITIES: Final = """
Priorities: `critical` entries are committed at once, `important` ones within 2 s, `slow` ones within 10
s; `batching` changes that.
"""
_METRICS: Final = """
What `/metrics` shows, in the Prometheus text format or OpenMetrics as asked for. Ids are labels, names
stand in `discord_guild_info`, and no label ever names a member. Counters begin at 0 with the process,
as `rate()` and `increase()` expect.
"""
_CHANNELS: Final = """
Only with `sinks.prometheus.channels`. The most active channels of each guild; the rest is summed up in
`channel_id="other"`.
"""
_INFLUXDB: Final = """
Points in the bucket `sinks.influxdb.bucket`, but for members, who have a bucket of their own. Every
value of a window is a delta: sum it. The time of a point lies within its window, below the millisecond
at a place no other point of the series can have, so a redelivery overwrites exactly itself.
"""
_LONG_TERM: Final = """
`discord-exporter migrate` makes the buckets and installs tasks, which InfluxDB runs: they write each
measurement above but the members' as hours and days into `sinks.influxdb.bucket_longterm`, where nothing
expires: `discord_messages_1h`, `discord_messages_1d` and so on, with the same tags and fields, at the start
of their window in UTC. Deltas are summed, of states the last is kept. The token needs the right to manage
buckets and tasks for that; to run, writing is enough.
"""
_RECORDS: Final = """
One point for each recorded event, tags `guild_id` and `type`, field `count` = 1. Who and why stand in
SQL.
"""
_SQL: Final = """
One schema for SQLite and PostgreSQL, made and upgraded by the program (`discord-exporter migrate`, or
at start). Discord ids are 64-bit integers, times are UTC.
"""
_VIEWS: Final = """
What dashboards and people read. The program makes the views beside the tables and makes them again when a
newer version declares them otherwise; names and columns are an interface, the tables below are free to
change. Ids are text, because a browser rounds numbers that long. Times are UTC: `timestamp with time zone` in
PostgreSQL, RFC 3339 text such as `2026-01-31T12:00:00.000Z` in SQLite, where days are text such as
`2026-01-31` and truth values 1 or 0. A guild's sums appear once the guild itself was told.

Always filter by guild, `WHERE guild_id = '81384788765712384'`, and where there is a `day` or an `at` by that
too: both find an index. To filter `at` in SQLite compare it with text of the same form.
"""
_READER: Final = """
Give Grafana a database role that reads the views and nothing else. In PostgreSQL make the role, then let the
program grant what it needs; it refuses a role that can do more, and keeps the grants when it makes views
again:

```sql
CREATE ROLE grafana LOGIN PASSWORD '…';
```

```sh
discord-exporter migrate --reader-role grafana
```

SQLite knows no roles: open the file with `mode=ro`. A database in WAL mode is read through a file of shared
memory beside it, so the reader still needs write access to the directory.
"""
_CONFIGURATION: Final = """
Every setting of `config.yaml`, which is optional. Durations are written `500ms`, `10s`, `5m`, `12h` or
`90d`; sizes `64KiB`, `512MiB` or `2GiB`. Any value may be `${VAR}` or `${VAR:-default}`. A secret must
be such a reference, or be named as a file by `<name>_file`. All mistakes are reported at once, with
line and suggestion, and exit code 78.
"""
_TAGS: Final = {Dimension.CHANNEL: "channel_id", Dimension.EMOJI: "emoji"}


def write_pages(catalogue: Catalogue | None = None) -> Mapping[str, str]:
    """Every generated file of ``docs/`` by its name."""
    catalogue = catalogue or full_catalogue()
    writers: dict[str, Callable[[Catalogue], str]] = {
        "events.md": _events,
        "metrics.md": _metrics,
        "influxdb.md": _influxdb,
        "sql.md": _sql,
        "configuration.md": _configuration,
        "config.schema.json": write_schema,
    }
    return {name: write(catalogue) for name, write in writers.items()}


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
        ("Switch", f"`events.{event.type}`, {_on(event.default)} by default"),
        ("Priority", _priority(event)),
        ("Dispatches", code(*event.reads)),
        ("Intents", code(*event.intents)),
        ("Permissions", code(*event.permissions)),
        ("Blind without", "; ".join(f"`{name}`: {lost}" for name, lost in event.blind_without.items())),
        ("Prometheus", code(*found.prometheus)),
        ("InfluxDB", code(*found.influxdb)),
        ("SQL", code(*found.sql)),
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
    own = (
        (
            f"`{spec.name}_total`" if spec.kind == "counter" else f"`{spec.name}`",
            spec.kind,
            code(*spec.labels),
            spec.help,
        )
        for spec in meter_specs()
    )
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
            label = f", `{measure.label}` ({_values(measure)})" if measure.label else ""
            yield f"`{measure.metric}_total`", "counter", f"`guild_id`{label}", _help(measure)


def _influxdb(catalogue: Catalogue) -> str:
    rows: dict[str, list[tuple[str, str, str, str]]] = {}
    for measure in catalogue.measures.values():
        rows.setdefault(measure.measurement, []).append(_field(measure))
    for gauge in catalogue.gauges.values():
        rows.setdefault(gauge.measurement, []).append(_field(gauge))
    members = (
        (f"`{measure.name}`", "seconds" if measure.unit is Unit.MILLISECONDS else "count", measure.help)
        for measure in catalogue.measures.values()
        if Dimension.MEMBER in measure.by
    )
    parts = [
        _INFLUXDB,
    ]
    for measurement, fields in rows.items():
        parts += [f"## {measurement}", table(("field", "kind", "tags beside `guild_id`", "what"), fields)]
    parts += [
        f"## {EVENT_MEASUREMENT}",
        _RECORDS,
        f"## {MEMBER_MEASUREMENT}",
        "In the bucket `sinks.influxdb.bucket_members`, tags `guild_id` and `user_id`. Fields are those of:",
        table(("measure", "kind", "what"), members),
        "## The long term",
        _LONG_TERM,
    ]
    return page("InfluxDB", *parts)


def _field(found: Measure | Gauge) -> tuple[str, str, str, str]:
    if isinstance(found, Gauge):
        return f"`{found.field}`", "state", "", found.help
    tags = [f"`{found.label}` ({_values(found)})"] if found.label else []
    tags += [f"`{_TAGS[name]}`" for name in _TAGS if name in found.by]
    kind = "delta, seconds" if found.unit is Unit.MILLISECONDS else "delta"
    return f"`{found.field}`", kind, ", ".join(tags), found.help


def _sql(_catalogue: Catalogue) -> str:
    parts = [_SQL, "## Views", _VIEWS, "### Reading them", _READER]
    for view in VIEWS:
        shown = ((f"`{column.name}`", column.kind.type_name, column.comment) for column in view.columns)
        parts += [f"### {view.name}", view.comment, table(("column", "type", "what"), shown)]
    parts.append("## Tables")
    for found in schema_reference():
        rows = (
            (
                f"`{column.name}`",
                column.type,
                "key" if column.primary_key else ("" if column.nullable else "always"),
                column.comment,
            )
            for column in found.columns
        )
        parts += [f"### {found.name}", found.comment, table(("column", "type", "set", "what"), rows)]
    return page("SQL", *parts)


def _configuration(catalogue: Catalogue) -> str:
    found = list(settings(config_type(catalogue)))
    parts = [
        _CONFIGURATION,
        "An editor that knows YAML schemas checks the file against [config.schema.json](config.schema.json).",
        "## Environment",
        "Used when the file does not say otherwise:",
        table(
            ("variable", "setting"),
            ((f"`{name}`", f"`{dotted(path)}`") for name, path in SHORTCUTS.items()),
        ),
    ]
    sections: dict[str, list[Setting]] = {}
    for setting in found:
        sections.setdefault(str(setting.path[0]), []).append(setting)
    for name, members in sections.items():
        parts.append(f"## {name}")
        parts.append(members[0].help if members[0].section else "")
        rows = ((f"`{dotted(each.path)}`", each.kind, _default(each), each.help) for each in members)
        parts.append(
            table(("setting", "kind", "default", "what"), (row for row in rows if row[1] != "section"))
        )
    return page("Configuration", *parts)


def _default(setting: Setting) -> str:
    return f"`{setting.default}`" if setting.default else ""


def _values(measure: Measure) -> str:
    return code(*measure.values)


def _help(measure: Measure) -> str:
    return f"{measure.help} In seconds." if measure.unit is Unit.MILLISECONDS else measure.help


def _on(default: bool) -> str:  # noqa: FBT001 - the value itself
    return "on" if default else "off"


def _priority(event: EventSpec) -> str:
    return event.priority.name.lower()
