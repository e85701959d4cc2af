"""Column types that mean the same in both dialects, and the text that both can hold.

Times are whole milliseconds since the epoch everywhere in the program. PostgreSQL keeps them as
``timestamptz``. SQLite has no time type, so they are text of one fixed width, ``2026-01-31T12:00:00.000Z``:
such text sorts and compares as time does, SQLite's own ``strftime`` and ``date`` read it, Grafana's SQLite
plugin takes RFC 3339 text as time, and a reader of a row sees a time. An integer epoch only sorts, and does
not show whether it counts seconds or milliseconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)


class UtcMilliseconds(TypeDecorator[int]):
    """A time in UTC; in Python the milliseconds since the epoch."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text in SQLite, ``timestamptz`` in PostgreSQL."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: int | None, dialect: Dialect) -> dt.datetime | str | None:
        """Milliseconds to what the driver takes.

        Raises:
            OverflowError: the year has not four digits.
        """
        if value is None:
            return None
        moment = EPOCH + value * MILLISECOND
        return rfc3339(moment) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:
        """What the driver gives to milliseconds."""
        if value is None:
            return None
        moment = dt.datetime.fromisoformat(value) if dialect.name == "sqlite" else value
        return int((moment - EPOCH) // MILLISECOND)


def rfc3339(moment: dt.datetime) -> str:
    """The moment in UTC with exactly three decimals, so that text order is time order."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


# SQLite numbers rows by itself only in a column whose type is spelled INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")
Document = JSONB(none_as_null=True).with_variant(JSON(none_as_null=True), "sqlite")


class InvalidValueError(ValueError):
    """An entry holds what no store of this kind can take; the message names the place, never the value."""


def check_text(value: Any, place: str) -> None:
    """Refuse NUL in text and in the text of a document, which PostgreSQL refuses and SQLite takes.

    Both dialects must hold the same rows. Anything but text passes: that values have the type and range of
    their field is checked when the spool reads an entry.

    Raises:
        InvalidValueError: there is one.
    """
    if isinstance(value, str):
        if "\0" in value:
            msg = f"{place} holds NUL"
            raise InvalidValueError(msg)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            check_text(key, place)
            check_text(item, place)
    elif isinstance(value, list | tuple):
        for item in value:
            check_text(item, place)
