"""Views of invites: their creators, their uses, and what the joined members did next."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views import columns as col
from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import Select, select, union, view, was_active

_ACTIVE_DAYS: Final = 14

_INVITEE: Final = """LEFT JOIN members m ON m.guild_id = t.guild_id AND m.user_id = t.invitee_id
  AND m.joined_at = t.at
LEFT JOIN member_events b ON b.guild_id = m.guild_id AND b.user_id = m.user_id AND b.at = m.left_at
  AND b.event = 'leave' AND b.reason = 'ban'"""
"""The member of a use ``t`` (``t.at`` is the time of the join) and their ban.

A member counts for the last join only, so each member counts once. Only a ban at the time of the last leave
counts."""


def _outcome(sql: Dialect) -> tuple[col.ViewColumn, ...]:
    """What became of those who joined by the uses ``t``, joined with ``_INVITEE``."""
    here = "COUNT(CASE WHEN m.left_at IS NULL THEN m.user_id END)"
    active = f"""COUNT(CASE WHEN m.left_at IS NULL AND EXISTS (SELECT 1 FROM member_daily a
    WHERE a.guild_id = m.guild_id AND a.user_id = m.user_id
      AND a.day >= {sql.days_ago(_ACTIVE_DAYS - 1)} AND {was_active("a")}) THEN 1 END)"""
    share = sql.rounded(f"1.0 * {here} / NULLIF(COUNT(t.id), 0)")
    last = "Joins that were the last of the member"
    return (
        col.count("joined", "Observed joins by the invite.", "COUNT(t.id)"),
        col.count("still_here", f"{last}, with the member in the guild now.", here),
        col.count("active", "Number of those members active today or in the 13 days before.", active),
        col.count("banned", f"{last} and ended with a ban.", "COUNT(b.id)"),
        col.number(
            "still_here_share", "`still_here` as a share of `joined`, 0 to 1; null without joins.", share
        ),
    )


@view("v_invites", "One row for each invite: its uses, and how many of the joined members stayed.")
def _invites(sql: Dialect) -> Select:
    there = "i.deleted_at IS NULL AND c.deleted_at IS NULL"
    valid = f"({there} AND (i.expires_at IS NULL OR i.expires_at > {sql.now}))"
    larger = "CASE WHEN i.uses > COUNT(t.id) THEN i.uses ELSE COUNT(t.id) END"
    uses = "Uses: the larger of the last number from Discord and the observed joins."
    # Codes that no list of invites contains, such as a vanity URL.
    unlisted = f"""SELECT {col.as_text("g.guild_id")}, t.invite_code, {"NULL, " * 9}
  COUNT(t.id),
  {", ".join(column.sql("t") for column in _outcome(sql))},
  MAX(t.at),
  'https://discord.gg/' || t.invite_code
FROM guilds g
JOIN invite_tracking t ON t.guild_id = g.guild_id AND t.invite_code IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM invites i WHERE i.guild_id = t.guild_id AND i.code = t.invite_code)
{_INVITEE}
GROUP BY g.guild_id, t.invite_code"""
    return select(
        "i",
        f"""FROM guilds g
