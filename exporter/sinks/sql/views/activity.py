"""Views of the activity in guilds."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views import columns as col
from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import Select, select, sum_of_days, view, was_active

_HEATMAP_DAYS: Final = 14
"""Each weekday twice."""

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_ICON_URL: Final = f"""CASE WHEN g.icon <> '' THEN
    'https://cdn.discordapp.com/icons/' || {col.as_text("g.guild_id")} || '/' || g.icon || '.png' END"""


@view(
    "v_guilds",
    "One row for each guild: its size, and its activity today compared with the same day last week.",
)
def _guilds(sql: Dialect) -> Select:
    def on(column: str, days: int) -> str:
        return f"COALESCE(SUM(CASE WHEN d.day = {sql.days_ago(days)} THEN d.{column} END), 0)"

    def active(days: int) -> str:
        return (
            "(SELECT COUNT(*) FROM member_daily a"
            f" WHERE a.guild_id = g.guild_id AND a.day = {sql.days_ago(days)} AND {was_active('a')})"
        )

    def before_today(column: str) -> str:
        return sum_of_days(sql, column, 7, 1)

    def week_before(column: str) -> str:
        return sum_of_days(sql, column, 14, 8)

    actions = (
        "(SELECT COUNT(*) FROM moderation_logs l"
        f" WHERE l.guild_id = g.guild_id AND l.at >= {sql.ago(hours=24)})"
    )
    voice = "Time of people in voice without the AFK channel"
    same, same_before = "The same for the whole day one week ago.", "The same in the 7 days before those."
    return select(
        "g",
        f"""FROM guilds g
LEFT JOIN guild_daily d ON d.guild_id = g.guild_id AND d.day >= {sql.days_ago(14)}
GROUP BY g.guild_id""",
        col.guild(),
        col.text("guild_name", "Last known name.", "g.name"),
        col.text("icon_url", "Address of the icon; null if there is none.", _ICON_URL),
        col.ident("owner_id", "The owner.", "g.owner_id"),
        col.flag("here", "Whether the bot is in the guild.", "(g.left_at IS NULL)"),
        col.time("bot_joined_at", "When the bot joined.", "g.joined_at"),
        col.count("members", "Last known number of members.", "g.member_count"),
        col.count("boosts", "Number of boosts.", "g.premium_subscription_count"),
        col.count("boost_level", "Boost level, 0 to 3.", "g.premium_tier"),
        col.day("day", "Today in UTC.", sql.today),
        col.total("messages_today", "Messages by people today.", on("messages", 0)),
        col.total("messages_week_ago", same, on("messages", 7)),
        col.seconds("voice_seconds_today", f"{voice} today, in seconds.", on("voice_seconds", 0)),
        col.seconds("voice_seconds_week_ago", same, on("voice_seconds", 7)),
        col.total("reactions_today", "Reactions added today.", on("reactions", 0)),
        col.total("reactions_week_ago", same, on("reactions", 7)),
        col.count(
            "active_today", "Members active today: with a message, voice time or a reaction.", active(0)
        ),
        col.count("active_week_ago", same, active(7)),
        col.total("joins_today", "Members who joined today.", on("joins", 0)),
        col.total("joins_week_ago", same, on("joins", 7)),
        col.total("leaves_today", "Members who left today.", on("leaves", 0)),
        col.total("leaves_week_ago", same, on("leaves", 7)),
        col.total("messages_7d", "Messages by people in the 7 days before today.", before_today("messages")),
        col.total("messages_prior_7d", same_before, week_before("messages")),
        col.seconds(
            "voice_seconds_7d", f"{voice} in the 7 days before today.", before_today("voice_seconds")
        ),
        col.seconds("voice_seconds_prior_7d", same_before, week_before("voice_seconds")),
        col.total("joins_7d", "Members who joined in the 7 days before today.", before_today("joins")),
        col.total("joins_prior_7d", same_before, week_before("joins")),
        col.total("leaves_7d", "Members who left in the 7 days before today.", before_today("leaves")),
        col.total("leaves_prior_7d", same_before, week_before("leaves")),
        col.count("actions_24h", "Moderation actions within 24 hours.", actions),
        col.text(
            "url",
            "Opens the guild in Discord.",
            f"'https://discord.com/channels/' || {col.as_text('g.guild_id')}",
        ),
    )


@view("v_guild_daily", "A guild's activity by day.")
def _guild_daily(sql: Dialect) -> Select:
    active = f"""(SELECT COUNT(*) FROM member_daily a
    WHERE a.guild_id = g.guild_id AND a.day = d.day AND {was_active("a")})"""
    return select(
        "d",
        """FROM guilds g
JOIN guild_daily d ON d.guild_id = g.guild_id""",
        col.guild(),
        *col.days(sql, "d"),
        *col.MESSAGES,
        col.seconds("afk_voice_seconds", "Time of people in the AFK channel, in seconds."),
        col.count("voice_sessions", "Voice sessions that ended."),
        col.count("reactions", "Reactions added."),
        col.count("joins", "Members who joined."),
        col.count("leaves", "Members who left."),
        col.count("active_members", "Members with a message, voice time or a reaction.", active),
    )


@view(
    "v_activity_hours",
    "Activity by weekday and hour over the last 14 whole days; rows only with `sinks.sql.store_snapshots`.",
)
def _hours(sql: Dialect) -> Select:
    weekday, hour = sql.weekday("s.period_start"), sql.hour("s.period_start")
    names = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(_WEEKDAYS, 1))
    begin, end = sql.midnight(sql.days_ago(_HEATMAP_DAYS)), sql.midnight(sql.today)
    score = "SUM(s.total_messages) + 0.5 * SUM(s.total_voice_seconds) / 60 + 0.2 * SUM(s.total_reactions)"
    return select(
        "s",
        f"""FROM guilds g
JOIN metrics_snapshots s ON s.guild_id = g.guild_id
  AND s.period_start >= {begin} AND s.period_start < {end}
GROUP BY g.guild_id, {weekday}, {hour}""",
        col.guild(),
        col.count("weekday", "The UTC weekday, 1 for Monday to 7 for Sunday.", weekday),
        col.text("weekday_name", "That weekday's name in English.", f"CASE {weekday} {names} END"),
        col.count("hour", "The hour in UTC, 0 to 23.", hour),
        col.total("messages", "Messages by people.", "SUM(s.total_messages)"),
        col.seconds(
            "voice_seconds",
            "Time of people in voice without the AFK channel, in seconds.",
            "SUM(s.total_voice_seconds)",
        ),
        col.total("reactions", "Reactions added.", "SUM(s.total_reactions)"),
        col.number(
            "score", "Activity score: messages + 0.5 voice minutes + 0.2 reactions.", sql.rounded(score)
        ),
    )


VIEWS: Final = (_guilds, _guild_daily, _hours)
