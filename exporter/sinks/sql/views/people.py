"""Views of members: what they do, who stays, who is new, who goes."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.view import (
    DAY,
    GUILD,
    MIDNIGHT,
    View,
    count,
    day,
    flag,
    ident,
    number,
    seconds,
    time,
    words,
)

_SCORE: Final = number("score", "Activity score: messages + 0.5 voice minutes + 0.2 reactions given.")

MEMBER_DAILY: Final = View(
    "v_member_daily",
    "A member's activity by day, with the name.",
    (
        GUILD,
        ident("user_id", "The member."),
        words("username", "Name when last seen."),
        DAY,
        MIDNIGHT,
        count("messages", "Messages written."),
        seconds("voice_seconds", "Time spent in voice."),
        count("voice_sessions", "Voice sessions that ended."),
        count("reactions_given", "Reactions added to messages."),
        count("reactions_received", "Reactions others added to the member's messages."),
        _SCORE,
    ),
)

LEADERBOARD: Final = View(
    "v_leaderboard",
    "Who did how much in a period. Filter by guild and period, sort by what is asked for.",
    (
        GUILD,
        words(
            "period",
            "`day` is today, `week` begins on Monday, `month` on the 1st, all in UTC; `all` is everything.",
        ),
        ident("user_id", "The member."),
        words("username", "Name when last seen."),
        count("messages", "Messages written."),
        seconds("voice_seconds", "Time spent in voice."),
        count("voice_sessions", "Voice sessions that ended."),
        count("reactions_given", "Reactions added to messages."),
        count("reactions_received", "Reactions others added to the member's messages."),
        _SCORE,
    ),
)

MEMBERS: Final = View(
    "v_members",
    "One row for each member seen joining, leaving or active.",
    (
        GUILD,
        ident("user_id", "The member."),
        words("username", "Name when last seen."),
        flag("bot", "Whether it is a bot; null where not told."),
        flag("here", "Whether they are in the guild, as far as seen."),
        time("joined_at", "Last join seen."),
        time("left_at", "When they left; null while they are there."),
        time("account_created_at", "When the account was made, as its id says."),
        time("first_active_at", "First activity counted."),
        time("last_active_at", "Last activity counted."),
        count("messages", "Messages written, all time."),
        seconds("voice_seconds", "Time spent in voice, all time."),
        count("reactions_given", "Reactions added to messages, all time."),
        count("reactions_received", "Reactions others added to the member's messages, all time."),
        _SCORE,
        words("url", "Opens the profile in Discord."),
    ),
)

RETENTION: Final = View(
    "v_retention",
    "Members by the week they joined, of the last 12 weeks: how many were active in each week since.",
    (
        GUILD,
        day("cohort", "Monday of the UTC week of the last join."),
        time("time", "That day's beginning, to draw with."),
        count("week", "Weeks since: 0 is the week of the join itself, by calendar."),
        count("size", "People (no bots) whose last join was in the cohort's week."),
        count("still_here", "Those of them who have not left."),
        number("still_here_share", "That as a share of the size."),
        count("active", "Those who did anything in that week."),
        number("active_share", "That as a share of the size."),
    ),
)

NEWCOMERS: Final = View(
    "v_newcomers",
    "What became of the people (no bots) who joined on a day of the last 60: a funnel. "
    "Messages are kept by day, so the first one is told to the day; the first activity of any kind exactly.",
    (
        GUILD,
        day("day", "The UTC day they joined; only who was never active before counts."),
        time("time", "The day's beginning, to draw with."),
        count("joined", "People who joined."),
        count("active_24h", "Those who did anything within 24 hours."),
        count("wrote_next_day", "Those who wrote a message by the end of the next UTC day."),
        count(
            "active_week_2", "Those who did anything 7 to 13 days after; too early to tell for the newest."
        ),
        count("still_here", "Those who have not left."),
    ),
)

JOINERS: Final = View(
    "v_joiners",
    "Every join with the age of the account and the invite.",
    (
        GUILD,
        time("at", "When they joined."),
        ident("user_id", "Who joined."),
        words("username", "Name at that moment."),
        flag("bot", "Whether it is a bot."),
        time("account_created_at", "When the account was made, as its id says."),
        seconds("account_age_seconds", "Age of the account at the join."),
        words(
            "account_age", "That as a class: `< 1 day`, `< 7 days`, `< 30 days`, `< 1 year` or `1 year +`."
        ),
        words("invite_code", "The invite used, where known."),
        ident("inviter_id", "Who made that invite."),
        flag("here", "Whether they are in the guild now."),
        words("url", "Opens the profile in Discord."),
    ),
)

LEAVERS: Final = View(
    "v_leavers",
    "Every leave with the time spent in the guild.",
    (
        GUILD,
        time("at", "When they went."),
        ident("user_id", "Who went."),
        words("username", "Name at that moment."),
        flag("bot", "Whether it is a bot."),
        words("reason", "leave, kick, ban or prune."),
        seconds("tenure_seconds", "Time since the join; null where that was not seen."),
        words(
            "tenure",
            "As a class: `< 1 hour`, `< 1 day`, `< 7 days`, `< 30 days`, `< 1 year`, `1 year +` or `unknown`.",
        ),
        count("tenure_order", "Number of the class, 1 for the shortest, to sort by."),
        ident("moderator_id", "Who removed them, if anybody."),
        words("moderator_name", "That person's name, where known."),
        words("url", "Opens the profile in Discord."),
    ),
)

VIEWS: Final = (MEMBER_DAILY, LEADERBOARD, MEMBERS, RETENTION, NEWCOMERS, JOINERS, LEAVERS)
