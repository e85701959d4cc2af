"""Reads the SQL store with plain SELECTs, as a dashboard does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa

from discord_simulator.verify.actions import COUNTED, is_structure
from discord_simulator.verify.quantities import (
    FieldChange,
    InviteRow,
    Key,
    ModerationRow,
    Observed,
    Quantity,
    Scope,
)
from discord_simulator.verify.voice import AFK, BY_STATE, SHOWN

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_Column: TypeAlias = sa.ColumnElement[Any]

_DAILY: tuple[tuple[str, str | None, Scope], ...] = (
    ("guild_daily", None, Scope.GUILD),
    ("channel_daily", "channel_id", Scope.CHANNEL),
    ("member_daily", "user_id", Scope.MEMBER),
)

_OF_CHANNELS = (
    "messages",
    "bot_messages",
    "webhook_messages",
    "system_messages",
    "message_edits",
    "message_deletes",
    "reactions",
    "reactions_removed",
    "voice_seconds",
    AFK,
)

_COLUMNS: Mapping[Scope, tuple[str, ...]] = {
    Scope.GUILD: (*_OF_CHANNELS, "voice_sessions", "joins", "leaves"),
    Scope.CHANNEL: _OF_CHANNELS,
    Scope.MEMBER: (
        "messages",
        "voice_seconds",
        AFK,
        "voice_sessions",
        "reactions_given",
        "reactions_received",
    ),
}
"""Columns that are compared if the table has them."""


def read_sql(
    connection: sa.Connection, store: str = "sql", actions: frozenset[str] | None = None
) -> Observed:
    """Read the tables over an open connection.

    ``actions`` are the moderation actions and types of changes that the exporter is configured to store;
    None for all.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the tables are missing or cannot be read.
    """
    amounts: dict[Quantity, dict[Key, float]] = {}
    for table, column, scope in _DAILY:
        amounts |= _read_daily(connection, table, column, scope)
    amounts |= _read_member_events(connection)
    amounts |= _read_snapshots(connection)
    rows = (*_read_moderation(connection), *_read_structure(connection))
    return Observed(store, amounts, rows, actions, _read_uses(connection))


async def read_database(
    engine: AsyncEngine, store: str = "sql", actions: frozenset[str] | None = None
) -> Observed:
    """Read the tables of a database; arguments and errors as of ``read_sql``."""
    async with engine.connect() as connection:
        return await connection.run_sync(read_sql, store, actions)


def _read_daily(
    connection: sa.Connection, table: str, column: str | None, scope: Scope
) -> dict[Quantity, dict[Key, float]]:
    there = {found["name"] for found in sa.inspect(connection).get_columns(table)}
    names = [name for name in _COLUMNS[scope] if name in there]
    keys = _columns("guild_id", *([column] if column else []))
    sums: list[_Column] = [sa.func.sum(each).label(each.name) for each in _columns(*names)]
    statement = sa.select(*keys, *sums).select_from(sa.table(table)).group_by(*keys)
    amounts: dict[Quantity, dict[Key, float]] = {Quantity(name, scope): {} for name in names}
    for row in connection.execute(statement):
        key = tuple(int(part) for part in row[: len(keys)])
        for name, value in zip(names, row[len(keys) :], strict=True):
            amounts[Quantity(name, scope)][key] = float(value or 0)
    return amounts


def _read_snapshots(connection: sa.Connection) -> dict[Quantity, dict[Key, float]]:
    """Time in voice by state, which only snapshots contain; empty if none are stored."""
    amounts: dict[Quantity, dict[Key, float]] = {}
    names = {("voice_seconds", state): name for state, name in BY_STATE.items()}
    names |= {(name, ""): name for name in SHOWN.values()}
    statement = sa.select(*_columns("guild_id", "data")).select_from(sa.table("metrics_snapshots"))
    for guild_id, document in connection.execute(statement):
        data = _parse(document)
        if not isinstance(data, dict):
            continue
        if not amounts:
            scopes = (Scope.GUILD, Scope.MEMBER)
            amounts = {Quantity(name, scope): {} for name in names.values() for scope in scopes}
        for measure, state, *_, amount in data["series"]:
            _add(amounts, names.get((measure, state)), Scope.GUILD, (int(guild_id),), amount)
        for measure, state, user, amount in data["members"]:
            _add(amounts, names.get((measure, state)), Scope.MEMBER, (int(guild_id), int(user)), amount)
    return amounts


def _add(
    amounts: dict[Quantity, dict[Key, float]], name: str | None, scope: Scope, key: Key, milliseconds: int
) -> None:
    if name is not None:
        cells = amounts[Quantity(name, scope)]
        cells[key] = cells.get(key, 0) + milliseconds / 1000


def _read_member_events(connection: sa.Connection) -> dict[Quantity, dict[Key, float]]:
    columns = _columns("guild_id", "user_id", "event", "reason")
    counted: list[_Column] = [*columns, sa.func.count()]
    statement = sa.select(*counted).select_from(sa.table("member_events")).group_by(*columns)
    names = (
        "joins",
        "leaves",
        *(f"leaves: {reason}" for reason in ("leave", "kick", "ban", "prune", "unknown")),
    )
    amounts: dict[Quantity, dict[Key, float]] = {Quantity(name, Scope.MEMBER): {} for name in names}
    for row in connection.execute(statement):
        guild_id, user_id, event, reason, count = tuple(row)
        for name in ("joins",) if event == "join" else ("leaves", f"leaves: {reason or 'leave'}"):
            cells = amounts.setdefault(Quantity(name, Scope.MEMBER), {})
            key = (int(guild_id), int(user_id or 0))  # a row without a user is a difference
            cells[key] = cells.get(key, 0) + count
    return amounts


def _read_moderation(connection: sa.Connection) -> tuple[ModerationRow, ...]:
    columns = _columns(
        "guild_id", "action", "target_user_id", "moderator_id", "reason", "audit_entry_id", "details"
    )
    statement = sa.select(*columns).select_from(sa.table("moderation_logs"))
    return tuple(_moderation_row(tuple(row)) for row in connection.execute(statement))


def _moderation_row(row: tuple[Any, ...]) -> ModerationRow:
    guild_id, action, target, moderator, reason, entry, details = row
    return ModerationRow(
        guild_id=int(guild_id),
        action=str(action),
        target_user_id=int(target or 0),
        moderator_id=None if moderator is None else int(moderator),
        reason=reason,
        audit_entry_id=None if entry is None else int(entry),
        count=_read_count(action, details) if action in COUNTED else None,
    )


def _read_count(action: str, details: object) -> int | None:
    found = _parse(details)
    value = found.get(COUNTED[action]) if isinstance(found, dict) else None
    return value if isinstance(value, int) else None


def _parse(document: object) -> object:
    """A JSON document as a value: some drivers return its text, others the value."""
    return json.loads(document) if isinstance(document, str | bytes) else document


def _read_structure(connection: sa.Connection) -> Iterator[ModerationRow]:
    names = ("guild_id", "type", "target_id", "actor_id", "reason", "audit_entry_id", "details")
    statement = sa.select(*_columns(*names)).select_from(sa.table("guild_events"))
    for row in connection.execute(statement):
        guild_id, kind, target, actor, reason, entry, details = tuple(row)
        if is_structure(kind):
            yield ModerationRow(
                guild_id=int(guild_id),
                action=kind,
                target_user_id=int(target or 0),
                moderator_id=None if actor is None else int(actor),
                reason=reason,
                audit_entry_id=None if entry is None else int(entry),
                changes=_read_changes(details),
            )


def _read_changes(details: object) -> frozenset[FieldChange]:
    document = _parse(details)
    changes = document.get("changes") if isinstance(document, dict) else None
    return frozenset(
        (name, json.dumps(change.get("old")), json.dumps(change.get("new")))
        for name, change in (changes or {}).items()
    )


def _read_uses(connection: sa.Connection) -> tuple[InviteRow, ...]:
    names = (
        "guild_id",
        "invitee_id",
        "invite_code",
        "inviter_id",
        "method",
        "confidence",
        "candidates",
    )
    statement = sa.select(*_columns(*names)).select_from(sa.table("invite_tracking"))
    return tuple(_invite_row(tuple(row)) for row in connection.execute(statement.order_by(sa.column("id"))))


def _invite_row(row: tuple[Any, ...]) -> InviteRow:
    guild_id, invitee, code, inviter, method, confidence, candidates = row
    codes = _parse(candidates)
    return InviteRow(
        guild_id=int(guild_id),
        invitee_id=int(invitee or 0),
        invite_code=code,
        inviter_id=None if inviter is None else int(inviter),
        method=str(method),
        confidence=str(confidence),
        candidates=frozenset(str(each) for each in codes) if isinstance(codes, list) else frozenset(),
    )


def _columns(*names: str) -> list[sa.ColumnClause[Any]]:
    return [sa.column(name) for name in names]
