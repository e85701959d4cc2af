"""SQL about the actions of moderators and AutoMod, and about single members."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dashboards.names import Relation, label_value, view
from dashboards.queries.clauses import (
    compared,
    interval,
    of_guild,
    percent,
    selected,
    within,
)
from exporter.sinks.sql.views.dialect import Dialect

YOUNG_DAYS = 7
"""Age of a young account: raids use accounts created days before."""

WAVE = 5
"""Number of bans within ten minutes that counts as a ban wave."""
_WAVE_SECONDS = 600

REMOVALS: Final = tuple(label_value("moderation_actions", action) for action in ("ban", "kick", "prune"))
"""Actions that remove a member from a guild."""

ROGUE_TIMES: Final = 8
"""Factor over the moderator's usual number of removals per hour."""

ROGUE_DAYS: Final = 30
"""Long enough for a typical number, short enough to query every few minutes."""


def taken(*actions: str) -> Callable[[Dialect], str]:
    """Number of actions of these kinds, before and in the range."""
    return compared("v_moderation", "at", where=f"{view('v_moderation').action} IN ({_list(*actions)})")


SANCTIONS = ("ban", "kick", "timeout")
"""Actions against a member, not against messages or names."""
AUTOMATIC = ("automod_block", "automod_flag", "automod_timeout")
DELETIONS = ("message_delete", "message_bulk_delete")


def unknown_share(sql: Dialect) -> str:
    """The share of actions whose moderator is not known."""
    rows = view("v_moderation")
    manual = f"{rows.action} NOT IN ({_list(*AUTOMATIC, 'timeout_expired')})"
    unknown = f"count(CASE WHEN {rows.moderator_id} IS NULL THEN 1 END)"
    return (
        f"SELECT {percent(unknown, 'count(*)')} AS value FROM {rows} "
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)} AND {manual}"
    )


def over_time(sql: Dialect) -> str:
    """Actions by interval, a series for each kind."""
    rows = view("v_moderation")
    return (
        f"SELECT {interval(sql, rows.at)} AS time, {rows.action} AS action, count(*) AS value FROM {rows} "
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)} AND {selected(rows.action, 'action')} "
        f"AND {selected(rows.moderator_id, 'moderator')} GROUP BY 1, 2 ORDER BY 1, 2"
    )


def log(sql: Dialect) -> str:
    """The actions, newest first, filtered by the variables of the dashboard."""
    rows = view("v_moderation")
    return (
        f'SELECT {rows.at} AS "When", {rows.action} AS "Action", {rows.target_id}, '
        f'coalesce({rows.target_name}, {rows.target_id}) AS "Member", {rows.moderator_id}, '
        f'{_by(rows)} AS "By", '
        f'{rows.reason} AS "Reason", {rows.until} AS "Until", {rows.channel_id}, {rows.target_url}, '
        f"{rows.moderator_url} FROM {rows} WHERE {of_guild(rows)} AND {within(sql, rows.at)} "
        f"AND {selected(rows.action, 'action')} AND {selected(rows.moderator_id, 'moderator')} "
        f"ORDER BY {rows.at} DESC LIMIT 200"
    )


def changes(sql: Dialect) -> str:
    """Changes of the parts of the guild, newest first."""
    rows = view("v_changes")
    return (
        f'SELECT {rows.at} AS "When", {rows.change} AS "Change", '
        f'coalesce({rows.target_name}, {rows.target_id}) AS "Target", {rows.fields} AS "Fields", '
        f"{rows.actor_id}, coalesce({rows.actor_name}, {rows.actor_id}, 'unknown') AS \"By\", "
        f'{rows.reason} AS "Reason" FROM {rows} WHERE {of_guild(rows)} AND {within(sql, rows.at)} '
        f"ORDER BY {rows.at} DESC LIMIT 200"
    )


def latest(sql: Dialect) -> str:
    """The latest sanctions and unbans."""
    rows = view("v_moderation")
    return (
        f'SELECT {rows.at} AS "When", {rows.action} AS "Action", {rows.target_id}, '
        f'coalesce({rows.target_name}, {rows.target_id}) AS "Member", '
        f'{_by(rows)} AS "By", '
        f'{rows.reason} AS "Reason" FROM {rows} WHERE {of_guild(rows)} AND {within(sql, rows.at)} '
        f"AND {rows.action} IN ({_list(*SANCTIONS, 'unban')}) ORDER BY {rows.at} DESC LIMIT 10"
    )


