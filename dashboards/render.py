"""Renders a dashboard as Grafana's classic dashboard JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from dashboards.columns import LinkBuilder, colour_property, column_properties
from dashboards.model import WIDTH, Annotation, Band, Bars, Page, Panel, Prom, Rows, Sql, Variable, Variant
from dashboards.panel_builders import HEAT, Builder, build_panel
from dashboards.postprocess import Json, panel_id
from dashboards.provisioning import DATABASES, DIALECTS, Source, reference
from dashboards.sdk import common_models, dashboard, encoder, models
from dashboards.style import Colour
from dashboards.targets import RawBuilder, source_of, target

TAG: Final = "discord"
ALL: Final = "'*'"
"""The value of "All" in SQL. Grafana inserts it unchanged, so the quotes are part of it."""


def render(page: Page, variant: Variant) -> Json:
    """The dashboard as JSON, before ``postprocess``."""
    found = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.about)
        .tags([TAG, page.folder.value.lower()])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time(f"now-{page.since}", "now")
        .refresh(page.refresh)
        .timezone("browser")
        .link(_dropdown())
    )
    for variable in page.variables:
        found = found.with_variable(_variable(variable, variant))
    for annotation in page.annotations:
        found = found.annotation(_annotation(annotation, variant))
    top = 0
    for section in page.sections:
        tall = height(section.bands, variant)
        if not tall:
            continue
        if section.title:
            row = dashboard.Row(section.title).id(panel_id(f"{page.uid}/row/{section.title}"))
            row = row.grid_pos(models.GridPos(h=1, w=24, x=0, y=top))
            top += 1
            found = found.with_row(row)
        for builder in _panels(page, section.bands, variant, top):
            found = found.with_panel(builder)
        top += tall
    model: Json = json.loads(json.dumps(found.build(), cls=encoder.JSONEncoder))
    return model


def place(bands: tuple[Band, ...], variant: Variant, top: int) -> Iterator[tuple[Panel, int, int, int, int]]:
    """Each panel with x, y, width and height; a band fills the whole width even if a variant omits panels."""
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
    """Total height of the bands."""
    return sum(band.height for band in bands if any(panel.shown(variant) for panel in band.panels))


def _panels(page: Page, bands: tuple[Band, ...], variant: Variant, top: int) -> list[Builder]:
    return [
        _panel(page, panel, variant).grid_pos(models.GridPos(h=h, w=w, x=x, y=y))
        for panel, x, y, w, h in place(bands, variant, top)
    ]


def _panel(page: Page, panel: Panel, variant: Variant) -> Builder:
    found = build_panel(panel.view, panel)
    found = found.id(panel_id(f"{page.uid}/{panel.slug}")).title(panel.title).description(panel.about)
    queries = panel.queries_of(variant)
    if not queries:
        return found
    for position, query in enumerate(queries):
        found = found.with_target(RawBuilder(target(query, variant, chr(ord("A") + position))))
    sources = {source_of(query, variant) for query in queries}
    found = found.datasource(
        _reference(sources.pop())
        if len(sources) == 1
        else common_models.DataSourceRef("datasource", "-- Mixed --")
    )
    found = found.unit(panel.unit.value).no_value(panel.empty)
    return _scale(_series(_extras(found, panel), panel), panel)


def _extras(found: Builder, panel: Panel) -> Builder:
    if panel.decimals is not None:
        found = found.decimals(panel.decimals)
    if panel.maximum is not None:
        found = found.max(panel.maximum)
    if panel.step:
        found = found.interval(panel.step)
    if panel.links:
        found = found.data_links([LinkBuilder(link) for link in panel.links])
    if panel.transformations:
        found = found.transformations(
            [
                models.DataTransformerConfig(id_val=name, options=dict(opts))
                for name, opts in panel.transformations
            ]
        )
    if panel.label:
        found = found.display_name(panel.label)
    return found


def _series(found: Builder, panel: Panel) -> Builder:
    for name, colour in panel.colours.items():
        found = found.override_by_name(name, [colour_property(colour)])
    for column in panel.columns:
        found = found.override_by_name(column.name, column_properties(column))
    return found


def _scale(found: Builder, panel: Panel) -> Builder:
    if isinstance(panel.view, Rows) and panel.view.heat and panel.colour:
        return found.color_scheme(dashboard.FieldColor().mode(HEAT[panel.colour]))
    if panel.steps:
        levels = [models.Threshold(value=step.value, color=step.colour.value) for step in panel.steps]
        found = found.thresholds(
            dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(levels)
        )
        if not isinstance(panel.view, Rows):
            found = found.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    elif panel.colour is not None:
        found = found.color_scheme(
            dashboard.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(panel.colour.value)
        )
    elif isinstance(panel.view, Bars):
        found = found.color_scheme(
            dashboard.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(Colour.MESSAGE.value)
        )
    return found


def _dropdown() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Discord dashboards")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def _variable(variable: Variable, variant: Variant) -> dashboard.QueryVariable | dashboard.CustomVariable:
    select_all = models.VariableOption(selected=True, text="All", value="$__all")
    if variable.query is not None:
        found = (
            dashboard.QueryVariable(variable.name)
            .label(variable.label)
            .datasource(_reference(DATABASES[variant]))
            .query(variable.query(DIALECTS[variant]))
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.DISABLED)
            .multi(variable.multi)
            .include_all(variable.include_all)
        )
        return found.all_value(ALL).current(select_all) if variable.include_all else found
    pairs = ",".join(f"{text} : {value}" for value, text in variable.options.items())
    first = next(iter(variable.options.items()))
    custom = (
        dashboard.CustomVariable(variable.name)
        .label(variable.label)
        .values(pairs)
        .multi(variable.multi)
        .include_all(variable.include_all)
        .current(models.VariableOption(selected=True, text=first[1], value=first[0]))
    )
    return custom.all_value(ALL).current(select_all) if variable.include_all else custom


def _annotation(annotation: Annotation, variant: Variant) -> dashboard.AnnotationQuery:
    query = annotation.query
    source = source_of(query, variant)
    found = (
        dashboard.AnnotationQuery()
        .name(annotation.name)
        .datasource(_reference(source))
        .enable(annotation.on)
        .icon_color(annotation.colour.value)
    )
    if isinstance(query, Prom):
        found = found.expr(query.expr).title_format(annotation.title).text_format(annotation.text)
        found = found.use_value_for_time(annotation.value_is_time)
        return found.step(query.step) if query.step else found
    return found.target(RawBuilder(target(Sql(query.query), variant, "Annotation")))


def _reference(source: Source) -> common_models.DataSourceRef:
    known = reference(source)
    return common_models.DataSourceRef(type_val=known["type"], uid=known["uid"])
