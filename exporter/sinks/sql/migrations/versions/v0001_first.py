"""The first schema.

A migration records what was done to databases out there: it names its types itself and is never edited.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

Moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
Document = postgresql.JSONB().with_variant(sa.JSON(), "sqlite")
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table."""
    _create_dimensions()
    _create_occurrences()
    _create_daily()
    _create_rest()


def _create_dimensions() -> None:
    op.create_table(
        "guilds",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("icon", sa.Text()),
        sa.Column("owner_id", sa.BigInteger()),
        sa.Column("member_count", sa.BigInteger()),
        sa.Column("features", Document),
        sa.Column("premium_tier", sa.BigInteger()),
        sa.Column("premium_subscription_count", sa.BigInteger()),
        sa.Column("joined_at", Moment),
        sa.Column("left_at", Moment),
        sa.Column("updated_at", Moment),
        sa.PrimaryKeyConstraint("guild_id", name="pk_guilds"),
    )
    op.create_table(
        "channels",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("type", sa.BigInteger()),
        sa.Column("parent_id", sa.BigInteger()),
        sa.PrimaryKeyConstraint("guild_id", "channel_id", name="pk_channels"),
    )
    op.create_table(
        "members",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("username", sa.Text()),
        sa.Column("bot", sa.Boolean()),
        sa.Column("joined_at", Moment),
        sa.Column("left_at", Moment),
        sa.PrimaryKeyConstraint("guild_id", "user_id", name="pk_members"),
    )


