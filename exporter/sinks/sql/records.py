"""Exact occurrences as rows: fields of the data that are columns fill them, the rest is details.

Two entries of one key describe one occurrence. What an amending entry says replaces what was known, what the
original says only fills what is missing, and a null says nothing: so both orders of arrival end alike. Where
the original was shed or evicted, the amendment's row stays, marked by ``UNKNOWN_ACTION`` where its type does
not say what was done; a dead letter that is replayed later still completes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from msgspec import UNSET, to_builtins
from sqlalchemy import Table

from exporter.events.moderation import BAN_ADD, BAN_REMOVE, VOICE_ORDERS
from exporter.events.records.occurrences import InviteDeleteRecord, InviteRecord
from exporter.events.records.values import RecordType
from exporter.model import Entry, EntryData
from exporter.sinks.sql.increments import Parameters
from exporter.sinks.sql.schema import (
    guild_events,
    invite_tracking,
    invites,
    level_ups,
    member_events,
    moderation_logs,
)
from exporter.sinks.sql.types import check_text

OCCURRENCES: Final = (moderation_logs, member_events, guild_events, invite_tracking, level_ups)
"""Tables of exact occurrences, each row known by its ``event_key``."""

_RESERVED: Final = frozenset({"id", "event_key", "guild_id", "at", "details", "created_at", "tenure_seconds"})
"""Columns that data never fills: they are the entry's own, or computed here."""

_KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "moderation_logs": {
        BAN_ADD: "ban",
        BAN_REMOVE: "unban",
        **{kind: action for action, kind in VOICE_ORDERS.items()},
    },
    "member_events": {"GUILD_MEMBER_ADD": "join", "GUILD_MEMBER_REMOVE": "leave"},
}
UNKNOWN_ACTION: Final = "unknown"
"""The action of a row made by an amendment alone: what it amends was lost, or is still to come."""
_KIND_COLUMNS: Final = {"moderation_logs": "action", "member_events": "event", "guild_events": "type"}
"""The column that says what kind of occurrence it is; derived from the type where the data does not say."""


def record_table(name: str | None) -> Table | None:
    """The table of this name if it holds occurrences."""
    return next((table for table in OCCURRENCES if table.name == name), None)


def record_row(table: Table, entry: Entry, data: EntryData, now: int) -> Parameters:
    """The entry's row; columns it says nothing of are None.

    Raises:
        InvalidValueError: a value does not fit its column.
    """
    row: Parameters = dict.fromkeys(_columns(table))
    into_columns, into_details = _fields(table, type(data))
    fill(row, data, into_columns)
    row["event_key"] = entry.key
    row["guild_id"] = entry.guild_id
    row["at"] = entry.at
    check_text(entry.key, "key")
    kind = _KIND_COLUMNS.get(table.name)
    if kind is not None and row[kind] is None:
        row[kind] = _kind(table, entry)
    if "details" in row:
        row["details"] = _details(data, into_details)
    if "created_at" in row:
        row["created_at"] = now
    if "recovered" in row:
        row["recovered"] = bool(row["recovered"])
    return row


def invite_row(entry: Entry, data: InviteRecord | InviteDeleteRecord) -> Parameters:
    """The row for ``invites``.

    Raises:
        InvalidValueError: a value does not fit its column.
    """
    row: Parameters = dict.fromkeys(_columns(invites))
    fill(row, data, data.__struct_fields__)
    row["guild_id"] = entry.guild_id
    if isinstance(data, InviteDeleteRecord):
        row["deleted_at"] = entry.at
    return row


def fill(row: Parameters, data: EntryData, names: Iterable[str]) -> None:
    """Take what the data says into columns; an id or a time of 0 is none.

    Raises:
        InvalidValueError: a value does not fit its column.
    """
    for name in names:
        value = getattr(data, name)
        if value is None or value is UNSET or (value == 0 and name.endswith(("_id", "_at"))):
            continue
        check_text(value, name)
        row[name] = value


def _details(data: EntryData, names: Iterable[str]) -> dict[str, Any]:
    found = {
        name: value for name in names if (value := getattr(data, name)) is not None and value is not UNSET
    }
    details: dict[str, Any] = to_builtins(found)
    check_text(details, "details")
    return details


@cache
def _columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.name != "id")


@cache
def _fields(table: Table, record: RecordType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that are columns of the table, and the others."""
    names = record.__struct_fields__
    own = tuple(name for name in names if name in table.columns and name not in _RESERVED)
    return own, tuple(name for name in names if name not in own)


def _kind(table: Table, entry: Entry) -> str:
    if table is guild_events:
        return entry.type
    known = _KINDS[table.name].get(entry.type)
    if known is None and entry.amends:
        return UNKNOWN_ACTION
    return known or entry.type.lower()
