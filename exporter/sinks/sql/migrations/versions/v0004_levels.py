"""Experience and levels of members."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

Moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create ``level_ups`` and the columns that go with it."""
    op.create_table(
        "level_ups",
        sa.Column("id", RowId, nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger()),
        sa.Column("username", sa.Text()),
        sa.Column("level", sa.BigInteger()),
        sa.Column("xp", sa.BigInteger()),
        sa.Column("at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_level_ups"),
        sa.UniqueConstraint("event_key", name="uq_level_ups_event_key"),
    )
    op.create_index("ix_level_ups_guild_id_at", "level_ups", ["guild_id", "at"])
    op.create_index("ix_level_ups_guild_id_user_id_level", "level_ups", ["guild_id", "user_id", "level"])
    for table, column in (("member_daily", "xp"), ("member_stats", "total_xp")):
        op.add_column(table, sa.Column(column, sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.create_index("ix_member_stats_guild_id_total_xp", "member_stats", ["guild_id", "total_xp"])
