"""Views of invites: their creators, their uses, and what the joined members did next."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import (
    GUILD,
    HERE,
    Select,
    ViewColumn,
    as_text,
    count,
    event_guild,
    flag,
    ident,
    number,
    profile_url,
    seconds,
    text,
    time,
    union,
    view,
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


def _outcome(sql: Dialect) -> tuple[ViewColumn, ...]:
    """What became of those who joined by the uses ``t``, joined with ``_INVITEE``."""
    here = "COUNT(CASE WHEN m.left_at IS NULL THEN m.user_id END)"
    active = f"COUNT(CASE WHEN s.last_seen >= {sql.ago(hours=_ACTIVE_HOURS)} THEN 1 END)"
    share = sql.rounded(f"1.0 * {here} / NULLIF(COUNT(t.id), 0)")
    last = "Joins that were the last of the member"
    return (
        count("joined", "Observed joins by the invite.", "COUNT(t.id)"),
        count("still_here", f"{last}, with the member in the guild now.", here),
        count("active", "Number of those members active in the last 14 days.", active),
        count("banned", f"{last} and ended with a ban.", "COUNT(b.id)"),
        number("still_here_share", "`still_here` as a share of `joined`, 0 to 1; null without joins.", share),
    )


@view("v_invites", "One row for each invite: its uses, and how many of the joined members stayed.")
def _invites(sql: Dialect) -> Select:
    valid = f"(i.deleted_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > {sql.now}))"
    larger = "CASE WHEN i.uses > COUNT(t.id) THEN i.uses ELSE COUNT(t.id) END"
    uses = "Uses: the larger of the last number from Discord and the observed joins."
    # Codes that no list of invites contains, such as a vanity URL.
    unlisted = f"""SELECT {as_text("g.guild_id")}, t.invite_code, {"NULL, " * 9}
  COUNT(t.id),
  {", ".join(column.sql("t") for column in _outcome(sql))},
  MAX(t.at),
  'https://discord.gg/' || t.invite_code
FROM guilds g
JOIN invite_tracking t ON t.guild_id = g.guild_id AND t.invite_code IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM invites i WHERE i.guild_id = t.guild_id AND i.code = t.invite_code)
{_INVITEE}
GROUP BY g.guild_id, t.invite_code"""
    return Select(
        "i",
        (
            GUILD,
            text("code", "Code of the invite."),
            ident("channel_id", "Target channel.", "i.channel_id"),
            text("channel_name", "Name of that channel.", "c.name"),
            ident("inviter_id", "Creator of the invite.", "i.inviter_id"),
            text("inviter_name", "Name of that member.", "i.inviter_username"),
            flag("valid", "Whether the invite can be used now.", valid),
            time("created_at", "Time of creation."),
            time("expires_at", "Time of expiry; null if it does not expire."),
            time("deleted_at", "Time of deletion; null if it was not deleted."),
            count("max_uses", "Maximum number of uses; 0 for no limit."),
            count("uses", uses, larger),
            *_outcome(sql),
            time("last_used_at", "Time of the last join by it.", "MAX(t.at)"),
            text("url", "Address of the invite.", "'https://discord.gg/' || i.code"),
        ),
        f"""FROM guilds g
JOIN invites i ON i.guild_id = g.guild_id
LEFT JOIN channels c ON c.guild_id = i.guild_id AND c.channel_id = i.channel_id
LEFT JOIN invite_tracking t ON t.guild_id = i.guild_id AND t.invite_code = i.code
{_INVITEE}
GROUP BY g.guild_id, i.guild_id, i.code, i.channel_id, c.name, i.inviter_id, i.inviter_username,
  i.deleted_at, i.created_at, i.expires_at, i.max_uses, i.uses{union(unlisted)}""",
    )


@view("v_inviters", "One row for each person whose invites were used.")
def _inviters(sql: Dialect) -> Select:
    name = """COALESCE((SELECT n.username FROM members n
    WHERE n.guild_id = g.guild_id AND n.user_id = t.inviter_id), MAX(t.inviter_username))"""
    return Select(
        "t",
        (
            GUILD,
            ident("inviter_id", "Creator of the invites.", "t.inviter_id"),
            text("inviter_name", "Name of that member.", name),
            count("codes", "Number of used invites.", "COUNT(DISTINCT t.invite_code)"),
            *_outcome(sql),
            time("last_used_at", "Time of the last join by one of them.", "MAX(t.at)"),
            text("url", "Opens the profile in Discord.", profile_url("t.inviter_id")),
        ),
        f"""FROM guilds g
JOIN invite_tracking t ON t.guild_id = g.guild_id AND t.inviter_id IS NOT NULL
{_INVITEE}
GROUP BY g.guild_id, t.inviter_id""",
    )


@view("v_invite_uses", "Every join with the invite found for it, and the confidence.")
def _invite_uses(_sql: Dialect) -> Select:
    return Select(
        "t",
        (
            event_guild("t"),
            time("at", "Time of the join."),
            ident("user_id", "The member.", "t.invitee_id"),
            text("username", "Name of that member.", "t.invitee_username"),
            text("invite_code", "Code of the invite used, if known."),
            ident("inviter_id", "Creator of the invite.", "t.inviter_id"),
            text("inviter_name", "Name of that member.", "t.inviter_username"),
            text("method", "Method by which the invite was found."),
            text("confidence", "Confidence in the match."),
            flag("here", "Whether the member is in the guild now.", HERE),
        ),
        """FROM invite_tracking t
LEFT JOIN members m ON m.guild_id = t.guild_id AND m.user_id = t.invitee_id""",
    )


@view("v_banned_invites", "Every ban, with the invite of the banned member.")
def _banned(sql: Dialect) -> Select:
    code = "Code of the invite of the last join before the ban; null if unknown."
    stayed = sql.seconds_between("l.at", "j.at")
    return Select(
        "l",
        (
            event_guild("l"),
            time("at", "Time of the ban."),
            ident("user_id", "The banned member.", "l.target_user_id"),
            text("username", "Name of that member.", "l.target_username"),
            text("reason", "Reason given for the ban, if any."),
            ident("moderator_id", "The moderator; null if unknown.", "l.moderator_id"),
            text("moderator_name", "Name of the moderator, if known.", "l.moderator_username"),
            text("invite_code", code, "j.invite_code"),
            ident("inviter_id", "Creator of that invite.", "j.inviter_id"),
            text("inviter_name", "Name of that member.", "n.username"),
            time("joined_at", "Time of that join.", "j.at"),
            seconds("stayed_seconds", "Time between join and ban, in seconds.", stayed),
        ),
        """FROM moderation_logs l
LEFT JOIN member_events j ON j.id = (SELECT e.id FROM member_events e
  WHERE e.guild_id = l.guild_id AND e.user_id = l.target_user_id AND e.event = 'join' AND e.at <= l.at
  ORDER BY e.at DESC, e.id DESC LIMIT 1)
LEFT JOIN members n ON n.guild_id = j.guild_id AND n.user_id = j.inviter_id
WHERE l.action = 'ban'""",
    )


VIEWS: Final = (_invites, _inviters, _invite_uses, _banned)
