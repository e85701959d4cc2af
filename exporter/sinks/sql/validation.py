"""Whether a value fits its column, decided the same for both dialects.

PostgreSQL refuses text where a number belongs, NUL in text and numbers beyond 64 bits; SQLite takes the first
two and turns the third into an approximation. Both must hold the same rows, so the check stands before both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Double, Integer, Text
from sqlalchemy.types import TypeEngine

from exporter.model import Json
from exporter.sinks.sql.types import UtcMilliseconds

ID_LIMIT: Final = 2**63
"""First number a 64-bit column cannot hold."""

AMOUNT_LIMIT: Final = 2**48
"""No window can hold as much: it is 8,900 years of milliseconds. Sums of such amounts stay inside 64 bits."""

_FIRST_MOMENT: Final = -62_135_596_800_000  # 0001-01-01, the first day Python and SQLite can name
_LAST_MOMENT: Final = 253_402_300_799_999  # 9999-12-31, the last day with a year of four digits

Value = bool | int | float | str | Mapping[str, Any] | list[Any] | None


class UnfitError(ValueError):
    """An entry holds what no store of this kind can take; the message names the place, never the value."""


def fit_integer(value: object, place: str) -> int:
    """An integer of 64 bits.

    Raises:
        UnfitError: it is something else.
    """
    if type(value) is int and -ID_LIMIT <= value < ID_LIMIT:
        return value
    msg = f"{place} is no 64-bit integer"
    raise UnfitError(msg)


def fit_amount(value: object, place: str) -> int:
    """An integer that sums of can be kept.

    Raises:
        UnfitError: it is something else.
    """
    if type(value) is int and -AMOUNT_LIMIT < value < AMOUNT_LIMIT:
        return value
    msg = f"{place} is no amount"
    raise UnfitError(msg)


def fit_moment(value: object, place: str) -> int:
    """Milliseconds within the years 1 to 9999.

    Raises:
        UnfitError: it is something else.
    """
    if type(value) is int and _FIRST_MOMENT <= value <= _LAST_MOMENT:
        return value
    msg = f"{place} is no time in milliseconds"
    raise UnfitError(msg)


def fit_text(value: object, place: str) -> str:
    """Text that UTF-8 can encode, without NUL.

    Raises:
        UnfitError: it is something else.
    """
    if isinstance(value, str) and "\0" not in value and _is_encodable(value):
        return value
    msg = f"{place} is no clean text"
    raise UnfitError(msg)


def fit_flag(value: object, place: str) -> bool:
    """A truth value.

    Raises:
        UnfitError: it is something else.
    """
    if isinstance(value, bool):
        return value
    msg = f"{place} is neither true nor false"
    raise UnfitError(msg)


def fit_number(value: object, place: str) -> float:
    """A finite number.

    Raises:
        UnfitError: it is something else.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    msg = f"{place} is no finite number"
    raise UnfitError(msg)


def fit_document(value: Json, place: str) -> Json:
    """A document whose every text is clean and every number finite.

    Raises:
        UnfitError: it holds something else, or is nested too deeply.
    """
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            msg = f"{place} is nested too deeply"
            raise UnfitError(msg)
        if isinstance(item, str):
            fit_text(item, place)
        elif isinstance(item, Mapping):
            waiting.extend((part, depth + 1) for pair in item.items() for part in pair)
        elif isinstance(item, list | tuple):
            waiting.extend((part, depth + 1) for part in item)
        elif isinstance(item, float):
            fit_number(item, place)
        elif item is not None and not isinstance(item, int):
            msg = f"{place} holds what JSON cannot"
            raise UnfitError(msg)
    return value


_MAX_DEPTH: Final = 64
"""Deeper than anything Discord sends, and far from where a parser gives up."""


def _is_encodable(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


_FITTERS: tuple[tuple[type[TypeEngine[Any]], Callable[[Any, str], Any]], ...] = (
    (UtcMilliseconds, fit_moment),
    (BigInteger, fit_integer),
    (Integer, fit_integer),
    (Boolean, fit_flag),
    (Double, fit_number),
    (Text, fit_text),
    (JSON, fit_document),
)


def fitter(column: Column[Any]) -> Callable[[Any, str], Any]:
    """The check for a column's type.

    Raises:
        LookupError: no check is known for the type; a column of a new type needs one.
    """
    for kind, fit in _FITTERS:
        if isinstance(column.type, kind):
            return fit
    msg = f"no check for column {column.name} of type {column.type!r}"
    raise LookupError(msg)
