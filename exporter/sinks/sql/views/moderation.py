"""Views of moderation actions, of the members concerned, and of changes to the guild."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import GUILD, OF_GUILD, View, count, flag, ident, text, time

_AUTOMOD: Final = ("automod_block", "automod_flag", "automod_timeout")
_OFFENCES: Final = ("ban", "kick", "timeout", *_AUTOMOD)
"""Actions against a member for an offence; an unban or a new role is not one."""


def _listed(actions: tuple[str, ...]) -> str:
    return ", ".join(f"'{action}'" for action in actions)


def _moderation(sql: Dialect) -> str:
    return f"""
SELECT CAST(l.guild_id AS TEXT) AS guild_id,
  l.at, l.action,
  CAST(l.target_user_id AS TEXT) AS target_id, l.target_username AS target_name,
  CAST(l.moderator_id AS TEXT) AS moderator_id, l.moderator_username AS moderator_name,
  l.reason, CAST(l.audit_entry_id AS TEXT) AS audit_entry_id,
  {sql.json_text("l.details", "channel_id")} AS channel_id,
  {sql.moment(f"CAST({sql.json_text('l.details', 'until')} AS BIGINT)")} AS until,
  l.recovered, CAST(l.details AS TEXT) AS details,
  'https://discord.com/users/' || CAST(l.target_user_id AS TEXT) AS target_url,
  'https://discord.com/users/' || CAST(l.moderator_id AS TEXT) AS moderator_url
FROM moderation_logs l"""


MODERATION: Final = View(
    "v_moderation",
    "Every action of a moderator or of AutoMod.",
    (
        GUILD,
        time("at", "Time of the action."),
        text("action", "The action, such as ban, kick, timeout or message_delete."),
        ident("target_id", "The member concerned."),
        text("target_name", "Name of that person, if known."),
        ident("moderator_id", "The person responsible; null if unknown."),
        text("moderator_name", "Name of that person, if known."),
        text("reason", "Reason given, if any."),
        ident("audit_entry_id", "The audit-log entry of the action."),
        ident("channel_id", "The channel, for actions in a channel."),
        time("until", "End of the timeout; null for other actions."),
        flag("recovered", "Whether the entry was read from the audit log later, not received live."),
        text("details", "Further fields, as JSON."),
        text("target_url", "Opens the target's profile in Discord."),
        text("moderator_url", "Opens the moderator's profile in Discord."),
    ),
    _moderation,
)


def _history(_sql: Dialect) -> str:
    return """
SELECT CAST(e.guild_id AS TEXT) AS guild_id, CAST(e.user_id AS TEXT) AS user_id,
  e.at, e.event, e.reason,
  CAST(COALESCE(e.moderator_id, e.inviter_id) AS TEXT) AS other_id,
  COALESCE(e.moderator_username, m.username) AS other_name,
  e.invite_code
FROM member_events e
LEFT JOIN members m ON m.guild_id = e.guild_id AND m.user_id = e.inviter_id
UNION ALL
SELECT CAST(l.guild_id AS TEXT), CAST(l.target_user_id AS TEXT),
  l.at, l.action, l.reason,
  CAST(l.moderator_id AS TEXT), l.moderator_username, NULL
FROM moderation_logs l
WHERE l.target_user_id IS NOT NULL
UNION ALL
SELECT CAST(t.guild_id AS TEXT), CAST(t.inviter_id AS TEXT),
  t.at, 'invited', NULL,
  CAST(t.invitee_id AS TEXT), t.invitee_username, t.invite_code
FROM invite_tracking t
WHERE t.inviter_id IS NOT NULL"""


HISTORY: Final = View(
    "v_member_history",
    "All recorded events of a member in one list: joins, leaves, moderation actions, invited people.",
    (
        GUILD,
        ident("user_id", "The member."),
        time("at", "Time of the action."),
        text("event", "join, leave, a moderation action, or invited (the member invited another person)."),
        text("reason", "Reason given for an action; for a leave: leave, kick, ban, prune or unknown."),
        ident("other_id", "The moderator; for a join the inviter, for invited the person who joined."),
        text("other_name", "Name of that person, if known."),
        text("invite_code", "For join and invited: code of the invite used, if known."),
    ),
    _history,
)


def _moderators(sql: Dialect) -> str:
    def acts(condition: str) -> str:
        return f"SUM(CASE WHEN {condition} THEN 1 ELSE 0 END)"

    return f"""
SELECT {OF_GUILD} AS guild_id,
  CAST(l.moderator_id AS TEXT) AS moderator_id,
  COALESCE((SELECT m.username FROM members m
    WHERE m.guild_id = g.guild_id AND m.user_id = l.moderator_id),
    MAX(l.moderator_username)) AS moderator_name,
  {acts(f"l.at >= {sql.ago(hours=24)}")} AS actions_24h,
  {acts(f"l.at >= {sql.ago(hours=7 * 24)}")} AS actions_7d,
  COUNT(*) AS actions_30d,
  {acts("l.action = 'ban'")} AS bans_30d,
  {acts("l.action = 'kick'")} AS kicks_30d,
  {acts("l.action = 'timeout'")} AS timeouts_30d,
  {acts("l.action IN ('message_delete', 'message_bulk_delete')")} AS deletions_30d,
  COUNT(DISTINCT l.target_user_id) AS people_30d,
  MAX(l.at) AS last_at
