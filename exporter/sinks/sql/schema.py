"""The tables: an interface that dashboards and people's own queries rely on.

Names and meanings change only with a migration and a note in the changelog. Discord ids are 64-bit integers;
times are UTC (``types``). No table has foreign keys: the lanes are delivered independently, so a guild's
counters may arrive before the guild. Comments here are the reference page and, in PostgreSQL, the
comments of the database itself.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, MetaData, Table, Text, false, text

from exporter.sinks.sql import columns as col
from exporter.sinks.sql.types import Document

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# Guilds, channels and members as last reported.

guilds = Table(
    "guilds",
    metadata,
    col.key("guild_id", "The guild."),
    col.words("name", "Name; null until the guild was synced."),
    col.words("icon", "Hash of the icon; empty without one."),
    col.integer("owner_id", "Who owns it."),
    col.integer("member_count", "Members when last reported."),
    Column("features", Document, comment="Discord's features, such as COMMUNITY."),
    col.integer("premium_tier", "Boost level, 0 to 3."),
    col.integer("premium_subscription_count", "Boosts."),
    col.moment("joined_at", "When the bot joined."),
    col.moment("left_at", "When the bot was removed; null while it is there."),
    col.moment("updated_at", "Time of the newest information."),
    col.shown("ix_guilds_shown", unique=True),
    comment="Every guild the bot has seen, as last reported.",
)

channels = Table(
    "channels",
    metadata,
    col.key("guild_id", "The guild."),
    col.key("channel_id", "The channel."),
    col.words("name", "Name when last reported."),
    col.integer("type", "Discord's channel type."),
    col.integer("parent_id", "The category, or a thread's channel; 0 for none."),
    col.moment("deleted_at", "When it was found to be deleted; null while it is there."),
    comment="Names of channels; those removed at Discord stay, for old numbers.",
)

members = Table(
    "members",
    metadata,
    col.key("guild_id", "The guild."),
    col.key("user_id", "The user."),
    col.words("username", "Name when last seen."),
    col.flag("bot", "Whether it is a bot; null where unknown."),
    col.moment("joined_at", "Last join seen."),
    col.moment("left_at", "When they left; null while they are there."),
    Index(None, "guild_id", "joined_at"),
    Index("ix_members_user_shown", "guild_id", text("CAST(user_id AS TEXT)")),
    comment="Members seen joining, leaving or active.",
)


# One row for each occurrence.

moderation_logs = Table(
    "moderation_logs",
    metadata,
    *col.row(),
    col.words("action", "What was done, as in discord_moderation_actions_total; or unknown.", nullable=False),
    col.integer("target_user_id", "The target of the action."),
    col.words("target_username", "The target's name at that moment."),
    col.integer("moderator_id", "The moderator; null where unknown."),
    col.words("moderator_username", "That person's name, where known."),
    col.words("reason", "The reason given, if any."),
    Column("audit_entry_id", BigInteger, unique=True, comment="The audit-log entry that says so."),
    col.recovered(),
    col.at(),
    col.details(),
    col.created(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "target_user_id", "at"),
    Index(None, "guild_id", "moderator_id", "at"),
    col.shown("ix_moderation_logs_shown", "at"),
    col.shown("ix_moderation_logs_target_shown", "target_user_id", "at"),
    comment="One row for each action a moderator took.",
)

member_events = Table(
    "member_events",
    metadata,
    *col.row(),
    col.integer("user_id", "Who came or went."),
    col.words("username", "Name at that moment."),
    col.words("event", "What happened: join or leave.", nullable=False),
    col.words("reason", "Of a leave: leave, kick, ban or prune, or unknown."),
    col.integer("moderator_id", "The moderator who removed them, if one did."),
    col.words("moderator_username", "That person's name, where known."),
    col.integer("audit_entry_id", "The audit-log entry that says so."),
    col.flag("bot", "Whether it is a bot."),
    Column("tenure_seconds", Double, comment="Of a leave: seconds since the join, where that was seen."),
    col.words("invite_code", "Of a join: the invite used, where known."),
    col.integer("inviter_id", "Who made that invite."),
    col.recovered(),
    col.at(),
    col.details(),
    col.created(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "user_id", "at"),
    col.shown("ix_member_events_shown", "at"),
    col.shown("ix_member_events_user_shown", "user_id", "at"),
    comment="Every join and every leave.",
)

guild_events = Table(
    "guild_events",
    metadata,
    *col.row(),
    col.words("type", "The event type.", nullable=False),
    col.integer("actor_id", "Who did it, where known."),
    col.integer("target_id", "What it was done to."),
    col.at(),
    col.details(),
    col.words("reason", "The reason given, if any."),
    col.integer("audit_entry_id", "The audit-log entry that says so, where there is one."),
    col.recovered(server_default=false()),
    Index("uq_guild_events_audit_entry_id", "audit_entry_id", unique=True),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "type", "at"),
    comment="Changes of guilds and of what they are made of.",
)

invites = Table(
    "invites",
    metadata,
    col.key("guild_id", "The guild."),
    Column("code", Text, primary_key=True, comment="The invite's code."),
    col.integer("channel_id", "Where it leads."),
    col.integer("inviter_id", "Who made it."),
    col.words("inviter_username", "That person's name."),
    col.integer("max_uses", "Uses allowed; 0 for no limit."),
    col.integer("max_age", "Lifetime in seconds; 0 for no limit."),
    col.flag("temporary", "Whether members stay only while they are online."),
    col.integer("uses", "Uses when last reported."),
    col.moment("created_at", "When it was made."),
    col.moment("expires_at", "When it ends by itself."),
    col.moment("deleted_at", "When it was removed."),
    Index(None, "guild_id", "inviter_id"),
    comment="Invites as last reported.",
)

invite_tracking = Table(
    "invite_tracking",
    metadata,
    *col.row(),
    col.words("invite_code", "The invite used, where known."),
    col.integer("inviter_id", "Who made it."),
    col.words("inviter_username", "That person's name."),
    col.integer("invitee_id", "Who joined."),
    col.words("invitee_username", "That person's name."),
    col.words("method", "How the invite was found."),
    col.words("confidence", "How sure that is."),
    Column("candidates", Document, comment="The codes it may have been, where more than one."),
    col.at(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "inviter_id"),
    Index(None, "guild_id", "invitee_id"),
    Index(None, "guild_id", "invite_code"),
    col.shown("ix_invite_tracking_shown", "at"),
    col.shown("ix_invite_tracking_inviter_shown", "inviter_id", "at"),
    comment="Which invite brought whom.",
)

level_ups = Table(
    "level_ups",
    metadata,
    *col.row(),
    col.integer("user_id", "Who reached it."),
    col.words("username", "Name at that moment, where known."),
    col.integer("level", "The level."),
    col.integer("xp", "The experience they had then."),
    col.at(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "user_id", "level"),
    comment="Levels members reached; the highest of each is theirs, `member_stats.total_xp` what they have.",
)


# Sums by day and of all time.

guild_daily = Table(
    "guild_daily",
    metadata,
    col.key("guild_id", "The guild."),
    col.day_key(),
    *col.activity(),
    col.count("voice_sessions", "Voice sessions that ended."),
    col.count("reactions", "Reactions added."),
    col.count("reactions_removed", "Reactions taken back."),
    col.count("joins", "Members who joined."),
    col.count("leaves", "Members who left."),
    col.seconds("afk_voice_seconds", "Time people spent in the AFK channel."),
    Index(None, "day"),
    comment="A guild's activity by day.",
)

channel_daily = Table(
    "channel_daily",
    metadata,
    col.key("guild_id", "The guild."),
    col.key("channel_id", "The channel; threads count for their parent."),
    col.day_key(),
    *col.activity(),
    col.count("reactions", "Reactions added."),
    col.count("reactions_removed", "Reactions taken back."),
    col.seconds("afk_voice_seconds", "Time people spent there while it was the AFK channel."),
    Index(None, "guild_id", "day"),
    comment="A channel's activity by day.",
)

member_daily = Table(
    "member_daily",
    metadata,
    col.key("guild_id", "The guild."),
    col.key("user_id", "The member."),
    col.day_key(),
    *col.member_activity(),
    col.seconds("afk_voice_seconds", "Time spent in the AFK channel."),
    col.count("xp", "Experience earned."),
    Index(None, "guild_id", "day"),
    comment="A member's activity by day.",
)

member_stats = Table(
    "member_stats",
    metadata,
    col.key("guild_id", "The guild."),
    col.key("user_id", "The member."),
    col.words("username", "Name when last seen active.", nullable=False),
    *col.member_activity("total_"),
    col.count("total_xp", "Experience earned."),
    col.moment("first_seen", "First activity counted.", nullable=False),
    col.moment("last_seen", "Last activity counted.", nullable=False),
    col.seconds("total_afk_voice_seconds", "Time spent in the AFK channel."),
    Index(None, "guild_id", "total_messages"),
    Index(None, "guild_id", "total_voice_seconds"),
    Index(None, "guild_id", "total_xp"),
    comment="A member's activity since the beginning.",
)

metrics_snapshots = Table(
    "metrics_snapshots",
    metadata,
    Column("event_key", Text, primary_key=True, comment="Identity of the snapshot."),
    col.integer("guild_id", "The guild.", nullable=False),
    col.moment("period_start", "Start of the window.", nullable=False),
    col.moment("period_end", "End of the window.", nullable=False),
    Column("period_duration", Double, nullable=False, comment="Length of the window in seconds."),
    col.count("total_messages", "Messages by people."),
    col.seconds("total_voice_seconds", "Time people spent in voice, the AFK channel apart."),
    col.count("total_reactions", "Reactions added."),
    col.count("unique_active_users", "Members who were active."),
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
    col.integer("position", "Last position whose effect is in the tables.", nullable=False),
    comment="How far each spool has been applied; moves in the same transaction as the rows.",
)
