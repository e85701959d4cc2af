"""Channels that were deleted: their names stay for old numbers, they are not listed as quiet."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

Moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Widen ``channels``."""
    op.add_column("channels", sa.Column("deleted_at", Moment))
