"""The exporter's own families as text. Pure."""

from __future__ import annotations

from exporter.exposition.text import Format, header, labels, number
from exporter.telemetry import SECONDS_BUCKETS, Histogram, Meter

_BOUNDS = (*(repr(bound) for bound in SECONDS_BUCKETS), "+Inf")


def write_family(format_: Format, family: Meter | Histogram) -> str:
    """A family with all of its samples; one without samples yet still says that it exists."""
    spec = family.spec
    head = header(format_, spec.name, spec.kind, spec.help)
    if isinstance(family, Histogram):
        return head + "".join(_write_histogram(family, values) for values in family.buckets)
    name = f"{spec.name}_total" if spec.kind == "counter" else spec.name
    return head + "".join(
        f"{name}{_braced(labels(spec.labels, values))} {number(amount)}\n"
        for values, amount in family.values.items()
    )


def _write_histogram(family: Histogram, values: tuple[str, ...]) -> str:
    name = family.spec.name
    pairs = labels(family.spec.labels, values)
    prefix = f"{pairs}," if pairs else ""
    counts = family.buckets[values]
    buckets = "".join(
        f'{name}_bucket{{{prefix}le="{bound}"}} {count}\n'
        for bound, count in zip(_BOUNDS, counts, strict=True)
    )
    total = number(family.sums.get(values, 0.0))
    return f"{buckets}{name}_sum{_braced(pairs)} {total}\n{name}_count{_braced(pairs)} {counts[-1]}\n"


def _braced(pairs: str) -> str:
    return f"{{{pairs}}}" if pairs else ""
