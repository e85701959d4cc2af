"""Builds a panel of the SDK from each kind of view, with all display options."""

from __future__ import annotations

from functools import singledispatch
from typing import Final

from dashboards.columns import column_properties, property_of, value_map
from dashboards.model import (
    Bars,
    Heat,
    Panel,
    Rows,
    Series,
    Stat,
    Timeline,
    View,
)
from dashboards.sdk import (
    bargauge,
    common,
    common_models,
    heatmap,
    heatmap_models,
    models,
    stat,
    statetimeline,
    table,
    timeseries,
)
from dashboards.style import Colour, Unit

Builder = bargauge.Panel | heatmap.Panel | stat.Panel | statetimeline.Panel | table.Panel | timeseries.Panel
"""The panel builders in use; all have the methods common to panels."""


@singledispatch
def build_panel(view: View, panel: Panel) -> Builder:
    """Return the builder of a panel with the options of its view.

    Raises:
        TypeError: the kind of view is unknown.
    """
    msg = f"{panel.slug} has an unknown kind of view: {view!r}"
    raise TypeError(msg)


@build_panel.register
def _(view: Stat, panel: Panel) -> Builder:
    found = (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .color_mode(_stat_colour(view, panel))
        .graph_mode(
            common_models.BigValueGraphMode.AREA if view.sparkline else common_models.BigValueGraphMode.NONE
        )
        .text_mode(_stat_text(view))
        .justify_mode(common_models.BigValueJustifyMode.CENTER)
        .wide_layout(True)
    )
    if view.trend is not None:
        found = found.show_percent_change(True).percent_change_color_mode(
            common_models.PercentChangeColorMode(view.trend.value)
        )
    if view.texts:
        found = found.mappings([value_map(view.texts, {})])
    return found


def _stat_text(view: Stat) -> common_models.BigValueTextMode:
    if view.label_only:
        return common_models.BigValueTextMode.NAME
    if view.names:
        return common_models.BigValueTextMode.VALUE_AND_NAME
    return common_models.BigValueTextMode.VALUE


def _stat_colour(view: Stat, panel: Panel) -> common_models.BigValueColorMode:
    if view.filled:
        return common_models.BigValueColorMode.BACKGROUND
    if panel.steps or panel.colour:
        return common_models.BigValueColorMode.VALUE
    return common_models.BigValueColorMode.NONE


@build_panel.register
def _(view: Series, panel: Panel) -> Builder:
    found = (
        timeseries.Panel()
        .draw_style(common_models.GraphDrawStyle.BARS if view.bars else common_models.GraphDrawStyle.LINE)
        .line_width(1 if view.bars else 2)
        .fill_opacity(80 if view.bars else view.fill)
        .show_points(common_models.VisibilityMode.NEVER)
        .span_nulls(not view.bars)
        .axis_border_show(False)
        .legend(_legend(view))
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )
    if view.minimum is not None and not view.downwards:
        found = found.min(view.minimum)
    if view.bars:
        found = found.max_data_points(BARS)
    if view.stacked:
        found = found.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    if view.threshold_line and panel.steps:
        found = found.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
        )
    for name in view.downwards:
        found = found.override_by_name(name, [property_of("custom.transform", "negative-Y")])
    return found


def _legend(view: Series) -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(view.legend)
        .placement(common_models.LegendPlacement.BOTTOM)
        .display_mode(common_models.LegendDisplayMode.LIST)
        .calcs([])
    )


@build_panel.register
def _(view: Bars, _panel: Panel) -> Builder:
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"]).values(view.all_values).limit(view.limit)
    return (
        bargauge.Panel()
        .reduce_options(reduce)
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .value_mode(common_models.BarGaugeValueMode.TEXT)
        .text(common.VizTextDisplayOptions().title_size(13).value_size(18))
        .name_placement(common_models.BarGaugeNamePlacement.LEFT)
        .show_unfilled(False)
        .min(0)
    )


@build_panel.register
def _(view: Rows, _panel: Panel) -> Builder:
    found = (
        table.Panel()
        .show_header(True)
        .cell_height(common_models.TableCellHeight.SM)
        .filterable(view.tall)
        .footer(common.TableFooterOptions().show(False).reducer([]))
    )
    # Otherwise a text of digits, such as an id, is shown and put into links as a rounded number.
    found = found.override_by_field_type("string", [property_of("unit", Unit.TEXT.value)])
    # Otherwise every empty cell shows the text of an empty panel.
    found = found.override_by_regexp(".*", [property_of("noValue", "–")])
    if view.heat:
        found = found.min_width(HEAT_CELL).align(common_models.FieldTextAlignment.CENTER)
        mode = common_models.TableCellBackgroundDisplayMode.BASIC
        found = found.cell_options(common_models.TableColoredBackgroundCellOptions(mode=mode))
    for column in view.columns:
        found = found.override_by_name(column.name, column_properties(column))
    return found


@build_panel.register
def _(view: Timeline, _panel: Panel) -> Builder:
    found = (
        statetimeline.Panel()
        .merge_values(True)
        .show_value(common_models.VisibilityMode.AUTO)
        .fill_opacity(80)
        .line_width(0)
        .row_height(0.8)
        .mappings(
            [
                value_map(
                    {value: shown for value, (shown, _) in view.texts.items()},
                    {value: colour for value, (_, colour) in view.texts.items()},
                )
            ]
        )
        .legend(common.VizLegendOptions().show_legend(False))
    )
    return found.per_page(TIMELINE_ROWS) if view.many else found.disable_pagination()


@build_panel.register
def _(_view: Heat, _panel: Panel) -> Builder:
    return (
        heatmap.Panel()
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_models.HeatmapColorMode.SCHEME)
            .scheme("Blues")
            .steps(32)
            .reverse(False)
        )
        .y_axis(heatmap.YAxisConfig().unit(Unit.SECONDS.value))
        .cell_gap(1)
        .show_legend()
    )


BARS: Final = 90
"""Maximum number of bars side by side; more would be too thin to distinguish."""
HEAT: Final = {
    Colour.MESSAGE: models.FieldColorModeId.CONTINUOUS_BLUES,
    Colour.VOICE: models.FieldColorModeId.CONTINUOUS_PURPLES,
    Colour.GOOD: models.FieldColorModeId.CONTINUOUS_GREENS,
}
"""The scale of a colour from pale to dark, for tables that are heat maps."""


TIMELINE_ROWS: Final = 16
"""Maximum number of states that are readable one above the other in one panel."""
HEAT_CELL: Final = 30
"""Width of a cell in pixels, so that 24 fit side by side."""
