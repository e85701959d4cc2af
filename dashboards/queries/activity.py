"""SQL about activity: messages, voice and reactions by day, channel and member."""

from __future__ import annotations

from collections.abc import Callable

from dashboards.names import view
from dashboards.queries.clauses import (
    compared_days,
    days_before,
    days_within,
    of_guild,
    percent,
    selected,
)
from exporter.sinks.sql.views.dialect import Dialect
from exporter.sinks.sql.views.view import was_active

INACTIVE_DAYS = 14
"""Days without activity after which a channel is inactive."""


def guilds(_sql: Dialect) -> str:
    """The options of the variable ``guild``, the largest guild first; links can set any other id."""
    rows = view("v_guilds")
    return (
        f"SELECT {rows.guild_name} AS __text, {rows.guild_id} AS __value FROM {rows} "
        f"WHERE {rows.here} AND {rows.guild_name} IS NOT NULL "
        f"ORDER BY {rows.members} DESC NULLS LAST, {rows.guild_id} LIMIT 1000"
    )


def channels(_sql: Dialect) -> str:
    """The options of the variable ``channel``."""
    rows = view("v_channels")
    return (
        f"SELECT {rows.channel_name} AS __text, {rows.channel_id} AS __value FROM {rows} "
        f"WHERE {of_guild(rows)} AND {rows.channel_name} IS NOT NULL ORDER BY 1"
    )


def members(_sql: Dialect) -> str:
    """The options of the variable ``member``, the latest active first; links can set any other id."""
    rows = view("v_members")
    return (
        f"SELECT {rows.username} AS __text, {rows.user_id} AS __value FROM {rows} "
        f"WHERE {of_guild(rows)} AND {rows.username} IS NOT NULL "
        f"ORDER BY {rows.last_active_at} DESC NULLS LAST, {rows.user_id} LIMIT 500"
    )


def active_members(sql: Dialect) -> str:
    """Number of different active members."""
    rows = view("v_member_daily")
    ask = compared_days("v_member_daily", what=f"count(DISTINCT {rows.user_id})", where=was_active(f"{rows}"))
    return ask(sql)


def speakers(sql: Dialect) -> str:
    """Number of different members in voice."""
    rows = view("v_member_daily")
    ask = compared_days(
        "v_member_daily", what=f"count(DISTINCT {rows.user_id})", where=f"{rows.voice_seconds} > 0"
    )
    return ask(sql)


def afk(sql: Dialect) -> str:
    """Seconds in the AFK channel."""
    rows = view("v_guild_daily")
    return compared_days("v_guild_daily", what=f"sum({rows.afk_voice_seconds})")(sql)


def levels(_sql: Dialect) -> str:
    """Members by experience points, with their level."""
    rows = view("v_members")
    return (
        f'SELECT {rows.user_id}, {rows.username} AS "Member", {rows.level} AS "Level", '
        f'{rows.xp} AS "Experience" FROM {rows} WHERE {of_guild(rows)} AND {rows.xp} > 0 '
        f"ORDER BY {rows.xp} DESC, {rows.user_id} LIMIT 15"
    )


def active_by_day(sql: Dialect) -> str:
    """Active members by day."""
    rows = view("v_guild_daily")
    return (
        f'SELECT {sql.axis_time(rows.time)} AS time, {rows.active_members} AS "Active members" FROM {rows} '
        f"WHERE {of_guild(rows)} AND {days_within(sql, rows.day)} ORDER BY 1"
    )


def top_channels(column: str, header: str, *, limit: int = 8) -> Callable[[Dialect], str]:
    """The channels with the highest sum of a column in the range."""

    def ask(sql: Dialect) -> str:
        rows = view("v_channel_daily")
        amount = getattr(rows, column)
        return (
            f'SELECT {rows.channel_id}, max({rows.channel_name}) AS "Channel", '
            f'sum({amount}) AS "{header}", max({rows.url}) AS url FROM {rows} '
            f"WHERE {of_guild(rows)} AND {days_within(sql, rows.day)} "
            f"GROUP BY {rows.channel_id} HAVING sum({amount}) > 0 ORDER BY 3 DESC, 1 LIMIT {limit}"
        )

    return ask