def _create_occurrences() -> None:
    op.create_table(
        "moderation_logs",
        sa.Column("id", RowId, nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target_user_id", sa.BigInteger()),
        sa.Column("target_username", sa.Text()),
        sa.Column("moderator_id", sa.BigInteger()),
        sa.Column("moderator_username", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("audit_entry_id", sa.BigInteger()),
        sa.Column("recovered", sa.Boolean(), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("details", Document, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_moderation_logs"),
        sa.UniqueConstraint("event_key", name="uq_moderation_logs_event_key"),
        sa.UniqueConstraint("audit_entry_id", name="uq_moderation_logs_audit_entry_id"),
    )
    op.create_index("ix_moderation_logs_guild_id_at", "moderation_logs", ["guild_id", "at"])
    op.create_index(
        "ix_moderation_logs_guild_id_moderator_id_at", "moderation_logs", ["guild_id", "moderator_id", "at"]
    )
    op.create_index(
        "ix_moderation_logs_guild_id_target_user_id_at",
        "moderation_logs",
        ["guild_id", "target_user_id", "at"],
    )
    op.create_table(
        "member_events",
        sa.Column("id", RowId, nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger()),
        sa.Column("username", sa.Text()),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("moderator_id", sa.BigInteger()),
        sa.Column("moderator_username", sa.Text()),
        sa.Column("audit_entry_id", sa.BigInteger()),
        sa.Column("bot", sa.Boolean()),
        sa.Column("tenure_seconds", sa.Double()),
        sa.Column("invite_code", sa.Text()),
        sa.Column("inviter_id", sa.BigInteger()),
        sa.Column("recovered", sa.Boolean(), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("details", Document, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_member_events"),
        sa.UniqueConstraint("event_key", name="uq_member_events_event_key"),
    )
    op.create_index("ix_member_events_guild_id_at", "member_events", ["guild_id", "at"])
    op.create_index("ix_member_events_guild_id_user_id_at", "member_events", ["guild_id", "user_id", "at"])
    op.create_table(
        "guild_events",
        sa.Column("id", RowId, nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger()),
        sa.Column("target_id", sa.BigInteger()),
        sa.Column("at", Moment, nullable=False),
        sa.Column("details", Document, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_guild_events"),
        sa.UniqueConstraint("event_key", name="uq_guild_events_event_key"),
    )
    op.create_index("ix_guild_events_guild_id_at", "guild_events", ["guild_id", "at"])
    op.create_table(
        "invites",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.BigInteger()),
        sa.Column("inviter_id", sa.BigInteger()),
        sa.Column("inviter_username", sa.Text()),
        sa.Column("max_uses", sa.BigInteger()),
        sa.Column("max_age", sa.BigInteger()),
        sa.Column("temporary", sa.Boolean()),
        sa.Column("uses", sa.BigInteger()),
        sa.Column("created_at", Moment),
        sa.Column("expires_at", Moment),
        sa.Column("deleted_at", Moment),
        sa.PrimaryKeyConstraint("guild_id", "code", name="pk_invites"),
    )
    op.create_index("ix_invites_guild_id_inviter_id", "invites", ["guild_id", "inviter_id"])
    op.create_table(
        "invite_tracking",
        sa.Column("id", RowId, nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("invite_code", sa.Text()),
        sa.Column("inviter_id", sa.BigInteger()),
        sa.Column("inviter_username", sa.Text()),
        sa.Column("invitee_id", sa.BigInteger()),
        sa.Column("invitee_username", sa.Text()),
        sa.Column("method", sa.Text()),
        sa.Column("confidence", sa.Text()),
        sa.Column("candidates", Document),
        sa.Column("at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_invite_tracking"),
        sa.UniqueConstraint("event_key", name="uq_invite_tracking_event_key"),
    )
    op.create_index("ix_invite_tracking_guild_id_at", "invite_tracking", ["guild_id", "at"])
    op.create_index("ix_invite_tracking_guild_id_invitee_id", "invite_tracking", ["guild_id", "invitee_id"])
    op.create_index("ix_invite_tracking_guild_id_inviter_id", "invite_tracking", ["guild_id", "inviter_id"])


def _create_daily() -> None:
    op.create_table(
        "guild_daily",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("bot_messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("webhook_messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("system_messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("message_edits", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("message_deletes", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("voice_seconds", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.Column("bot_voice_seconds", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.Column("voice_sessions", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("reactions", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("reactions_removed", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("joins", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("leaves", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("guild_id", "day", name="pk_guild_daily"),
    )
    op.create_index("ix_guild_daily_day", "guild_daily", ["day"])
    op.create_table(
        "channel_daily",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("bot_messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("webhook_messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("system_messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("message_edits", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("message_deletes", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("voice_seconds", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.Column("bot_voice_seconds", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.Column("reactions", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("reactions_removed", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("guild_id", "channel_id", "day", name="pk_channel_daily"),
    )
    op.create_index("ix_channel_daily_guild_id_day", "channel_daily", ["guild_id", "day"])
    op.create_table(
        "member_daily",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("voice_seconds", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.Column("voice_sessions", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("reactions_given", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("reactions_received", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("guild_id", "user_id", "day", name="pk_member_daily"),
    )
    op.create_index("ix_member_daily_guild_id_day", "member_daily", ["guild_id", "day"])


def _create_rest() -> None:
    op.create_table(
        "member_stats",
        sa.Column("guild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("total_messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("total_voice_seconds", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.Column("total_voice_sessions", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("total_reactions_given", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("total_reactions_received", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("first_seen", Moment, nullable=False),
        sa.Column("last_seen", Moment, nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "user_id", name="pk_member_stats"),
    )
    op.create_index("ix_member_stats_guild_id_total_messages", "member_stats", ["guild_id", "total_messages"])
    op.create_index(
        "ix_member_stats_guild_id_total_voice_seconds", "member_stats", ["guild_id", "total_voice_seconds"]
    )
    op.create_table(
        "metrics_snapshots",
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("period_start", Moment, nullable=False),
        sa.Column("period_end", Moment, nullable=False),
        sa.Column("period_duration", sa.Double(), nullable=False),
        sa.Column("total_messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("total_voice_seconds", sa.Double(), nullable=False, server_default=sa.text("0")),
        sa.Column("total_reactions", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("unique_active_users", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("data", Document, nullable=False),
        sa.PrimaryKeyConstraint("event_key", name="pk_metrics_snapshots"),
    )
    op.create_index(
        "ix_metrics_snapshots_guild_id_period_start", "metrics_snapshots", ["guild_id", "period_start"]
    )
    op.create_table(
        "deliveries",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("lane", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "lane", name="pk_deliveries"),
    )
