"""The types of fields, and how a field documents itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias, get_args, get_type_hints

import msgspec

from exporter.events.facts.guilds import Trait
from exporter.events.payload import FIRST_MS, LAST_MS, MAX_ID, Snowflake
from exporter.model import EntryData

Int64 = Annotated[int, msgspec.Meta(ge=-MAX_ID - 1, le=MAX_ID)]
"""A whole number that every store can hold."""

Id = Snowflake
"""A Discord id; 0 for none."""

Milliseconds = Annotated[int, msgspec.Meta(ge=FIRST_MS, le=LAST_MS)]
"""A time in ms since the Unix epoch, in the years 1 to 9999: no other has a date in every store."""

Finite = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
"""A number that JSON can hold: neither infinite nor none at all."""

Changes: TypeAlias = dict[str, dict[str, Trait | list[str]]]
"""Old and new value (``old``, ``new``) by field; of a field without either only its change is known."""


RecordType: TypeAlias = type[EntryData]
"""What the entries of an event type say."""


@dataclass(frozen=True, slots=True)
class Doc:
    """Says what a field holds, in its annotation; ``personal`` marks what identifies a person."""

    help: str
    personal: bool = False


@dataclass(frozen=True, slots=True)
class DataField:
    """A field of an entry's data, for the reference page."""

    name: str
    help: str
    personal: bool


def describe_fields(record: RecordType | None) -> tuple[DataField, ...]:
    """The fields of a record type in the order of declaration; none for types without records.

    Raises:
        TypeError: a field has no ``Doc`` in its annotation.
    """
    if record is None:
        return ()
    hints = get_type_hints(record, include_extras=True)
    return tuple(_describe(record, name, hints[name]) for name in record.__struct_fields__)


def _describe(record: RecordType, name: str, hint: object) -> DataField:
    for doc in get_args(hint):
        if isinstance(doc, Doc):
            return DataField(name, doc.help, doc.personal)
    msg = f"{record.__name__}.{name} is not documented: annotate it with Doc"
    raise TypeError(msg)
