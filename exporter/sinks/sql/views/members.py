"""Views of members and their activity."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import (
    DAY,
    GUILD,
    MIDNIGHT,
    OF_GUILD,
    View,
    count,
    flag,
    ident,
    number,
    seconds,
    text,
    time,
)

_SCORE: Final = number("score", "Activity score: messages + 0.5 voice minutes + 0.2 reactions given.")


def _score(prefix: str) -> str:
    return f"{prefix}messages + 0.5 * {prefix}voice_seconds / 60 + 0.2 * {prefix}reactions_given"


def _member_daily(sql: Dialect) -> str:
    return f"""
SELECT {OF_GUILD} AS guild_id,
  CAST(d.user_id AS TEXT) AS user_id, m.username,
  d.day, {sql.midnight("d.day")} AS time,
  d.messages, d.voice_seconds, d.voice_sessions, d.reactions_given, d.reactions_received,
  d.afk_voice_seconds, d.xp,
  {sql.rounded(_score("d."))} AS score
FROM guilds g
JOIN member_daily d ON d.guild_id = g.guild_id
LEFT JOIN members m ON m.guild_id = d.guild_id AND m.user_id = d.user_id"""


MEMBER_DAILY: Final = View(
    "v_member_daily",
    "A member's activity by day, with the name.",
    (
        GUILD,
        ident("user_id", "The member."),
        text("username", "Last known name."),
        DAY,
        MIDNIGHT,
        count("messages", "Messages sent."),
        seconds("voice_seconds", "Time in voice without the AFK channel, in seconds."),
        count("voice_sessions", "Voice sessions that ended."),
        count("reactions_given", "Reactions added to messages."),
        count("reactions_received", "Reactions of others to the member's messages."),
        seconds("afk_voice_seconds", "Time in the AFK channel, in seconds."),
        count("xp", "Experience points earned; 0 while levels are disabled."),
        _SCORE,
    ),
    _member_daily,
)


def _leaderboard(sql: Dialect) -> str:
    def arm(period: str, since: str) -> str:
        return f"""
SELECT CAST(sums.guild_id AS TEXT) AS guild_id, '{period}' AS period,
  CAST(sums.user_id AS TEXT) AS user_id,
  (SELECT m.username FROM members m
    WHERE m.guild_id = sums.guild_id AND m.user_id = sums.user_id) AS username,
  sums.messages, sums.voice_seconds, sums.voice_sessions, sums.reactions_given, sums.reactions_received,
  sums.afk_voice_seconds, sums.xp,
  {sql.rounded(_score("sums."))} AS score
FROM (
  SELECT g.guild_id, d.user_id,
    CAST(SUM(d.messages) AS BIGINT) AS messages,
    SUM(d.voice_seconds) AS voice_seconds,
    CAST(SUM(d.voice_sessions) AS BIGINT) AS voice_sessions,
    CAST(SUM(d.reactions_given) AS BIGINT) AS reactions_given,
    CAST(SUM(d.reactions_received) AS BIGINT) AS reactions_received,
    SUM(d.afk_voice_seconds) AS afk_voice_seconds,
    CAST(SUM(d.xp) AS BIGINT) AS xp
  FROM guilds g
  JOIN member_daily d ON d.guild_id = g.guild_id AND d.day >= {since}
  GROUP BY g.guild_id, d.user_id
) sums"""

    arms = (arm("day", sql.today), arm("week", sql.week), arm("month", sql.month))
    return f"""{" UNION ALL ".join(arms)}
UNION ALL
SELECT {OF_GUILD}, 'all', CAST(s.user_id AS TEXT), s.username,
  s.total_messages, s.total_voice_seconds, s.total_voice_sessions,
  s.total_reactions_given, s.total_reactions_received,
  s.total_afk_voice_seconds, s.total_xp,
  {sql.rounded(_score("s.total_"))}
FROM guilds g
JOIN member_stats s ON s.guild_id = g.guild_id"""


LEADERBOARD: Final = View(
    "v_leaderboard",
    "Activity of each member in a period. Filter by guild and period, sort by any column.",
    (
        GUILD,
        text(
            "period",
            "`day` is today, `week` begins on Monday, `month` on the 1st, all in UTC; `all` is all time.",
        ),
        ident("user_id", "The member."),
        text("username", "Last known name."),
        count("messages", "Messages sent."),
        seconds("voice_seconds", "Time in voice without the AFK channel, in seconds."),
        count("voice_sessions", "Voice sessions that ended."),
        count("reactions_given", "Reactions added to messages."),
        count("reactions_received", "Reactions of others to the member's messages."),
        seconds("afk_voice_seconds", "Time in the AFK channel, in seconds."),
        count("xp", "Experience points earned; 0 while levels are disabled."),
        _SCORE,
    ),
    _leaderboard,
)


def _members(sql: Dialect) -> str:
    totals = ", ".join(
        f"COALESCE(s.total_{name}, 0) AS {name}"
        for name in (
            *("messages", "voice_seconds", "reactions_given", "reactions_received"),
            *("afk_voice_seconds", "xp"),
        )
    )
    return f"""
SELECT {OF_GUILD} AS guild_id,
  CAST(m.user_id AS TEXT) AS user_id, m.username, m.bot,
  (m.left_at IS NULL) AS here, m.joined_at, m.left_at,
  {sql.created_at("m.user_id")} AS account_created_at,
  s.first_seen AS first_active_at, s.last_seen AS last_active_at,
  {totals},
  (SELECT MAX(u.level) FROM level_ups u
    WHERE u.guild_id = m.guild_id AND u.user_id = m.user_id) AS level,
  COALESCE({sql.rounded(_score("s.total_"))}, 0) AS score,
  'https://discord.com/users/' || CAST(m.user_id AS TEXT) AS url
FROM guilds g
JOIN members m ON m.guild_id = g.guild_id
LEFT JOIN member_stats s ON s.guild_id = m.guild_id AND s.user_id = m.user_id"""


MEMBERS: Final = View(
    "v_members",
    "One row for each member who joined, left or was active while the exporter ran.",
    (
        GUILD,
        ident("user_id", "The member."),
        text("username", "Last known name."),
        flag("bot", "Whether the account is a bot; null if unknown."),
        flag("here", "Whether the member is in the guild, as far as the exporter knows."),
        time("joined_at", "Last observed join."),
        time("left_at", "Time of the leave; null while the member is in the guild."),
        time("account_created_at", "Creation time of the account, from its id."),
        time("first_active_at", "First counted activity."),
        time("last_active_at", "Last counted activity."),
        count("messages", "Messages sent, all time."),
        seconds("voice_seconds", "Time in voice without the AFK channel, in seconds, all time."),
        count("reactions_given", "Reactions added to messages, all time."),
        count("reactions_received", "Reactions of others to the member's messages, all time."),
        seconds("afk_voice_seconds", "Time in the AFK channel, in seconds, all time."),
        count("xp", "Experience points earned, all time; 0 while levels are disabled."),
        count("level", "Highest level reached; null if none."),
        _SCORE,
        text("url", "Opens the profile in Discord."),
    ),
    _members,
)

VIEWS: Final = (MEMBER_DAILY, LEADERBOARD, MEMBERS)
