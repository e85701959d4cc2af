"""Rows as some hundred communities would have left them after a year, straight into the tables.

Sizes follow Zipf's law: few guilds are large, most are small. The same seed makes the same rows.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

GUILDS = 200
SHARES = {"moderation_logs": 0.25, "member_events": 0.5, "members": 0.25}
"""Parts of the rows asked for; half of the events are joins, as many as there are members."""

_MOD_ACTIONS = (
    ("message_delete",) * 8 + ("timeout",) * 5 + ("role_add",) * 4 + ("ban",) * 2 + ("kick", "nick")
)
_YEAR = 365
_ACTIVE_DAYS = 2
"""Days of activity a member has on average: most say little."""
_LEFT = 0.5
_BANNED = 0.1
_CHANNELS = 30
_CHANNEL_DAYS = 90
_SNAPSHOT_DAYS = 28
_SNAPSHOT_GUILDS = 3
"""The largest guilds also have every snapshot, one a minute, as with ``store_snapshots``."""
_CODES = 40
_MODERATORS = 12

Row = tuple[object, ...]


@dataclass
class Communities:
    """``rows`` is the number of moderation and member rows altogether."""

    rows: int
    now: dt.datetime
    random: random.Random = field(default_factory=lambda: random.Random(6))

    def guild_id(self, number: int) -> int:
        """Ids as Discord makes them, beyond what a browser counts exactly."""
        return 900_000_000_000_000_000 + number * 7_919

    def sizes(self) -> list[int]:
        """Rows of each guild, the largest first."""
        weights = [1 / (rank + 4) for rank in range(GUILDS)]
        total = sum(weights)
        return [max(4, round(self.rows * weight / total)) for weight in weights]

    def tables(self) -> Iterator[tuple[str, tuple[str, ...], list[Row]]]:
        """Table, columns and rows, guild by guild."""
        for number, size in enumerate(self.sizes()):
            yield from self._guild(self.guild_id(number), size)
            if number < _SNAPSHOT_GUILDS:
                yield self._snapshots(self.guild_id(number))

    def _guild(self, guild: int, size: int) -> Iterator[tuple[str, tuple[str, ...], list[Row]]]:
        yield (
            "guilds",
            ("guild_id", "name", "member_count", "updated_at"),
            [(guild, f"guild {guild}", size, self.now)],
        )
        channels = [guild + 1 + each for each in range(_CHANNELS)]
        yield (
            "channels",
            ("guild_id", "channel_id", "name", "type"),
            [(guild, channel, f"channel-{channel}", 0) for channel in channels],
        )
        days = [self.now.date() - dt.timedelta(days=each) for each in range(_YEAR)]
        yield (
            "guild_daily",
            ("guild_id", "day", "messages", "voice_seconds", "joins"),
            [(guild, day, size, 60.0 * size, 3) for day in days],
        )
        yield (
            "channel_daily",
            ("guild_id", "channel_id", "day", "messages"),
            [(guild, channel, day, 5) for channel in channels for day in days[:_CHANNEL_DAYS]],
        )
        yield from self._people(guild, max(1, round(size * SHARES["members"])))
        actions = round(size * SHARES["moderation_logs"])
        yield self._moderation(guild, actions, max(1, size // 4))
        yield self._changes(guild, actions)

    def _snapshots(self, guild: int) -> tuple[str, tuple[str, ...], list[Row]]:
        minute = dt.timedelta(minutes=1)
        starts = [self.now - minute * each for each in range(_SNAPSHOT_DAYS * 1440)]
        data = json.dumps({"series": [["messages", "human", guild + each, "", 3] for each in range(9)]})
        rows: list[Row] = [
            (f"snapshot:{guild}:{start}", guild, start, start + minute, 60.0, 27, 60.0, data)
            for start in starts
        ]
        return "metrics_snapshots", _SNAPSHOT_COLUMNS, rows

    def _moment(self) -> dt.datetime:
        return self.now - dt.timedelta(seconds=self.random.randrange(_YEAR * 86_400))

    def _people(self, guild: int, people: int) -> Iterator[tuple[str, tuple[str, ...], list[Row]]]:
        members: list[Row] = []
        events: list[Row] = []
        stats: list[Row] = []
        daily: list[Row] = []
        uses: list[Row] = []
        for number in range(people):
            user = guild + 1000 + number
            joined, name = self._moment(), f"member {number}"
            left = (
                joined + (self.now - joined) * self.random.random() if self.random.random() < _LEFT else None
            )
            banned = self.random.random() < _BANNED
            code = f"code{guild % 1000}-{self.random.randrange(_CODES)}"
            inviter = guild + 1000 + self.random.randrange(min(people, _CODES))
            members.append((guild, user, name, False, joined, left))
            key = f"{guild}:{user}"
            events.append((f"join:{key}", guild, user, name, "join", None, code, inviter, None, joined))
            back = left or joined
            reason = "ban" if banned else "leave"
            tenure = (back - joined).total_seconds()
            events.append((f"leave:{key}", guild, user, name, "leave", reason, None, None, tenure, back))
            uses.append((f"use:{key}", guild, code, inviter, user, name, joined))
            stats.append((guild, user, name, number % 97, 60.0 * (number % 31), joined, back))
            for day in {self.random.randrange((self.now - joined).days + 1) for _ in range(_ACTIVE_DAYS * 2)}:
                when = joined.date() + dt.timedelta(days=day)
                daily.append((guild, user, when, 1 + number % 9, 60.0, 1))
        yield "members", ("guild_id", "user_id", "username", "bot", "joined_at", "left_at"), members
        yield "member_events", _EVENT_COLUMNS, [(*row, False, "{}", self.now) for row in events]
        yield "invite_tracking", _USE_COLUMNS, uses
        yield "member_stats", _STATS_COLUMNS, stats
        levels: list[Row] = [
            (f"level:{guild}:{user}:{level}", guild, user, name, level, 100 * level, last)
            for _, user, name, *_, last in stats
            for level in (1, 2)
        ]
        yield "level_ups", _LEVEL_COLUMNS, levels
        yield "member_daily", _DAILY_COLUMNS, daily
        yield (
            "invites",
            ("guild_id", "code", "channel_id", "uses"),
            [(guild, f"code{guild % 1000}-{each}", guild + 1, 1) for each in range(_CODES)],
        )

    def _moderation(self, guild: int, actions: int, people: int) -> tuple[str, tuple[str, ...], list[Row]]:
        rows = [
            (
                f"action:{guild}:{number}",
                guild,
                self.random.choice(_MOD_ACTIONS),
                guild + 1000 + self.random.randrange(people),
                guild + 1000 + self.random.randrange(_MODERATORS),
                "spam",
                False,
                self._moment(),
                "{}",
                self.now,
            )
            for number in range(actions)
        ]
        return "moderation_logs", _ACTION_COLUMNS, rows

    def _changes(self, guild: int, changes: int) -> tuple[str, tuple[str, ...], list[Row]]:
        details = json.dumps({"name": "general", "changes": {"topic": {"old": "x", "new": "y"}}})
        rows = [
            (
                f"change:{guild}:{number}",
                guild,
                "CHANNEL_UPDATE",
                guild + 1000 + self.random.randrange(_MODERATORS),
                guild + 1 + number % _CHANNELS,
                self._moment(),
                details,
            )
            for number in range(changes)
        ]
        return "guild_events", _CHANGE_COLUMNS, rows


_EVENT_COLUMNS = (
    *("event_key", "guild_id", "user_id", "username", "event", "reason", "invite_code", "inviter_id"),
    *("tenure_seconds", "at", "recovered", "details", "created_at"),
)
_USE_COLUMNS = ("event_key", "guild_id", "invite_code", "inviter_id", "invitee_id", "invitee_username", "at")
_STATS_COLUMNS = (
    *("guild_id", "user_id", "username", "total_messages", "total_voice_seconds", "first_seen", "last_seen"),
)
_DAILY_COLUMNS = ("guild_id", "user_id", "day", "messages", "voice_seconds", "reactions_given")
_SNAPSHOT_COLUMNS = (
    *("event_key", "guild_id", "period_start", "period_end", "period_duration"),
    *("total_messages", "total_voice_seconds", "data"),
)
_LEVEL_COLUMNS = ("event_key", "guild_id", "user_id", "username", "level", "xp", "at")
_CHANGE_COLUMNS = ("event_key", "guild_id", "type", "actor_id", "target_id", "at", "details")
_ACTION_COLUMNS = (
    *("event_key", "guild_id", "action", "target_user_id", "moderator_id", "reason", "recovered", "at"),
    *("details", "created_at"),
)
