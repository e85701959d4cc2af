"""PromQL, for live values and bounded labels; Prometheus has no label of members.

``increase()`` of a counter that grows a few times a day is fractional and misses the first value of a series,
so rare events (bans, joins, invites) are queried from SQL instead.
"""

from __future__ import annotations

from typing import Final

from dashboards.alerts.rule import Recording
from dashboards.names import GUILD_INFO, channel_counter, counter, dispatched, gauge, label_value, meter

GUILD: Final = 'guild_id="$guild"'
HUMAN: Final = f'author="{label_value("messages", "human")}"'
"""Messages by people, without those of bots, webhooks and Discord itself."""


def switched_on(measure: str) -> str:
    """The matcher of the value ``on``, for a measure that counts switching on and off."""
    return f'change="{label_value(measure, "on")}"'


def state(name: str) -> str:
    """A gauge of the guild."""
    return f"sum({gauge(name)}{{{GUILD}}})"


def members_everywhere() -> str:
    """Two samples: the members of all guilds at the start of the range, and now."""
    return _then_and_now("sum", gauge("members"))


def guilds() -> str:
    """Two samples: the number of guilds at the start of the range, and now."""
    return _then_and_now("count", GUILD_INFO)


def peak(name: str) -> str:
    """The highest value of a gauge in the range, sampled each minute."""
    return f"max_over_time({state(name)}[$__range:1m])"


def counted(measure: str, *matchers: str, by: str = "", offset: str = "", over: str = "$__interval") -> str:
    """The growth of a measure of the guild in ``over``."""
    grouping = f" by ({by})" if by else ""
    shift = f" offset {offset}" if offset else ""
    return f"sum{grouping} (increase({counter(measure)}{{{_join(GUILD, *matchers)}}}[{over}]{shift}))"


def compared(measure: str, *matchers: str, divisor: float = 1) -> str:
    """Two samples: the growth of a measure in the previous period of the same length, and in the range."""
    now = counted(measure, *matchers, over="$__range")
    before = counted(measure, *matchers, over="$__range", offset="$__range")
    return _before_and_now(_divided(before, divisor), _divided(now, divisor))


def mean_compared(amount: str, number: str) -> str:
    """Two samples: ``amount`` divided by ``number`` in the previous period and in the range."""
    parts = [
        f"{counted(amount, over='$__range', offset=offset)} / "
        f"({counted(number, over='$__range', offset=offset)} > 0)"
        for offset in ("$__range", "")
    ]
    return _before_and_now(*parts)


def by_hour(measure: str, *matchers: str) -> str:
    """The growth of a measure in the range by UTC weekday (1 is Monday, 7 Sunday) and hour of two digits.

    Each hour of the range is labelled with its weekday and hour, which only ``count_values`` can do, and the
    labelled samples are summed. A sample at the end of an hour holds the growth of that hour.
    """
    hourly = counted(measure, *matchers, over="1h")
    hour = _relabelled("hour", 'count_values("hour", hour(vector(time() - 3600)))', "([0-9])", "0$1")
    weekday = _relabelled("weekday", 'count_values("weekday", day_of_week(vector(time() - 3600)))', "0", "7")
    place = f"({hour} * on () group_left (weekday) {weekday})"
    return f"sum_over_time(({place} * on () group_left () {hourly})[$__range:1h]) > 0"


def channels(measure: str) -> str:
    """The growth of a measure by channel; only if the exporter exposes channels."""
    return f"sum by (channel_id) (increase({channel_counter(measure)}{{{GUILD}}}[$__interval]))"


def everywhere(recorded: Recording, dispatch: str) -> str:
    """The count in all guilds, from a recorded rate; without the rule, the number of such events.

    The guilds' own counters are too many to read over hours, and ``or`` always computes both sides; the
    counter of the gateway has one series for each process. It also counts the actions of bots.
    """
    events = f'{meter("discord_gateway_events_total")}{{type="{dispatched(dispatch)}"}}'
    return (
        f"sum(avg_over_time({recorded.name}[$__interval])) * $__interval_ms / 1000 "
        f"or sum(increase({events}[$__interval]))"
    )


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


def _then_and_now(how: str, family: str) -> str:
    # Not a range query, which would read every guild's series at each step.
    return _before_and_now(f"{how}({family} offset $__range)", f"{how}({family})")


def _divided(expression: str, divisor: float) -> str:
    return expression if divisor == 1 else f"{expression} / {divisor:g}"


def _join(*matchers: str) -> str:
    return ",".join(matcher for matcher in matchers if matcher)