def workload(sql: Dialect) -> str:
    """Actions by moderator in the range."""
    rows = view("v_moderation")
    name = f"coalesce(max({rows.moderator_name}), {rows.moderator_id}, 'unknown')"
    people = f"count(CASE WHEN {rows.action} IN ({_list(*SANCTIONS)}) THEN 1 END)"
    deleted = f"count(CASE WHEN {rows.action} IN ({_list(*DELETIONS)}) THEN 1 END)"
    return (
        f'SELECT {rows.moderator_id}, {name} AS "Moderator", count(*) AS "Actions", '
        f'{people} AS "Sanctions", {deleted} AS "Deletions", max({rows.at}) AS "Last" FROM {rows} '
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)} "
        f"AND {rows.action} NOT IN ({_list(*AUTOMATIC, 'timeout_expired')}) "
        f"GROUP BY {rows.moderator_id} ORDER BY 3 DESC, 2 LIMIT 25"
    )


def moderators(_sql: Dialect) -> str:
    """The options of the variable ``moderator``."""
    rows = view("v_moderators")
    return (
        f"SELECT coalesce({rows.moderator_name}, {rows.moderator_id}) AS __text, "
        f"{rows.moderator_id} AS __value FROM {rows} "
        f"WHERE {of_guild(rows)} AND {rows.moderator_id} IS NOT NULL ORDER BY 1"
    )


def offenders(_sql: Dialect) -> str:
    """Members with more than one action against them."""
    rows = view("v_repeat_offenders")
    return (
        f'SELECT {rows.user_id}, coalesce({rows.username}, {rows.user_id}) AS "Member", '
        f'{rows.actions} AS "Actions", {rows.bans} AS "Bans", {rows.kicks} AS "Kicks", '
        f'{rows.timeouts} AS "Timeouts", {rows.automod} AS "AutoMod", {rows.moderators} AS "By moderators", '
        f"{rows.last_at} AS \"Last\", CASE WHEN {rows.here} THEN 'yes' ELSE 'no' END AS \"In server\", "
        f"{rows.url} FROM {rows} WHERE {of_guild(rows)} "
        f"ORDER BY {rows.actions} DESC, {rows.last_at} DESC LIMIT 25"
    )


def invites_of_the_banned(sql: Dialect) -> str:
    """Invites of members banned in the range."""
    rows = view("v_banned_invites")
    return (
        f"SELECT coalesce({rows.invite_code}, 'unknown') AS \"Invite\", "
        f'max({rows.inviter_name}) AS "Created by", count(*) AS "Banned", '
        f'avg({rows.stayed_seconds}) AS "Mean tenure", max({rows.at}) AS "Last ban" FROM {rows} '
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)} GROUP BY {rows.invite_code} "
        f"ORDER BY 3 DESC, 1 LIMIT 15"
    )


def joins_with_young(sql: Dialect) -> str:
    """Joins by interval, and those by young accounts."""
    rows = view("v_joiners")
    young = f"sum(CASE WHEN {rows.account_age_seconds} < {YOUNG_DAYS * 86400} THEN 1 ELSE 0 END)"
    return (
        f'SELECT {interval(sql, rows.at)} AS time, count(*) AS "Joined", '
        f'{young} AS "Account under {YOUNG_DAYS} days" FROM {rows} '
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)} GROUP BY 1 ORDER BY 1"
    )


def young_share(sql: Dialect) -> str:
    """The share of joins by young accounts."""
    rows = view("v_joiners")
    young = f"count(CASE WHEN {rows.account_age_seconds} < {YOUNG_DAYS * 86400} THEN 1 END)"
    return (
        f"SELECT {percent(young, 'count(*)')} AS value FROM {rows} "
        f"WHERE {of_guild(rows)} AND {within(sql, rows.at)}"
    )


def ban_waves(sql: Dialect) -> str:
    """Ten-minute slots with many bans, as annotations."""
    rows = view("v_moderation")
    slot = sql.slot(rows.at, _WAVE_SECONDS)
    return (
        f"SELECT {slot} AS time, CAST(count(*) AS text) || ' bans within 10 minutes' AS text, "
        f"'ban wave' AS tags FROM {rows} WHERE {of_guild(rows)} AND {within(sql, rows.at)} "
        f"AND {rows.action} = '{label_value('moderation_actions', 'ban')}' "
        f"GROUP BY 1 HAVING count(*) >= {WAVE} ORDER BY 1"
    )


