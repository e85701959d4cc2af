"""Field overrides: the display of one column of a table or one series of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dashboards.model import Column, Link, Step
from dashboards.sdk import cog, dashboard, models
from dashboards.style import Colour

Properties = list[models.DynamicConfigValue]


def column_properties(column: Column) -> Properties:
    """The properties of a column of a table, or of a series of a graph."""
    found: Properties = []
    if column.header:
        found.append(property_of("displayName", column.header))
    if column.unit is not None:
        found.append(property_of("unit", column.unit.value))
    if column.decimals is not None:
        found.append(property_of("decimals", column.decimals))
    if column.width is not None:
        found.append(property_of("custom.width", column.width))
    if column.line:
        found += [
            property_of("custom.drawStyle", "line"),
            property_of("custom.fillOpacity", 0),
            property_of("custom.lineWidth", 2),
        ]
    if column.hidden:
        found.append(property_of("custom.hidden", value=True))
    if column.links:
        found.append(property_of("links", [data_link(link) for link in column.links]))
    if mappings := _mappings(column):
        found.append(property_of("mappings", mappings))
    if column.steps:
        found.append(property_of("thresholds", {"mode": "absolute", "steps": steps(column.steps)}))
    return found + _cell(column)


def _mappings(column: Column) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    if column.texts or column.colours:
        found.append(value_map(column.texts, column.colours).to_json())
    if column.steps and not column.bar:
        # Without this an empty cell has the colour of the lowest step, which is mostly the worst.
        result = {"text": "–", "color": "transparent"}
        found.append({"type": "special", "options": {"match": "null+nan", "result": result}})
    return found


def _cell(column: Column) -> Properties:
    if column.bar:
        colour = column.steps[0].colour if column.steps else Colour.MESSAGE
        return [
            property_of("custom.cellOptions", {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}),
            property_of("color", {"mode": "fixed", "fixedColor": colour.value}),
            property_of("min", 0),
            property_of("fieldMinMax", value=True),
        ]
    if column.coloured:
        return [
            property_of("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
            property_of("color", {"mode": "thresholds"}),
        ]
    if column.colours or column.steps:
        return [property_of("custom.cellOptions", {"type": "color-text"})]
    return []


def colour_property(colour: Colour) -> models.DynamicConfigValue:
    """A fixed colour."""
    return property_of("color", {"mode": "fixed", "fixedColor": colour.value})


def steps(found: Iterable[Step]) -> list[dict[str, object]]:
    """Thresholds as JSON."""
    return [{"color": step.colour.value, "value": step.value} for step in found]


def data_link(link: Link) -> dict[str, object]:
    """A data link as JSON; a link to another site opens a new tab."""
    return {"title": link.title, "url": link.url, "targetBlank": link.outside}


class LinkBuilder(cog.Builder[models.DashboardLink]):
    """Builds a data link. The SDK models it as a dashboard link, which has more fields."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def build(self) -> models.DashboardLink:
        """The link; ``finish`` removes the fields that a data link does not have."""
        found = dashboard.DashboardLink(self._link.title).url(self._link.url)
        return found.target_blank(self._link.outside).build()


def value_map(texts: Mapping[str, str], colours: Mapping[str, Colour]) -> models.ValueMap:
    """A mapping of values to texts and colours."""
    options = {}
    for place, value in enumerate(dict.fromkeys([*texts, *colours])):
        colour = colours.get(value)
        options[value] = models.ValueMappingResult(
            text=texts.get(value), color=colour.value if colour else None, index=place
        )
    return models.ValueMap(options=options)


def property_of(name: str, value: object) -> models.DynamicConfigValue:
    """One property by Grafana's name."""
    return models.DynamicConfigValue(id_val=name, value=value)
