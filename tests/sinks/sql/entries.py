"""Entries as the pipeline makes them, in as few words as a test needs."""

from __future__ import annotations

from typing import Any

from exporter.model import Entry, Priority

GUILD = 81_384_788_765_712_384
MINUTE = 60_000
NOON = 1_769_860_800_000  # 2026-01-31T12:00:00Z
MOD, ANN, BOB = 101, 202, 303


def ban(
    key: str = "ban:1", at: int = NOON, *, amends: bool = False, guild: int = GUILD, **data: Any
) -> Entry:
    told = data if amends else {"action": "ban", "target_user_id": ANN, "target_username": "ann", **data}
    return Entry("GUILD_BAN_ADD", guild, at, key, Priority.CRITICAL, told, amends)


def join(user: int = ANN, at: int = NOON, *, guild: int = GUILD, **data: Any) -> Entry:
    told = {"event": "join", "user_id": user, "username": f"user{user}", "bot": False, **data}
    return Entry("GUILD_MEMBER_ADD", guild, at, f"join:{guild}:{user}:{at}", Priority.CRITICAL, told)


def leave(user: int = ANN, at: int = NOON, *, guild: int = GUILD, **data: Any) -> Entry:
    told = {
        "event": "leave",
        "user_id": user,
        "username": f"user{user}",
        "bot": False,
        "reason": "leave",
        **data,
    }
    return Entry("GUILD_MEMBER_REMOVE", guild, at, f"leave:{guild}:{user}:{at}", Priority.CRITICAL, told)


def blame(left: Entry, **data: Any) -> Entry:
    """What is learnt of a join or leave afterwards; it does not repeat whom it is about."""
    return Entry(left.type, left.guild_id, left.at, left.key, Priority.CRITICAL, data, amends=True)


def guild(kind: str = "GUILD_SYNC", at: int = NOON, *, guild_id: int = GUILD, **data: Any) -> Entry:
    return Entry(kind, guild_id, at, f"{kind}:{guild_id}:{at}", Priority.CRITICAL, data)


def invite(kind: str = "INVITE_CREATE", at: int = NOON, **data: Any) -> Entry:
    return Entry(kind, GUILD, at, f"{kind}:{at}", Priority.CRITICAL, data)


def metrics(*series: list[Any], at: int = NOON, key: str = "", guild: int = GUILD, **data: Any) -> Entry:
    """A METRICS_SNAPSHOT of one minute."""
    body = {
        "period_start": at,
        "period_end": at + MINUTE,
        "period_duration": 60,
        "series": list(series),
        "members": [],
        "gauges": {},
        "unique_users": 0,
        "sessions": {"count": 0, "average_seconds": 0},
        "peak_voice": {"members": 0, "by_channel": {}},
        "top_channels": [],
        "top_emojis": [],
        "top_members": [],
        **data,
    }
    return Entry("METRICS_SNAPSHOT", guild, at, key or f"metrics:{guild}:{at}", Priority.SLOW, body)


def activity(*members: list[Any], at: int = NOON, key: str = "", guild: int = GUILD) -> Entry:
    """A MEMBER_ACTIVITY_SNAPSHOT of five minutes."""
    body = {
        "period_start": at,
        "period_end": at + 5 * MINUTE,
        "period_duration": 300,
        "members": list(members),
    }
    return Entry("MEMBER_ACTIVITY_SNAPSHOT", guild, at, key or f"activity:{guild}:{at}", Priority.SLOW, body)


def active(user: int, *counts: list[Any], name: str = "", first: int = NOON, last: int = NOON) -> list[Any]:
    """One member of a MEMBER_ACTIVITY_SNAPSHOT."""
    return [user, name, first, last, False, list(counts)]
