"""Questions about single events and single members."""

from __future__ import annotations

from typing import Final

from dashboards.cookbook.page import GUILD, Recipe
from dashboards.names import view
from dashboards.queries.clauses import days_since, percent
from exporter.sinks.sql.views.dialect import Dialect

_OF_GUILD: Final = f"guild_id = '{GUILD}'"
USER = "1185034534534534200"
"""The id of a member in the queries, to be replaced by the reader."""


def _bans(sql: Dialect) -> str:
    rows = view("v_moderation")
    return (
        f"SELECT {rows.at}, {rows.target_name}, {rows.moderator_name}, {rows.reason}\nFROM {rows}\n"
        f"WHERE {_OF_GUILD} AND {rows.action} = 'ban' AND {rows.at} >= {sql.ago(hours=24 * 7)}\n"
        f"ORDER BY {rows.at} DESC"
    )


def _history(_sql: Dialect) -> str:
    rows = view("v_member_history")
    return (
        f"SELECT {rows.at}, {rows.event}, {rows.reason}, {rows.other_name}\nFROM {rows}\n"
        f"WHERE {_OF_GUILD} AND {rows.user_id} = '{USER}'\nORDER BY {rows.at}"
    )


def _invites(sql: Dialect) -> str:
    rows = view("v_invite_uses")
    stayed = percent(f"count(CASE WHEN {rows.here} THEN 1 END)", "count(*)")
    return (
        f"SELECT {rows.invite_code}, max({rows.inviter_name}) AS inviter_name, count(*) AS joined,\n"
        f"  round({stayed}) AS percent_still_here\n"
        f"FROM {rows}\nWHERE {_OF_GUILD} AND {rows.at} >= {sql.ago(hours=24 * 90)}\n"
        f"GROUP BY {rows.invite_code}\nORDER BY joined DESC"
    )


def _leaders(sql: Dialect) -> str:
    rows = view("v_member_daily")
    return (
        f"SELECT {rows.user_id}, max({rows.username}) AS name, sum({rows.messages}) AS messages,\n"
        f"  sum({rows.voice_seconds}) / 3600 AS voice_hours\nFROM {rows}\n"
        f"WHERE {_OF_GUILD} AND {days_since(sql, rows.day, 30)}\n"
        f"GROUP BY {rows.user_id}\nORDER BY messages DESC\nLIMIT 20"
    )


def _retention(_sql: Dialect) -> str:
    rows = view("v_retention")
    return (
        f"SELECT {rows.cohort}, {rows.size},\n"
        f"  max(CASE WHEN {rows.week} = 1 THEN {rows.active_share} END) AS active_week_1,\n"
        f"  max(CASE WHEN {rows.week} = 4 THEN {rows.active_share} END) AS active_week_4\nFROM {rows}\n"
        f"WHERE {_OF_GUILD}\nGROUP BY {rows.cohort}, {rows.size}\nORDER BY {rows.cohort} DESC"
    )


def _inactive(_sql: Dialect) -> str:
    rows = view("v_channels")
    return (
        f"SELECT {rows.channel_name}, {rows.last_active}, {rows.quiet_days}\nFROM {rows}\n"
        f"WHERE {_OF_GUILD} AND {rows.kind} = 'text'\nORDER BY {rows.quiet_days} DESC\nLIMIT 10"
    )


def _workload(_sql: Dialect) -> str:
    rows = view("v_moderators")
    return (
        f"SELECT {rows.moderator_name}, {rows.actions_30d}, {rows.bans_30d}, {rows.timeouts_30d}, "
        f"{rows.people_30d}\nFROM {rows}\nWHERE {_OF_GUILD}\nORDER BY {rows.actions_30d} DESC"
    )


def _new_accounts(sql: Dialect) -> str:
    rows = view("v_joiners")
    return (
        f"SELECT {rows.at}, {rows.username}, {rows.account_age_seconds} / 86400 AS days_old, "
        f"{rows.invite_code}\nFROM {rows}\n"
        f"WHERE {_OF_GUILD} AND {rows.at} >= {sql.ago(hours=24 * 7)} "
        f"AND {rows.account_age_seconds} < 7 * 86400\n"
        f"ORDER BY {rows.at} DESC"
    )


def _offenders(_sql: Dialect) -> str:
    rows = view("v_repeat_offenders")
    return (
        f"SELECT {rows.username}, {rows.actions}, {rows.timeouts}, {rows.kicks}, {rows.bans},\n"
        f"  {rows.last_at}\nFROM {rows}\nWHERE {_OF_GUILD} AND {rows.here}\nORDER BY {rows.actions} DESC"
    )


RECIPES: Final = (
    Recipe("Who was banned this week, by whom and why?", _bans),
    Recipe(
        "What is recorded of a member?",
        _history,
        "Joins, leaves, moderation actions and invited people, in one list.",
    ),
    Recipe(
        "Which invites bring members who stay?",
        _invites,
        "A member who came back counts as here for the last invite they used, as in `v_invites`.",
    ),
    Recipe(
        "Who was most active in the last 30 days?", _leaders, "People in `privacy.opt_out` are never stored."
    ),
    Recipe(
        "Do new members return?",
        _retention,
        "By week of the join, as a share of the members who joined in it.",
    ),
    Recipe("Which channels are inactive?", _inactive),
    Recipe("How are moderation actions distributed among moderators?", _workload),
    Recipe(
        "Which new members have a new account?",
        _new_accounts,
        "The id of an account contains its creation time.",
    ),
    Recipe(
        "Which members had more than one action against them?",
        _offenders,
        "Members in the guild with more than one action within 90 days.",
    ),
)
