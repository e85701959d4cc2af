"""One row for each occurrence, and invites as last reported."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Table, Text, false

from exporter.sinks.sql.schema.columns import (
    at,
    created,
    details,
    flag,
    integer,
    key,
    metadata,
    moment,
    recovered,
    row,
    shown,
    words,
)
from exporter.sinks.sql.types import Document

moderation_logs = Table(
    "moderation_logs",
    metadata,
    *row(),
    words("action", "What was done, as in discord_moderation_actions_total; or unknown.", nullable=False),
    integer("target_user_id", "The target of the action."),
    words("target_username", "The target's name at that moment."),
    integer("moderator_id", "The moderator; null where unknown."),
    words("moderator_username", "That person's name, where known."),
    words("reason", "The reason given, if any."),
    Column("audit_entry_id", BigInteger, unique=True, comment="The audit-log entry that says so."),
    recovered(),
    at(),
    details(),
    created(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "target_user_id", "at"),
    Index(None, "guild_id", "moderator_id", "at"),
    shown("ix_moderation_logs_shown", "at"),
    shown("ix_moderation_logs_target_shown", "target_user_id", "at"),
    comment="One row for each action a moderator took.",
)


member_events = Table(
    "member_events",
    metadata,
    *row(),
    integer("user_id", "Who came or went."),
    words("username", "Name at that moment."),
    words("event", "What happened: join or leave.", nullable=False),
    words("reason", "Of a leave: leave, kick, ban or prune, or unknown."),
    integer("moderator_id", "The moderator who removed them, if one did."),
    words("moderator_username", "That person's name, where known."),
    integer("audit_entry_id", "The audit-log entry that says so."),
    flag("bot", "Whether it is a bot."),
    Column("tenure_seconds", Double, comment="Of a leave: seconds since the join, where that was seen."),
    words("invite_code", "Of a join: the invite used, where known."),
    integer("inviter_id", "Who made that invite."),
    recovered(),
    at(),
    details(),
    created(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "user_id", "at"),
    shown("ix_member_events_shown", "at"),
    shown("ix_member_events_user_shown", "user_id", "at"),
    comment="Every join and every leave.",
)


guild_events = Table(
    "guild_events",
    metadata,
    *row(),
    words("type", "The event type.", nullable=False),
    integer("actor_id", "Who did it, where known."),
    integer("target_id", "What it was done to."),
    at(),
    details(),
    words("reason", "The reason given, if any."),
    integer("audit_entry_id", "The audit-log entry that says so, where there is one."),
    recovered(server_default=false()),
    Index("uq_guild_events_audit_entry_id", "audit_entry_id", unique=True),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "type", "at"),
    comment="Changes of guilds and of what they are made of.",
)


invites = Table(
    "invites",
    metadata,
    key("guild_id", "The guild."),
    Column("code", Text, primary_key=True, comment="The invite's code."),
    integer("channel_id", "Where it leads."),
    integer("inviter_id", "Who made it."),
    words("inviter_username", "That person's name."),
    integer("max_uses", "Uses allowed; 0 for no limit."),
    integer("max_age", "Lifetime in seconds; 0 for no limit."),
    flag("temporary", "Whether members stay only while they are online."),
    integer("uses", "Uses when last reported."),
    moment("created_at", "When it was made."),
    moment("expires_at", "When it ends by itself."),
    moment("deleted_at", "When it was removed."),
    Index(None, "guild_id", "inviter_id"),
    comment="Invites as last reported.",
)


invite_tracking = Table(
    "invite_tracking",
    metadata,
    *row(),
    words("invite_code", "The invite used, where known."),
    integer("inviter_id", "Who made it."),
    words("inviter_username", "That person's name."),
    integer("invitee_id", "Who joined."),
    words("invitee_username", "That person's name."),
    words("method", "How the invite was found."),
    words("confidence", "How sure that is."),
    Column("candidates", Document, comment="The codes it may have been, where more than one."),
    at(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "inviter_id"),
    Index(None, "guild_id", "invitee_id"),
    Index(None, "guild_id", "invite_code"),
    shown("ix_invite_tracking_shown", "at"),
    shown("ix_invite_tracking_inviter_shown", "inviter_id", "at"),
    comment="Which invite brought whom.",
)


level_ups = Table(
    "level_ups",
    metadata,
    *row(),
    integer("user_id", "Who reached it."),
    words("username", "Name at that moment, where known."),
    integer("level", "The level."),
    integer("xp", "The experience they had then."),
    at(),
    Index(None, "guild_id", "at"),
    Index(None, "guild_id", "user_id", "level"),
    comment="Levels members reached; the highest of each is theirs, `member_stats.total_xp` what they have.",
)
