"""Snapshots as sums: a batch's amounts added up by table and key, so that few statements carry many rows.

Amounts stay integers until the sum is complete; only then do milliseconds become seconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Table

from exporter.model import Entry
from exporter.sinks.sql.column_mapping import Booking
from exporter.sinks.sql.schema import channel_daily, guild_daily, member_daily, member_stats
from exporter.sinks.sql.types import EPOCH
from exporter.sinks.sql.validation import (
    AMOUNT_LIMIT,
    ID_LIMIT,
    UnfitError,
    fit_amount,
    fit_document,
    fit_integer,
    fit_moment,
    fit_number,
    fit_text,
)

Parameters = dict[str, Any]
"""One row as the driver takes it: column names to values."""

Sums = dict[str, int]

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

    booking: Booking
    guilds: dict[tuple[int, int], Sums] = field(default_factory=dict)
    channels: dict[tuple[int, int, int], Sums] = field(default_factory=dict)
    members: dict[tuple[int, int, int], Sums] = field(default_factory=dict)
    seen: dict[tuple[int, int], Seen] = field(default_factory=dict)

    def book_guild(self, entry: Entry) -> Sums:
        """Add a METRICS_SNAPSHOT's series; returns the sums of this entry alone.

        Raises:
            UnfitError: an element is not what is declared.
        """
        day = _day(entry)
        places, channel_places = self.booking.guild, self.booking.channel
        own: Sums = {}
        for measure, value, channel, _emoji, amount in _items(entry, "series", 5):
            if type(amount) is not int or not -AMOUNT_LIMIT < amount < AMOUNT_LIMIT:
                fit_amount(amount, "series")
            place = (measure, value)
            column = places.get(place)
            if column is not None:
                own[column] = own.get(column, 0) + amount
            if channel and (column := channel_places.get(place)) is not None:
                if type(channel) is not int or not 0 < channel < ID_LIMIT:
                    fit_integer(channel, "series channel")
                sums = self.channels.setdefault((entry.guild_id, channel, day), {})
                sums[column] = sums.get(column, 0) + amount
        if own:
            _add(self.guilds.setdefault((entry.guild_id, day), {}), own)
        return own

    def book_members(self, entry: Entry) -> None:
        """Add a MEMBER_ACTIVITY_SNAPSHOT's members.

        Raises:
            UnfitError: an element is not what is declared.
        """
        day = _day(entry)
        places = self.booking.member
        for user_id, name, first, last, _new, counts in _items(entry, "members", 6):
            fit_integer(user_id, "member")
            self._see(
                (entry.guild_id, user_id),
                Seen(
                    fit_moment(first, "first seen"), fit_moment(last, "last seen"), fit_text(name, "username")
                ),
            )
            sums: Sums = {}
            for measure, value, _channel, amount in _sequences(counts, 4, "members"):
                column = places.get((measure, value))
                if column is not None:
                    sums[column] = sums.get(column, 0) + fit_amount(amount, "members")
            if sums:
                _add(self.members.setdefault((entry.guild_id, user_id, day), {}), sums)

    def _see(self, key: tuple[int, int], now: Seen) -> None:
        before = self.seen.get(key)
        if before is None:
            self.seen[key] = now
            return
        if now.name and (now.last >= before.last or not before.name):
            before.name = now.name
        before.first = min(before.first, now.first)
        before.last = max(before.last, now.last)

    def guild_rows(self) -> list[Parameters]:
        """Rows for ``guild_daily``, by key."""
        return self._rows(
            guild_daily, (({"guild_id": key[0]}, key[1], self.guilds[key]) for key in sorted(self.guilds))
        )

    def channel_rows(self) -> list[Parameters]:
        """Rows for ``channel_daily``, by key."""
        return self._rows(
            channel_daily,
            (
                ({"guild_id": key[0], "channel_id": key[1]}, key[2], self.channels[key])
                for key in sorted(self.channels)
            ),
        )

    def member_rows(self) -> list[Parameters]:
        """Rows for ``member_daily``, by key."""
        return self._rows(
            member_daily,
            (
                ({"guild_id": key[0], "user_id": key[1]}, key[2], self.members[key])
                for key in sorted(self.members)
            ),
        )

    def total_rows(self) -> list[Parameters]:
        """Rows for ``member_stats``, by key."""
        totals: dict[tuple[int, int], Sums] = {}
        for (guild_id, user_id, _day), sums in self.members.items():
            _add(totals.setdefault((guild_id, user_id), {}), sums)
        columns = [column.name for column in member_stats.columns if column.name.startswith(_TOTAL)]
        rows = []
        for key in sorted(self.seen):
            seen, sums = self.seen[key], totals.get(key, {})
            row: Parameters = dict.fromkeys(columns, 0)
            row.update(
                {_TOTAL + column: self.booking.expose(column, amount) for column, amount in sums.items()}
            )
            row.update(
                guild_id=key[0],
                user_id=key[1],
                username=seen.name,
                first_seen=seen.first,
                last_seen=seen.last,
            )
            rows.append(row)
        return rows

    def _rows(self, table: Table, cells: Iterable[tuple[Parameters, int, Sums]]) -> list[Parameters]:
        empty: Parameters = {column.name: 0 for column in table.columns if not column.primary_key}
        expose = self.booking.expose
        rows = []
        for key, day, sums in cells:
            row = empty | key
            row["day"] = utc_day(day)
            for column, amount in sums.items():
                row[column] = expose(column, amount)
            rows.append(row)
        return rows


def snapshot_row(entry: Entry, sums: Sums, booking: Booking) -> Parameters:
    """The row for ``metrics_snapshots``; ``sums`` are those of this entry.

    Raises:
        UnfitError: an element is not what is declared.
    """
    data = entry.data
    return {
        "event_key": fit_text(entry.key, "key"),
        "guild_id": entry.guild_id,
        "period_start": fit_moment(data["period_start"], "period_start"),
        "period_end": fit_moment(data["period_end"], "period_end"),
        "period_duration": fit_number(data["period_duration"], "period_duration"),
        **{
            _TOTAL + column: booking.expose(column, sums.get(column, 0))
            for column in ("messages", "voice_seconds", "reactions")
        },
        "unique_active_users": fit_integer(data["unique_users"], "unique_users"),
        "data": fit_document(data, "data"),
    }


def _day(entry: Entry) -> int:
    return fit_moment(entry.data["period_start"], "period_start") // _DAY_MS


def _add(sums: Sums, more: Sums) -> None:
    for column, amount in more.items():
        sums[column] = sums.get(column, 0) + amount


def _items(entry: Entry, name: str, length: int) -> Iterable[Sequence[Any]]:
    return _sequences(entry.data[name], length, name)


def _sequences(value: object, length: int, place: str) -> Iterable[Sequence[Any]]:
    if not isinstance(value, list | tuple):
        msg = f"{place} is no list"
        raise UnfitError(msg)
    for item in value:
        if not isinstance(item, list | tuple) or len(item) != length:
            msg = f"{place} holds something that is not {length} values"
            raise UnfitError(msg)
        yield item
