"""Views of the activity in channels."""

from __future__ import annotations

from functools import partial
from typing import Final

from exporter.sinks.sql.views import columns as col
from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import Select, select, sum_of_days, view

_CATEGORY: Final = 4
_THREADS: Final = "10, 11, 12"
"""Channel types that are never active themselves: Discord docs, Resources › Channel › Channel Types."""

_KIND: Final = """CASE c.type WHEN 0 THEN 'text' WHEN 2 THEN 'voice' WHEN 5 THEN 'announcement'
    WHEN 13 THEN 'stage' WHEN 15 THEN 'forum' WHEN 16 THEN 'media' ELSE 'other' END"""


def _url(channel_id: str) -> str:
    return (
        f"'https://discord.com/channels/' || {col.as_text('g.guild_id')} || '/' || {col.as_text(channel_id)}"
    )


@view("v_channel_daily", "A channel's activity by day, with its name.")
def _channel_daily(sql: Dialect) -> Select:
    return select(
        "d",
        """FROM guilds g
JOIN channel_daily d ON d.guild_id = g.guild_id
LEFT JOIN channels c ON c.guild_id = d.guild_id AND c.channel_id = d.channel_id""",
        col.guild(),
        col.ident("channel_id", "The channel; a thread counts for its parent.", "d.channel_id"),
        col.text("channel_name", "Last known name.", "c.name"),
        *col.days(sql, "d"),
        *col.MESSAGES,
        col.seconds("afk_voice_seconds", "Time of people there while it was the AFK channel, in seconds."),
        col.count("reactions", "Reactions added."),
        col.text("url", "Opens the channel in Discord.", _url("d.channel_id")),
    )


@view(
    "v_channels",
    "One row for each channel there is that can be active: its activity, and the days since the last one.",
)
def _channels(sql: Dialect) -> Select:
    within = partial(sum_of_days, sql)

    last = (
        "(SELECT MAX(l.day) FROM channel_daily l WHERE l.guild_id = c.guild_id"
        " AND l.channel_id = c.channel_id"
        " AND (l.messages > 0 OR l.voice_seconds > 0 OR l.afk_voice_seconds > 0))"
    )
    active_day = "Last day with a message by a person or with voice time; null if none was observed."
    messages, voice = "Messages by people", "Time in voice without AFK, today and in the"
    prior = "in the 30 days before those."
    return select(
        "c",
        f"""FROM guilds g
JOIN channels c ON c.guild_id = g.guild_id
LEFT JOIN channels p ON p.guild_id = c.guild_id AND p.channel_id = c.parent_id
LEFT JOIN channel_daily d
  ON d.guild_id = c.guild_id AND d.channel_id = c.channel_id AND d.day >= {sql.days_ago(59)}
WHERE c.deleted_at IS NULL AND (c.type IS NULL OR c.type NOT IN ({_CATEGORY}, {_THREADS}))
GROUP BY g.guild_id, c.guild_id, c.channel_id, c.name, c.type, p.channel_id, p.name""",
        col.guild(),
        col.ident("channel_id", "The channel.", "c.channel_id"),
        col.text("channel_name", "Last known name.", "c.name"),
        col.text("kind", "Type: text, voice, announcement, stage, forum, media or other.", _KIND),
        col.ident("category_id", "The category of the channel, if any.", "p.channel_id"),
        col.text("category_name", "Name of the category.", "p.name"),
        col.day("last_active", active_day, last),
        col.count(
            "quiet_days",
            "Days since `last_active`; null if none was observed.",
            sql.days_between(sql.today, last),
        ),
        col.total("messages_7d", f"{messages} today and in the 6 days before.", within("messages", 6, 0)),
        col.total("messages_30d", f"{messages} today and in the 29 days before.", within("messages", 29, 0)),
        col.total("messages_prior_30d", f"{messages} {prior}", within("messages", 59, 30)),
        col.seconds("voice_seconds_7d", f"{voice} 6 days before, in seconds.", within("voice_seconds", 6, 0)),
        col.seconds(
            "voice_seconds_30d", f"{voice} 29 days before, in seconds.", within("voice_seconds", 29, 0)
        ),
        col.seconds("voice_seconds_prior_30d", f"The same {prior}", within("voice_seconds", 59, 30)),
        col.text("url", "Opens the channel in Discord.", _url("c.channel_id")),
    )


VIEWS: Final = (_channel_daily, _channels)
