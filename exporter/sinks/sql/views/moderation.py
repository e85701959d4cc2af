"""Views of moderation actions, of the members concerned, and of changes to the guild."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import (
    GUILD,
    ColumnKind,
    Select,
    ViewColumn,
    count,
    event_guild,
    flag,
    ident,
    profile_url,
    text,
    time,
    union,
    view,
)

_AUTOMOD: Final = ("automod_block", "automod_flag", "automod_timeout")
_OFFENCES: Final = ("ban", "kick", "timeout", *_AUTOMOD)
"""Actions against a member for an offence; an unban or a new role is not one."""


def _those(condition: str) -> str:
    """The number of rows that meet a condition."""
    return f"SUM(CASE WHEN {condition} THEN 1 ELSE 0 END)"


def _listed(actions: tuple[str, ...]) -> str:
    return ", ".join(f"'{action}'" for action in actions)


@view("v_moderation", "Every action of a moderator or of AutoMod.")
def _moderation(sql: Dialect) -> Select:
    channel_id = sql.json_text("l.details", "channel_id")
    until = sql.moment(f"CAST({sql.json_text('l.details', 'until')} AS BIGINT)")
    return Select(
        "l",
        (
            event_guild("l"),
            time("at", "Time of the action."),
            text("action", "The action, such as ban, kick, timeout or message_delete."),
            ident("target_id", "The member concerned.", "l.target_user_id"),
            text("target_name", "Name of that person, if known.", "l.target_username"),
            ident("moderator_id", "The person responsible; null if unknown.", "l.moderator_id"),
            text("moderator_name", "Name of that person, if known.", "l.moderator_username"),
            text("reason", "Reason given, if any."),
            ident("audit_entry_id", "The audit-log entry of the action.", "l.audit_entry_id"),
            ViewColumn("channel_id", ColumnKind.ID, "The channel, for actions in a channel.", channel_id),
            time("until", "End of the timeout; null for other actions.", until),
            flag("recovered", "Whether the entry was read from the audit log later, not received live."),
            text("details", "Further fields, as JSON.", "CAST(l.details AS TEXT)"),
            text("target_url", "Opens the target's profile in Discord.", profile_url("l.target_user_id")),
            text("moderator_url", "Opens the moderator's profile in Discord.", profile_url("l.moderator_id")),
        ),
        "FROM moderation_logs l",
    )


@view(
    "v_member_history",
    "All recorded events of a member in one list: joins, leaves, moderation actions, invited people.",
)
def _history(_sql: Dialect) -> Select:
    events = "join, leave, a moderation action, or invited (the member invited another person)."
    reasons = "Reason given for an action; for a leave: leave, kick, ban, prune or unknown."
    others = "The moderator; for a join the inviter, for invited the person who joined."
    actions = """SELECT CAST(l.guild_id AS TEXT), CAST(l.target_user_id AS TEXT),
  l.at, l.action, l.reason,
  CAST(l.moderator_id AS TEXT), l.moderator_username, NULL
FROM moderation_logs l
WHERE l.target_user_id IS NOT NULL"""
    invited = """SELECT CAST(t.guild_id AS TEXT), CAST(t.inviter_id AS TEXT),
  t.at, 'invited', NULL,
  CAST(t.invitee_id AS TEXT), t.invitee_username, t.invite_code
FROM invite_tracking t
WHERE t.inviter_id IS NOT NULL"""
    return Select(
        "e",
        (
            event_guild("e"),
            ident("user_id", "The member.", "e.user_id"),
            time("at", "Time of the action."),
            text("event", events),
            text("reason", reasons),
            ident("other_id", others, "COALESCE(e.moderator_id, e.inviter_id)"),
            text(
                "other_name", "Name of that person, if known.", "COALESCE(e.moderator_username, m.username)"
            ),
            text("invite_code", "For join and invited: code of the invite used, if known."),
        ),
        f"""FROM member_events e
