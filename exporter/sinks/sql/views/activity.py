"""Views of what goes on in guilds and channels."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.view import (
    DAY,
    GUILD,
    MIDNIGHT,
    View,
    count,
    day,
    flag,
    ident,
    number,
    seconds,
    time,
    words,
)

GUILDS: Final = View(
    "v_guilds",
    "One row for each guild: its size, and today so far against the same day last week.",
    (
        GUILD,
        words("guild_name", "Name when last told."),
        words("icon_url", "Address of the icon; null without one."),
        ident("owner_id", "Who owns it."),
        flag("here", "Whether the bot is in the guild."),
        time("bot_joined_at", "When the bot joined."),
        count("members", "Members when last told."),
        count("boosts", "Boosts."),
        count("boost_level", "Boost level, 0 to 3."),
        day("day", "Today in UTC."),
        count("messages_today", "Messages by people, today so far."),
        count("messages_week_ago", "The same on the whole day a week ago."),
        seconds("voice_seconds_today", "Time people spent in voice, today so far."),
        seconds("voice_seconds_week_ago", "The same on the whole day a week ago."),
        count("reactions_today", "Reactions added, today so far."),
        count("reactions_week_ago", "The same on the whole day a week ago."),
        count("active_today", "Members who did anything, today so far."),
        count("active_week_ago", "The same on the whole day a week ago."),
        count("joins_today", "Members who joined, today so far."),
        count("joins_week_ago", "The same on the whole day a week ago."),
        count("leaves_today", "Members who went, today so far."),
        count("leaves_week_ago", "The same on the whole day a week ago."),
        count("messages_7d", "Messages by people in the 7 days before today."),
        count("messages_prior_7d", "The same in the 7 days before those."),
        seconds("voice_seconds_7d", "Time people spent in voice in the 7 days before today."),
        seconds("voice_seconds_prior_7d", "The same in the 7 days before those."),
        count("joins_7d", "Members who joined in the 7 days before today."),
        count("joins_prior_7d", "The same in the 7 days before those."),
        count("leaves_7d", "Members who went in the 7 days before today."),
        count("leaves_prior_7d", "The same in the 7 days before those."),
        count("actions_24h", "Actions by moderators within 24 hours."),
        words("url", "Opens the guild in Discord."),
    ),
)

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
        seconds("voice_seconds", "Time people spent in voice."),
        count("voice_sessions", "Voice sessions that ended."),
        count("reactions", "Reactions added."),
        count("joins", "Members who joined."),
        count("leaves", "Members who went."),
        count("active_members", "Members who did anything."),
    ),
)

CHANNEL_DAILY: Final = View(
    "v_channel_daily",
    "A channel's activity by day, with its name.",
    (
        GUILD,
        ident("channel_id", "The channel; threads count for their parent."),
        words("channel_name", "Name when last told."),
        DAY,
        MIDNIGHT,
        count("messages", "Messages by people."),
        count("bot_messages", "Messages by bots."),
        count("webhook_messages", "Messages by webhooks."),
        count("message_edits", "Messages edited by their author."),
        count("message_deletes", "Messages deleted."),
        seconds("voice_seconds", "Time people spent in voice."),
        count("reactions", "Reactions added."),
        words("url", "Opens the channel in Discord."),
    ),
)

CHANNELS: Final = View(
    "v_channels",
    "One row for each channel that can be active: how busy it is, and how long it has been quiet.",
    (
        GUILD,
        ident("channel_id", "The channel."),
        words("channel_name", "Name when last told."),
        words("kind", "What it is: text, voice, announcement, stage, forum, media or other."),
        ident("category_id", "The category it is in, if any."),
        words("category_name", "That category's name."),
        day("last_active", "Last day with a message by a person or time in voice; null for none seen."),
        count("quiet_days", "Days since then; null for none seen."),
        count("messages_7d", "Messages by people, today and the 6 days before."),
        count("messages_30d", "Messages by people, today and the 29 days before."),
        count("messages_prior_30d", "Messages by people in the 30 days before those."),
        seconds("voice_seconds_7d", "Time people spent in voice, today and the 6 days before."),
        seconds("voice_seconds_30d", "Time people spent in voice, today and the 29 days before."),
        seconds("voice_seconds_prior_30d", "The same in the 30 days before those."),
        words("url", "Opens the channel in Discord."),
    ),
)

HOURS: Final = View(
    "v_activity_hours",
    "Activity by weekday and hour over the last 28 whole days; rows only with `sinks.sql.store_snapshots`.",
    (
        GUILD,
        count("weekday", "The UTC weekday, 1 for Monday to 7 for Sunday."),
        words("weekday_name", "That weekday's name in English."),
        count("hour", "The hour in UTC, 0 to 23."),
        count("messages", "Messages by people."),
        seconds("voice_seconds", "Time people spent in voice."),
        count("reactions", "Reactions added."),
        number("score", "Activity score: messages + 0.5 voice minutes + 0.2 reactions."),
    ),
)

VIEWS: Final = (GUILDS, GUILD_DAILY, CHANNEL_DAILY, CHANNELS, HOURS)
