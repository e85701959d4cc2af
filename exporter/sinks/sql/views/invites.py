"""Views of invites: who brought whom, and what became of them."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.view import GUILD, View, count, flag, ident, number, seconds, time, words

_OUTCOME: Final = (
    count("joined", "Different people who came by it, as far as known."),
    count("still_here", "Those of them who are in the guild now."),
    count("active", "Those of them who are here and did anything within 14 days."),
    count("banned", "Those of them whose last leave was a ban."),
    number("still_here_share", "Share of them who are here; null for none."),
)

INVITES: Final = View(
    "v_invites",
    "One row for each invite: its uses and what became of those who came by it.",
    (
        GUILD,
        words("code", "The invite's code."),
        ident("channel_id", "Where it leads."),
        words("channel_name", "That channel's name."),
        ident("inviter_id", "Who made it."),
        words("inviter_name", "That person's name."),
        flag("valid", "Whether it can still be used."),
        time("created_at", "When it was made."),
        time("expires_at", "When it ends by itself."),
        time("deleted_at", "When it was removed."),
        count("max_uses", "Uses allowed; 0 for no limit."),
        count("uses", "Uses: as Discord last told, or the joins seen if those are more."),
        *_OUTCOME,
        time("last_used_at", "The last join by it."),
        words("url", "The invite itself."),
    ),
)

INVITERS: Final = View(
    "v_inviters",
    "One row for each person whose invites brought somebody.",
    (
        GUILD,
        ident("inviter_id", "Who made the invites."),
        words("inviter_name", "That person's name."),
        count("codes", "How many of their invites were used."),
        *_OUTCOME,
        time("last_used_at", "The last join by one of them."),
        words("url", "Opens the profile in Discord."),
    ),
)

INVITE_USES: Final = View(
    "v_invite_uses",
    "Every join with the invite that was found for it, and how sure that is.",
    (
        GUILD,
        time("at", "When they joined."),
        ident("user_id", "Who joined."),
        words("username", "That person's name."),
        words("invite_code", "The invite used, where known."),
        ident("inviter_id", "Who made it."),
        words("inviter_name", "That person's name."),
        words("method", "How the invite was found."),
        words("confidence", "How sure that is."),
        flag("here", "Whether they are in the guild now."),
    ),
)

BANNED: Final = View(
    "v_banned_invites",
    "Who was banned, and which invite had brought them.",
    (
        GUILD,
        time("at", "When they were banned."),
        ident("user_id", "Who was banned."),
        words("username", "That person's name."),
        words("reason", "The reason given for the ban, if any."),
        ident("moderator_id", "Who banned them; null where unknown."),
        words("moderator_name", "That person's name, where known."),
        words("invite_code", "The invite of their last join before; null where unknown."),
        ident("inviter_id", "Who made that invite."),
        words("inviter_name", "That person's name."),
        time("joined_at", "That join."),
        seconds("stayed_seconds", "Time between join and ban."),
    ),
)

VIEWS: Final = (INVITES, INVITERS, INVITE_USES, BANNED)
