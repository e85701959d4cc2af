"""The rules that every dashboard keeps, checked on the files that Grafana reads."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from dashboards.provisioning import Source
from tests.dashboards.committed import DASHBOARDS, VARIANTS, asked, text_of, titled, variables_in

each_dashboard = pytest.mark.parametrize(
    "dashboard", DASHBOARDS, ids=lambda found: f"{found.variant}-{found.uid}"
)
UNITS = {
    "locale", "none", "percent", "percentunit", "s", "bytes", "cps", "string",
    "suffix: d", "suffix: h", "dateTimeAsIso", "dateTimeFromNow",
}  # fmt: skip
SOURCES = {
    "full": {Source.PROMETHEUS, Source.POSTGRES, Source.INFLUX},
    "lite": {Source.PROMETHEUS, Source.SQLITE},
}


@each_dashboard
def test_every_panel_says_its_question_and_what_a_bad_value_means(dashboard):
    for panel in dashboard.panels:
        description = panel.get("description", "")
        assert "?" in description, panel["title"]
        assert len(description) > 40, panel["title"]
        assert description.strip().endswith("."), panel["title"]


@each_dashboard
def test_every_panel_has_a_title_a_known_unit_and_a_query(dashboard):
    for panel in dashboard.panels:
        assert panel["title"]
        assert panel["targets"], panel["title"]
        units = {panel["fieldConfig"]["defaults"]["unit"]}
        for override in panel["fieldConfig"]["overrides"]:
            units |= {found["value"] for found in override["properties"] if found["id"] == "unit"}
        assert units <= UNITS, panel["title"]


@each_dashboard
def test_a_title_fits_the_width_of_its_panel(dashboard):
    for panel in dashboard.panels:
        # About 7 px for a letter, 60 px for a column of the grid less 40 px for the sign of the description.
        space = (panel["gridPos"]["w"] * 60 - 75) / 7.5
        assert len(panel["title"]) <= space, panel["title"]


@each_dashboard
def test_every_panel_says_something_of_its_own_where_there_is_nothing(dashboard):
    for panel in dashboard.panels:
        empty = panel["fieldConfig"]["defaults"].get("noValue", "")
        assert empty, panel["title"]
        assert "No data" not in empty


@each_dashboard
def test_the_grid_is_filled_without_overlap(dashboard):
    taken = set()
    for panel in [
        *dashboard.model["panels"],
        *(p for p in dashboard.panels if p not in dashboard.model["panels"]),
    ]:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert min(place["w"], place["h"]) > 0
        cells = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
            )
        )
        assert not cells & taken, panel["title"]
        taken |= cells
    height = 1 + max(y for _, y in taken)
    assert len(taken) == 24 * height, "there is a hole in the grid"


@each_dashboard
def test_ids_are_unique(dashboard):
    ids = [panel["id"] for panel in dashboard.model["panels"]] + [
        panel["id"] for panel in dashboard.panels if panel not in dashboard.model["panels"]
    ]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("variant", VARIANTS)
def test_uids_and_titles_are_unique_and_short(variant):
    found = [dashboard for dashboard in DASHBOARDS if dashboard.variant == variant]
    assert len({dashboard.uid for dashboard in found}) == len(found)
    assert len({dashboard.model["title"] for dashboard in found}) == len(found)
    for dashboard in found:
        assert re.fullmatch(r"[a-z-]{1,40}", dashboard.uid)
        assert dashboard.path.stem == dashboard.uid


@each_dashboard
def test_every_variable_used_is_defined_and_every_one_defined_is_used(dashboard):
    defined = {variable["name"] for variable in dashboard.variables}
    used = set()
    for found in (*asked(*Source),):
        if found.dashboard is dashboard:
            used |= variables_in(found.text)
    links = re.findall(r'"url": "([^"]*)"', json.dumps(dashboard.model))
    inside = {name for url in links for name in re.findall(r"\$\{(\w+)\}", url) if not name.startswith("__")}
    assert used | inside <= defined
    assert defined <= used


@each_dashboard
def test_choices_are_asked_anew_when_the_range_changes(dashboard):
    for variable in dashboard.variables:
        if variable["type"] == "query":
            assert variable["refresh"] == 2
            assert isinstance(variable["query"], str), "the SQL data sources take plain text alone"
        if variable.get("includeAll"):
            assert variable["allValue"] == "'*'"


@each_dashboard
def test_only_provisioned_data_sources_are_named(dashboard):
    text = json.dumps(dashboard.model)
    uids = set(re.findall(r'"uid": "(discord-(?:prometheus|postgres|sqlite|influx))"', text))
    assert uids <= SOURCES[dashboard.variant]
    for panel in dashboard.panels:
        for target in panel["targets"]:
            assert target["datasource"]["uid"] in SOURCES[dashboard.variant]
    assert "${DS_" not in text
    assert "__inputs" not in text


@each_dashboard
def test_links_lead_to_dashboards_that_exist_with_choices_that_they_have(dashboard):
    there = {found.uid: found for found in DASHBOARDS if found.variant == dashboard.variant}
    for url in re.findall(r'"url": "([^"]*)"', json.dumps(dashboard.model)):
        if not url.startswith("/d/"):
            assert re.match(r"https://discord\.com/|\$\{__data\.fields\.url\}", url), url
            continue
        uid, _, query = url.removeprefix("/d/").partition("?")
        assert uid in there, url
        names = {variable["name"] for variable in there[uid].variables}
        assert set(re.findall(r"var-(\w+)=", query)) <= names, url
        assert "${__url_time_range}" in query


@each_dashboard
def test_fields_that_links_read_are_columns_of_the_answer(dashboard):
    for panel in dashboard.panels:
        fields = set(re.findall(r"\$\{__data\.fields\.(\w+)\}", json.dumps(panel)))
        for name in fields:
            assert any(re.search(rf"\b{name}\b", text_of(target)) for target in panel["targets"]), (
                panel["title"],
                name,
            )


@each_dashboard
def test_text_in_tables_is_never_taken_for_a_number(dashboard):
    for panel in dashboard.panels:
        if panel["type"] == "table":
            kinds = [
                found for found in panel["fieldConfig"]["overrides"] if found["matcher"]["id"] == "byType"
            ]
            assert [found["matcher"]["options"] for found in kinds] == ["string"], panel["title"]
            assert kinds[0]["properties"] == [{"id": "unit", "value": "string"}]


@each_dashboard
def test_columns_that_are_styled_are_in_the_answer(dashboard):
    for panel in dashboard.panels:
        if panel["type"] != "table" or panel.get("transformations"):
            continue
        text = " ".join(text_of(target) for target in panel["targets"])
        for override in panel["fieldConfig"]["overrides"]:
            name = override["matcher"]["options"]
            if override["matcher"]["id"] == "byName" and name != "url":
                assert re.search(rf"\b{re.escape(name)}\b", text), (panel["title"], name)


@each_dashboard
def test_nothing_is_hidden_in_a_menu_or_editable(dashboard):
    assert 'placement": "inControlsMenu' not in json.dumps(dashboard.model)
    for found in (*dashboard.model["links"], *dashboard.annotations):
        assert "placement" not in found
    assert dashboard.model["editable"] is False


@each_dashboard
def test_the_first_row_is_numbers_that_answer_at_a_glance(dashboard):
    first = [panel for panel in dashboard.panels if panel["gridPos"]["y"] == 0]
    kinds = {panel["type"] for panel in first}
    assert kinds <= {"stat", "table"}
    if dashboard.uid not in {"discord-leaderboards", "discord-member"}:
        assert kinds == {"stat"}


@pytest.mark.parametrize("found", **titled(asked(Source.POSTGRES, Source.SQLITE)))
def test_sql_reads_one_guild_within_a_time(found):
    if found.where == "$guild" or found.dashboard.uid == "discord-fleet":
        assert "v_guilds" in found.text
        return
    assert "guild_id = ${guild:sqlstring}" in found.text
    timed = re.search(r"\$__timeFilter|\$__timeFrom|\$__from", found.text)
    views = set(re.findall(r"\bv_\w+", found.text))
    assert timed or views <= WHOLE or found.where in TIMELESS, found.text


WHOLE = {
    "v_channels",
    "v_members",
    "v_moderators",
    "v_repeat_offenders",
    "v_retention",
    "v_invites",
    "v_inviters",
}
"""Views that are about fixed periods, or about how things are now."""
TIMELESS = {
    "Recorded events/A",
    "Actions against member/A",
    "Timeouts/A",
    "Observed joins/A",
    "Invited members/A",
    *(
        f"{title}/A"
        for title in (
            "Activity score",
            "Messages",
            "Time in voice",
            "Reactions given",
            "Reactions received",
            "Experience",
        )
    ),
}
"""A member's whole history, and the leaderboards, which have a period of their own."""


@pytest.mark.parametrize("found", **titled(asked(Source.POSTGRES, Source.SQLITE)))
def test_sql_quotes_every_choice(found):
    bare = re.findall(r"\$\{\w+\}|\$(?!__)\w+", found.text)
    assert not bare, bare
    assert all(kind == "sqlstring" for kind in re.findall(r"\$\{\w+:(\w+)\}", found.text))


@pytest.mark.parametrize("found", **titled(asked(Source.INFLUX)))
def test_flux_reads_one_guild_within_the_range(found):
    assert 'r.guild_id == "${guild}"' in found.text
    assert found.text.count("from(") == found.text.count("range(") or "start: start" in found.text
    assert "user_id" not in found.text
