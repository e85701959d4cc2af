"""Views of members and their activity."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views import columns as col
from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import Select, select, union, view

_COUNTED: Final = (
    col.count("messages", "Messages sent."),
    col.seconds("voice_seconds", "Time in voice without the AFK channel, in seconds."),
    col.count("voice_sessions", "Voice sessions that ended."),
    col.count("reactions_given", "Reactions added to messages."),
    col.count("reactions_received", "Reactions of others to the member's messages."),
    col.seconds("afk_voice_seconds", "Time in the AFK channel, in seconds."),
    col.count("xp", "Experience points earned; 0 while levels are disabled."),
)
"""What is counted of a member, as the tables name it."""


def _score(sql: Dialect, prefix: str) -> str:
    weighted = f"{prefix}messages + 0.5 * {prefix}voice_seconds / 60 + 0.2 * {prefix}reactions_given"
    return sql.rounded(weighted)


def _score_column(value: str) -> col.ViewColumn:
    return col.number("score", "Activity score: messages + 0.5 voice minutes + 0.2 reactions given.", value)


def _summed(column: col.ViewColumn) -> str:
    sums = f"SUM(d.{column.name})"
    return sums if column.kind is col.ColumnKind.SECONDS else f"CAST({sums} AS BIGINT)"


@view("v_member_daily", "A member's activity by day, with the name.")
def _member_daily(sql: Dialect) -> Select:
    return select(
        "d",
        """FROM guilds g
JOIN member_daily d ON d.guild_id = g.guild_id
LEFT JOIN members m ON m.guild_id = d.guild_id AND m.user_id = d.user_id""",
        col.guild(),
        col.ident("user_id", "The member.", "d.user_id"),
        col.text("username", "Last known name.", "m.username"),
        *col.days(sql, "d"),
        *_COUNTED,
        _score_column(_score(sql, "d.")),
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
        return select(
            "sums",
            f"""FROM (
  SELECT g.guild_id, d.user_id,
    {sums}
  FROM guilds g
  JOIN member_daily d ON d.guild_id = g.guild_id AND d.day >= {since}
  GROUP BY g.guild_id, d.user_id
) sums{others}""",
            col.guild("sums"),
            col.text("period", periods, f"'{period}'"),
            col.ident("user_id", "The member.", "sums.user_id"),
            col.text("username", "Last known name.", name),
            *_COUNTED,
            _score_column(_score(sql, "sums.")),
        )

    ever = f"""SELECT {col.as_text("g.guild_id")}, 'all', {col.as_text("s.user_id")}, s.username,
  {", ".join(f"s.total_{column.name}" for column in _COUNTED)},
  {_score(sql, "s.total_")}
FROM guilds g
JOIN member_stats s ON s.guild_id = g.guild_id"""
    return arm("day", sql.today, union(arm("week", sql.week), arm("month", sql.month), ever))


@view("v_members", "One row for each member who joined, left or was active while the exporter ran.")
def _members(sql: Dialect) -> Select:
    def ever(counted: str) -> str:
        return f"COALESCE(s.total_{counted}, 0)"

    voice = "Time in voice without the AFK channel, in seconds, all time."
    received = "Reactions of others to the member's messages, all time."
    xp = "Experience points earned, all time; 0 while levels are disabled."
    level = """(SELECT MAX(u.level) FROM level_ups u
    WHERE u.guild_id = m.guild_id AND u.user_id = m.user_id)"""
    return select(
        "m",
        """FROM guilds g
JOIN members m ON m.guild_id = g.guild_id
LEFT JOIN member_stats s ON s.guild_id = m.guild_id AND s.user_id = m.user_id""",
        col.guild(),
        col.ident("user_id", "The member.", "m.user_id"),
        col.text("username", "Last known name."),
        col.flag("bot", "Whether the account is a bot; null if unknown."),
        col.here("Whether the member is in the guild, as far as the exporter knows."),
        col.time("joined_at", "Last observed join."),
        col.time("left_at", "Time of the leave; null while the member is in the guild."),
        col.time(
            "account_created_at",
            "Creation time of the account, from its id.",
            sql.created_at("m.user_id"),
        ),
        col.time("first_active_at", "First counted activity.", "s.first_seen"),
        col.time("last_active_at", "Last counted activity.", "s.last_seen"),
        col.count("messages", "Messages sent, all time.", ever("messages")),
        col.seconds("voice_seconds", voice, ever("voice_seconds")),
        col.count("reactions_given", "Reactions added to messages, all time.", ever("reactions_given")),
        col.count("reactions_received", received, ever("reactions_received")),
        col.seconds(
            "afk_voice_seconds", "Time in the AFK channel, in seconds, all time.", ever("afk_voice_seconds")
        ),
        col.count("xp", xp, ever("xp")),
        col.count("level", "Highest level reached; null if none.", level),
        _score_column(f"COALESCE({_score(sql, 's.total_')}, 0)"),
        col.profile("url", "the profile", "m.user_id"),
    )


VIEWS: Final = (_member_daily, _leaderboard, _members)
