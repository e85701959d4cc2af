"""Views of invites: their creators, their uses, and what the joined members did next."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import (
    GUILD,
    OF_GUILD,
    View,
    count,
    flag,
    ident,
    number,
    seconds,
    text,
    time,
)

_ACTIVE_HOURS: Final = 14 * 24

_INVITEE: Final = """LEFT JOIN members m ON m.guild_id = t.guild_id AND m.user_id = t.invitee_id
  AND m.joined_at = t.at
LEFT JOIN member_stats s ON s.guild_id = m.guild_id
  AND s.user_id = CASE WHEN m.left_at IS NULL THEN m.user_id END
LEFT JOIN member_events b ON b.guild_id = m.guild_id AND b.user_id = m.user_id AND b.at = m.left_at
  AND b.event = 'leave' AND b.reason = 'ban'"""
"""The member of a use ``t`` (``t.at`` is the time of the join), their activity and their ban.

A member counts for the last join only, so each member counts once. Only a ban at the time of the last leave
counts."""


def _outcome(sql: Dialect) -> str:
    here = "COUNT(CASE WHEN m.left_at IS NULL THEN m.user_id END)"
    return f"""COUNT(t.id) AS joined, {here} AS still_here,
  COUNT(CASE WHEN s.last_seen >= {sql.ago(hours=_ACTIVE_HOURS)} THEN 1 END) AS active,
  COUNT(b.id) AS banned,
  {sql.rounded(f"1.0 * {here} / NULLIF(COUNT(t.id), 0)")} AS still_here_share"""


_OUTCOME: Final = (
    count("joined", "Observed joins by the invite."),
    count("still_here", "Joins that were the last of the member, with the member in the guild now."),
    count("active", "Number of those members active in the last 14 days."),
    count("banned", "Joins that were the last of the member and ended with a ban."),
    number("still_here_share", "`still_here` as a share of `joined`, 0 to 1; null without joins."),
)


def _invites(sql: Dialect) -> str:
    known = f"""
SELECT {OF_GUILD} AS guild_id, i.code,
  CAST(i.channel_id AS TEXT) AS channel_id, c.name AS channel_name,
  CAST(i.inviter_id AS TEXT) AS inviter_id, i.inviter_username AS inviter_name,
  (i.deleted_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > {sql.now})) AS valid,
  i.created_at, i.expires_at, i.deleted_at, i.max_uses,
  CASE WHEN i.uses > COUNT(t.id) THEN i.uses ELSE COUNT(t.id) END AS uses,
  {_outcome(sql)},
  MAX(t.at) AS last_used_at,
  'https://discord.gg/' || i.code AS url
FROM guilds g
JOIN invites i ON i.guild_id = g.guild_id
LEFT JOIN channels c ON c.guild_id = i.guild_id AND c.channel_id = i.channel_id
LEFT JOIN invite_tracking t ON t.guild_id = i.guild_id AND t.invite_code = i.code
{_INVITEE}
GROUP BY g.guild_id, i.guild_id, i.code, i.channel_id, c.name, i.inviter_id, i.inviter_username,
  i.deleted_at, i.created_at, i.expires_at, i.max_uses, i.uses"""
    # Codes that no list of invites contains, such as a vanity URL.
    unlisted = f"""
SELECT {OF_GUILD}, t.invite_code, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  COUNT(t.id),
  {_outcome(sql)},
  MAX(t.at),
  'https://discord.gg/' || t.invite_code
FROM guilds g
JOIN invite_tracking t ON t.guild_id = g.guild_id AND t.invite_code IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM invites i WHERE i.guild_id = t.guild_id AND i.code = t.invite_code)
{_INVITEE}
GROUP BY g.guild_id, t.invite_code"""
    return f"{known}\nUNION ALL{unlisted}"


INVITES: Final = View(
    "v_invites",
    "One row for each invite: its uses, and how many of the joined members stayed.",
    (
        GUILD,
        text("code", "Code of the invite."),
        ident("channel_id", "Target channel."),
        text("channel_name", "Name of that channel."),
        ident("inviter_id", "Creator of the invite."),
        text("inviter_name", "Name of that member."),
        flag("valid", "Whether the invite can be used now."),
        time("created_at", "Time of creation."),
        time("expires_at", "Time of expiry; null if it does not expire."),
        time("deleted_at", "Time of deletion; null if it was not deleted."),
        count("max_uses", "Maximum number of uses; 0 for no limit."),
        count("uses", "Uses: the larger of the last number from Discord and the observed joins."),
        *_OUTCOME,
        time("last_used_at", "Time of the last join by it."),
        text("url", "Address of the invite."),
    ),
    _invites,
)


def _inviters(sql: Dialect) -> str:
    return f"""
