"""Views of members and their activity."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import (
    GUILD,
    HERE,
    ColumnKind,
    Select,
    ViewColumn,
    as_text,
    count,
    days_of,
    flag,
    ident,
    number,
    profile_url,
    seconds,
    text,
    time,
    union,
    view,
)

_COUNTED: Final = (
    count("messages", "Messages sent."),
    seconds("voice_seconds", "Time in voice without the AFK channel, in seconds."),
    count("voice_sessions", "Voice sessions that ended."),
    count("reactions_given", "Reactions added to messages."),
    count("reactions_received", "Reactions of others to the member's messages."),
    seconds("afk_voice_seconds", "Time in the AFK channel, in seconds."),
    count("xp", "Experience points earned; 0 while levels are disabled."),
)
"""What is counted of a member, as the tables name it."""


def _score(sql: Dialect, prefix: str) -> str:
    weighted = f"{prefix}messages + 0.5 * {prefix}voice_seconds / 60 + 0.2 * {prefix}reactions_given"
    return sql.rounded(weighted)


def _score_column(value: str) -> ViewColumn:
    return number("score", "Activity score: messages + 0.5 voice minutes + 0.2 reactions given.", value)


def _summed(column: ViewColumn) -> str:
    sums = f"SUM(d.{column.name})"
    return sums if column.kind is ColumnKind.SECONDS else f"CAST({sums} AS BIGINT)"


@view("v_member_daily", "A member's activity by day, with the name.")
def _member_daily(sql: Dialect) -> Select:
    return Select(
        "d",
        (
            GUILD,
            ident("user_id", "The member.", "d.user_id"),
            text("username", "Last known name.", "m.username"),
            *days_of(sql, "d"),
            *_COUNTED,
            _score_column(_score(sql, "d.")),
        ),
        """FROM guilds g
JOIN member_daily d ON d.guild_id = g.guild_id
LEFT JOIN members m ON m.guild_id = d.guild_id AND m.user_id = d.user_id""",
    )


@view(
    "v_leaderboard",
    "Activity of each member in a period. Filter by guild and period, sort by any column.",
)
def _leaderboard(sql: Dialect) -> Select:
    periods = "`day` is today, `week` begins on Monday, `month` on the 1st, all in UTC; `all` is all time."
    name = """(SELECT m.username FROM members m
    WHERE m.guild_id = sums.guild_id AND m.user_id = sums.user_id)"""
    sums = ",\n    ".join(f"{_summed(column)} AS {column.name}" for column in _COUNTED)

    def arm(period: str, since: str, others: str = "") -> Select:
        return Select(
            "sums",
            (
                ident("guild_id", "The guild.", "sums.guild_id"),
                text("period", periods, f"'{period}'"),
                ident("user_id", "The member.", "sums.user_id"),
                text("username", "Last known name.", name),
                *_COUNTED,
                _score_column(_score(sql, "sums.")),
            ),
            f"""FROM (
  SELECT g.guild_id, d.user_id,
    {sums}
  FROM guilds g
  JOIN member_daily d ON d.guild_id = g.guild_id AND d.day >= {since}
  GROUP BY g.guild_id, d.user_id
) sums{others}""",
        )

    ever = f"""SELECT {as_text("g.guild_id")}, 'all', {as_text("s.user_id")}, s.username,
  {", ".join(f"s.total_{column.name}" for column in _COUNTED)},
  {_score(sql, "s.total_")}
FROM guilds g
JOIN member_stats s ON s.guild_id = g.guild_id"""
    return arm("day", sql.today, union(arm("week", sql.week), arm("month", sql.month), ever))


@view("v_members", "One row for each member who joined, left or was active while the exporter ran.")
def _members(sql: Dialect) -> Select:
    def in_all(column: ViewColumn) -> ViewColumn:
        meaning = column.comment.partition(";")
        comment = f"{meaning[0].removesuffix('.')}, all time{''.join(meaning[1:]) or '.'}"
        return replace(column, comment=comment, value=f"COALESCE(s.total_{column.name}, 0)")

    level = """(SELECT MAX(u.level) FROM level_ups u
    WHERE u.guild_id = m.guild_id AND u.user_id = m.user_id)"""
    return Select(
        "m",
        (
            GUILD,
            ident("user_id", "The member.", "m.user_id"),
            text("username", "Last known name."),
            flag("bot", "Whether the account is a bot; null if unknown."),
            flag("here", "Whether the member is in the guild, as far as the exporter knows.", HERE),
            time("joined_at", "Last observed join."),
            time("left_at", "Time of the leave; null while the member is in the guild."),
            time(
                "account_created_at",
                "Creation time of the account, from its id.",
                sql.created_at("m.user_id"),
            ),
            time("first_active_at", "First counted activity.", "s.first_seen"),
            time("last_active_at", "Last counted activity.", "s.last_seen"),
            *(in_all(column) for column in _COUNTED if column.name != "voice_sessions"),
            count("level", "Highest level reached; null if none.", level),
            _score_column(f"COALESCE({_score(sql, 's.total_')}, 0)"),
            text("url", "Opens the profile in Discord.", profile_url("m.user_id")),
        ),
        """FROM guilds g
JOIN members m ON m.guild_id = g.guild_id
LEFT JOIN member_stats s ON s.guild_id = m.guild_id AND s.user_id = m.user_id""",
    )


VIEWS: Final = (_member_daily, _leaderboard, _members)