LEFT JOIN members m ON m.guild_id = e.guild_id AND m.user_id = e.inviter_id{union(actions, invited)}""",
    )


@view("v_moderators", "One row for each moderator with an action in the last 30 days.")
def _moderators(sql: Dialect) -> Select:
    def since(hours: int) -> str:
        return _those(f"l.at >= {sql.ago(hours=hours)}")

    name = """COALESCE((SELECT m.username FROM members m
    WHERE m.guild_id = g.guild_id AND m.user_id = l.moderator_id),
    MAX(l.moderator_username))"""
    deletions = _those("l.action IN ('message_delete', 'message_bulk_delete')")
    grouped = "Message deletions within 30 days; a grouped audit entry counts once."
    people = "Number of members concerned within 30 days."
    return Select(
        "l",
        (
            GUILD,
            ident("moderator_id", "The moderator; null for actions of unknown moderators.", "l.moderator_id"),
            text("moderator_name", "Name, if known.", name),
            count("actions_24h", "Actions within 24 hours.", since(24)),
            count("actions_7d", "Actions within 7 days.", since(7 * 24)),
            count("actions_30d", "Actions within 30 days.", "COUNT(*)"),
            count("bans_30d", "Bans within 30 days.", _those("l.action = 'ban'")),
            count("kicks_30d", "Kicks within 30 days.", _those("l.action = 'kick'")),
            count("timeouts_30d", "Timeouts within 30 days.", _those("l.action = 'timeout'")),
            count("deletions_30d", grouped, deletions),
            count("people_30d", people, "COUNT(DISTINCT l.target_user_id)"),
            time("last_at", "Time of the last action.", "MAX(l.at)"),
        ),
        f"""FROM guilds g
JOIN moderation_logs l ON l.guild_id = g.guild_id AND l.at >= {sql.ago(hours=30 * 24)}
GROUP BY g.guild_id, l.moderator_id""",
    )


@view(
    "v_repeat_offenders",
    "Members with more than one ban, kick, timeout or AutoMod action in the last 90 days.",
)
def _offenders(sql: Dialect) -> Select:
    def acts(*actions: str) -> str:
        return _those(f"l.action IN ({_listed(actions)})")

    member = "FROM members m WHERE m.guild_id = g.guild_id AND m.user_id = l.target_user_id"
    name = f"COALESCE((SELECT m.username {member}), MAX(l.target_username))"
    here = f"EXISTS (SELECT 1 {member} AND m.left_at IS NULL)"
    return Select(
        "l",
        (
            GUILD,
            ident("user_id", "The member.", "l.target_user_id"),
            text("username", "Name, if known.", name),
            count("actions", "Number of such actions within 90 days.", "COUNT(*)"),
            count("bans", "Bans among them.", acts("ban")),
            count("kicks", "Kicks among them.", acts("kick")),
            count("timeouts", "Timeouts among them.", acts("timeout")),
            count("automod", "AutoMod actions among them.", acts(*_AUTOMOD)),
            count("moderators", "Number of different moderators.", "COUNT(DISTINCT l.moderator_id)"),
            time("first_at", "Time of the first of them.", "MIN(l.at)"),
            time("last_at", "Time of the last of them.", "MAX(l.at)"),
            flag("here", "Whether the member is in the guild now.", here),
            text("url", "Opens the profile in Discord.", profile_url("l.target_user_id")),
        ),
        f"""FROM guilds g
JOIN moderation_logs l ON l.guild_id = g.guild_id AND l.at >= {sql.ago(hours=90 * 24)}
  AND l.target_user_id IS NOT NULL AND l.action IN ({_listed(_OFFENCES)})
GROUP BY g.guild_id, l.target_user_id
HAVING COUNT(*) > 1""",
    )


@view(
    "v_changes",
    "Every change of the roles, channels, threads, emoji, stickers and settings of a guild. "
    "All but settings need their event types, such as ROLE_CREATE, enabled.",
)
def _changes(sql: Dialect) -> Select:
    def detail(key: str) -> str:
        return sql.json_text("e.details", key)

    target = "The changed role, channel, thread, emoji or sticker; null for the guild."
    actor = f"COALESCE(m.username, {detail('actor_username')})"
    fields = "For an update: names of the changed fields; `details` has the values."
    entry = "The audit-log entry of the change, if there is one."
    return Select(
        "e",
        (
            GUILD,
            time("at", "Time of the change."),
            text("change", "The change: the event type in lower case, such as role_create.", "LOWER(e.type)"),
            ident("target_id", target, "e.target_id"),
            text("target_name", "Name of that part, if known.", detail("name")),
            ident("actor_id", "The person responsible; null if unknown.", "e.actor_id"),
            text("actor_name", "Name of that person, if known.", actor),
            text("fields", fields, sql.json_fields("e.details", "changes")),
            text("reason", "Reason given, if any."),
            ident("audit_entry_id", entry, "e.audit_entry_id"),
            flag("recovered", "Whether the entry was read from the audit log later, not received live."),
            text("details", "Further fields, as JSON.", "CAST(e.details AS TEXT)"),
        ),
        """FROM guilds g
JOIN guild_events e ON e.guild_id = g.guild_id
LEFT JOIN members m ON m.guild_id = e.guild_id AND m.user_id = e.actor_id""",
    )


VIEWS: Final = (_moderation, _history, _moderators, _offenders, _changes)
