"""SQL about joins, leaves, invites and retention."""

from __future__ import annotations

from dashboards.names import label_values, view
from dashboards.queries.clauses import (
    before,
    before_and_now,
    compared,
    days_before,
    days_since,
    days_within,
    elapsed,
    interval,
    of_guild,
    percent,
    selected,
    within,
)
from exporter.sinks.sql.views.dialect import Dialect

WEEKS = 8
"""Columns of the retention matrix: week 0 to 7."""


def net(sql: Dialect) -> str:
    """Joins minus leaves, before and in the range."""
    joiners, leavers = view("v_joiners"), view("v_leavers")

    def one(period: str) -> str:
        return (
            f"SELECT (SELECT count(*) FROM {joiners} WHERE {of_guild(joiners)} AND {period}) - "
            f"(SELECT count(*) FROM {leavers} WHERE {of_guild(leavers)} AND {period})"
        )

    return before_and_now(one(before(sql, joiners.at)), one(within(sql, joiners.at)))


joins = compared("v_joiners", "at")
leaves = compared("v_leavers", "at")


def joins_over_time(sql: Dialect) -> str:
    """Joins by interval."""
    rows = view("v_joiners")
    return (
        f'SELECT {interval(sql, rows.at)} AS time, count(*) AS "joined" FROM {rows} '
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)} GROUP BY 1 ORDER BY 1"
    )


def leaves_over_time(sql: Dialect) -> str:
    """Leaves by interval, a column for each reason."""
    rows = view("v_leavers")
    reasons = ", ".join(
        f"sum(CASE WHEN {rows.reason} = '{reason}' THEN 1 ELSE 0 END) AS \"{reason}\""
        for reason in label_values("member_leaves")
    )
    return (
        f"SELECT {interval(sql, rows.at)} AS time, {reasons} FROM {rows} "
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)} GROUP BY 1 ORDER BY 1"
    )


def joins_by_method(sql: Dialect) -> str:
    """Joins by interval and by the method that found the invite."""
    rows = view("v_invite_uses")
    return (
        f"SELECT {interval(sql, rows.at)} AS time, {rows.method} AS method, count(*) AS value FROM {rows} "
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)} GROUP BY 1, 2 ORDER BY 1, 2"
    )


def invites(_sql: Dialect) -> str:
    """Every invite with the number of its members who stayed."""
    rows = view("v_invites")
    return (
        f'SELECT {rows.code} AS "Invite", {rows.inviter_id}, {rows.inviter_name} AS "Created by", '
        f"{rows.channel_name} AS \"Channel\", CASE WHEN {rows.valid} THEN 'yes' ELSE 'no' END AS \"Valid\", "
        f'{rows.uses} AS "Uses", {rows.joined} AS "Joined", {rows.still_here_share} AS "Still here", '
        f'{rows.active} AS "Active", {rows.banned} AS "Banned", {rows.last_used_at} AS "Last used", '
        f"{rows.url} FROM {rows} WHERE {of_guild(rows)} AND {selected(rows.code, 'invite')} "
        f"ORDER BY {rows.joined} DESC, {rows.uses} DESC, {rows.code} LIMIT 200"
    )


def invite_codes(_sql: Dialect) -> str:
    """The options of the variable ``invite``."""
    rows = view("v_invites")
    return (
        f"SELECT {rows.code} AS __text, {rows.code} AS __value FROM {rows} "
        f"WHERE {of_guild(rows)} AND {rows.joined} > 0 ORDER BY {rows.joined} DESC, 1 LIMIT 500"
    )


def inviters(_sql: Dialect) -> str:
    """Inviters with the number of their invited members, and the share that stayed."""
    rows = view("v_inviters")
    return (
        f'SELECT {rows.inviter_id}, coalesce({rows.inviter_name}, {rows.inviter_id}) AS "Member", '
        f'{rows.joined} AS "Joins", {rows.still_here_share} AS "Still here", {rows.banned} AS "Banned" '
        f"FROM {rows} WHERE {of_guild(rows)} ORDER BY {rows.joined} DESC, {rows.inviter_id} LIMIT 15"
    )


