"""Views of joins, leaves and retention by cohort."""

from __future__ import annotations

from typing import Final

from exporter.sinks.sql.views import columns as col
from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import Select, number_where, select, view, was_active

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


@view(
    "v_retention",
    "Members by the week of their join, this week and the 8 before: the number active in each week since.",
)
def _retention(sql: Dialect) -> Select:
    # A row for each cohort and week, computed once and not for each member.
    pairs = ", ".join(f"({ago}, {week})" for ago in range(_COHORTS + 1) for week in range(ago + 1))
    cohort = sql.days_later(sql.week, "-7 * column1")

    def begin(weeks: str) -> str:
        return sql.days_later(sql.week, f"7 * ({weeks} - column1)")

    here = "COUNT(DISTINCT CASE WHEN m.left_at IS NULL THEN m.user_id END)"
    size, active = "COUNT(DISTINCT m.user_id)", "COUNT(DISTINCT d.user_id)"

    def share(part: str) -> str:
        return sql.rounded(f"1.0 * {part} / {size}")

    return select(
        "w",
        f"""FROM guilds g
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
GROUP BY g.guild_id, w.cohort, w.joined_from, w.week""",
        col.guild(),
        col.day("cohort", "Monday of the UTC week of the last join."),
        col.time("time", "Beginning of that day, for the time axis.", "w.joined_from"),
        col.count("week", "Calendar weeks since the join: 0 is the week of the join."),
        col.count("size", "People, without bots, whose last join was in the week of the cohort.", size),
        col.count("still_here", "Number of them who have not left.", here),
        col.number("still_here_share", "The same as a share of the size, 0 to 1.", share(here)),
        col.count("active", "Number of them active in that week.", active),
        col.number("active_share", "The same as a share of the size, 0 to 1.", share(active)),
    )


@view(
    "v_newcomers",
    "Newcomer funnel by day of the join, last 60 days, without bots. "
    "Messages are stored by day, so `wrote_next_day` counts whole days; `active_24h` is exact.",
)
def _newcomers(sql: Dialect) -> Select:
    joined = sql.day_of("m.joined_at")

    def did(first: int, last: int, what: str) -> str:
        return number_where(f"""EXISTS (SELECT 1 FROM member_daily d
    WHERE d.guild_id = m.guild_id AND d.user_id = m.user_id AND {what}
      AND d.day >= {sql.days_later(joined, str(first))} AND d.day <= {sql.days_later(joined, str(last))})
   """)

    within_day = number_where(f"s.first_seen <= {sql.hours_later('m.joined_at', 24)}")
    week_2 = "Number of them active 7 to 13 days later; incomplete for the last 13 days."
    return select(
        "m",
        f"""FROM guilds g
JOIN members m ON m.guild_id = g.guild_id AND m.bot IS NOT TRUE
  AND m.joined_at >= {sql.midnight(sql.days_ago(_NEWCOMER_DAYS))}
LEFT JOIN member_stats s ON s.guild_id = m.guild_id AND s.user_id = m.user_id
WHERE s.first_seen IS NULL OR s.first_seen >= m.joined_at
GROUP BY g.guild_id, {joined}""",
        col.guild(),
        col.day("day", "UTC day of the join; people who were active before are not counted.", joined),
        col.time("time", "Beginning of the day, for the time axis.", sql.midnight(joined)),
        col.count("joined", "People who joined.", "COUNT(*)"),
        col.count("active_24h", "Number of them active within 24 hours.", within_day),
        col.count(
            "wrote_next_day",
            "Number of them with a message by the end of the next UTC day.",
            did(0, 1, "d.messages > 0"),
        ),
        col.count("active_week_2", week_2, did(7, 13, was_active("d"))),
        col.count("still_here", "Number of them who have not left.", number_where("m.left_at IS NULL")),
    )


@view("v_joiners", "Every join, with the age of the account and the invite.")
def _joiners(sql: Dialect) -> Select:
    age = sql.age_at("e.at", "e.user_id")
    ages = "Class of it: `< 1 day`, `< 7 days`, `< 30 days`, `< 1 year` or `1 year +`."
    return select(
        "e",
        """FROM member_events e
LEFT JOIN members m ON m.guild_id = e.guild_id AND m.user_id = e.user_id
WHERE e.event = 'join'""",
        col.guild("e"),
        col.time("at", "Time of the join."),
        col.ident("user_id", "The member.", "e.user_id"),
        col.text("username", "Name at that time."),
        col.flag("bot", "Whether the account is a bot."),
        col.time(
            "account_created_at",
            "Creation time of the account, from its id.",
            sql.created_at("e.user_id"),
        ),
        col.seconds("account_age_seconds", "Age of the account at the join, in seconds.", age),
        col.text("account_age", ages, _class(age, _AGES)),
        col.text("invite_code", "Code of the invite used, if known."),
        col.ident("inviter_id", "Creator of that invite.", "e.inviter_id"),
        col.stayed("e"),
        col.profile("url", "the profile", "e.user_id"),
    )


@view("v_leavers", "Every leave, with the time since the join.")
def _leavers(_sql: Dialect) -> Select:
    arms = " ".join(
        f"WHEN e.tenure_seconds < {limit} THEN {order}" for order, (limit, _) in enumerate(_TENURES, 1)
    )
    last = len(_TENURES) + 1
    order = f"CAST(CASE WHEN e.tenure_seconds IS NULL THEN {last + 1} {arms} ELSE {last} END AS BIGINT)"
    classes = "A class: `< 1 hour`, `< 1 day`, `< 7 days`, `< 30 days`, `< 1 year`, `1 year +` or `unknown`."
    reasons = "leave, kick, ban or prune; unknown if the exporter did not observe the leave."
    return select(
        "e",
        """FROM member_events e
WHERE e.event = 'leave'""",
        col.guild("e"),
        col.time("at", "Time of the leave."),
        col.ident("user_id", "The member.", "e.user_id"),
        col.text("username", "Name at that time."),
        col.flag("bot", "Whether the account is a bot."),
        col.text("reason", reasons),
        col.seconds("tenure_seconds", "Time since the join in seconds; null if the join was not observed."),
        col.text("tenure", classes, _class("e.tenure_seconds", _TENURES)),
        col.count("tenure_order", "Number of the class, 1 for the shortest; for sorting.", order),
        col.ident("moderator_id", "Moderator who removed the member, if any.", "e.moderator_id"),
        col.text("moderator_name", "Name of that moderator, if known.", "e.moderator_username"),
        col.profile("url", "the profile", "e.user_id"),
    )


VIEWS: Final = (_retention, _newcomers, _joiners, _leavers)
