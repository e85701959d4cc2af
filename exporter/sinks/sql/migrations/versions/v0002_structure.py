"""Who changed what a guild is made of: the audit-log entry, the reason, and whether it was found later."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Widen ``guild_events``."""
    op.add_column("guild_events", sa.Column("reason", sa.Text()))
    op.add_column("guild_events", sa.Column("audit_entry_id", sa.BigInteger()))
    op.add_column(
        "guild_events", sa.Column("recovered", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index("uq_guild_events_audit_entry_id", "guild_events", ["audit_entry_id"], unique=True)
    op.create_index("ix_guild_events_guild_id_type_at", "guild_events", ["guild_id", "type", "at"])
