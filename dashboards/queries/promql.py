"""PromQL. Prometheus is for what is live and for bounded labels; nothing here ever names a member.

``increase()`` of a counter that moves a few times a day is fractional and misses what a series began with, so
rare things (bans, joins, invites) are asked of SQL instead.
"""

from __future__ import annotations

from typing import Final

from dashboards.names import GUILD_INFO, channel_counter, counter, gauge, label_value, meter

GUILD: Final = 'guild_id="$guild"'
_EVERY_GUILD: Final = 'guild_id!=""'
HUMAN: Final = f'author="{label_value("messages", "human")}"'
"""Messages by people; bots, webhooks and Discord itself write too."""
PEOPLE: Final = f'state!="{label_value("voice_seconds", "bot")}"'
"""Voice time of people."""


def state(name: str, *, of: str = GUILD) -> str:
    """A gauge of the guild."""
    return f"sum({gauge(name)}{{{of}}})"


def state_everywhere(name: str) -> str:
    """A gauge summed over all guilds."""
    return state(name, of=_EVERY_GUILD)


def peak(name: str) -> str:
    """The highest value of a gauge in the range, sampled each minute."""
    return f"max_over_time({state(name)}[$__range:1m])"


def counted(measure: str, *matchers: str, by: str = "", offset: str = "", over: str = "$__interval") -> str:
    """How much a measure of the guild grew in ``over``."""
    grouping = f" by ({by})" if by else ""
    shift = f" offset {offset}" if offset else ""
    return f"sum{grouping} (increase({counter(measure)}{{{_join(GUILD, *matchers)}}}[{over}]{shift}))"


def compared(measure: str, *matchers: str, divisor: float = 1) -> str:
    """Two samples: what a measure grew before the range, over as long a time, and in it."""
    now = counted(measure, *matchers, over="$__range")
    before = counted(measure, *matchers, over="$__range", offset="$__range")
    return _before_and_now(_divided(before, divisor), _divided(now, divisor))


def mean_compared(amount: str, number: str) -> str:
    """Two samples: the mean of ``amount`` by ``number`` before the range and in it."""
    parts = [
        f"{counted(amount, over='$__range', offset=offset)} / "
        f"({counted(number, over='$__range', offset=offset)} > 0)"
        for offset in ("$__range", "")
    ]
    return _before_and_now(*parts)


def by_hour(measure: str, *matchers: str) -> str:
    """How much a measure grew in the range by UTC weekday (1 is Monday, 7 Sunday) and hour of two digits.

    Each hour of the range is labelled with its own place in the week, which only ``count_values`` can do, and
    the labelled samples are added up.
    """
    hourly = counted(measure, *matchers, over="1h")
    hour = _relabelled("hour", 'count_values("hour", hour(vector(time())))', "([0-9])", "0$1")
    weekday = _relabelled("weekday", 'count_values("weekday", day_of_week(vector(time())))', "0", "7")
    place = f"({hour} * on () group_left (weekday) {weekday})"
    return f"sum_over_time(({place} * on () group_left () {hourly})[$__range:1h]) > 0"


def channels(measure: str) -> str:
    """How much a measure grew by channel; only where the exporter shows channels."""
    return f"sum by (channel_id) (increase({channel_counter(measure)}{{{GUILD}}}[$__interval]))"


def everywhere(measure: str, *matchers: str) -> str:
    """How much a measure grew in all guilds."""
    return f"sum (increase({counter(measure)}{{{_join(_EVERY_GUILD, *matchers)}}}[$__interval]))"


def rate(name: str, *matchers: str, by: str = "") -> str:
    """Growth per second of one of the exporter's own counters."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({meter(name)}{{{_join(*matchers)}}}[$__rate_interval]))"


def grown(name: str, *matchers: str, by: str = "", over: str = "$__range") -> str:
    """Growth of one of the exporter's own counters."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (increase({meter(name)}{{{_join(*matchers)}}}[{over}]))"


def quantile(share: float, histogram: str, by: str = "") -> str:
    """A quantile of one of the exporter's own histograms."""
    buckets = _buckets(histogram, by)
    return f"histogram_quantile({share}, {buckets})"


def buckets(histogram: str) -> str:
    """A histogram by bucket, for a heat map."""
    return _buckets(histogram, "")


def own(name: str, *matchers: str, how: str = "sum", by: str = "") -> str:
    """One of the exporter's own gauges, over every process."""
    grouping = f" by ({by})" if by else ""
    return f"{how}{grouping} ({meter(name)}{{{_join(*matchers)}}})"


def guilds() -> str:
    """How many guilds are shown."""
    return f"count({GUILD_INFO})"


def _relabelled(label: str, expression: str, pattern: str, value: str) -> str:
    return f'label_replace({expression}, "{label}", "{value}", "{label}", "{pattern}")'


def _buckets(histogram: str, by: str) -> str:
    labels = f"le, {by}" if by else "le"
    return f"sum by ({labels}) (rate({meter(histogram)}_bucket[$__rate_interval]))"


def _before_and_now(before: str, now: str) -> str:
    # `or` keeps its left side first, and the order of rows is the order of time to a stat panel.
    return (
        f'label_replace({before}, "when", "0 before", "", "") or '
        f'label_replace({now}, "when", "1 now", "", "")'
    )


def _divided(expression: str, divisor: float) -> str:
    return expression if divisor == 1 else f"{expression} / {divisor:g}"


def _join(*matchers: str) -> str:
    return ",".join(matcher for matcher in matchers if matcher)
