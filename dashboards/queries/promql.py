"""PromQL. Prometheus is for what is live and for bounded labels; nothing here ever names a member.

``increase()`` of a counter that moves a few times a day is fractional and misses what a series began with, so
rare things (bans, joins, invites) are asked of SQL instead.
"""

from __future__ import annotations

from typing import Final

from dashboards.alerts.rule import Recording
from dashboards.names import GUILD_INFO, channel_counter, counter, dispatched, gauge, label_value, meter

GUILD: Final = 'guild_id="$guild"'
HUMAN: Final = f'author="{label_value("messages", "human")}"'
"""Messages by people; bots, webhooks and Discord itself write too."""


def on(measure: str) -> str:
    """The matcher of what was switched on, of a measure that counts switching on and off."""
    return f'change="{label_value(measure, "on")}"'


def state(name: str) -> str:
    """A gauge of the guild."""
    return f"sum({gauge(name)}{{{GUILD}}})"


def members_everywhere() -> str:
    """Two samples: the members of all guilds when the range began, and now."""
    return _then_and_now("sum", gauge("members"))


def guilds() -> str:
    """Two samples: how many guilds were shown when the range began, and now."""
    return _then_and_now("count", GUILD_INFO)


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
    the labelled samples are added up. Growth is told at the end of an hour, of the hour that began before it.
    """
    hourly = counted(measure, *matchers, over="1h")
    hour = _relabelled("hour", 'count_values("hour", hour(vector(time() - 3600)))', "([0-9])", "0$1")
    weekday = _relabelled("weekday", 'count_values("weekday", day_of_week(vector(time() - 3600)))', "0", "7")
    place = f"({hour} * on () group_left (weekday) {weekday})"
    return f"sum_over_time(({place} * on () group_left () {hourly})[$__range:1h]) > 0"


def channels(measure: str) -> str:
    """How much a measure grew by channel; only where the exporter shows channels."""
    return f"sum by (channel_id) (increase({channel_counter(measure)}{{{GUILD}}}[$__interval]))"


def everywhere(recorded: Recording, dispatch: str) -> str:
    """How much was counted in all guilds, of a recorded rate; without rules, how often Discord told of it.

    The guilds' own counters are too many to be read over hours, and ``or`` computes both of its sides
    always; the gateway's counter is one series for each process, however many guilds there are. It counts
    what bots do too.
    """
    told = f'{meter("discord_gateway_events_total")}{{type="{dispatched(dispatch)}"}}'
    return (
        f"sum(avg_over_time({recorded.name}[$__interval])) * $__interval_ms / 1000 "
        f"or sum(increase({told}[$__interval]))"
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
    # Not a range: at each of its steps every guild's series would be read.
    return _before_and_now(f"{how}({family} offset $__range)", f"{how}({family})")


def _divided(expression: str, divisor: float) -> str:
    return expression if divisor == 1 else f"{expression} / {divisor:g}"


def _join(*matchers: str) -> str:
    return ",".join(matcher for matcher in matchers if matcher)
