"""Guilds, channels and members as last reported."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, text

from exporter.sinks.sql.schema.columns import flag, integer, key, metadata, moment, shown, words
from exporter.sinks.sql.types import Document

guilds = Table(
    "guilds",
    metadata,
    key("guild_id", "The guild."),
    words("name", "Name; null until the guild was synced."),
    words("icon", "Hash of the icon; empty without one."),
    integer("owner_id", "Who owns it."),
    integer("member_count", "Members when last reported."),
    Column("features", Document, comment="Discord's features, such as COMMUNITY."),
    integer("premium_tier", "Boost level, 0 to 3."),
    integer("premium_subscription_count", "Boosts."),
    moment("joined_at", "When the bot joined."),
    moment("left_at", "When the bot was removed; null while it is there."),
    moment("updated_at", "Time of the newest information."),
    shown("ix_guilds_shown", unique=True),
    comment="Every guild the bot has seen, as last reported.",
)


channels = Table(
    "channels",
    metadata,
    key("guild_id", "The guild."),
    key("channel_id", "The channel."),
    words("name", "Name when last reported."),
    integer("type", "Discord's channel type."),
    integer("parent_id", "The category, or a thread's channel; 0 for none."),
    moment("deleted_at", "When it was found to be deleted; null while it is there."),
    comment="Names of channels; those removed at Discord stay, for old numbers.",
)


members = Table(
    "members",
    metadata,
    key("guild_id", "The guild."),
    key("user_id", "The user."),
    words("username", "Name when last seen."),
    flag("bot", "Whether it is a bot; null where unknown."),
    moment("joined_at", "Last join seen."),
    moment("left_at", "When they left; null while they are there."),
    Index(None, "guild_id", "joined_at"),
    Index("ix_members_user_shown", "guild_id", text("CAST(user_id AS TEXT)")),
    comment="Members seen joining, leaving or active.",
)
