"""Who and what the numbers are about: guilds, channels and members as entries tell of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exporter.model import Entry
from exporter.sinks.sql.increments import Parameters
from exporter.sinks.sql.records import fit_column
from exporter.sinks.sql.schema import guilds
from exporter.sinks.sql.validation import UnfitError, fit_flag, fit_integer, fit_moment, fit_text

GUILD_HERE: Final = frozenset({"GUILD_SYNC", "GUILD_CREATE", "GUILD_UPDATE"})
GUILD_GONE: Final = "GUILD_DELETE"
MEMBER_JOINED: Final = "GUILD_MEMBER_ADD"
MEMBER_LEFT: Final = "GUILD_MEMBER_REMOVE"

_CHANNEL_FIELDS: Final = 4


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

    def apply(self, entry: Entry) -> None:
        """Take a join or a leave.

        Raises:
            UnfitError: a value does not fit.
        """
        at = fit_moment(entry.at, "at")
        if entry.type == MEMBER_JOINED:
            self.joined_at = at if self.joined_at is None else max(self.joined_at, at)
        else:
            self.left_at = at if self.left_at is None else max(self.left_at, at)
        name, bot = entry.data.get("username"), entry.data.get("bot")
        if name is not None:
            self.username = fit_text(name, "username") or self.username
        if bot is not None:
            self.bot = fit_flag(bot, "bot")


def guild_row(entry: Entry) -> Parameters:
    """The row for ``guilds``.

    Raises:
        UnfitError: a value does not fit its column.
    """
    row: Parameters = dict.fromkeys(column.name for column in guilds.columns)
    for name in row.keys() - {"guild_id", "left_at", "updated_at"}:
        value = entry.data.get(name)
        if value is not None:
            row[name] = fit_column(guilds, name, value)
    # Null means "not told" here, but a guild whose icon was taken away must lose it.
    if "icon" in entry.data and row["icon"] is None:
        row["icon"] = ""
    row["guild_id"] = fit_integer(entry.guild_id, "guild")
    row["updated_at"] = fit_moment(entry.at, "at")
    if entry.type == GUILD_GONE:
        row["left_at"] = row["updated_at"]
    return row


def channel_rows(entry: Entry) -> list[Parameters]:
    """Rows for ``channels``, from an entry that lists them.

    Raises:
        UnfitError: the list is not one of (id, name, type, parent).
    """
    listed = entry.data.get("channels")
    if listed is None:
        return []
    if not isinstance(listed, list | tuple):
        msg = "channels is no list"
        raise UnfitError(msg)
    rows = []
    for channel in listed:
        if not isinstance(channel, list | tuple) or len(channel) != _CHANNEL_FIELDS:
            msg = "a channel is not id, name, type and parent"
            raise UnfitError(msg)
        channel_id, name, kind, parent_id = channel
        rows.append(
            {
                "guild_id": fit_integer(entry.guild_id, "guild"),
                "channel_id": fit_integer(channel_id, "channel"),
                "name": fit_text(name, "channel name"),
                "type": fit_integer(kind, "channel type"),
                "parent_id": fit_integer(parent_id or 0, "channel parent") or None,
            }
        )
    return rows
