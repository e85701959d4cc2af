"""Time in the AFK channel apart from time in voice; what was counted before stays where it is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add a column to every table of voice time."""
    for table, column in (
        ("guild_daily", "afk_voice_seconds"),
        ("channel_daily", "afk_voice_seconds"),
        ("member_daily", "afk_voice_seconds"),
        ("member_stats", "total_afk_voice_seconds"),
    ):
        op.add_column(table, sa.Column(column, sa.Double(), nullable=False, server_default=sa.text("0")))
