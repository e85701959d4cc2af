"""What a person sees who opens each dashboard: every panel answered, none with an error, none empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.grafana.boards import Panel
from tests.grafana.browser import Seen, Visit

pytestmark = pytest.mark.timeout(600)
"""The first test waits until every dashboard has been looked at."""

HEAD_AND_ROW = 2

QUIET = {
    ("discord-exporter", "Failed deliveries"),
    ("discord-exporter", "Rejected, dropped, dead and evicted"),
    ("discord-fleet", "Sessions resumed and new sessions"),
    ("discord-fleet", "Missing permissions"),
}
"""Panels of trouble, empty over a healthy stack; each says in words of its own that all is well."""

OFF = {
    "full": set(),
    "lite": {
        ("discord-channels", "Most active channels, live"),
        ("discord-channels", "Most active voice channels, live"),
    },
}
"""Panels that need a setting which is off by default, and say so."""


def test_every_query_of_every_panel_is_asked_and_answered(visits):
    for visit in visits:
        answered = {(answer.panel, answer.reference) for answer in visit.answers}
        wanted = {(panel.number, reference) for panel in visit.board.panels for reference in panel.references}
        assert wanted - answered == set(), visit.board.uid


def test_no_answer_is_an_error(visits):
    failed = [
        (visit.board.uid, answer)
        for visit in visits
        for answer in visit.answers
        if answer.status != 200 or answer.error
    ]
    assert not failed


def test_no_panel_shows_an_error(visits):
    shown = [(visit.board.uid, panel.key) for visit in visits for panel in visit.panels if panel.error]
    assert not shown


def test_the_page_has_nothing_to_complain_about(visits):
    assert not [(visit.board.uid, line) for visit in visits for line in visit.complaints]


def test_no_panel_is_empty_but_those_of_trouble(visits, variant):
    empty = {name for name, panel, seen in _pairs(visits) if _is_empty(panel, seen)}
    assert empty <= QUIET | OFF[variant]


def test_an_empty_panel_says_what_that_means(visits):
    speechless = [name for name, _, seen in _pairs(visits) if "No data" in seen.text]
    assert not speechless


def _pairs(visits: list[Visit]) -> Iterator[tuple[tuple[str, str], Panel, Seen]]:
    for visit in visits:
        panels = {panel.number: panel for panel in visit.board.panels}
        for seen in visit.panels:
            panel = panels[seen.number]
            yield (visit.board.uid, panel.title), panel, seen


def _is_empty(panel: Panel, seen: Seen) -> bool:
    worded = bool(panel.empty) and panel.empty in seen.text
    # A table without a row shows its head and nothing else.
    return worded or "No data" in seen.text or (panel.kind == "table" and seen.rows < HEAD_AND_ROW)


def test_every_panel_is_on_the_page(visits):
    for visit in visits:
        shown = {panel.number for panel in visit.panels}
        assert {panel.number for panel in visit.board.panels} <= shown, visit.board.uid
