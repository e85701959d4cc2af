"""The tables: an interface that dashboards and people's own queries rely on.

Names and meanings change only with a migration and a note in the changelog. Discord ids are 64-bit integers;
times are UTC (``types``). No table has foreign keys: the lanes are delivered independently, so a guild's
counters may arrive before the guild. Comments here are the reference page and, in PostgreSQL, the
comments of the database itself.
"""

from exporter.sinks.sql.schema.columns import metadata
from exporter.sinks.sql.schema.guilds import channels, guilds, members
from exporter.sinks.sql.schema.log import (
    guild_events,
    invite_tracking,
    invites,
    level_ups,
    member_events,
    moderation_logs,
)
from exporter.sinks.sql.schema.rollups import (
    channel_daily,
    deliveries,
    guild_daily,
    member_daily,
    member_stats,
    metrics_snapshots,
)

__all__ = [
    "channel_daily",
    "channels",
    "deliveries",
    "guild_daily",
    "guild_events",
    "guilds",
    "invite_tracking",
    "invites",
    "level_ups",
    "member_daily",
    "member_events",
    "member_stats",
    "members",
    "metadata",
    "metrics_snapshots",
    "moderation_logs",
]
