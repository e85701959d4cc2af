"""Views of the activity in guilds."""

from __future__ import annotations

from functools import partial
from typing import Final

from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import (
    DAY,
    GUILD,
    MIDNIGHT,
    OF_GUILD,
    View,
    count,
    day,
    flag,
    ident,
    number,
    seconds,
    sum_of_days,
    text,
    time,
    was_active,
)

_HEATMAP_DAYS: Final = 14
"""Each weekday twice."""

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _guilds(sql: Dialect) -> str:
    within = partial(sum_of_days, sql)

    def on(column: str, days: int) -> str:
        return f"COALESCE(SUM(CASE WHEN d.day = {sql.days_ago(days)} THEN d.{column} END), 0)"

    def active(days: int) -> str:
        return (
            "(SELECT COUNT(*) FROM member_daily a"
            f" WHERE a.guild_id = g.guild_id AND a.day = {sql.days_ago(days)} AND {was_active('a')})"
        )

    def whole(total: str) -> str:
        return f"CAST({total} AS BIGINT)"

    return f"""
SELECT {OF_GUILD} AS guild_id,
  g.name AS guild_name,
  CASE WHEN g.icon <> '' THEN
    'https://cdn.discordapp.com/icons/' || {OF_GUILD} || '/' || g.icon || '.png' END AS icon_url,
  CAST(g.owner_id AS TEXT) AS owner_id,
  (g.left_at IS NULL) AS here,
  g.joined_at AS bot_joined_at,
  g.member_count AS members,
  g.premium_subscription_count AS boosts,
  g.premium_tier AS boost_level,
  {sql.today} AS day,
  {whole(on("messages", 0))} AS messages_today,
  {whole(on("messages", 7))} AS messages_week_ago,
  {on("voice_seconds", 0)} AS voice_seconds_today,
  {on("voice_seconds", 7)} AS voice_seconds_week_ago,
  {whole(on("reactions", 0))} AS reactions_today,
  {whole(on("reactions", 7))} AS reactions_week_ago,
  {active(0)} AS active_today,
  {active(7)} AS active_week_ago,
  {whole(on("joins", 0))} AS joins_today,
  {whole(on("joins", 7))} AS joins_week_ago,
  {whole(on("leaves", 0))} AS leaves_today,
  {whole(on("leaves", 7))} AS leaves_week_ago,
  {whole(within("messages", 7, 1))} AS messages_7d,
  {whole(within("messages", 14, 8))} AS messages_prior_7d,
  {within("voice_seconds", 7, 1)} AS voice_seconds_7d,
  {within("voice_seconds", 14, 8)} AS voice_seconds_prior_7d,
  {whole(within("joins", 7, 1))} AS joins_7d,
  {whole(within("joins", 14, 8))} AS joins_prior_7d,
  {whole(within("leaves", 7, 1))} AS leaves_7d,
  {whole(within("leaves", 14, 8))} AS leaves_prior_7d,
  (SELECT COUNT(*) FROM moderation_logs l
    WHERE l.guild_id = g.guild_id AND l.at >= {sql.ago(hours=24)}) AS actions_24h,
  'https://discord.com/channels/' || {OF_GUILD} AS url
FROM guilds g
LEFT JOIN guild_daily d ON d.guild_id = g.guild_id AND d.day >= {sql.days_ago(14)}
GROUP BY g.guild_id"""


GUILDS: Final = View(
    "v_guilds",
    "One row for each guild: its size, and its activity today compared with the same day last week.",
    (
        GUILD,
        text("guild_name", "Last known name."),
        text("icon_url", "Address of the icon; null if there is none."),
        ident("owner_id", "The owner."),
        flag("here", "Whether the bot is in the guild."),
        time("bot_joined_at", "When the bot joined."),
        count("members", "Last known number of members."),
        count("boosts", "Number of boosts."),
        count("boost_level", "Boost level, 0 to 3."),
        day("day", "Today in UTC."),
        count("messages_today", "Messages by people today."),
        count("messages_week_ago", "The same for the whole day one week ago."),
        seconds("voice_seconds_today", "Time of people in voice without the AFK channel today, in seconds."),
        seconds("voice_seconds_week_ago", "The same for the whole day one week ago."),
        count("reactions_today", "Reactions added today."),
        count("reactions_week_ago", "The same for the whole day one week ago."),
        count("active_today", "Members active today: with a message, voice time or a reaction."),
        count("active_week_ago", "The same for the whole day one week ago."),
        count("joins_today", "Members who joined today."),
        count("joins_week_ago", "The same for the whole day one week ago."),
        count("leaves_today", "Members who left today."),
        count("leaves_week_ago", "The same for the whole day one week ago."),
        count("messages_7d", "Messages by people in the 7 days before today."),
        count("messages_prior_7d", "The same in the 7 days before those."),
        seconds(
            "voice_seconds_7d", "Time of people in voice without the AFK channel in the 7 days before today."
        ),
        seconds("voice_seconds_prior_7d", "The same in the 7 days before those."),
        count("joins_7d", "Members who joined in the 7 days before today."),
        count("joins_prior_7d", "The same in the 7 days before those."),
        count("leaves_7d", "Members who left in the 7 days before today."),
        count("leaves_prior_7d", "The same in the 7 days before those."),
        count("actions_24h", "Moderation actions within 24 hours."),
        text("url", "Opens the guild in Discord."),
    ),
    _guilds,
)


