"""Questions about single events and single people."""

from __future__ import annotations

from typing import Final

from dashboards.cookbook.page import GUILD, Recipe
from dashboards.names import view
from dashboards.queries.clauses import days_since, percent
from exporter.sinks.sql.views.dialect import Dialect

_OF_GUILD: Final = f"guild_id = '{GUILD}'"
USER = "1185034534534534200"
"""Stands where the reader's own choice of a member goes."""


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
        f"SELECT {rows.invite_code}, {rows.inviter_name}, count(*) AS came,\n"
        f"  round({stayed}) AS percent_still_here\n"
        f"FROM {rows}\nWHERE {_OF_GUILD} AND {rows.at} >= {sql.ago(hours=24 * 90)}\n"
        f"GROUP BY {rows.invite_code}, {rows.inviter_name}\nORDER BY came DESC"
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


def _quiet(_sql: Dialect) -> str:
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


def _young(sql: Dialect) -> str:
    rows = view("v_joiners")
    return (
        f"SELECT {rows.at}, {rows.username}, {rows.account_age_seconds} / 86400 AS days_old, "
        f"{rows.invite_code}\nFROM {rows}\n"
        f"WHERE {_OF_GUILD} AND {rows.at} >= {sql.ago(hours=24 * 7)} "
        f"AND {rows.account_age_seconds} < 7 * 86400\n"
        f"ORDER BY {rows.at} DESC"
    )


def _repeaters(_sql: Dialect) -> str:
    rows = view("v_repeat_offenders")
    return (
        f"SELECT {rows.username}, {rows.actions}, {rows.timeouts}, {rows.kicks}, {rows.bans},\n"
        f"  {rows.last_at}\nFROM {rows}\nWHERE {_OF_GUILD} AND {rows.here}\nORDER BY {rows.actions} DESC"
    )


RECIPES: Final = (
    Recipe("Who was banned this week, by whom and why?", _bans),
    Recipe(
        "What do we know about a member?",
        _history,
        "Joins, leaves, actions against them and the people they invited, in one list.",
    ),
    Recipe("Which invites bring people who stay?", _invites),
    Recipe("Who leads this month?", _leaders, "People in `privacy.opt_out` are never stored."),
    Recipe("Do newcomers come back?", _retention, "By the week they joined, as a share of them."),
    Recipe("Which channels can be archived?", _quiet),
    Recipe("Is the moderators' work shared out fairly?", _workload),
    Recipe(
        "Which newcomers have a fresh account?",
        _young,
        "An account's id says when it was made.",
    ),
    Recipe(
        "Who keeps getting into trouble?",
        _repeaters,
        "Members who are still there, with more than one action against them within 90 days.",
    ),
)
