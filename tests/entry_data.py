"""What entries say, from and to plain fields: tests write and compare those."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import msgspec

from exporter.events.catalogue import full_catalogue
from exporter.events.records.values import RecordType
from exporter.model import Entry, EntryData, Priority

EVENTS = full_catalogue().events


class Saying(Protocol):
    """An entry or a record."""

    @property
    def data(self) -> Any: ...


class Fields(dict[str, Any]):
    """Fields of data by name, as JSON holds them; of any other it says nothing."""

    def __missing__(self, name: str) -> None:
        return None


def fields_of(saying: Saying) -> Fields:
    """What its data says."""
    return Fields(msgspec.json.decode(msgspec.json.encode(saying.data)))


def data_of(kind: str, fields: Mapping[str, Any]) -> EntryData | Mapping[str, Any]:
    """The fields in the struct of their type; those it does not have as those of an event made elsewhere."""
    record = EVENTS[kind].record if kind in EVENTS else None
    if record is None:
        return fields
    extra = tuple(sorted(fields.keys() - set(record.__struct_fields__)))
    return msgspec.convert(fields, _extended(record, extra) if extra else record)


def entry_of(
    kind: str,
    fields: Mapping[str, Any],
    *,
    guild: int = 1,
    at: int = 1_700_000_000_000,
    key: str = "key",
    amends: bool = False,
) -> Entry:
    """An entry, in the lane of its type."""
    priority = EVENTS[kind].priority if kind in EVENTS else Priority.CRITICAL
    return Entry(kind, guild, at, key, priority, data_of(kind, fields), amends)


@cache
def _extended(record: RecordType, extra: tuple[str, ...]) -> RecordType:
    fields = [(name, Any, None) for name in extra]
    return msgspec.defstruct(f"Extended{record.__name__}", fields, bases=(record,), frozen=True, kw_only=True)
