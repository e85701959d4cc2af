"""The column in which an amount is summed, derived from the declared measures.

A measure names its columns by label value; an amount whose measure, label or column is not known to this
program or this schema is counted elsewhere (Prometheus, InfluxDB) and has no column here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Table

from exporter.events.catalogue import Catalogue
from exporter.events.spec import Dimension, Measure, Unit
from exporter.sinks.sql.schema import channel_daily, guild_daily, member_daily

Place = tuple[str, str]
"""A measure's name and a label value."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Columns by (measure, label value), for each level; ``units`` holds the unit of each column."""

    guild: Mapping[Place, str]
    channel: Mapping[Place, str]
    member: Mapping[Place, str]
    units: Mapping[str, Unit]

    @classmethod
    def of(cls, catalogue: Catalogue) -> ColumnMapping:
        """The columns of every measure in the catalogue."""
        measures = tuple(catalogue.measures.values())
        by_channel = [measure for measure in measures if Dimension.CHANNEL in measure.by]
        return cls(
            _places(((measure, measure.columns) for measure in measures), guild_daily),
            _places(((measure, measure.columns) for measure in by_channel), channel_daily),
            _places(((measure, measure.member_columns) for measure in measures), member_daily),
            {
                column: measure.unit
                for measure in measures
                for column in (*measure.columns.values(), *measure.member_columns.values())
            },
        )

    def expose(self, column: str, amount: int) -> int | float:
        """The summed amount in the column's unit."""
        return self.units[column].expose(amount)


def _places(declared: Iterable[tuple[Measure, Mapping[str, str]]], table: Table) -> dict[Place, str]:
    return {
        (measure.name, value): column
        for measure, columns in declared
        for value, column in columns.items()
        if column in table.columns
    }
