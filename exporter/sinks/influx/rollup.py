"""The tasks that keep hours and days after the points themselves have expired; pure: names in, Flux out.

A measurement ``discord_messages`` becomes ``discord_messages_1h`` and ``discord_messages_1d`` in the bucket
for the long term, with the same tags and fields: deltas are summed, states keep the last one. A task's range
ends on the edge of a window, since one that ends now would write a stray, half window at each run.

A task computes the last few windows each time, not only the last one: a point keeps its own time however late
it is delivered, and the same window computed again overwrites itself. What a store takes more than
``LATE_DAYS`` late is in the bucket of points only.

Source: InfluxDB 2 docs, Process data › Task configuration options; Flux › aggregateWindow().
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exporter.events.catalogue import Catalogue
from exporter.sinks.influx.line_protocol import EVENT_MEASUREMENT

OWNER: Final = "discord-exporter"
"""Prefix of each task's name, by which an operator recognises it and a later run finds it."""

PROMPT_HOURS: Final = 3
"""Hours computed each hour: a store is rarely away for longer."""

LATE_DAYS: Final = 7
"""Days whose hours are computed again each night, for what a store took late."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task of InfluxDB: ``name`` identifies it, ``flux`` is its whole text."""

    name: str
    flux: str


def tasks(catalogue: Catalogue, bucket: str, longterm: str) -> tuple[Task, ...]:
    """The tasks that roll ``bucket`` up into ``longterm``."""
    measured = {found.measurement for found in catalogue.measures.values()}
    gauges = list(catalogue.gauges.values())
    names = sorted(measured | {gauge.measurement for gauge in gauges} | {EVENT_MEASUREMENT})
    states = sorted({(gauge.measurement, gauge.field) for gauge in gauges})

    def task(name: str, every: str, offset: str, window: str, back: str, suffix: str = "") -> Task:
        named = " or ".join(f"r._measurement == {_quoted(name + suffix)}" for name in names)
        state = " or ".join(
            f"(r._measurement == {_quoted(name + suffix)} and r._field == {_quoted(field)})"
            for name, field in states
        )
        source = longterm if suffix else bucket
        title = f"{OWNER}: {name} of {source}"
        rename = f'strings.replaceAll(v: r._measurement, t: "_1h", u: "") + "_{window}"'
        flux = f"""import "date"
import "strings"

option task = {{name: {_quoted(title)}, every: {every}, offset: {offset}}}

stop = date.truncate(t: now(), unit: {window})
start = date.sub(d: {back}, from: stop)
points = from(bucket: {_quoted(source)})
    |> range(start: start, stop: stop)
    |> filter(fn: (r) => {named})
roll = (tables=<-, fn) => tables
    |> aggregateWindow(every: {window}, fn: fn, createEmpty: false, timeSrc: "_start")
    |> map(fn: (r) => ({{r with _measurement: {rename}}}))
    |> to(bucket: {_quoted(longterm)})

points |> filter(fn: (r) => not ({state})) |> roll(fn: sum) |> yield(name: "sums")
points |> filter(fn: (r) => {state}) |> roll(fn: last) |> yield(name: "states")
"""
        return Task(title, flux)

    return (
        task("hours", "1h", "10m", "1h", f"{PROMPT_HOURS}h"),
        task("late hours", "1d", "1h", "1h", f"{LATE_DAYS}d"),
        task("days", "1d", "2h", "1d", f"{LATE_DAYS}d", suffix="_1h"),
    )


def _quoted(text: str) -> str:
    # Source: Flux specification, String literals: backslash, quote and the start of an interpolation.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'
