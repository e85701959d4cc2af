"""Views of joins, leaves and retention by cohort."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import (
    GUILD,
    OF_GUILD,
    View,
    count,
    day,
    flag,
    ident,
    number,
    seconds,
    text,
    time,
    was_active,
)

_COHORTS: Final = 8
"""Weeks before the current one: two months show a trend, and the cost grows with the square."""

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
    # A row for each cohort and week, computed once and not for each member.
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
  AND d.day >= w.first_day AND d.day < w.past_day AND {was_active("d")}
GROUP BY g.guild_id, w.cohort, w.joined_from, w.week"""


RETENTION: Final = View(
    "v_retention",
    "Members by the week of their join, this week and the 8 before: the number active in each week since.",
    (
        GUILD,
        day("cohort", "Monday of the UTC week of the last join."),
        time("time", "Beginning of that day, for the time axis."),
        count("week", "Calendar weeks since the join: 0 is the week of the join."),
        count("size", "People, without bots, whose last join was in the week of the cohort."),
        count("still_here", "Number of them who have not left."),
        number("still_here_share", "The same as a share of the size, 0 to 1."),
        count("active", "Number of them active in that week."),
        number("active_share", "The same as a share of the size, 0 to 1."),
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
  {did(7, 13, was_active("d"))} AS active_week_2,
  SUM(CASE WHEN m.left_at IS NULL THEN 1 ELSE 0 END) AS still_here
FROM guilds g
JOIN members m ON m.guild_id = g.guild_id AND m.bot IS NOT TRUE
  AND m.joined_at >= {sql.midnight(sql.days_ago(_NEWCOMER_DAYS))}
LEFT JOIN member_stats s ON s.guild_id = m.guild_id AND s.user_id = m.user_id
WHERE s.first_seen IS NULL OR s.first_seen >= m.joined_at
GROUP BY g.guild_id, {joined}"""


NEWCOMERS: Final = View(
    "v_newcomers",
    "Newcomer funnel by day of the join, last 60 days, without bots. "
    "Messages are stored by day, so `wrote_next_day` counts whole days; `active_24h` is exact.",
    (
        GUILD,
        day("day", "UTC day of the join; people who were active before are not counted."),
        time("time", "Beginning of the day, for the time axis."),
        count("joined", "People who joined."),
        count("active_24h", "Number of them active within 24 hours."),
        count("wrote_next_day", "Number of them with a message by the end of the next UTC day."),
        count("active_week_2", "Number of them active 7 to 13 days later; incomplete for the last 13 days."),
        count("still_here", "Number of them who have not left."),
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
    "Every join, with the age of the account and the invite.",
    (
        GUILD,
        time("at", "Time of the join."),
        ident("user_id", "The member."),
        text("username", "Name at that time."),
        flag("bot", "Whether the account is a bot."),
        time("account_created_at", "Creation time of the account, from its id."),
        seconds("account_age_seconds", "Age of the account at the join, in seconds."),
        text("account_age", "Class of it: `< 1 day`, `< 7 days`, `< 30 days`, `< 1 year` or `1 year +`."),
        text("invite_code", "Code of the invite used, if known."),
        ident("inviter_id", "Creator of that invite."),
        flag("here", "Whether the member is in the guild now."),
        text("url", "Opens the profile in Discord."),
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
    "Every leave, with the time since the join.",
    (
        GUILD,
        time("at", "Time of the leave."),
        ident("user_id", "The member."),
        text("username", "Name at that time."),
        flag("bot", "Whether the account is a bot."),
        text("reason", "leave, kick, ban or prune; unknown if the exporter did not observe the leave."),
        seconds("tenure_seconds", "Time since the join in seconds; null if the join was not observed."),
        text(
            "tenure",
            "A class: `< 1 hour`, `< 1 day`, `< 7 days`, `< 30 days`, `< 1 year`, `1 year +` or `unknown`.",
        ),
        count("tenure_order", "Number of the class, 1 for the shortest; for sorting."),
        ident("moderator_id", "Moderator who removed the member, if any."),
        text("moderator_name", "Name of that moderator, if known."),
        text("url", "Opens the profile in Discord."),
    ),
    _leavers,
)

VIEWS: Final = (RETENTION, NEWCOMERS, JOINERS, LEAVERS)
