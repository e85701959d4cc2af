"""Every PromQL expression finds something in a real Prometheus that scraped an exporter for two weeks.

Recorded series are replaced by what they record: rules that Prometheus computes are in ``alerts``.
"""

from __future__ import annotations

import re

import pytest

from dashboards.alerts.catalogue import ALERTS, GROUPS
from dashboards.cookbook.page import SECTIONS
from dashboards.cookbook.recipe import GUILD, Language
from dashboards.dialect import Postgres
from dashboards.sources import Source
from tests.dashboards.committed import Asked, asked, titled
from tests.dashboards.past import DAY, MEADOW, Past
from tests.servers.prometheus import Prometheus, RefusedError

EXPRESSIONS = asked(Source.PROMETHEUS)
RECORDED = {each.name: each.expr for group in GROUPS for each in group.recordings}
RULES = RECORDED | {alert.name: alert.value for alert in ALERTS if isinstance(alert.value, str)}
BY_CHANNEL = "sinks.prometheus.channels is off, as it is by default"
MAY_BE_EMPTY = {
    "lite/discord-channels/Busiest channels as it happens/A": BY_CHANNEL,
    "lite/discord-channels/Busiest voice channels as it happens/A": BY_CHANNEL,
}
"""What finds nothing although all is well, each with the reason."""
SILENT = {
    "DiscordGatewaySilent": "asks of exporters whose shards are all connected, and here one is away",
    "DiscordSpamWave": "asks of guilds that write far more than usual, and none here does",
}
"""Rules that look at nothing but trouble which this past has not seen; ``alerts`` has it."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


def unrecorded(text: str) -> str:
    """The expression with recorded series replaced, those in what replaces them too."""
    for name in re.findall(r"\w+:\w+:\w+", text):
        inner = unrecorded(RECORDED[name])
        text = re.sub(rf"{name}\[(\w+)\]", lambda found, inner=inner: f"({inner})[{found[1]}:1m]", text)
        # Only a selector or a subquery can be moved in time.
        text = re.sub(
            rf"{name} (offset \w+)",
            lambda found, inner=inner: f"last_over_time(({inner})[1m:1m] {found[1]})",
            text,
        )
        text = text.replace(name, f"({inner})")
    return text


def panel_of(found: Asked) -> dict:
    titles = {panel["title"]: panel for panel in found.dashboard.panels}
    return titles.get(found.where.rpartition("/")[0], {})


def filled(found: Asked) -> tuple[str, int, int]:
    """The text as Grafana sends it by default, with its range and step in seconds."""
    panel = panel_of(found)
    since = panel.get("timeFrom") or found.dashboard.model["time"]["from"].removeprefix("now-")
    span = seconds(since)
    # Grafana draws no more points than there are pixels, some 500.
    step = max(seconds(panel.get("interval") or "15s"), span // 500)
    text = found.text
    for name, value in (
        # A scrape more than the step, and four scrapes at least; one is 30 s here.
        ("$__rate_interval", f"{max(step, 90) + 30}s"),
        ("$__interval_ms", f"{step * 1000}"),
        ("$__interval", f"{step}s"),
        ("$__range", f"{span}s"),
        ("$guild", f"{MEADOW}"),
    ):
        text = text.replace(name, value)
    return unrecorded(text), span, step


@pytest.mark.parametrize("found", **titled(EXPRESSIONS))
def test_an_expression_of_a_page_finds_something(found, scraped: Prometheus, past: tuple[Past, Past]):
    text, span, step = filled(found)
    end = past[0].end / 1000
    if found.target.get("instant"):
        answer = scraped.ask(text, end)
    else:
        answer = scraped.ask_range(text, end - span, end, step)
    assert bool(answer) != (str(found) in MAY_BE_EMPTY)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_finds_something_at_some_time_of_the_last_days(name, scraped, past: tuple[Past, Past]):
    end = past[0].end / 1000
    answer = scraped.ask_range(unrecorded(RULES[name]), end - 3 * DAY / 1000, end, 600)
    assert bool(answer) != (name in SILENT)


@pytest.mark.parametrize("recipe", SECTIONS[Language.PROMQL], ids=lambda recipe: recipe.question)
def test_a_recipe_of_the_cookbook_finds_something(recipe, scraped, past: tuple[Past, Past]):
    assert scraped.ask(recipe.text(Postgres()).replace(GUILD, f"{MEADOW}"), past[0].end / 1000)


def test_every_reason_is_of_an_expression_that_there_is():
    assert MAY_BE_EMPTY.keys() <= {str(found) for found in EXPRESSIONS}
    assert SILENT.keys() <= RULES.keys()


def test_what_is_wrong_is_refused(scraped: Prometheus):
    with pytest.raises(RefusedError, match="parse error"):
        scraped.ask("sum(", 0)
