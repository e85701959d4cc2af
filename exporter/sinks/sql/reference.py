"""The schema in words, for the reference page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from exporter.sinks.sql.schema import metadata

_POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # left untyped by SQLAlchemy


@dataclass(frozen=True, slots=True)
class ColumnReference:
    """One column as the reference page shows it; ``type`` is PostgreSQL's name."""

    name: str
    type: str
    nullable: bool
    primary_key: bool
    comment: str


@dataclass(frozen=True, slots=True)
class TableReference:
    """One table as the reference page shows it."""

    name: str
    comment: str
    columns: tuple[ColumnReference, ...]


def schema_reference() -> tuple[TableReference, ...]:
    """Every table with its columns, in the order declared."""
    return tuple(
        TableReference(
            table.name,
            table.comment or "",
            tuple(
                ColumnReference(
                    column.name,
                    _type_name(column.type),
                    bool(column.nullable),
                    column.primary_key,
                    column.comment or "",
                )
                for column in table.columns
            ),
        )
        for table in metadata.tables.values()
    )


def _type_name(kind: TypeEngine[Any]) -> str:
    return kind.compile(dialect=_POSTGRESQL).lower()
