"""What a Prometheus holds that was there all the time.

The communities' series are those of ``tests.dashboards.past``. The exporter's own are of a day that ends with
the exporter that runs now being started anew: its counters begin again, as after any restart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.dashboards.curves import Curve, curves
from tests.dashboards.past import DAY, HOUR, MINUTE, Past
from tests.servers.prometheus import store

JOB = "discord-exporter"
PAST_DAYS = 35
OWN_HOURS = 26
OWN_FAMILIES = ("discord_exporter_", "discord_gateway_", "discord_rest_")
SELDOM, OFTEN = 4 * MINUTE, MINUTE // 2
"""Between two scrapes of communities, within the five minutes after which a series is taken for gone; and of
the exporter, whose rates are asked of single minutes."""

STEADY = ("discord_gateway_identifies", "discord_gateway_resumes")
"""Counters that do not grow with what people do."""

ROUND_TRIP = ("discord_gateway_latency_seconds", 0.08)
"""What is usual with Discord; loopback tells nothing about it."""


def store_samples(directory: Path, pasts: Sequence[Past], own: Sequence[Curve]) -> None:
    """Make blocks in the ``directory`` of a Prometheus that is not started yet."""
    communities = (curve.samples(SELDOM) for past in pasts for curve in curves(past, PAST_DAYS))
    directory.mkdir(parents=True)
    store(chain.from_iterable(chain(communities, (curve.samples(OFTEN) for curve in own))), directory)


def present(pasts: Sequence[Past]) -> str:
    """What a scrape of the exporter that saw all this would show now; its labels are to be honoured."""
    found = [curve for past in pasts for curve in curves(past, PAST_DAYS)]
    return "".join(f"{curve.metric}{{{curve.labels}}} {curve.values[-1]:.0f}\n" for curve in found)


def before(scrape: str, instance: str, end: int, pace: float) -> Iterator[Curve]:
    """The exporter's own series of a day up to ``end`` (ms), as its ``scrape`` of now lets expect.

    ``pace`` is how much more was counted than ``scrape`` shows. States are as they are now; days have an
    evening.
    """
    times = [end - hour * HOUR for hour in reversed(range(OWN_HOURS))]
    weights = [0.4 + math.sin(math.pi * (at % DAY) / DAY) ** 4 for at in times]
    shares = [part / sum(weights) for part in accumulate(weights)]
    for family in text_string_to_metric_families(scrape):
        if not family.name.startswith(OWN_FAMILIES):
            continue
        state = family.type not in {"counter", "histogram"} or family.name in STEADY
        for sample in family.samples:
            pairs = {**sample.labels, "job": JOB, "instance": instance}
            labels = ",".join(f'{name}="{value}"' for name, value in pairs.items())
            last = ROUND_TRIP[1] if sample.name == ROUND_TRIP[0] else sample.value
            values = [last if state else last * pace * share for share in shares]
            yield Curve(sample.name, labels, times, values, state)