JOIN invites i ON i.guild_id = g.guild_id
LEFT JOIN channels c ON c.guild_id = i.guild_id AND c.channel_id = i.channel_id
LEFT JOIN invite_tracking t ON t.guild_id = i.guild_id AND t.invite_code = i.code
{_INVITEE}
GROUP BY g.guild_id, i.guild_id, i.code, i.channel_id, c.name, c.deleted_at, i.inviter_id,
  i.inviter_username, i.deleted_at, i.created_at, i.expires_at, i.max_uses, i.uses{union(unlisted)}""",
        col.guild(),
        col.text("code", "Code of the invite."),
        col.ident("channel_id", "Target channel.", "i.channel_id"),
        col.text("channel_name", "Name of that channel.", "c.name"),
        col.ident("inviter_id", "Creator of the invite.", "i.inviter_id"),
        col.text("inviter_name", "Name of that member.", "i.inviter_username"),
        col.flag("valid", "Whether the invite can be used now.", valid),
        col.time("created_at", "Time of creation."),
        col.time("expires_at", "Time of expiry; null if it does not expire."),
        col.time("deleted_at", "Time of deletion; null if it was not deleted."),
        col.count("max_uses", "Maximum number of uses; 0 for no limit."),
        col.count("uses", uses, larger),
        *_outcome(sql),
        col.time("last_used_at", "Time of the last join by it.", "MAX(t.at)"),
        col.text("url", "Address of the invite.", "'https://discord.gg/' || i.code"),
    )


@view("v_inviters", "One row for each person whose invites were used.")
def _inviters(sql: Dialect) -> Select:
    name = """COALESCE((SELECT n.username FROM members n
    WHERE n.guild_id = g.guild_id AND n.user_id = t.inviter_id), MAX(t.inviter_username))"""
    return select(
        "t",
        f"""FROM guilds g
JOIN invite_tracking t ON t.guild_id = g.guild_id AND t.inviter_id IS NOT NULL
{_INVITEE}
GROUP BY g.guild_id, t.inviter_id""",
        col.guild(),
        col.ident("inviter_id", "Creator of the invites.", "t.inviter_id"),
        col.text("inviter_name", "Name of that member.", name),
        col.count("codes", "Number of used invites.", "COUNT(DISTINCT t.invite_code)"),
        *_outcome(sql),
        col.time("last_used_at", "Time of the last join by one of them.", "MAX(t.at)"),
        col.profile("url", "the profile", "t.inviter_id"),
    )


@view("v_invite_uses", "Every join with the invite found for it, and the confidence.")
def _invite_uses(_sql: Dialect) -> Select:
    return select(
        "t",
        """FROM invite_tracking t
LEFT JOIN members m ON m.guild_id = t.guild_id AND m.user_id = t.invitee_id""",
        col.guild("t"),
        col.time("at", "Time of the join."),
        col.ident("user_id", "The member.", "t.invitee_id"),
        col.text("username", "Name of that member.", "t.invitee_username"),
        col.text("invite_code", "Code of the invite used, if known."),
        col.ident("inviter_id", "Creator of the invite.", "t.inviter_id"),
        col.text("inviter_name", "Name of that member.", "t.inviter_username"),
        col.text("method", "Method by which the invite was found."),
        col.text("confidence", "Confidence in the match."),
        col.stayed("t"),
    )


@view("v_banned_invites", "Every ban, with the invite of the banned member.")
def _banned(sql: Dialect) -> Select:
    code = "Code of the invite of the last join before the ban; null if unknown."
    stayed = sql.seconds_between("l.at", "j.at")
    return select(
        "l",
        """FROM moderation_logs l
LEFT JOIN member_events j ON j.id = (SELECT e.id FROM member_events e
  WHERE e.guild_id = l.guild_id AND e.user_id = l.target_user_id AND e.event = 'join' AND e.at <= l.at
  ORDER BY e.at DESC, e.id DESC LIMIT 1)
LEFT JOIN members n ON n.guild_id = j.guild_id AND n.user_id = j.inviter_id
WHERE l.action = 'ban'""",
        col.guild("l"),
        col.time("at", "Time of the ban."),
        col.ident("user_id", "The banned member.", "l.target_user_id"),
        col.text("username", "Name of that member.", "l.target_username"),
        col.text("reason", "Reason given for the ban, if any."),
        col.ident("moderator_id", "The moderator; null if unknown.", "l.moderator_id"),
        col.text("moderator_name", "Name of the moderator, if known.", "l.moderator_username"),
        col.text("invite_code", code, "j.invite_code"),
        col.ident("inviter_id", "Creator of that invite.", "j.inviter_id"),
        col.text("inviter_name", "Name of that member.", "n.username"),
        col.time("joined_at", "Time of that join.", "j.at"),
        col.seconds("stayed_seconds", "Time between join and ban, in seconds.", stayed),
    )


VIEWS: Final = (_invites, _inviters, _invite_uses, _banned)
