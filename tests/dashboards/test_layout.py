"""Panels fill the grid in order, whatever a variant leaves out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dashboards.model import WIDTH, Band, Panel, Prom, Stat, Variant
from dashboards.postprocess import finish
from dashboards.render import height, place

QUERY = (Prom("up"),)


def panel(number: int, width: int, *, lite: bool) -> Panel:
    return Panel(
        slug=str(number),
        title="",
        about="",
        view=Stat(),
        queries=QUERY,
        lite=None if lite else (),
        width=width,
    )


panels = st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=6)
bands = st.lists(st.tuples(st.integers(1, 12), panels), max_size=5)


@given(bands, st.sampled_from(Variant), st.integers(0, 50))
def test_bands_are_filled_from_edge_to_edge_and_stand_one_under_the_other(drawn, variant, top):
    described = tuple(
        Band(tall, tuple(panel(number, width, lite=lite) for number, (width, lite) in enumerate(inside)))
        for tall, inside in drawn
    )
    placed = list(place(described, variant, top))
    expected = [one for band in described for one in band.panels if one.shown(variant)]
    assert [one for one, *_ in placed] == expected
    cells = [
        (column, row) for _, x, y, w, h in placed for column in range(x, x + w) for row in range(y, y + h)
    ]
    assert len(cells) == len(set(cells)) == WIDTH * height(described, variant)
    assert all(0 <= column < WIDTH and top <= row < top + height(described, variant) for column, row in cells)


def test_a_panel_without_queries_in_a_variant_leaves_its_space_to_its_neighbours():
    band = Band(4, (panel(1, 1, lite=True), panel(2, 1, lite=False)))
    assert [w for *_, w, _ in place((band,), Variant.FULL, 0)] == [12, 12]
    assert [w for *_, w, _ in place((band,), Variant.LITE, 0)] == [24]


def test_a_band_that_is_empty_in_a_variant_takes_no_height():
    assert height((Band(4, (panel(1, 1, lite=False),)),), Variant.LITE) == 0


def test_the_last_touch_shows_links_and_marks_and_keeps_what_means_something():
    link = {"title": "a", "url": "b", "placement": "inControlsMenu", "asDropdown": False, "targetBlank": True}
    inner = {"fieldConfig": {"defaults": {"links": [dict(link)]}}}
    text = finish(
        {
            "id": None,
            "links": [dict(link)],
            "annotations": {"list": [{"name": "x", "placement": "inControlsMenu"}]},
            "templating": {"list": [{"type": "query", "auto": False}, {"type": "interval", "auto": True}]},
            "panels": [dict(inner), {"panels": [dict(inner)]}],
        }
    )
    assert "placement" not in text
    assert text.count('"asDropdown"') == 1, "of the dashboard's own link, which knows it"
    assert text.count('"auto"') == 1
    assert text.count('"targetBlank": true') == 3
    assert text.endswith("}\n")