def top_members(column: str, header: str, *, limit: int = 8) -> Callable[[Dialect], str]:
    """The members with the highest sum of a column in the range."""

    def ask(sql: Dialect) -> str:
        rows = view("v_member_daily")
        amount = getattr(rows, column)
        return (
            f'SELECT {rows.user_id}, max({rows.username}) AS "Member", sum({amount}) AS "{header}" '
            f"FROM {rows} WHERE {of_guild(rows)} AND {days_within(sql, rows.day)} "
            f"GROUP BY {rows.user_id} HAVING sum({amount}) > 0 ORDER BY 3 DESC, 1 LIMIT {limit}"
        )

    return ask


def ranking(column: str, header: str, *, limit: int = 25) -> Callable[[Dialect], str]:
    """The leaderboard of the selected period by one column."""

    def ask(_sql: Dialect) -> str:
        rows = view("v_leaderboard")
        amount = getattr(rows, column)
        return (
            f'SELECT {rows.user_id}, {rows.username} AS "Member", {amount} AS "{header}" FROM {rows} '
            f"WHERE {of_guild(rows)} AND {rows.period} = ${{period:sqlstring}} AND {amount} > 0 "
            f"ORDER BY {amount} DESC, {rows.user_id} LIMIT {limit}"
        )

    return ask


def rising(sql: Dialect) -> str:
    """Members by the rise of their activity score over the previous period."""
    rows = view("v_member_daily")
    now, earlier = days_within(sql, rows.day), days_before(sql, rows.day)
    inner = (
        f"SELECT {rows.user_id}, max({rows.username}) AS member, "
        f"sum(CASE WHEN {now} THEN {rows.score} ELSE 0 END) AS now_score, "
        f"sum(CASE WHEN {earlier} THEN {rows.score} ELSE 0 END) AS old_score "
        f"FROM {rows} WHERE {of_guild(rows)} AND (({now}) OR ({earlier})) GROUP BY {rows.user_id}"
    )
    return (
        f'SELECT {rows.user_id}, member AS "Member", old_score AS "Before", now_score AS "Now", '
        f'now_score - old_score AS "Gain" FROM ({inner}) AS periods '
        f"WHERE now_score > old_score ORDER BY now_score - old_score DESC, {rows.user_id} LIMIT 15"
    )


def inactive_channels(_sql: Dialect) -> str:
    """Channels without activity for ``INACTIVE_DAYS``."""
    rows = view("v_channels")
    return (
        f'SELECT {rows.channel_id}, {rows.channel_name} AS "Channel", {rows.category_name} AS "Category", '
        f'{rows.quiet_days} AS "Inactive for", {rows.url} FROM {rows} '
        f"WHERE {of_guild(rows)} AND {rows.quiet_days} >= {INACTIVE_DAYS} "
        f"ORDER BY {rows.quiet_days} DESC, {rows.channel_id} LIMIT 20"
    )


def channel_states(_sql: Dialect) -> str:
    """Number of active and of inactive channels."""
    rows = view("v_channels")
    used = f"count(CASE WHEN {rows.quiet_days} < {INACTIVE_DAYS} THEN 1 END)"
    quiet = f"count(CASE WHEN {rows.quiet_days} >= {INACTIVE_DAYS} THEN 1 END)"
    return f'SELECT {used} AS "Active", {quiet} AS "Inactive" FROM {rows} WHERE {of_guild(rows)}'


def channel_table(_sql: Dialect) -> str:
    """Every channel with its activity and the change of it."""
    rows = view("v_channels")
    change = percent(f"({rows.messages_30d} - {rows.messages_prior_30d})", rows.messages_prior_30d)
    return (
        f'SELECT {rows.channel_id}, {rows.channel_name} AS "Channel", {rows.kind} AS "Kind", '
        f'{rows.category_name} AS "Category", {rows.messages_7d} AS "Messages 7 d", '
        f'{rows.messages_30d} AS "Messages 30 d", {change} AS "Month change", '
        f'{rows.voice_seconds_30d} AS "Voice 30 d", {rows.quiet_days} AS "Inactive for", {rows.url} '
        f"FROM {rows} WHERE {of_guild(rows)} "
        f"ORDER BY {rows.messages_30d} DESC, {rows.voice_seconds_30d} DESC, {rows.channel_id} LIMIT 500"
    )


