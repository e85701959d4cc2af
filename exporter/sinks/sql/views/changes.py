"""Views of who changed what a guild is made of, and its settings."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.dialect import Tongue
from exporter.sinks.sql.views.view import GUILD, OF_GUILD, View, flag, ident, time, words


def _changes(sql: Tongue) -> str:
    return f"""
SELECT {OF_GUILD} AS guild_id,
  e.at, LOWER(e.type) AS change,
  CAST(e.target_id AS TEXT) AS target_id, {sql.detail("e.details", "name")} AS target_name,
  CAST(e.actor_id AS TEXT) AS actor_id,
  COALESCE(m.username, {sql.detail("e.details", "actor_username")}) AS actor_name,
  {sql.fields("e.details", "changes")} AS fields,
  e.reason, CAST(e.audit_entry_id AS TEXT) AS audit_entry_id, e.recovered,
  CAST(e.details AS TEXT) AS details
FROM guilds g
JOIN guild_events e ON e.guild_id = g.guild_id
LEFT JOIN members m ON m.guild_id = e.guild_id AND m.user_id = e.actor_id"""


CHANGES: Final = View(
    "v_changes",
    "Every change of a guild's roles, channels, threads, emoji, stickers and settings, and who made it. "
    "Those of parts are recorded only while their types, such as ROLE_CREATE, are switched on.",
    (
        GUILD,
        time("at", "When it happened."),
        words("change", "What was done: the event type in small letters, such as role_create."),
        ident("target_id", "The part it was done to; null for the guild itself."),
        words("target_name", "That part's name, where known."),
        ident("actor_id", "Who did it; null where unknown."),
        words("actor_name", "That person's name, where known."),
        words("fields", "Of an update: which fields changed, in one text; details has the values."),
        words("reason", "The reason given, if any."),
        ident("audit_entry_id", "The audit-log entry that says so, where there is one."),
        flag("recovered", "Found in the audit log afterwards, not seen live."),
        words("details", "What else is known, as JSON."),
    ),
    _changes,
)

VIEWS: Final = (CHANGES,)
