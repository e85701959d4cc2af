"""Snapshots as sums: a batch's amounts added up by table and key, so that few statements carry many rows.

Amounts stay integers until the sum is complete; only then do milliseconds become seconds.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from msgspec import UNSET, to_builtins
from sqlalchemy import Table

from exporter.events.records.snapshots import MemberActivitySnapshot, MetricsSnapshot
from exporter.model import Entry
from exporter.sinks.sql.column_mapping import ColumnMapping
from exporter.sinks.sql.schema import channel_daily, guild_daily, member_daily, member_stats
from exporter.sinks.sql.types import EPOCH, check_text

Parameters = dict[str, Any]
"""One row as the driver takes it: column names to values."""

Sums = dict[str, int]

DAILY: Final = (guild_daily, channel_daily, member_daily)

_DAY_MS: Final = 86_400_000
_TOTAL: Final = "total_"
"""``member_stats`` names its columns as ``member_daily`` does, with this before."""


@lru_cache(maxsize=64)
def utc_day(number: int) -> dt.date:
    """The date of a day counted from the epoch."""
    return EPOCH.date() + dt.timedelta(days=number)


@dataclass(slots=True)
class Seen:
    """When a member was active, and under what name."""

    first: int
    last: int
    name: str = ""


@dataclass(slots=True)
class Increments:
    """What a batch adds to the counting tables."""

    mapping: ColumnMapping
    daily: dict[str, dict[tuple[int, ...], Sums]] = field(default_factory=lambda: {t.name: {} for t in DAILY})
    """By table, then by its key with the day as a number."""
    seen: dict[tuple[int, int], Seen] = field(default_factory=dict)

    def add_guild(self, guild_id: int, data: MetricsSnapshot) -> Sums:
        """Add the series of a METRICS_SNAPSHOT; returns the sums of this entry alone."""
        day = data.period_start // _DAY_MS
        places, channel_places = self.mapping.guild, self.mapping.channel
        channels = self.daily[channel_daily.name]
        own: Sums = {}
        for measure, value, channel, _emoji, amount in data.series:
            place = (measure, value)
            column = places.get(place)
            if column is not None:
                own[column] = own.get(column, 0) + amount
            if channel and (column := channel_places.get(place)) is not None:
                sums = channels.setdefault((guild_id, channel, day), {})
                sums[column] = sums.get(column, 0) + amount
        if own:
            _add(self.daily[guild_daily.name].setdefault((guild_id, day), {}), own)
        return own

    def add_members(self, guild_id: int, data: MemberActivitySnapshot) -> None:
        """Add the members of a MEMBER_ACTIVITY_SNAPSHOT.

        Raises:
            InvalidValueError: a name does not fit its column.
        """
        day = data.period_start // _DAY_MS
        places = self.mapping.member
        members = self.daily[member_daily.name]
        for member in data.members:
            check_text(member.name, "username")
            self._see((guild_id, member.user_id), Seen(member.first_seen, member.last_seen, member.name))
            sums: Sums = {}
            for measure, value, _channel, amount in member.deltas:
                column = places.get((measure, value))
                if column is not None:
                    sums[column] = sums.get(column, 0) + amount
            if sums:
                _add(members.setdefault((guild_id, member.user_id, day), {}), sums)

    def _see(self, key: tuple[int, int], now: Seen) -> None:
        before = self.seen.get(key)
        if before is None:
            self.seen[key] = now
            return
        if now.name and (now.last >= before.last or not before.name):
            before.name = now.name
        before.first = min(before.first, now.first)
        before.last = max(before.last, now.last)

    def daily_rows(self, table: Table) -> list[Parameters]:
        """Rows for one of ``DAILY``, by key."""
        keys = [column.name for column in table.primary_key.columns]
        empty: Parameters = {column.name: 0 for column in table.columns if not column.primary_key}
        rows = []
        for key, sums in sorted(self.daily[table.name].items(), key=itemgetter(0)):
            row = empty | dict(zip(keys, key, strict=True)) | self._exposed(sums)
            row["day"] = utc_day(row["day"])
            rows.append(row)
        return rows

    def total_rows(self) -> list[Parameters]:
        """Rows for ``member_stats``, by key."""
        totals: dict[tuple[int, ...], Sums] = {}
        for (guild_id, user_id, _day), sums in self.daily[member_daily.name].items():
            _add(totals.setdefault((guild_id, user_id), {}), sums)
        empty = {column.name: 0 for column in member_stats.columns if column.name.startswith(_TOTAL)}
        return [
            {
                **empty,
                **self._exposed(totals.get((guild_id, user_id), {}), _TOTAL),
                "guild_id": guild_id,
                "user_id": user_id,
                "username": seen.name,
                "first_seen": seen.first,
                "last_seen": seen.last,
            }
            for (guild_id, user_id), seen in sorted(self.seen.items(), key=itemgetter(0))
        ]

    def _exposed(self, sums: Sums, prefix: str = "") -> Parameters:
        expose = self.mapping.expose
        return {prefix + column: expose(column, amount) for column, amount in sums.items()}


def snapshot_row(entry: Entry, data: MetricsSnapshot, sums: Sums, mapping: ColumnMapping) -> Parameters:
    """The row for ``metrics_snapshots``; ``sums`` are those of this entry.

    Raises:
        InvalidValueError: a value does not fit its column.
    """
    document = to_builtins(data)
    check_text(entry.key, "key")
    check_text(document, "data")
    return {
        "event_key": entry.key,
        "guild_id": entry.guild_id,
        "period_start": data.period_start,
        "period_end": data.period_end,
        "period_duration": float(data.period_duration),
        **{
            _TOTAL + column: mapping.expose(column, sums.get(column, 0))
            for column in ("messages", "voice_seconds", "reactions")
        },
        "unique_active_users": 0 if data.unique_users is UNSET else data.unique_users,
        "data": document,
    }


def _add(sums: Sums, more: Sums) -> None:
    for column, amount in more.items():
        sums[column] = sums.get(column, 0) + amount
