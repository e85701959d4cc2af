"""Indexes that the views need: ids as text, where a filter on a view's text id must find rows."""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _text(column: str) -> sa.TextClause:
    return sa.text(f"CAST({column} AS TEXT)")


def upgrade() -> None:
    """Create them."""
    guild = _text("guild_id")
    wanted: Iterable[tuple[str, str, list[str | sa.TextClause]]] = (
        ("ix_members_guild_id_joined_at", "members", ["guild_id", "joined_at"]),
        ("ix_members_user_shown", "members", ["guild_id", _text("user_id")]),
        ("ix_moderation_logs_shown", "moderation_logs", [guild, "at"]),
        ("ix_moderation_logs_target_shown", "moderation_logs", [guild, _text("target_user_id"), "at"]),
        ("ix_member_events_shown", "member_events", [guild, "at"]),
        ("ix_member_events_user_shown", "member_events", [guild, _text("user_id"), "at"]),
        ("ix_invite_tracking_guild_id_invite_code", "invite_tracking", ["guild_id", "invite_code"]),
        ("ix_invite_tracking_shown", "invite_tracking", [guild, "at"]),
        ("ix_invite_tracking_inviter_shown", "invite_tracking", [guild, _text("inviter_id"), "at"]),
        # Holds the sums themselves: the rows are long, their documents not wanted.
        (
            "ix_metrics_snapshots_sums",
            "metrics_snapshots",
            ["guild_id", "period_start", "total_messages", "total_voice_seconds", "total_reactions"],
        ),
    )
    op.create_index("ix_guilds_shown", "guilds", [guild], unique=True)
    for name, table, columns in wanted:
        op.create_index(name, table, columns)