def _guild_daily(sql: Dialect) -> str:
    return f"""
SELECT {OF_GUILD} AS guild_id,
  d.day, {sql.midnight("d.day")} AS time,
  d.messages, d.bot_messages, d.webhook_messages, d.message_edits, d.message_deletes,
  d.voice_seconds, d.afk_voice_seconds, d.voice_sessions, d.reactions, d.joins, d.leaves,
  (SELECT COUNT(*) FROM member_daily a
    WHERE a.guild_id = g.guild_id AND a.day = d.day AND {was_active("a")}) AS active_members
FROM guilds g
JOIN guild_daily d ON d.guild_id = g.guild_id"""


GUILD_DAILY: Final = View(
    "v_guild_daily",
    "A guild's activity by day.",
    (
        GUILD,
        DAY,
        MIDNIGHT,
        count("messages", "Messages by people."),
        count("bot_messages", "Messages by bots."),
        count("webhook_messages", "Messages by webhooks."),
        count("message_edits", "Messages edited by their author."),
        count("message_deletes", "Messages deleted."),
        seconds("voice_seconds", "Time of people in voice without the AFK channel, in seconds."),
        seconds("afk_voice_seconds", "Time of people in the AFK channel, in seconds."),
        count("voice_sessions", "Voice sessions that ended."),
        count("reactions", "Reactions added."),
        count("joins", "Members who joined."),
        count("leaves", "Members who left."),
        count("active_members", "Members with a message, voice time or a reaction."),
    ),
    _guild_daily,
)


def _hours(sql: Dialect) -> str:
    weekday, hour = sql.weekday("s.period_start"), sql.hour("s.period_start")
    names = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(_WEEKDAYS, 1))
    begin, end = sql.midnight(sql.days_ago(_HEATMAP_DAYS)), sql.midnight(sql.today)
    score = "SUM(s.total_messages) + 0.5 * SUM(s.total_voice_seconds) / 60 + 0.2 * SUM(s.total_reactions)"
    return f"""
SELECT {OF_GUILD} AS guild_id,
  {weekday} AS weekday, CASE {weekday} {names} END AS weekday_name, {hour} AS hour,
  CAST(SUM(s.total_messages) AS BIGINT) AS messages,
  SUM(s.total_voice_seconds) AS voice_seconds,
  CAST(SUM(s.total_reactions) AS BIGINT) AS reactions,
  {sql.rounded(score)} AS score
FROM guilds g
JOIN metrics_snapshots s ON s.guild_id = g.guild_id
  AND s.period_start >= {begin} AND s.period_start < {end}
GROUP BY g.guild_id, {weekday}, {hour}"""


HOURS: Final = View(
    "v_activity_hours",
    "Activity by weekday and hour over the last 14 whole days; rows only with `sinks.sql.store_snapshots`.",
    (
        GUILD,
        count("weekday", "The UTC weekday, 1 for Monday to 7 for Sunday."),
        text("weekday_name", "That weekday's name in English."),
        count("hour", "The hour in UTC, 0 to 23."),
        count("messages", "Messages by people."),
        seconds("voice_seconds", "Time of people in voice without the AFK channel, in seconds."),
        count("reactions", "Reactions added."),
        number("score", "Activity score: messages + 0.5 voice minutes + 0.2 reactions."),
    ),
    _hours,
)

VIEWS: Final = (GUILDS, GUILD_DAILY, HOURS)
