"""Where panels stand on Grafana's grid of 24 columns."""

from __future__ import annotations

from collections.abc import Iterator

from dashboards.model import WIDTH, Band, Panel, Variant


def place(bands: tuple[Band, ...], variant: Variant, top: int) -> Iterator[tuple[Panel, int, int, int, int]]:
    """Each panel with x, y, width and height; a band fills the whole width whatever a variant leaves out."""
    for band in bands:
        shown = [panel for panel in band.panels if panel.shown(variant)]
        if not shown:
            continue
        total, left, taken = sum(panel.width for panel in shown), 0, 0
        for panel in shown:
            taken += panel.width
            right = round(WIDTH * taken / total)
            yield panel, left, top, right - left, band.height
            left = right
        top += band.height


def height(bands: tuple[Band, ...], variant: Variant) -> int:
    """How high the bands are together."""
    return sum(band.height for band in bands if any(panel.shown(variant) for panel in band.panels))
