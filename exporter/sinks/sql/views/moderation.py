"""Views of what moderators did, and to whom."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.view import GUILD, View, count, flag, ident, number, time, words

MODERATION: Final = View(
    "v_moderation",
    "Every action of a moderator or of AutoMod.",
    (
        GUILD,
        time("at", "When it happened."),
        words("action", "What was done, such as ban, kick, timeout or message_delete."),
        ident("target_id", "Whom it was done to."),
        words("target_name", "That person's name, where known."),
        ident("moderator_id", "Who did it; null where unknown."),
        words("moderator_name", "That person's name, where known."),
        words("reason", "The reason given, if any."),
        ident("audit_entry_id", "The audit-log entry that says so."),
        ident("channel_id", "Where, of what has a place."),
        time("until", "Of a timeout: its end."),
        flag("recovered", "Found in the audit log afterwards, not seen live."),
        words("details", "What else is known, as JSON."),
        words("target_url", "Opens the target's profile in Discord."),
        words("moderator_url", "Opens the moderator's profile in Discord."),
    ),
)

HISTORY: Final = View(
    "v_member_history",
    "All that is recorded of a member in one list: joins, leaves, actions against them, people they invited.",
    (
        GUILD,
        ident("user_id", "The member."),
        time("at", "When it happened."),
        words("event", "join, leave, the action of a moderator, or invited (they invited somebody)."),
        words("reason", "The reason given for an action; of a leave leave, kick, ban or prune."),
        ident("other_id", "Who did it; of a join the inviter, of invited who came."),
        words("other_name", "That person's name, where known."),
        words("invite_code", "Of join and invited: the invite used, where known."),
    ),
)

MODERATORS: Final = View(
    "v_moderators",
    "One row for each moderator who acted in the last 30 days: the workload.",
    (
        GUILD,
        ident("moderator_id", "The moderator; null for actions of unknown origin."),
        words("moderator_name", "Name, where known."),
        count("actions_24h", "Actions within 24 hours."),
        count("actions_7d", "Actions within 7 days."),
        count("actions_30d", "Actions within 30 days."),
        number("share_30d", "Share of all actions in the guild within 30 days."),
        count("bans_30d", "Bans within 30 days."),
        count("kicks_30d", "Kicks within 30 days."),
        count("timeouts_30d", "Timeouts within 30 days."),
        count("deletions_30d", "Deletions of messages within 30 days; a grouped one is one."),
        count("people_30d", "People acted upon within 30 days."),
        time("last_at", "The last action."),
    ),
)

OFFENDERS: Final = View(
    "v_repeat_offenders",
    "Members who were banned, kicked, timed out or stopped by AutoMod more than once in the last 90 days.",
    (
        GUILD,
        ident("user_id", "The member."),
        words("username", "Name, where known."),
        count("actions", "Such actions within 90 days."),
        count("bans", "Bans among them."),
        count("kicks", "Kicks among them."),
        count("timeouts", "Timeouts among them."),
        count("automod", "Actions of AutoMod among them."),
        count("moderators", "How many moderators took them."),
        time("first_at", "The first of them."),
        time("last_at", "The last of them."),
        flag("here", "Whether the member is in the guild now."),
        words("url", "Opens the profile in Discord."),
    ),
)

VIEWS: Final = (MODERATION, HISTORY, MODERATORS, OFFENDERS)
