"""Entries as the pipeline makes them, in as few words as a test needs."""

from __future__ import annotations

from typing import Any

from exporter.model import Entry
from tests.entry_data import entry_of

GUILD = 81_384_788_765_712_384
MINUTE = 60_000
NOON = 1_769_860_800_000  # 2026-01-31T12:00:00Z
MOD, ANN, BOB = 101, 202, 303


def ban(
    key: str = "ban:1", at: int = NOON, *, amends: bool = False, guild: int = GUILD, **data: Any
) -> Entry:
    record = data if amends else {"action": "ban", "target_user_id": ANN, "target_username": "ann", **data}
    return entry_of("GUILD_BAN_ADD", record, guild=guild, at=at, key=key, amends=amends)


def join(user: int = ANN, at: int = NOON, *, guild: int = GUILD, **data: Any) -> Entry:
    record = {"event": "join", "user_id": user, "username": f"user{user}", "bot": False, **data}
    return entry_of("GUILD_MEMBER_ADD", record, guild=guild, at=at, key=f"join:{guild}:{user}:{at}")


def leave(user: int = ANN, at: int = NOON, *, guild: int = GUILD, **data: Any) -> Entry:
    record = {
        "event": "leave",
        "user_id": user,
        "username": f"user{user}",
        "bot": False,
        "reason": "leave",
        **data,
    }
    return entry_of("GUILD_MEMBER_REMOVE", record, guild=guild, at=at, key=f"leave:{guild}:{user}:{at}")


def attribution(left: Entry, **data: Any) -> Entry:
    """What is learnt of a join or leave afterwards; it does not repeat whom it is about."""
    return entry_of(left.type, data, guild=left.guild_id, at=left.at, key=left.key, amends=True)


def guild(kind: str = "GUILD_SYNC", at: int = NOON, *, guild_id: int = GUILD, **data: Any) -> Entry:
    return entry_of(kind, data, guild=guild_id, at=at, key=f"{kind}:{guild_id}:{at}")


def invite(kind: str = "INVITE_CREATE", at: int = NOON, **data: Any) -> Entry:
    return entry_of(kind, data, guild=GUILD, at=at, key=f"{kind}:{at}")


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
    return entry_of(
        "METRICS_SNAPSHOT",
        body,
        guild=guild,
        at=at,
        key=key or f"metrics:{guild}:{at}",
    )


def activity(*members: list[Any], at: int = NOON, key: str = "", guild: int = GUILD) -> Entry:
    """A MEMBER_ACTIVITY_SNAPSHOT of five minutes."""
    body = {
        "period_start": at,
        "period_end": at + 5 * MINUTE,
        "period_duration": 300,
        "members": list(members),
    }
    return entry_of(
        "MEMBER_ACTIVITY_SNAPSHOT",
        body,
        guild=guild,
        at=at,
        key=key or f"activity:{guild}:{at}",
    )


def active(user: int, *counts: list[Any], name: str = "", first: int = NOON, last: int = NOON) -> list[Any]:
    """One member of a MEMBER_ACTIVITY_SNAPSHOT."""
    return [user, name, first, last, False, list(counts)]
