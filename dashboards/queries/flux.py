"""Flux, for every window, by channel and emoji too.

The points of a window are deltas, so sums are exact. Grafana fills in ``v.``.
"""

from __future__ import annotations

from dashboards.names import UnknownNameError, field, has_tag, label_value
from exporter.events.spec import Dimension

_FROM = "from(bucket: v.defaultBucket)"
_RANGE = "range(start: v.timeRangeStart, stop: v.timeRangeStop)"


def counted(measure: str, *, by: str = "", name: str = "", only: tuple[str, str] | None = None) -> str:
    """A measure by the panel's interval, a series for each value of the tag ``by``.

    ``only`` is a label and its value; ``name`` is the name of a single series.
    """
    lines = [
        f"{_FROM}",
        f"  |> {_RANGE}",
        f"  |> filter(fn: (r) => {_condition(measure, only)})",
        f"  |> group(columns: [{_quoted(by)}])",
        '  |> aggregateWindow(every: v.windowPeriod, fn: sum, createEmpty: false, timeSrc: "_start")',
    ]
    if name:
        lines.append(_named(name))
    return "\n".join(lines)


def a_week_before(measure: str, *, name: str, only: tuple[str, str] | None = None) -> str:
    """The same one week earlier, with times moved forward by a week."""
    return "\n".join(
        [
            'import "date"',
            "",
            f"{_FROM}",
            "  |> range(",
            "    start: date.sub(d: 7d, from: v.timeRangeStart),",
            "    stop: date.sub(d: 7d, from: v.timeRangeStop),",
            "  )",
            f"  |> filter(fn: (r) => {_condition(measure, only)})",
            "  |> group()",
            '  |> aggregateWindow(every: v.windowPeriod, fn: sum, createEmpty: false, timeSrc: "_start")',
            "  |> timeShift(duration: 7d)",
            _named(name),
        ]
    )


def compared(measure: str, *, only: tuple[str, str] | None = None, divisor: float = 1) -> str:
    """Two rows: the sum in the previous period of the same length, and in the range."""
    scaled = f"\n  |> map(fn: (r) => ({{r with _value: float(v: r._value) / {divisor:.1f}}}))"
    return f"""import "date"

length = duration(v: int(v: v.timeRangeStop) - int(v: v.timeRangeStart))

total = (start, stop, at) =>
  {_FROM}
    |> range(start: start, stop: stop)
    |> filter(fn: (r) => {_condition(measure, only)})
    |> group()
    |> sum()
    |> map(fn: (r) => ({{at: at, _value: r._value}}))

union(
  tables: [
    total(start: date.sub(d: length, from: v.timeRangeStart), stop: v.timeRangeStart, at: 0),
    total(start: v.timeRangeStart, stop: v.timeRangeStop, at: 1),
  ],
)
  |> sort(columns: ["at"]){scaled if divisor != 1 else ""}
  |> keep(columns: ["_value"])"""


def mean_compared(amount: str, number: str) -> str:
    """Two rows: ``amount`` divided by ``number`` in the previous period and in the range."""
    measurement, above = field(amount)
    other, below = field(number)
    if measurement != other:
        msg = f"{amount} and {number} are in different measurements"
        raise UnknownNameError(msg)
    return f"""import "date"

length = duration(v: int(v: v.timeRangeStop) - int(v: v.timeRangeStart))

mean_of = (start, stop, at) =>
  {_FROM}
    |> range(start: start, stop: stop)
    |> filter(fn: (r) => r._measurement == "{measurement}" and r.guild_id == "${{guild}}")
    |> filter(fn: (r) => r._field == "{above}" or r._field == "{below}")
    |> group(columns: ["_field"])
    |> map(fn: (r) => ({{_field: r._field, _value: float(v: r._value)}}))
    |> sum()
    |> group()
    |> map(fn: (r) => ({{at: at, _field: r._field, _value: r._value}}))
    |> pivot(rowKey: ["at"], columnKey: ["_field"], valueColumn: "_value")
    |> filter(fn: (r) => r.{below} > 0.0)
    |> map(fn: (r) => ({{at: r.at, _value: r.{above} / r.{below}}}))

union(
  tables: [
    mean_of(start: date.sub(d: length, from: v.timeRangeStart), stop: v.timeRangeStart, at: 0),
    mean_of(start: v.timeRangeStart, stop: v.timeRangeStop, at: 1),
  ],
)
  |> sort(columns: ["at"])
  |> keep(columns: ["_value"])"""


def by_hour(measure: str, *, only: tuple[str, str] | None = None) -> str:
    """A measure in the range by UTC weekday (1 is Monday, 7 Sunday) and hour of two digits."""
    return f"""import "date"

{_FROM}
  |> {_RANGE}
  |> filter(fn: (r) => {_condition(measure, only)})
  |> group()
  |> aggregateWindow(every: 1h, fn: sum, createEmpty: false, timeSrc: "_start")
  |> map(fn: (r) => ({{
    weekday: if date.weekDay(t: r._time) == 0 then "7" else string(v: date.weekDay(t: r._time)),
    hour: (if date.hour(t: r._time) < 10 then "0" else "") + string(v: date.hour(t: r._time)),
    Value: float(v: r._value),
  }}))
  |> group(columns: ["weekday", "hour"])
  |> sum(column: "Value")
  |> group()"""


def ranked(measure: str, tag: str, *, limit: int, header: str, amount: str) -> str:
    """The values of a tag with the highest sums of a measure, as rows."""
    _require(measure, tag)
    return f"""{_FROM}
  |> {_RANGE}
  |> filter(fn: (r) => {_condition(measure, None)})
  |> group(columns: ["{tag}"])
  |> sum()
  |> group()
  |> sort(columns: ["_value"], desc: true)
  |> limit(n: {limit})
  |> rename(columns: {{{tag}: "{header}", _value: "{amount}"}})
  |> keep(columns: ["{header}", "{amount}"])"""


def _condition(measure: str, only: tuple[str, str] | None) -> str:
    measurement, name = field(measure)
    parts = [
        f'r._measurement == "{measurement}"',
        f'r._field == "{name}"',
        'r.guild_id == "${guild}"',
    ]
    if only is not None:
        label, value = only
        parts.append(f'r.{label} == "{label_value(measure, value)}"')
    return " and ".join(parts)


def _named(name: str) -> str:
    # Grafana names the series by a field whose name is not `_value`.
    return f'  |> keep(columns: ["_time", "_value"])\n  |> rename(columns: {{_value: "{name}"}})'


def _require(measure: str, tag: str) -> None:
    dimension = {"channel_id": Dimension.CHANNEL, "emoji": Dimension.EMOJI}[tag]
    if not has_tag(measure, dimension):
        msg = f"the points of {measure} have no tag {tag}"
        raise UnknownNameError(msg)


def _quoted(tag: str) -> str:
    return f'"{tag}"' if tag else ""
