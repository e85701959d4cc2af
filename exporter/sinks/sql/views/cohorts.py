"""Views of who comes, who stays and who goes."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import (
    GUILD,
    OF_GUILD,
    View,
    count,
    day,
    did_anything,
    flag,
    ident,
    number,
    seconds,
    time,
    words,
)

_COHORTS: Final = 8
"""Weeks looked back: two months show a trend, and the looks at members grow with the square."""

_NEWCOMER_DAYS: Final = 60

_HOUR: Final = 3600
_AGES: Final = (
    (86_400, "< 1 day"),
    (7 * 86_400, "< 7 days"),
    (30 * 86_400, "< 30 days"),
    (365 * 86_400, "< 1 year"),
)
_TENURES: Final = ((_HOUR, "< 1 hour"), *_AGES)
_LONGEST: Final = "1 year +"


def _class(value: str, classes: tuple[tuple[int, str], ...]) -> str:
    arms = " ".join(f"WHEN {value} < {limit} THEN '{name}'" for limit, name in classes)
    return f"CASE WHEN {value} IS NULL THEN 'unknown' {arms} ELSE '{_LONGEST}' END"


def _retention(sql: Dialect) -> str:
    # A cell for each cohort and week, worked out once and not for each member.
    pairs = ", ".join(f"({ago}, {week})" for ago in range(_COHORTS + 1) for week in range(ago + 1))
    cohort = sql.days_later(sql.week, "-7 * column1")

    def begin(weeks: str) -> str:
        return sql.days_later(sql.week, f"7 * ({weeks} - column1)")

    here = "COUNT(DISTINCT CASE WHEN m.left_at IS NULL THEN m.user_id END)"
    size, active = "COUNT(DISTINCT m.user_id)", "COUNT(DISTINCT d.user_id)"
    return f"""
SELECT {OF_GUILD} AS guild_id,
  w.cohort, w.joined_from AS time, w.week,
  {size} AS size,
  {here} AS still_here, {sql.rounded(f"1.0 * {here} / {size}")} AS still_here_share,
  {active} AS active, {sql.rounded(f"1.0 * {active} / {size}")} AS active_share
FROM guilds g
CROSS JOIN (
  SELECT DISTINCT {cohort} AS cohort, CAST(column2 AS BIGINT) AS week,
    {sql.midnight(cohort)} AS joined_from, {sql.midnight(begin("1"))} AS joined_before,
    {begin("column2")} AS first_day, {begin("column2 + 1")} AS past_day
  FROM (VALUES {pairs}) pairs
) w
JOIN members m ON m.guild_id = g.guild_id AND m.bot IS NOT TRUE
  AND m.joined_at >= w.joined_from AND m.joined_at < w.joined_before
LEFT JOIN member_daily d ON d.guild_id = m.guild_id AND d.user_id = m.user_id
  AND d.day >= w.first_day AND d.day < w.past_day AND {did_anything("d")}
GROUP BY g.guild_id, w.cohort, w.joined_from, w.week"""


RETENTION: Final = View(
    "v_retention",
    "Members by the week they joined, this week and the 8 before: how many were active in each week since.",
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
    _retention,
)


def _newcomers(sql: Dialect) -> str:
    joined = sql.day_of("m.joined_at")

    def did(first: int, last: int, what: str) -> str:
        return f"""SUM(CASE WHEN EXISTS (SELECT 1 FROM member_daily d
    WHERE d.guild_id = m.guild_id AND d.user_id = m.user_id AND {what}
      AND d.day >= {sql.days_later(joined, str(first))} AND d.day <= {sql.days_later(joined, str(last))})
    THEN 1 ELSE 0 END)"""

    return f"""
SELECT {OF_GUILD} AS guild_id,
  {joined} AS day, {sql.midnight(joined)} AS time,
  COUNT(*) AS joined,
  SUM(CASE WHEN s.first_seen <= {sql.hours_later("m.joined_at", 24)} THEN 1 ELSE 0 END) AS active_24h,
  {did(0, 1, "d.messages > 0")} AS wrote_next_day,
  {did(7, 13, did_anything("d"))} AS active_week_2,
  SUM(CASE WHEN m.left_at IS NULL THEN 1 ELSE 0 END) AS still_here
FROM guilds g
JOIN members m ON m.guild_id = g.guild_id AND m.bot IS NOT TRUE
  AND m.joined_at >= {sql.midnight(sql.days_ago(_NEWCOMER_DAYS))}
LEFT JOIN member_stats s ON s.guild_id = m.guild_id AND s.user_id = m.user_id
WHERE s.first_seen IS NULL OR s.first_seen >= m.joined_at
GROUP BY g.guild_id, {joined}"""


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
    _newcomers,
)


def _joiners(sql: Dialect) -> str:
    made = sql.created_at("e.user_id")
    age = sql.age_at("e.at", "e.user_id")
    return f"""
SELECT CAST(e.guild_id AS TEXT) AS guild_id,
  e.at, CAST(e.user_id AS TEXT) AS user_id, e.username, e.bot,
  {made} AS account_created_at,
  {age} AS account_age_seconds,
  {_class(age, _AGES)} AS account_age,
  e.invite_code, CAST(e.inviter_id AS TEXT) AS inviter_id,
  (m.left_at IS NULL) AS here,
  'https://discord.com/users/' || CAST(e.user_id AS TEXT) AS url
FROM member_events e
LEFT JOIN members m ON m.guild_id = e.guild_id AND m.user_id = e.user_id
WHERE e.event = 'join'"""


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
    _joiners,
)


def _leavers(_sql: Dialect) -> str:
    numbers = tuple((limit, str(number)) for number, (limit, _) in enumerate(_TENURES, 1))
    arms = " ".join(f"WHEN e.tenure_seconds < {limit} THEN {number}" for limit, number in numbers)
    last = len(_TENURES) + 1
    return f"""
SELECT CAST(e.guild_id AS TEXT) AS guild_id,
  e.at, CAST(e.user_id AS TEXT) AS user_id, e.username, e.bot, e.reason,
  e.tenure_seconds,
  {_class("e.tenure_seconds", _TENURES)} AS tenure,
  CAST(CASE WHEN e.tenure_seconds IS NULL THEN {last + 1} {arms} ELSE {last} END AS BIGINT) AS tenure_order,
  CAST(e.moderator_id AS TEXT) AS moderator_id, e.moderator_username AS moderator_name,
  'https://discord.com/users/' || CAST(e.user_id AS TEXT) AS url
FROM member_events e
WHERE e.event = 'leave'"""


LEAVERS: Final = View(
    "v_leavers",
    "Every leave with the time spent in the guild.",
    (
        GUILD,
        time("at", "When they went."),
        ident("user_id", "Who went."),
        words("username", "Name at that moment."),
        flag("bot", "Whether it is a bot."),
        words("reason", "leave, kick, ban or prune; unknown of one that happened unseen."),
        seconds("tenure_seconds", "Time since the join; null where that was not seen."),
        words(
            "tenure",
            "A class: `< 1 hour`, `< 1 day`, `< 7 days`, `< 30 days`, `< 1 year`, `1 year +` or `unknown`.",
        ),
        count("tenure_order", "Number of the class, 1 for the shortest, to sort by."),
        ident("moderator_id", "Who removed them, if anybody."),
        words("moderator_name", "That person's name, where known."),
        words("url", "Opens the profile in Discord."),
    ),
    _leavers,
)

VIEWS: Final = (RETENTION, NEWCOMERS, JOINERS, LEAVERS)
