"""Exact occurrences as rows: keys of the data that are columns fill them, the rest is details.

Two entries of one key speak of one occurrence. What an amending entry says replaces what was known, what the
original says only fills what is missing, and a null says nothing: so both orders of arrival end alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Table

from exporter.model import Entry, Json
from exporter.sinks.sql.increments import Parameters
from exporter.sinks.sql.schema import (
    guild_events,
    invite_tracking,
    invites,
    level_ups,
    member_events,
    metadata,
    moderation_logs,
)
from exporter.sinks.sql.validation import UnfitError, fit_document, fit_integer, fit_moment, fit_text, fitter

OCCURRENCES: Final = (moderation_logs, member_events, guild_events, invite_tracking, level_ups)
"""Tables of exact occurrences, each row known by its ``event_key``."""

_RESERVED: Final = frozenset({"id", "event_key", "guild_id", "at", "details", "created_at", "tenure_seconds"})
"""Columns that data never fills: they are the entry's own, or computed here."""

_KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "moderation_logs": {"GUILD_BAN_ADD": "ban", "GUILD_BAN_REMOVE": "unban"},
    "member_events": {"GUILD_MEMBER_ADD": "join", "GUILD_MEMBER_REMOVE": "leave"},
}
_KIND_COLUMNS: Final = {"moderation_logs": "action", "member_events": "event", "guild_events": "type"}
"""The column that says what kind of occurrence it is; derived from the type where the data does not say."""

INVITE_GONE: Final = "INVITE_DELETE"


def record_table(name: str | None) -> Table | None:
    """The table of this name if it holds occurrences."""
    return next((table for table in OCCURRENCES if table.name == name), None)


def record_row(table: Table, entry: Entry, now: int) -> Parameters:
    """The entry's row; columns it says nothing of are None.

    Raises:
        UnfitError: a value does not fit its column.
    """
    row: Parameters = dict.fromkeys(column.name for column in table.columns if column.name != "id")
    rest: dict[str, Json] = {}
    for name, value in entry.data.items():
        if value is None:
            continue
        if name in table.columns and name not in _RESERVED:
            row[name] = fit_column(table, name, value)
        else:
            rest[name] = value
    row["event_key"] = fit_text(entry.key, "key")
    row["guild_id"] = fit_integer(entry.guild_id, "guild")
    row["at"] = fit_moment(entry.at, "at")
    kind = _KIND_COLUMNS.get(table.name)
    if kind is not None and row[kind] is None:
        row[kind] = _kind(table, entry.type)
    if "details" in row:
        row["details"] = fit_document(rest, "details")
    if "created_at" in row:
        row["created_at"] = now
    if "recovered" in row:
        row["recovered"] = bool(row["recovered"])
    return row


def invite_row(entry: Entry) -> Parameters:
    """The row for ``invites``.

    Raises:
        UnfitError: a value does not fit its column, or there is no code.
    """
    row: Parameters = dict.fromkeys(column.name for column in invites.columns)
    for name in row.keys() - {"guild_id", "deleted_at"}:
        value = entry.data.get(name)
        if value is not None:
            row[name] = fit_column(invites, name, value)
    if not row["code"]:
        msg = "the invite has no code"
        raise UnfitError(msg)
    row["guild_id"] = fit_integer(entry.guild_id, "guild")
    if entry.type == INVITE_GONE:
        row["deleted_at"] = fit_moment(entry.at, "at")
    return row


def fit_column(table: Table, name: str, value: Json) -> Any:
    """The value as its column takes it; an id or a time of 0 is none.

    Raises:
        UnfitError: it does not fit.
    """
    fitted = _FIT[table.name][name](value, name)
    return None if fitted == 0 and name.endswith(("_id", "_at")) else fitted


def _kind(table: Table, event_type: str) -> str:
    if table is guild_events:
        return event_type
    return _KINDS[table.name].get(event_type, event_type.lower())


_FIT: Final = {
    table.name: {column.name: fitter(column) for column in table.columns if column.name not in {"id", "day"}}
    for table in metadata.tables.values()
}
