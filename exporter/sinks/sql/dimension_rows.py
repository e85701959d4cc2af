"""Guilds, channels and members as entries describe them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from exporter.events.records.occurrences import (
    GuildDeleteRecord,
    GuildRecord,
    ListedChannel,
    MemberJoinRecord,
    MemberLeaveRecord,
)
from exporter.model import Entry
from exporter.sinks.sql.increments import Parameters
from exporter.sinks.sql.records import fill
from exporter.sinks.sql.schema import guilds
from exporter.sinks.sql.types import check_text

_COLUMNS: Final = tuple(column.name for column in guilds.columns)


@dataclass(slots=True)
class Member:
    """What a batch says of one member, the newest of each."""

    joined_at: int | None = None
    left_at: int | None = None
    username: str | None = None
    bot: bool | None = None

    def row(self, guild_id: int, user_id: int) -> Parameters:
        """The row for ``members``; a leave before the last join is history."""
        left = self.left_at
        if left is not None and self.joined_at is not None and left < self.joined_at:
            left = None
        return {
            "guild_id": guild_id,
            "user_id": user_id,
            "username": self.username or None,
            "bot": self.bot,
            "joined_at": self.joined_at,
            "left_at": left,
        }

    def apply(self, at: int, data: MemberJoinRecord | MemberLeaveRecord) -> None:
        """Take a join or a leave at a moment in ms."""
        if isinstance(data, MemberJoinRecord):
            self.joined_at = at if self.joined_at is None else max(self.joined_at, at)
        else:
            self.left_at = at if self.left_at is None else max(self.left_at, at)
        self.username = data.username or self.username
        if data.bot is not None:
            self.bot = data.bot


def guild_row(entry: Entry, data: GuildRecord | GuildDeleteRecord) -> Parameters:
    """The row for ``guilds``.

    Raises:
        InvalidValueError: a value does not fit its column.
    """
    row: Parameters = dict.fromkeys(_COLUMNS)
    fill(row, data, (name for name in data.__struct_fields__ if name in row))
    row["guild_id"] = entry.guild_id
    row["updated_at"] = entry.at
    if isinstance(data, GuildDeleteRecord):
        row["left_at"] = entry.at
    elif data.icon is None:
        # Null means "not known" in a row, but a guild whose icon was removed must lose it.
        row["icon"] = ""
    return row


def channel_rows(entry: Entry, channels: Iterable[ListedChannel]) -> list[Parameters]:
    """Rows for ``channels`` that are there.

    Raises:
        InvalidValueError: a name does not fit its column.
    """
    rows = []
    for channel_id, name, kind, parent_id in channels:
        check_text(name, "channel name")
        rows.append(
            {
                "guild_id": entry.guild_id,
                "channel_id": channel_id,
                "name": name,
                "type": kind,
                "parent_id": parent_id or None,
                "deleted_at": None,
            }
        )
    return rows