FROM guilds g
JOIN moderation_logs l ON l.guild_id = g.guild_id AND l.at >= {sql.ago(hours=30 * 24)}
GROUP BY g.guild_id, l.moderator_id"""


MODERATORS: Final = View(
    "v_moderators",
    "One row for each moderator with an action in the last 30 days.",
    (
        GUILD,
        ident("moderator_id", "The moderator; null for actions of unknown moderators."),
        text("moderator_name", "Name, if known."),
        count("actions_24h", "Actions within 24 hours."),
        count("actions_7d", "Actions within 7 days."),
        count("actions_30d", "Actions within 30 days."),
        count("bans_30d", "Bans within 30 days."),
        count("kicks_30d", "Kicks within 30 days."),
        count("timeouts_30d", "Timeouts within 30 days."),
        count("deletions_30d", "Message deletions within 30 days; a grouped audit entry counts once."),
        count("people_30d", "Number of members concerned within 30 days."),
        time("last_at", "Time of the last action."),
    ),
    _moderators,
)


def _offenders(sql: Dialect) -> str:
    def acts(*actions: str) -> str:
        return f"SUM(CASE WHEN l.action IN ({_listed(actions)}) THEN 1 ELSE 0 END)"

    member = "FROM members m WHERE m.guild_id = g.guild_id AND m.user_id = l.target_user_id"
    return f"""
SELECT {OF_GUILD} AS guild_id,
  CAST(l.target_user_id AS TEXT) AS user_id,
  COALESCE((SELECT m.username {member}), MAX(l.target_username)) AS username,
  COUNT(*) AS actions,
  {acts("ban")} AS bans, {acts("kick")} AS kicks, {acts("timeout")} AS timeouts, {acts(*_AUTOMOD)} AS automod,
  COUNT(DISTINCT l.moderator_id) AS moderators,
  MIN(l.at) AS first_at, MAX(l.at) AS last_at,
  EXISTS (SELECT 1 {member} AND m.left_at IS NULL) AS here,
  'https://discord.com/users/' || CAST(l.target_user_id AS TEXT) AS url
FROM guilds g
JOIN moderation_logs l ON l.guild_id = g.guild_id AND l.at >= {sql.ago(hours=90 * 24)}
  AND l.target_user_id IS NOT NULL AND l.action IN ({_listed(_OFFENCES)})
GROUP BY g.guild_id, l.target_user_id
HAVING COUNT(*) > 1"""


OFFENDERS: Final = View(
    "v_repeat_offenders",
    "Members with more than one ban, kick, timeout or AutoMod action in the last 90 days.",
    (
        GUILD,
        ident("user_id", "The member."),
        text("username", "Name, if known."),
        count("actions", "Number of such actions within 90 days."),
        count("bans", "Bans among them."),
        count("kicks", "Kicks among them."),
        count("timeouts", "Timeouts among them."),
        count("automod", "AutoMod actions among them."),
        count("moderators", "Number of different moderators."),
        time("first_at", "Time of the first of them."),
        time("last_at", "Time of the last of them."),
        flag("here", "Whether the member is in the guild now."),
        text("url", "Opens the profile in Discord."),
    ),
    _offenders,
)


def _changes(sql: Dialect) -> str:
    return f"""
SELECT {OF_GUILD} AS guild_id,
  e.at, LOWER(e.type) AS change,
  CAST(e.target_id AS TEXT) AS target_id, {sql.json_text("e.details", "name")} AS target_name,
  CAST(e.actor_id AS TEXT) AS actor_id,
  COALESCE(m.username, {sql.json_text("e.details", "actor_username")}) AS actor_name,
  {sql.json_fields("e.details", "changes")} AS fields,
  e.reason, CAST(e.audit_entry_id AS TEXT) AS audit_entry_id, e.recovered,
  CAST(e.details AS TEXT) AS details
FROM guilds g
JOIN guild_events e ON e.guild_id = g.guild_id
LEFT JOIN members m ON m.guild_id = e.guild_id AND m.user_id = e.actor_id"""


CHANGES: Final = View(
    "v_changes",
    "Every change of the roles, channels, threads, emoji, stickers and settings of a guild. "
    "All but settings need their event types, such as ROLE_CREATE, enabled.",
    (
        GUILD,
        time("at", "Time of the change."),
        text("change", "The change: the event type in lower case, such as role_create."),
        ident("target_id", "The changed role, channel, thread, emoji or sticker; null for the guild."),
        text("target_name", "Name of that part, if known."),
        ident("actor_id", "The person responsible; null if unknown."),
        text("actor_name", "Name of that person, if known."),
        text("fields", "For an update: names of the changed fields; `details` has the values."),
        text("reason", "Reason given, if any."),
        ident("audit_entry_id", "The audit-log entry of the change, if there is one."),
        flag("recovered", "Whether the entry was read from the audit log later, not received live."),
        text("details", "Further fields, as JSON."),
    ),
    _changes,
)

VIEWS: Final = (MODERATION, HISTORY, MODERATORS, OFFENDERS, CHANGES)