def uses(sql: Dialect) -> str:
    """Every join with the invite found for it."""
    rows = view("v_invite_uses")
    return (
        f'SELECT {rows.at} AS "When", {rows.user_id}, coalesce({rows.username}, {rows.user_id}) AS "Member", '
        f'{rows.invite_code} AS "Invite", {rows.inviter_id}, {rows.inviter_name} AS "Invited by", '
        f'{rows.method} AS "Method", {rows.confidence} AS "Confidence", '
        f"CASE WHEN {rows.here} THEN 'yes' ELSE 'no' END AS \"In server\" FROM {rows} "
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)} AND {selected(rows.invite_code, 'invite')} "
        f"ORDER BY {rows.at} DESC LIMIT 200"
    )


def funnel(sql: Dialect) -> str:
    """The newcomer funnel of the range."""
    rows = view("v_newcomers")
    return (
        f'SELECT sum({rows.joined}) AS "Joined", sum({rows.active_24h}) AS "Active within 24 h", '
        f'sum({rows.wrote_next_day}) AS "Message by the next day", '
        f'sum({rows.active_week_2}) AS "Active in week 2", sum({rows.still_here}) AS "Still here" '
        f"FROM {rows} WHERE {of_guild(rows)} AND {days_within(sql, rows.day)}"
    )


def activation(sql: Dialect) -> str:
    """The share of newcomers active within a day, before and in the range."""
    rows = view("v_newcomers")
    one = (
        f"SELECT {percent(f'sum({rows.active_24h})', f'sum({rows.joined})')} FROM {rows} "
        f"WHERE {of_guild(rows)} AND "
    )
    return before_and_now(one + days_before(sql, rows.day), one + days_within(sql, rows.day))


def week_one(sql: Dialect) -> str:
    """The share of each cohort active a week after joining: the older cohorts, then the last four."""
    rows = view("v_retention")
    whole = f"sum({rows.size})"
    one = (
        f"SELECT {percent(f'sum({rows.active})', whole)} FROM {rows} "
        f"WHERE {of_guild(rows)} AND {rows.week} = 1 AND {elapsed(sql, rows.cohort, 14)} AND "
    )
    recent = days_since(sql, rows.cohort, 42)
    return before_and_now(f"{one} NOT ({recent})", one + recent)


def cohorts(sql: Dialect) -> str:
    """A row for each week of joining, a column for each whole week after."""
    rows = view("v_retention")
    weeks = ", ".join(
        f"max(CASE WHEN {rows.week} = {week} AND {elapsed(sql, rows.cohort, 7 * week + 7)} "
        f'THEN {rows.active_share} END) AS "Week {week}"'
        for week in range(WEEKS)
    )
    return (
        f'SELECT CAST({rows.cohort} AS text) AS "Joined in week of", max({rows.size}) AS "People", '
        f'max({rows.still_here_share}) AS "Still here", {weeks} FROM {rows} '
        f"WHERE {of_guild(rows)} GROUP BY {rows.cohort} ORDER BY {rows.cohort} DESC"
    )


def tenure(sql: Dialect) -> str:
    """Leaves by tenure."""
    rows = view("v_leavers")
    return (
        f'SELECT {rows.tenure} AS "Tenure", count(*) AS "Left" FROM {rows} '
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)} GROUP BY {rows.tenure} "
        f"ORDER BY min({rows.tenure_order})"
    )


def account_ages(sql: Dialect) -> str:
    """Joins by account age."""
    rows = view("v_joiners")
    return (
        f'SELECT {rows.account_age} AS "Account age", count(*) AS "Joined" FROM {rows} '
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)} GROUP BY {rows.account_age} "
        f"ORDER BY min({rows.account_age_seconds})"
    )