SELECT {OF_GUILD} AS guild_id,
  CAST(t.inviter_id AS TEXT) AS inviter_id,
  COALESCE((SELECT n.username FROM members n
    WHERE n.guild_id = g.guild_id AND n.user_id = t.inviter_id), MAX(t.inviter_username)) AS inviter_name,
  COUNT(DISTINCT t.invite_code) AS codes,
  {_outcome(sql)},
  MAX(t.at) AS last_used_at,
  'https://discord.com/users/' || CAST(t.inviter_id AS TEXT) AS url
FROM guilds g
JOIN invite_tracking t ON t.guild_id = g.guild_id AND t.inviter_id IS NOT NULL
{_INVITEE}
GROUP BY g.guild_id, t.inviter_id"""


INVITERS: Final = View(
    "v_inviters",
    "One row for each person whose invites were used.",
    (
        GUILD,
        ident("inviter_id", "Creator of the invites."),
        text("inviter_name", "Name of that member."),
        count("codes", "Number of used invites."),
        *_OUTCOME,
        time("last_used_at", "Time of the last join by one of them."),
        text("url", "Opens the profile in Discord."),
    ),
    _inviters,
)


def _uses(_sql: Dialect) -> str:
    return """
SELECT CAST(t.guild_id AS TEXT) AS guild_id,
  t.at, CAST(t.invitee_id AS TEXT) AS user_id, t.invitee_username AS username,
  t.invite_code, CAST(t.inviter_id AS TEXT) AS inviter_id, t.inviter_username AS inviter_name,
  t.method, t.confidence,
  (m.left_at IS NULL) AS here
FROM invite_tracking t
LEFT JOIN members m ON m.guild_id = t.guild_id AND m.user_id = t.invitee_id"""


INVITE_USES: Final = View(
    "v_invite_uses",
    "Every join with the invite found for it, and the confidence.",
    (
        GUILD,
        time("at", "Time of the join."),
        ident("user_id", "The member."),
        text("username", "Name of that member."),
        text("invite_code", "Code of the invite used, if known."),
        ident("inviter_id", "Creator of the invite."),
        text("inviter_name", "Name of that member."),
        text("method", "Method by which the invite was found."),
        text("confidence", "Confidence in the match."),
        flag("here", "Whether the member is in the guild now."),
    ),
    _uses,
)


def _banned(sql: Dialect) -> str:
    return f"""
SELECT CAST(l.guild_id AS TEXT) AS guild_id,
  l.at, CAST(l.target_user_id AS TEXT) AS user_id, l.target_username AS username, l.reason,
  CAST(l.moderator_id AS TEXT) AS moderator_id, l.moderator_username AS moderator_name,
  j.invite_code, CAST(j.inviter_id AS TEXT) AS inviter_id, n.username AS inviter_name,
  j.at AS joined_at, {sql.seconds_between("l.at", "j.at")} AS stayed_seconds
FROM moderation_logs l
LEFT JOIN member_events j ON j.id = (SELECT e.id FROM member_events e
  WHERE e.guild_id = l.guild_id AND e.user_id = l.target_user_id AND e.event = 'join' AND e.at <= l.at
  ORDER BY e.at DESC, e.id DESC LIMIT 1)
LEFT JOIN members n ON n.guild_id = j.guild_id AND n.user_id = j.inviter_id
WHERE l.action = 'ban'"""


BANNED: Final = View(
    "v_banned_invites",
    "Every ban, with the invite of the banned member.",
    (
        GUILD,
        time("at", "Time of the ban."),
        ident("user_id", "The banned member."),
        text("username", "Name of that member."),
        text("reason", "Reason given for the ban, if any."),
        ident("moderator_id", "The moderator; null if unknown."),
        text("moderator_name", "Name of the moderator, if known."),
        text("invite_code", "Code of the invite of the last join before the ban; null if unknown."),
        ident("inviter_id", "Creator of that invite."),
        text("inviter_name", "Name of that member."),
        time("joined_at", "Time of that join."),
        seconds("stayed_seconds", "Time between join and ban, in seconds."),
    ),
    _banned,
)

VIEWS: Final = (INVITES, INVITERS, INVITE_USES, BANNED)
