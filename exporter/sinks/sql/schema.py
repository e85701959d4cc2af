"""The tables: an interface that dashboards and people's own queries rely on.

Names and meanings change only with a migration and a note in the changelog. Discord ids are 64-bit integers;
times are UTC (``types``). No table has foreign keys: the lanes are delivered independently, so a guild's
counters may arrive before the guild. Comments here are the reference page and, in PostgreSQL, the
comments of the database itself.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Date, Double, Index, MetaData, Table, Text, false, text

from exporter.sinks.sql.types import Document, Moment, RowId

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _key(name: str, comment: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False, comment=comment)


def _day() -> Column[Any]:
    return Column("day", Date, primary_key=True, comment="The UTC day the activity's window began in.")


def _integer(name: str, comment: str, *, nullable: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable, comment=comment)


def _text(name: str, comment: str, *, nullable: bool = True, unique: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable, unique=unique, comment=comment)


def _flag(name: str, comment: str, *, nullable: bool = True) -> Column[bool]:
    return Column(name, Boolean, nullable=nullable, comment=comment)


def _moment(name: str, comment: str, *, nullable: bool = True) -> Column[int]:
    return Column(name, Moment, nullable=nullable, comment=comment)


def _count(name: str, comment: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"), comment=comment)


def _seconds(name: str, comment: str) -> Column[float]:
    return Column(name, Double, nullable=False, server_default=text("0"), comment=comment)


def _row() -> tuple[Column[Any], ...]:
    return (
        Column("id", RowId, primary_key=True, comment="Number of the row; says nothing about time."),
        _text("event_key", "Identity of the occurrence, for ever.", nullable=False, unique=True),
        _integer("guild_id", "The guild.", nullable=False),
    )


def _at() -> Column[int]:
    return _moment("at", "When it happened.", nullable=False)


def _details() -> Column[Any]:
    return Column("details", Document, nullable=False, comment="What else is known.")


def _created() -> Column[int]:
    return _moment("created_at", "When the row was made.", nullable=False)


def _shown(name: str, *columns: str, unique: bool = False) -> Index:
    """An index over ids as the views show them, ``guild_id`` first: a filter on those finds it."""
    others = (text(f"CAST({each} AS TEXT)") if each.endswith("_id") else each for each in columns)
    return Index(name, text("CAST(guild_id AS TEXT)"), *others, unique=unique)


def _recovered(**default: Any) -> Column[bool]:
    comment = "Found in the audit log afterwards, not seen live."
    return Column("recovered", Boolean, nullable=False, comment=comment, **default)


guilds = Table(
    "guilds",
    metadata,
    _key("guild_id", "The guild."),
    _text("name", "Name; null until the guild was synced."),
    _text("icon", "Hash of the icon; empty without one."),
    _integer("owner_id", "Who owns it."),
    _integer("member_count", "Members when last told."),
    Column("features", Document, comment="Discord's features, such as COMMUNITY."),
    _integer("premium_tier", "Boost level, 0 to 3."),
    _integer("premium_subscription_count", "Boosts."),
    _moment("joined_at", "When the bot joined."),
    _moment("left_at", "When the bot was removed; null while it is there."),
    _moment("updated_at", "Time of the newest information."),
    _shown("ix_guilds_shown", unique=True),
    comment="Every guild the bot has seen, as last told.",
)

channels = Table(
    "channels",
    metadata,
    _key("guild_id", "The guild."),
    _key("channel_id", "The channel."),
    _text("name", "Name when last told."),
    _integer("type", "Discord's channel type."),
    _integer("parent_id", "The category, or a thread's channel; 0 for none."),
    comment="Names of channels; those removed at Discord stay, for old numbers.",
)

members = Table(
    "members",
    metadata,
    _key("guild_id", "The guild."),
    _key("user_id", "The user."),
    _text("username", "Name when last seen."),
    _flag("bot", "Whether it is a bot; null where not told."),
    _moment("joined_at", "Last join seen."),
    _moment("left_at", "When they left; null while they are there."),
    Index(None, "guild_id", "joined_at"),
    Index("ix_members_user_shown", "guild_id", text("CAST(user_id AS TEXT)")),
    comment="Members seen joining, leaving or active.",
)

moderation_logs = Table(
    "moderation_logs",
    metadata,
    *_row(),
    _text("action", "What was done, as in discord_moderation_actions_total.", nullable=False),
    _integer("target_user_id", "Whom it was done to."),
    _text("target_username", "That person's name at that moment."),
    _integer("moderator_id", "Who did it; null where unknown."),
    _text("moderator_username", "That person's name, where known."),
    _text("reason", "The reason given, if any."),
    Column("audit_entry_id", BigInteger, unique=True, comment="The audit-log entry that says so."),
    _recovered(),
    _at(),
    _details(),
    _created(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "target_user_id", "at"),
    Index(None, "guild_id", "moderator_id", "at"),
    _shown("ix_moderation_logs_shown", "at"),
    _shown("ix_moderation_logs_target_shown", "target_user_id", "at"),
    comment="One row for each action a moderator took.",
)

member_events = Table(
    "member_events",
    metadata,
    *_row(),
    _integer("user_id", "Who came or went."),
    _text("username", "Name at that moment."),
    _text("event", "What happened: join or leave.", nullable=False),
    _text("reason", "Of a leave: leave, kick, ban or prune, or unknown."),
    _integer("moderator_id", "Who removed them, if anybody."),
    _text("moderator_username", "That person's name, where known."),
    _integer("audit_entry_id", "The audit-log entry that says so."),
    _flag("bot", "Whether it is a bot."),
    Column("tenure_seconds", Double, comment="Of a leave: seconds since the join, where that was seen."),
    _text("invite_code", "Of a join: the invite used, where known."),
    _integer("inviter_id", "Who made that invite."),
    _recovered(),
    _at(),
    _details(),
    _created(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "user_id", "at"),
    _shown("ix_member_events_shown", "at"),
    _shown("ix_member_events_user_shown", "user_id", "at"),
    comment="Every join and every leave.",
)

guild_events = Table(
    "guild_events",
    metadata,
    *_row(),
    _text("type", "The event type.", nullable=False),
    _integer("actor_id", "Who did it, where known."),
    _integer("target_id", "What it was done to."),
    _at(),
    _details(),
    _text("reason", "The reason given, if any."),
    _integer("audit_entry_id", "The audit-log entry that says so, where there is one."),
    _recovered(server_default=false()),
    Index("uq_guild_events_audit_entry_id", "audit_entry_id", unique=True),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "type", "at"),
    comment="Changes of guilds and of what they are made of.",
)

invites = Table(
    "invites",
    metadata,
    _key("guild_id", "The guild."),
    Column("code", Text, primary_key=True, comment="The invite's code."),
    _integer("channel_id", "Where it leads."),
    _integer("inviter_id", "Who made it."),
    _text("inviter_username", "That person's name."),
    _integer("max_uses", "Uses allowed; 0 for no limit."),
    _integer("max_age", "Lifetime in seconds; 0 for ever."),
    _flag("temporary", "Whether members stay only while they are online."),
    _integer("uses", "Uses when last told."),
    _moment("created_at", "When it was made."),
    _moment("expires_at", "When it ends by itself."),
    _moment("deleted_at", "When it was removed."),
    Index(None, "guild_id", "inviter_id"),
    comment="Invites as last told.",
)

invite_tracking = Table(
    "invite_tracking",
    metadata,
    *_row(),
    _text("invite_code", "The invite used, where known."),
    _integer("inviter_id", "Who made it."),
    _text("inviter_username", "That person's name."),
    _integer("invitee_id", "Who joined."),
    _text("invitee_username", "That person's name."),
    _text("method", "How the invite was found."),
    _text("confidence", "How sure that is."),
    Column("candidates", Document, comment="The codes it may have been, where more than one."),
    _at(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "inviter_id"),
    Index(None, "guild_id", "invitee_id"),
    Index(None, "guild_id", "invite_code"),
    _shown("ix_invite_tracking_shown", "at"),
    _shown("ix_invite_tracking_inviter_shown", "inviter_id", "at"),
    comment="Which invite brought whom.",
)

level_ups = Table(
    "level_ups",
    metadata,
    *_row(),
    _integer("user_id", "Who reached it."),
    _text("username", "Name at that moment, where known."),
    _integer("level", "The level."),
    _integer("xp", "The experience they had then."),
    _at(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "user_id", "level"),
    comment="Levels members reached; the highest of each is theirs, `member_stats.total_xp` what they have.",
)

guild_daily = Table(
    "guild_daily",
    metadata,
    _key("guild_id", "The guild."),
    _day(),
    _count("messages", "Messages by people."),
    _count("bot_messages", "Messages by bots."),
    _count("webhook_messages", "Messages by webhooks."),
    _count("system_messages", "Messages by Discord itself."),
    _count("message_edits", "Messages edited by their author."),
    _count("message_deletes", "Messages deleted."),
    _seconds("voice_seconds", "Time people spent in voice, the AFK channel apart."),
    _seconds("bot_voice_seconds", "Time bots spent in voice."),
    _count("voice_sessions", "Voice sessions that ended."),
    _count("reactions", "Reactions added."),
    _count("reactions_removed", "Reactions taken back."),
    _count("joins", "Members who joined."),
    _count("leaves", "Members who went."),
    _seconds("afk_voice_seconds", "Time people spent in the AFK channel."),
    Index(None, "day"),
    comment="A guild's activity by day.",
)

channel_daily = Table(
    "channel_daily",
    metadata,
    _key("guild_id", "The guild."),
    _key("channel_id", "The channel; threads count for their parent."),
    _day(),
    _count("messages", "Messages by people."),
    _count("bot_messages", "Messages by bots."),
    _count("webhook_messages", "Messages by webhooks."),
    _count("system_messages", "Messages by Discord itself."),
    _count("message_edits", "Messages edited by their author."),
    _count("message_deletes", "Messages deleted."),
    _seconds("voice_seconds", "Time people spent in voice, the AFK channel apart."),
    _seconds("bot_voice_seconds", "Time bots spent in voice."),
    _count("reactions", "Reactions added."),
    _count("reactions_removed", "Reactions taken back."),
    _seconds("afk_voice_seconds", "Time people spent there while it was the AFK channel."),
    Index(None, "guild_id", "day"),
    comment="A channel's activity by day.",
)

member_daily = Table(
    "member_daily",
    metadata,
    _key("guild_id", "The guild."),
    _key("user_id", "The member."),
    _day(),
    _count("messages", "Messages written."),
    _seconds("voice_seconds", "Time spent in voice, the AFK channel apart."),
    _count("voice_sessions", "Voice sessions that ended."),
    _count("reactions_given", "Reactions added to messages."),
    _count("reactions_received", "Reactions others added to the member's messages."),
    _seconds("afk_voice_seconds", "Time spent in the AFK channel."),
    _count("xp", "Experience earned."),
    Index(None, "guild_id", "day"),
    comment="A member's activity by day.",
)

member_stats = Table(
    "member_stats",
    metadata,
    _key("guild_id", "The guild."),
    _key("user_id", "The member."),
    _text("username", "Name when last seen active.", nullable=False),
    _count("total_messages", "Messages written."),
    _seconds("total_voice_seconds", "Time spent in voice, the AFK channel apart."),
    _count("total_voice_sessions", "Voice sessions that ended."),
    _count("total_reactions_given", "Reactions added to messages."),
    _count("total_reactions_received", "Reactions others added to the member's messages."),
    _count("total_xp", "Experience earned."),
    _moment("first_seen", "First activity counted.", nullable=False),
    _moment("last_seen", "Last activity counted.", nullable=False),
    _seconds("total_afk_voice_seconds", "Time spent in the AFK channel."),
    Index(None, "guild_id", "total_messages"),
    Index(None, "guild_id", "total_voice_seconds"),
    Index(None, "guild_id", "total_xp"),
    comment="A member's activity since the beginning.",
)

metrics_snapshots = Table(
    "metrics_snapshots",
    metadata,
    Column("event_key", Text, primary_key=True, comment="Identity of the snapshot."),
    _integer("guild_id", "The guild.", nullable=False),
    _moment("period_start", "Start of the window.", nullable=False),
    _moment("period_end", "End of the window.", nullable=False),
    Column("period_duration", Double, nullable=False, comment="Length of the window in seconds."),
    _count("total_messages", "Messages by people."),
    _seconds("total_voice_seconds", "Time people spent in voice, the AFK channel apart."),
    _count("total_reactions", "Reactions added."),
    _count("unique_active_users", "Members who were active."),
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
    _integer("position", "Last position whose effect is in the tables.", nullable=False),
    comment="How far each spool has been applied; moves in the same transaction as the rows.",
)
