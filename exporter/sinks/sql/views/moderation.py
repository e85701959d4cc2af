"""Views of moderation actions, of the members concerned, and of changes to the guild."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views import columns as col
from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import Select, number_where, select, union, view

_AUTOMOD: Final = ("automod_block", "automod_flag", "automod_timeout")
_OFFENCES: Final = ("ban", "kick", "timeout", *_AUTOMOD)
"""Actions against a member for an offence; an unban or a new role is not one."""


def _listed(actions: tuple[str, ...]) -> str:
    return ", ".join(f"'{action}'" for action in actions)


@view("v_moderation", "Every action of a moderator or of AutoMod.")
def _moderation(sql: Dialect) -> Select:
    channel_id = sql.json_text("l.details", "channel_id")
    until = sql.moment(f"CAST({sql.json_text('l.details', 'until')} AS BIGINT)")
    return select(
        "l",
        "FROM moderation_logs l",
        col.guild("l"),
        col.time("at", "Time of the action."),
        col.text(
            "action", "The action, such as ban, kick or timeout; unknown if only its amendment was stored."
        ),
        col.ident("target_id", "The member concerned.", "l.target_user_id"),
        col.text("target_name", "Name of that person, if known.", "l.target_username"),
        col.ident("moderator_id", "The person responsible; null if unknown.", "l.moderator_id"),
        col.text("moderator_name", "Name of that person, if known.", "l.moderator_username"),
        col.text("reason", "Reason given, if any."),
        col.ident("audit_entry_id", "The audit-log entry of the action.", "l.audit_entry_id"),
        col.ViewColumn("channel_id", col.ColumnKind.ID, "The channel, for actions in a channel.", channel_id),
        col.time("until", "End of the timeout; null for other actions.", until),
        col.flag("recovered", "Whether the entry was read from the audit log later, not received live."),
        col.text("details", "Further fields, as JSON.", "CAST(l.details AS TEXT)"),
        col.profile("target_url", "the target's profile", "l.target_user_id"),
        col.profile("moderator_url", "the moderator's profile", "l.moderator_id"),
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
    return select(
        "e",
        f"""FROM member_events e
LEFT JOIN members m ON m.guild_id = e.guild_id AND m.user_id = e.inviter_id{union(actions, invited)}""",
        col.guild("e"),
        col.ident("user_id", "The member.", "e.user_id"),
        col.time("at", "Time of the action."),
        col.text("event", events),
        col.text("reason", reasons),
        col.ident("other_id", others, "COALESCE(e.moderator_id, e.inviter_id)"),
        col.text(
            "other_name", "Name of that person, if known.", "COALESCE(e.moderator_username, m.username)"
        ),
        col.text("invite_code", "For join and invited: code of the invite used, if known."),
    )


@view("v_moderators", "One row for each moderator with an action in the last 30 days.")
def _moderators(sql: Dialect) -> Select:
    def since(hours: int) -> str:
        return number_where(f"l.at >= {sql.ago(hours=hours)}")

    name = """COALESCE((SELECT m.username FROM members m
    WHERE m.guild_id = g.guild_id AND m.user_id = l.moderator_id),
    MAX(l.moderator_username))"""
    deletions = number_where("l.action IN ('message_delete', 'message_bulk_delete')")
    grouped = "Message deletions within 30 days; a grouped audit entry counts once."
    people = "Number of members concerned within 30 days."
    return select(
        "l",
        f"""FROM guilds g
JOIN moderation_logs l ON l.guild_id = g.guild_id AND l.at >= {sql.ago(hours=30 * 24)}
GROUP BY g.guild_id, l.moderator_id""",
        col.guild(),
        col.ident("moderator_id", "The moderator; null for actions of unknown moderators.", "l.moderator_id"),
        col.text("moderator_name", "Name, if known.", name),
        col.count("actions_24h", "Actions within 24 hours.", since(24)),
        col.count("actions_7d", "Actions within 7 days.", since(7 * 24)),
        col.count("actions_30d", "Actions within 30 days.", "COUNT(*)"),
        col.count("bans_30d", "Bans within 30 days.", number_where("l.action = 'ban'")),
        col.count("kicks_30d", "Kicks within 30 days.", number_where("l.action = 'kick'")),
        col.count("timeouts_30d", "Timeouts within 30 days.", number_where("l.action = 'timeout'")),
        col.count("deletions_30d", grouped, deletions),
        col.count("people_30d", people, "COUNT(DISTINCT l.target_user_id)"),
        col.time("last_at", "Time of the last action.", "MAX(l.at)"),
    )


@view(
    "v_repeat_offenders",
    "Members with more than one ban, kick, timeout or AutoMod action in the last 90 days.",
)
def _offenders(sql: Dialect) -> Select:
    def acts(*actions: str) -> str:
        return number_where(f"l.action IN ({_listed(actions)})")

    member = "FROM members m WHERE m.guild_id = g.guild_id AND m.user_id = l.target_user_id"
    name = f"COALESCE((SELECT m.username {member}), MAX(l.target_username))"
    here = f"EXISTS (SELECT 1 {member} AND m.left_at IS NULL)"
    return select(
        "l",
        f"""FROM guilds g
JOIN moderation_logs l ON l.guild_id = g.guild_id AND l.at >= {sql.ago(hours=90 * 24)}
  AND l.target_user_id IS NOT NULL AND l.action IN ({_listed(_OFFENCES)})
GROUP BY g.guild_id, l.target_user_id
HAVING COUNT(*) > 1""",
        col.guild(),
        col.ident("user_id", "The member.", "l.target_user_id"),
        col.text("username", "Name, if known.", name),
        col.count("actions", "Number of such actions within 90 days.", "COUNT(*)"),
        col.count("bans", "Bans among them.", acts("ban")),
        col.count("kicks", "Kicks among them.", acts("kick")),
        col.count("timeouts", "Timeouts among them.", acts("timeout")),
        col.count("automod", "AutoMod actions among them.", acts(*_AUTOMOD)),
        col.count("moderators", "Number of different moderators.", "COUNT(DISTINCT l.moderator_id)"),
        col.time("first_at", "Time of the first of them.", "MIN(l.at)"),
        col.time("last_at", "Time of the last of them.", "MAX(l.at)"),
        col.flag("here", "Whether the member is in the guild now.", here),
        col.profile("url", "the profile", "l.target_user_id"),
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
    return select(
        "e",
        """FROM guilds g
JOIN guild_events e ON e.guild_id = g.guild_id
LEFT JOIN members m ON m.guild_id = e.guild_id AND m.user_id = e.actor_id""",
        col.guild(),
        col.time("at", "Time of the change."),
        col.text("change", "The change: the event type in lower case, such as role_create.", "LOWER(e.type)"),
        col.ident("target_id", target, "e.target_id"),
        col.text("target_name", "Name of that part, if known.", detail("name")),
        col.ident("actor_id", "The person responsible; null if unknown.", "e.actor_id"),
        col.text("actor_name", "Name of that person, if known.", actor),
        col.text("fields", fields, sql.json_fields("e.details", "changes")),
        col.text("reason", "Reason given, if any."),
        col.ident("audit_entry_id", entry, "e.audit_entry_id"),
        col.flag("recovered", "Whether the entry was read from the audit log later, not received live."),
        col.text("details", "Further fields, as JSON.", "CAST(e.details AS TEXT)"),
    )


VIEWS: Final = (_moderation, _history, _moderators, _offenders, _changes)