def history(_sql: Dialect) -> str:
    """All recorded events of the selected member."""
    rows = view("v_member_history")
    return (
        f'SELECT {rows.at} AS "When", {rows.event} AS "Event", {rows.reason} AS "Reason", {rows.other_id}, '
        f'coalesce({rows.other_name}, {rows.other_id}) AS "Other person", {rows.invite_code} AS "Invite" '
        f"FROM {rows} WHERE {of_guild(rows)} AND {rows.user_id} = ${{member:sqlstring}} "
        f"ORDER BY {rows.at} DESC LIMIT 500"
    )


def member_facts(_sql: Dialect) -> str:
    """The selected member in one row."""
    rows = view("v_members")
    return (
        f'SELECT {rows.username} AS "Name", {rows.user_id} AS "Id", '
        f"CASE WHEN {rows.here} THEN 'yes' ELSE 'no' END AS \"In server\", "
        f'{rows.account_created_at} AS "Account created", {rows.joined_at} AS "Joined at", '
        f'{rows.left_at} AS "Left at", {rows.last_active_at} AS "Last active", '
        f'{rows.messages} AS "Messages", '
        f'{rows.voice_seconds} AS "Voice", {rows.reactions_given} AS "Reactions given", '
        f'{rows.reactions_received} AS "Reactions received", {rows.score} AS "Score", '
        f'{rows.level} AS "Level", {rows.url} FROM {rows} '
        f"WHERE {of_guild(rows)} AND {rows.user_id} = ${{member:sqlstring}}"
    )


def member_count(event: str | None = None) -> Callable[[Dialect], str]:
    """Number of events of one kind of the selected member; by default of actions against the member."""

    def ask(_sql: Dialect) -> str:
        rows = view("v_member_history")
        kind = f"= '{event}'" if event else f"IN ({_list(*SANCTIONS, *AUTOMATIC)})"
        return (
            f"SELECT count(*) AS value FROM {rows} WHERE {of_guild(rows)} "
            f"AND {rows.user_id} = ${{member:sqlstring}} AND {rows.event} {kind}"
        )

    return ask


def unusual_removals(sql: Dialect) -> str:
    """Removals by each moderator in the last hour, where they are far above the moderator's usual number.

    The usual number is the mean over earlier hours with at least one removal. With the other hours
    included, a moderator who acts once a week would be unusual each time.
    """
    rows = view("v_moderation")
    actions = ", ".join(f"'{action}'" for action in REMOVALS)
    recent = f"{rows.at} >= {sql.ago(hours=1)}"
    hour = sql.slot(rows.at, 3600)
    return (
        f"WITH removals AS (SELECT {rows.guild_id}, {rows.moderator_id}, {rows.at} FROM {rows} "
        f"WHERE {rows.action} IN ({actions}) AND {rows.moderator_id} IS NOT NULL "
        f"AND {rows.at} >= {sql.ago(hours=24 * ROGUE_DAYS)}), "
        f"usual AS (SELECT {rows.guild_id}, {rows.moderator_id}, "
        f"1.0 * count(*) / count(DISTINCT {hour}) AS hourly FROM removals WHERE NOT ({recent}) "
        "GROUP BY 1, 2), "
        f"latest AS (SELECT {rows.guild_id}, {rows.moderator_id}, count(*) AS removed FROM removals "
        f"WHERE {recent} GROUP BY 1, 2) "
        "SELECT latest.guild_id AS guild_id, latest.moderator_id AS moderator_id, latest.removed AS value "
        "FROM latest LEFT JOIN usual ON usual.guild_id = latest.guild_id "
        "AND usual.moderator_id = latest.moderator_id "
        f"WHERE latest.removed > {ROGUE_TIMES} * coalesce(usual.hourly, 0)"
    )


def _by(rows: Relation) -> str:
    automatic = f"WHEN {rows.action} IN ({_list(*AUTOMATIC)}) THEN 'AutoMod'"
    return f"CASE {automatic} ELSE coalesce({rows.moderator_name}, {rows.moderator_id}, 'unknown') END"


def _list(*actions: str) -> str:
    return ", ".join(f"'{label_value('moderation_actions', action)}'" for action in actions)
