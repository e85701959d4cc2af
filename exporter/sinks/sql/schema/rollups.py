"""Sums by day and of all time, snapshots, and the position up to which each spool is delivered."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Table, Text

from exporter.sinks.sql.schema.columns import count, day_key, integer, key, metadata, moment, seconds, words
from exporter.sinks.sql.types import Document

guild_daily = Table(
    "guild_daily",
    metadata,
    key("guild_id", "The guild."),
    day_key(),
    count("messages", "Messages by people."),
    count("bot_messages", "Messages by bots."),
    count("webhook_messages", "Messages by webhooks."),
    count("system_messages", "Messages by Discord itself."),
    count("message_edits", "Messages edited by their author."),
    count("message_deletes", "Messages deleted."),
    seconds("voice_seconds", "Time people spent in voice, the AFK channel apart."),
    seconds("bot_voice_seconds", "Time bots spent in voice."),
    count("voice_sessions", "Voice sessions that ended."),
    count("reactions", "Reactions added."),
    count("reactions_removed", "Reactions taken back."),
    count("joins", "Members who joined."),
    count("leaves", "Members who left."),
    seconds("afk_voice_seconds", "Time people spent in the AFK channel."),
    Index(None, "day"),
    comment="A guild's activity by day.",
)


channel_daily = Table(
    "channel_daily",
    metadata,
    key("guild_id", "The guild."),
    key("channel_id", "The channel; threads count for their parent."),
    day_key(),
    count("messages", "Messages by people."),
    count("bot_messages", "Messages by bots."),
    count("webhook_messages", "Messages by webhooks."),
    count("system_messages", "Messages by Discord itself."),
    count("message_edits", "Messages edited by their author."),
    count("message_deletes", "Messages deleted."),
    seconds("voice_seconds", "Time people spent in voice, the AFK channel apart."),
    seconds("bot_voice_seconds", "Time bots spent in voice."),
    count("reactions", "Reactions added."),
    count("reactions_removed", "Reactions taken back."),
    seconds("afk_voice_seconds", "Time people spent there while it was the AFK channel."),
    Index(None, "guild_id", "day"),
    comment="A channel's activity by day.",
)


member_daily = Table(
    "member_daily",
    metadata,
    key("guild_id", "The guild."),
    key("user_id", "The member."),
    day_key(),
    count("messages", "Messages written."),
    seconds("voice_seconds", "Time spent in voice, the AFK channel apart."),
    count("voice_sessions", "Voice sessions that ended."),
    count("reactions_given", "Reactions added to messages."),
    count("reactions_received", "Reactions others added to the member's messages."),
    seconds("afk_voice_seconds", "Time spent in the AFK channel."),
    count("xp", "Experience earned."),
    Index(None, "guild_id", "day"),
    comment="A member's activity by day.",
)


member_stats = Table(
    "member_stats",
    metadata,
    key("guild_id", "The guild."),
    key("user_id", "The member."),
    words("username", "Name when last seen active.", nullable=False),
    count("total_messages", "Messages written."),
    seconds("total_voice_seconds", "Time spent in voice, the AFK channel apart."),
    count("total_voice_sessions", "Voice sessions that ended."),
    count("total_reactions_given", "Reactions added to messages."),
    count("total_reactions_received", "Reactions others added to the member's messages."),
    count("total_xp", "Experience earned."),
    moment("first_seen", "First activity counted.", nullable=False),
    moment("last_seen", "Last activity counted.", nullable=False),
    seconds("total_afk_voice_seconds", "Time spent in the AFK channel."),
    Index(None, "guild_id", "total_messages"),
    Index(None, "guild_id", "total_voice_seconds"),
    Index(None, "guild_id", "total_xp"),
    comment="A member's activity since the beginning.",
)


metrics_snapshots = Table(
    "metrics_snapshots",
    metadata,
    Column("event_key", Text, primary_key=True, comment="Identity of the snapshot."),
    integer("guild_id", "The guild.", nullable=False),
    moment("period_start", "Start of the window.", nullable=False),
    moment("period_end", "End of the window.", nullable=False),
    Column("period_duration", Double, nullable=False, comment="Length of the window in seconds."),
    count("total_messages", "Messages by people."),
    seconds("total_voice_seconds", "Time people spent in voice, the AFK channel apart."),
    count("total_reactions", "Reactions added."),
    count("unique_active_users", "Members who were active."),
    Column("data", Document, nullable=False, comment="The snapshot as it was made."),
    Index(None, "guild_id", "period_start"),
    Index(
        "ix_metrics_snapshots_sums",
        *("guild_id", "period_start", "total_messages", "total_voice_seconds", "total_reactions"),
    ),
    comment="Every snapshot, only with `store_snapshots`.",
)


deliveries = Table(
    "deliveries",
    metadata,
    Column("source", Text, primary_key=True, comment="The spool the rows came from."),
    Column("lane", BigInteger, primary_key=True, autoincrement=False, comment="Its lane."),
    integer("position", "Last position whose effect is in the tables.", nullable=False),
    comment="How far each spool has been applied; moves in the same transaction as the rows.",
)
