"""Every PromQL expression finds something in a real Prometheus that scraped an exporter for two weeks.

Recorded series are replaced by what they record: rules that Prometheus computes are in ``alerts``.
"""

from __future__ import annotations

import re

import pytest

from dashboards.alerts import ALERTS, GROUPS
from dashboards.cookbook import SECTIONS
from dashboards.cookbook.page import GUILD, Language
from dashboards.provisioning import Source
from exporter.sinks.sql.views.dialect import POSTGRESQL
from tests.dashboards.committed import asked, titled
from tests.dashboards.conftest import OFTEN
from tests.dashboards.past import DAY, MEADOW, Past
from tests.dashboards.ranges import filled
from tests.servers.prometheus import Prometheus, RefusedError

EXPRESSIONS = asked(Source.PROMETHEUS)
RECORDED = {each.name: each.expr for group in GROUPS for each in group.recordings}
RULES = RECORDED | {alert.name: alert.value for alert in ALERTS if isinstance(alert.value, str)}
BY_CHANNEL = "sinks.prometheus.channels is off, as it is by default"
MAY_BE_EMPTY = {
    "lite/discord-channels/Most active channels, live/A": BY_CHANNEL,
    "lite/discord-channels/Most active voice channels, live/A": BY_CHANNEL,
}
"""What finds nothing although all is well, each with the reason."""
SILENT = {
    "DiscordGatewaySilent": "asks of exporters whose shards are all connected, and here one is away",
    "DiscordSpamWave": "asks of guilds that write far more than usual, and none here does",
}
"""Rules that look at nothing but trouble which this past has not seen; ``alerts`` has it."""


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


@pytest.mark.parametrize("found", **titled(EXPRESSIONS))
def test_an_expression_of_a_page_finds_something(found, scraped: Prometheus, past: tuple[Past, Past]):
    query, end = filled(found, MEADOW, scrape=OFTEN // 1000), past[0].end / 1000
    text = unrecorded(query.text)
    if query.instant:
        answer = scraped.ask(text, end)
    else:
        answer = scraped.ask_range(text, end - query.span, end, query.step)
    assert bool(answer) != (str(found) in MAY_BE_EMPTY)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_finds_something_at_some_time_of_the_last_days(name, scraped, past: tuple[Past, Past]):
    end = past[0].end / 1000
    answer = scraped.ask_range(unrecorded(RULES[name]), end - 3 * DAY / 1000, end, 600)
    assert bool(answer) != (name in SILENT)


@pytest.mark.parametrize("recipe", SECTIONS[Language.PROMQL], ids=lambda recipe: recipe.question)
def test_a_recipe_of_the_cookbook_finds_something(recipe, scraped, past: tuple[Past, Past]):
    assert scraped.ask(recipe.text(POSTGRESQL).replace(GUILD, f"{MEADOW}"), past[0].end / 1000)


def test_every_reason_is_of_an_expression_that_there_is():
    assert MAY_BE_EMPTY.keys() <= {str(found) for found in EXPRESSIONS}
    assert SILENT.keys() <= RULES.keys()


def test_what_is_wrong_is_refused(scraped: Prometheus):
    with pytest.raises(RefusedError, match="parse error"):
        scraped.ask("sum(", 0)