def channel_days(column: str) -> Callable[[Dialect], str]:
    """A column of the selected channels by day, a series for each channel."""

    def ask(sql: Dialect) -> str:
        rows = view("v_channel_daily")
        return (
            f"SELECT {sql.axis_time(rows.time)} AS time, coalesce({rows.channel_name}, {rows.channel_id}) "
            f"AS channel, {getattr(rows, column)} AS value FROM {rows} WHERE {of_guild(rows)} "
            f"AND {days_within(sql, rows.day)} AND {selected(rows.channel_id, 'channel')} "
            f"AND {getattr(rows, column)} > 0 ORDER BY 1, 2"
        )

    return ask


def channel_total(column: str, *, divisor: int = 1) -> Callable[[Dialect], str]:
    """The sum of a column of the selected channels, before and in the range."""

    def ask(sql: Dialect) -> str:
        rows = view("v_channel_daily")
        where = selected(rows.channel_id, "channel")
        return compared_days(
            "v_channel_daily", what=f"coalesce(sum({getattr(rows, column)}), 0) / {divisor}", where=where
        )(sql)

    return ask


def edits_and_deletions(sql: Dialect) -> str:
    """Edits and deletions in the selected channels by day."""
    rows = view("v_channel_daily")
    return (
        f'SELECT {sql.axis_time(rows.time)} AS time, sum({rows.message_edits}) AS "Edited", '
        f'sum({rows.message_deletes}) AS "Deleted" FROM {rows} WHERE {of_guild(rows)} '
        f"AND {days_within(sql, rows.day)} AND {selected(rows.channel_id, 'channel')} "
        f"GROUP BY {rows.time} ORDER BY 1"
    )


def deletions_by_channel(sql: Dialect) -> str:
    """Channels by deleted messages, with their share of the messages."""
    rows = view("v_channel_daily")
    share = percent(f"sum({rows.message_deletes})", f"sum({rows.messages})")
    return (
        f'SELECT {rows.channel_id}, max({rows.channel_name}) AS "Channel", '
        f'sum({rows.message_deletes}) AS "Deleted", {share} AS "Share of messages", max({rows.url}) AS url '
        f"FROM {rows} WHERE {of_guild(rows)} AND {days_within(sql, rows.day)} "
        f"GROUP BY {rows.channel_id} HAVING sum({rows.message_deletes}) > 0 ORDER BY 3 DESC, 1 LIMIT 10"
    )


def member_days(sql: Dialect) -> str:
    """Activity of the selected member by day."""
    rows = view("v_member_daily")
    return (
        f'SELECT {sql.axis_time(rows.time)} AS time, {rows.messages} AS "Messages", '
        f'{rows.reactions_given} AS "Reactions given", {rows.voice_seconds} / 60 AS "Minutes in voice" '
        f"FROM {rows} WHERE {of_guild(rows)} AND {rows.user_id} = ${{member:sqlstring}} "
        f"AND {days_within(sql, rows.day)} ORDER BY 1"
    )


def guild_table(_sql: Dialect) -> str:
    """Every guild with its size and the change within a week."""
    rows = view("v_guilds")
    messages = percent(f"({rows.messages_7d} - {rows.messages_prior_7d})", rows.messages_prior_7d)
    return (
        f'SELECT {rows.guild_id}, {rows.guild_name} AS "Guild", {rows.members} AS "Members", '
        f'{rows.joins_7d} - {rows.leaves_7d} AS "Growth 7 d", {rows.messages_today} AS "Messages today", '
        f'{rows.messages_7d} AS "Messages 7 d", {messages} AS "Week change", '
        f'{rows.active_today} AS "Active today", {rows.voice_seconds_7d} AS "Voice 7 d", '
        f'{rows.actions_24h} AS "Actions 24 h", {rows.boosts} AS "Boosts", {rows.url} FROM {rows} '
        f"WHERE {rows.here} ORDER BY {rows.members} DESC NULLS LAST, {rows.guild_id} LIMIT 500"
    )
