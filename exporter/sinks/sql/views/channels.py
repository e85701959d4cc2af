"""Views of the activity in channels."""

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
    ident,
    seconds,
    sum_of_days,
    text,
)

_CATEGORY: Final = 4
_THREADS: Final = "10, 11, 12"
"""Channel types that are never active themselves: Discord docs, Resources › Channel › Channel Types."""


def _channel_daily(sql: Dialect) -> str:
    return f"""
SELECT {OF_GUILD} AS guild_id,
  CAST(d.channel_id AS TEXT) AS channel_id, c.name AS channel_name,
  d.day, {sql.midnight("d.day")} AS time,
  d.messages, d.bot_messages, d.webhook_messages, d.message_edits, d.message_deletes,
  d.voice_seconds, d.afk_voice_seconds, d.reactions,
  'https://discord.com/channels/' || {OF_GUILD} || '/' || CAST(d.channel_id AS TEXT) AS url
FROM guilds g
JOIN channel_daily d ON d.guild_id = g.guild_id
LEFT JOIN channels c ON c.guild_id = d.guild_id AND c.channel_id = d.channel_id"""


CHANNEL_DAILY: Final = View(
    "v_channel_daily",
    "A channel's activity by day, with its name.",
    (
        GUILD,
        ident("channel_id", "The channel; a thread counts for its parent."),
        text("channel_name", "Last known name."),
        DAY,
        MIDNIGHT,
        count("messages", "Messages by people."),
        count("bot_messages", "Messages by bots."),
        count("webhook_messages", "Messages by webhooks."),
        count("message_edits", "Messages edited by their author."),
        count("message_deletes", "Messages deleted."),
        seconds("voice_seconds", "Time of people in voice without the AFK channel, in seconds."),
        seconds("afk_voice_seconds", "Time of people there while it was the AFK channel, in seconds."),
        count("reactions", "Reactions added."),
        text("url", "Opens the channel in Discord."),
    ),
    _channel_daily,
)


def _channels(sql: Dialect) -> str:
    within = partial(sum_of_days, sql)
    last = (
        "(SELECT MAX(l.day) FROM channel_daily l WHERE l.guild_id = c.guild_id"
        " AND l.channel_id = c.channel_id"
        " AND (l.messages > 0 OR l.voice_seconds > 0 OR l.afk_voice_seconds > 0))"
    )

    return f"""
SELECT {OF_GUILD} AS guild_id,
  CAST(c.channel_id AS TEXT) AS channel_id, c.name AS channel_name,
  CASE c.type WHEN 0 THEN 'text' WHEN 2 THEN 'voice' WHEN 5 THEN 'announcement' WHEN 13 THEN 'stage'
    WHEN 15 THEN 'forum' WHEN 16 THEN 'media' ELSE 'other' END AS kind,
  CAST(p.channel_id AS TEXT) AS category_id, p.name AS category_name,
  {last} AS last_active,
  {sql.days_between(sql.today, last)} AS quiet_days,
  CAST({within("messages", 6, 0)} AS BIGINT) AS messages_7d,
  CAST({within("messages", 29, 0)} AS BIGINT) AS messages_30d,
  CAST({within("messages", 59, 30)} AS BIGINT) AS messages_prior_30d,
  {within("voice_seconds", 6, 0)} AS voice_seconds_7d,
  {within("voice_seconds", 29, 0)} AS voice_seconds_30d,
  {within("voice_seconds", 59, 30)} AS voice_seconds_prior_30d,
  'https://discord.com/channels/' || {OF_GUILD} || '/' || CAST(c.channel_id AS TEXT) AS url
FROM guilds g
JOIN channels c ON c.guild_id = g.guild_id
LEFT JOIN channels p ON p.guild_id = c.guild_id AND p.channel_id = c.parent_id
LEFT JOIN channel_daily d
  ON d.guild_id = c.guild_id AND d.channel_id = c.channel_id AND d.day >= {sql.days_ago(59)}
WHERE c.type IS NULL OR c.type NOT IN ({_CATEGORY}, {_THREADS})
GROUP BY g.guild_id, c.guild_id, c.channel_id, c.name, c.type, p.channel_id, p.name"""


CHANNELS: Final = View(
    "v_channels",
    "One row for each channel that can be active: its activity, and the days since the last one.",
    (
        GUILD,
        ident("channel_id", "The channel."),
        text("channel_name", "Last known name."),
        text("kind", "Type: text, voice, announcement, stage, forum, media or other."),
        ident("category_id", "The category of the channel, if any."),
        text("category_name", "Name of the category."),
        day(
            "last_active",
            "Last day with a message by a person or with voice time; null if none was observed.",
        ),
        count("quiet_days", "Days since `last_active`; null if none was observed."),
        count("messages_7d", "Messages by people today and in the 6 days before."),
        count("messages_30d", "Messages by people today and in the 29 days before."),
        count("messages_prior_30d", "Messages by people in the 30 days before those."),
        seconds("voice_seconds_7d", "Time in voice without AFK, today and in the 6 days before, in seconds."),
        seconds(
            "voice_seconds_30d", "Time in voice without AFK, today and in the 29 days before, in seconds."
        ),
        seconds("voice_seconds_prior_30d", "The same in the 30 days before those."),
        text("url", "Opens the channel in Discord."),
    ),
    _channels,
)

VIEWS: Final = (CHANNEL_DAILY, CHANNELS)
