"""PromQL parses, has the right types, and names only what the exporter exposes; all it exposes is shown."""

from __future__ import annotations

import re

import promql_parser
import pytest

from dashboards.alerts import GROUPS
from dashboards.names import exposed
from dashboards.provisioning import Source
from tests.dashboards.committed import asked, titled

EXPRESSIONS = asked(Source.PROMETHEUS)
RECORDED = {recording.name: recording.expr for group in GROUPS for recording in group.recordings}
GUILD_FAMILIES = {name for name in exposed() if not re.match(r"discord_(exporter|gateway|rest)_", name)}
INFLUX_TELLS = "InfluxDB tells the same, exactly and of every channel"
NOT_SHOWN = {
    "full": {
        "discord_channel_messages_total": INFLUX_TELLS,
        "discord_channel_voice_seconds_total": INFLUX_TELLS,
        "discord_voice_seconds_total": INFLUX_TELLS,
    },
    "lite": {},
}
"""Families that no panel of a variant shows, each with the reason."""
PERSONAL = {"user_id", "user", "username", "member", "member_id", "author_id", "moderator_id", "target_id"}


def filled(text: str) -> str:
    for name, value in (
        ("$__rate_interval", "1m"),
        ("$__interval_ms", "300000"),
        ("$__interval", "5m"),
        ("$__range", "7d"),
        ("$guild", "1"),
    ):
        text = text.replace(name, value)
    assert "$" not in re.sub(r'"0?\$1"', "", text), text
    return text


def selectors(node: object) -> list:
    """Every vector selector below a node."""
    found = [node] if isinstance(node, promql_parser.VectorSelector) else []
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            found += selectors(child)
    args = getattr(node, "args", None)
    for child in args if isinstance(args, list) else []:
        found += selectors(child)
    return found


def parsed(text: str) -> list:
    found = selectors(promql_parser.parse(filled(text)))
    assert len(found) == len(re.findall(r"discord_\w+", text)), "a selector was missed"
    return found


@pytest.mark.parametrize("found", **titled(EXPRESSIONS))
def test_an_expression_parses_and_names_families_that_are_exposed(found):
    for selector in parsed(found.text):
        assert selector.name.removesuffix("_bucket") in exposed() | RECORDED.keys()


@pytest.mark.parametrize("found", **titled(EXPRESSIONS))
def test_no_label_names_a_person(found):
    for selector in parsed(found.text):
        assert not {matcher.name for matcher in selector.matchers.matchers} & PERSONAL
    assert not set(re.findall(r"\bby \(([^)]*)\)", found.text)) & PERSONAL


@pytest.mark.parametrize("found", **titled(EXPRESSIONS))
def test_families_of_guilds_are_asked_of_one_guild_but_for_the_fleet(found):
    for selector in parsed(found.text):
        if selector.name in GUILD_FAMILIES and found.dashboard.uid != "discord-fleet":
            matchers = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
            assert matchers.get("guild_id") == "1", found.text


@pytest.mark.parametrize("found", **titled(EXPRESSIONS))
def test_counters_stand_in_a_function_of_growth_and_rates_are_long_enough(found):
    text = found.text
    for name in re.findall(r"discord_\w+_(?:total|bucket)", text):
        assert re.search(rf"(?:rate|increase)\({name}", text), name
    for window in re.findall(r"\brate\([^\[]*\[([^\]]*)\]", text):
        assert window == "$__rate_interval"
    for window in re.findall(r"\bincrease\([^\[]*\[([^\]]*)\]", text):
        assert window in {"$__interval", "$__range", "1h"}


LONG = re.compile(r"(?:rate|increase|_over_time)\((\w+)[^\[]*\[(?!5m)")
"""What a function reads over more than the five minutes that rules record."""


def test_nothing_that_is_computed_for_all_guilds_at_once_reads_their_series_over_long():
    fleet = [found for found in EXPRESSIONS if found.dashboard.uid == "discord-fleet"]
    for text in [*RECORDED.values(), *(found.text for found in fleet)]:
        assert not set(LONG.findall(text)) & GUILD_FAMILIES, text
    for found in fleet:
        if {selector.name for selector in parsed(found.text)} & GUILD_FAMILIES:
            assert found.target["instant"], f"{found} reads every guild at every step"


@pytest.mark.parametrize("found", [one for one in EXPRESSIONS if "[$__interval]" in one.text], ids=str)
def test_growth_by_slot_has_slots_of_four_scrapes_at_least(found):
    titles = {panel["title"]: panel for panel in found.dashboard.panels}
    step = titles[found.where.rpartition("/")[0]]["interval"]
    assert re.fullmatch(r"\d+[mhd]", step), step


def families(text: str) -> set[str]:
    """Every family that an expression is made of, those behind a recorded series too."""
    names = {selector.name for selector in parsed(text)}
    behind = [families(RECORDED[name]) for name in names & RECORDED.keys()]
    return {name.removesuffix("_bucket") for name in names - RECORDED.keys()}.union(*behind)


def test_every_family_exposed_is_shown_on_a_dashboard_or_left_out_for_a_reason():
    for variant in ("full", "lite"):
        texts = [found.text for found in EXPRESSIONS if found.dashboard.variant == variant]
        shown = set().union(*map(families, texts))
        assert shown | NOT_SHOWN[variant].keys() == exposed(), variant
        assert not shown & NOT_SHOWN[variant].keys()


def test_the_parser_refuses_what_is_wrong():
    for wrong in ("rate(discord_messages_total)", "increase(x[5m]", "summ(x)", 'x{guild_id=~"("}'):
        with pytest.raises(ValueError, match=r"."):
            promql_parser.parse(wrong)
