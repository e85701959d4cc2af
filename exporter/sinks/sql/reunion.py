"""A row written live and an audit-log entry read back after a crash may speak of one action.

A process that is killed has written what it saw, and may not have noted that the entry was still to come. The
next one finds the entry in the audit log and takes it for an action nobody saw. Here, where both rows meet,
an entry that was recovered joins the row of the same action on the same person that has no entry yet, if they
lie close together. Each row is joined by one entry at most. What else is told of an entry, under the name of
the row it would have had, goes to the row that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.model import entry_of
from exporter.sinks.sql.changes import Run
from exporter.sinks.sql.increments import Parameters
from exporter.sinks.sql.schema import moderation_logs
from exporter.sinks.sql.types import Moment

APART_MS: Final = 5_000
"""How far a dispatch's time of receipt and its entry's time may lie apart: clocks that are looked
after differ by less, and hardly anything is done to the same person twice within it."""

_IDS_PER_QUERY: Final = 500
"""Far below any driver's limit of parameters."""

_Deed = tuple[int, str, int | None]
"""Guild, action, person."""


@dataclass(slots=True)
class _Lonely:
    """Rows without an entry: when, by key, for each deed."""

    rows: dict[_Deed, dict[str, int]] = field(default_factory=dict)

    def add(self, deed: _Deed, key: str, at: int) -> None:
        self.rows.setdefault(deed, {})[key] = at

    def discard(self, key: str) -> None:
        for found in self.rows.values():
            found.pop(key, None)

    def take(self, deed: _Deed, at: int) -> str | None:
        """The key of the row closest in time, which is lonely no more."""
        found = self.rows.get(deed, {})
        key = min(found, key=lambda key: abs(found[key] - at), default=None)
        if key is None or abs(found[key] - at) > APART_MS:
            return None
        del found[key]
        return key


async def reunite(connection: AsyncConnection, occurrences: Mapping[str, Sequence[Run]]) -> None:
    """Give rows about audit-log entries the keys of the rows they belong to; changes them in place."""
    runs = occurrences.get(moderation_logs.name, ())
    keys = await _renamed(connection, runs)
    lonely = await _find_lonely(connection, runs)
    for run in runs:
        for row in run.rows:
            key = row["event_key"]
            if run.amends and key in keys:
                row["event_key"] = keys[key]
            elif not run.amends and key not in keys and _is_recovered(row):
                row["event_key"] = keys[key] = lonely.take(_deed(row), row["at"]) or key
            elif row["audit_entry_id"] is not None:
                lonely.discard(key)
            elif not run.amends:
                lonely.add(_deed(row), key, row["at"])


async def _renamed(connection: AsyncConnection, runs: Sequence[Run]) -> dict[str, str]:
    """Keys of entries that were given to rows of other keys before."""
    told = [row["event_key"] for run in runs if run.amends for row in run.rows]
    names = {entry_id: key for key in told if (entry_id := entry_of(key))}
    found: dict[str, str] = {}
    ids = iter(sorted(names))
    while part := list(islice(ids, _IDS_PER_QUERY)):
        for entry_id, key in await connection.execute(_STANDING, {"ids": part}):
            if key != names[entry_id]:
                found[names[entry_id]] = key
    return found


async def _find_lonely(connection: AsyncConnection, runs: Sequence[Run]) -> _Lonely:
    """The rows in the database that recovered entries of these may belong to."""
    lonely = _Lonely()
    recovered = [row for run in runs if not run.amends for row in run.rows if _is_recovered(row)]
    for guild_id, start, end in _spans(recovered):
        around = {"guild": guild_id, "start": start - APART_MS, "end": end + APART_MS}
        for key, action, target_id, at in await connection.execute(_LONELY, around):
            lonely.add((guild_id, action, target_id), key, at)
    return lonely


def _is_recovered(row: Parameters) -> bool:
    return bool(row["recovered"]) and row["audit_entry_id"] is not None


def _deed(row: Parameters) -> _Deed:
    return row["guild_id"], row["action"], row["target_user_id"]


def _spans(rows: Iterable[Parameters]) -> list[tuple[int, int, int]]:
    """Each guild's first and last moment."""
    found: dict[int, tuple[int, int]] = {}
    for row in rows:
        first, last = found.get(row["guild_id"], (row["at"], row["at"]))
        found[row["guild_id"]] = (min(first, row["at"]), max(last, row["at"]))
    return [(guild_id, *span) for guild_id, span in sorted(found.items())]


_LONELY: Final = select(
    moderation_logs.columns.event_key,
    moderation_logs.columns.action,
    moderation_logs.columns.target_user_id,
    moderation_logs.columns.at,
).where(
    moderation_logs.columns.guild_id == bindparam("guild"),
    moderation_logs.columns.at.between(bindparam("start", type_=Moment()), bindparam("end", type_=Moment())),
    moderation_logs.columns.audit_entry_id.is_(None),
)

_STANDING: Final = select(moderation_logs.columns.audit_entry_id, moderation_logs.columns.event_key).where(
    moderation_logs.columns.audit_entry_id.in_(bindparam("ids", expanding=True))
)
