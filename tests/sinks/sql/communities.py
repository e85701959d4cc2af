"""A community's last months as the pipeline would tell them, for what the views make of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from exporter.model import Entry
from tests.entry_data import entry_of, fields_of
from tests.sinks.sql.entries import MINUTE, active, activity, attribution, ban, guild, join, leave, metrics

HOUR = 60 * MINUTE
DAY = 24 * HOUR
FIRST, SECOND = 9_007_199_254_740_993, 9_007_199_254_740_995
"""Both round to another number in a browser."""
CHANNELS = (FIRST + 10, FIRST + 12)
CATEGORY = FIRST + 14
MODERATORS = (FIRST + 20, FIRST + 22)
CODES = ("alpha", "beta", "gamma")
DISCORD_EPOCH = 1_420_070_400_000


def user_id(number: int, made_at: int) -> int:
    """The id of an account made then."""
    return (made_at - DISCORD_EPOCH) << 22 | number


def tell(now: int, *, seed: int = 1) -> Iterator[Entry]:
    """Everything of two guilds; ``now`` in ms. Times lie half an hour off full hours before now, so that no
    limit of a period falls on one."""
    chance = random.Random(seed)
    for number, place in enumerate((FIRST, SECOND)):
        yield _guild(place, now - 100 * DAY)
        for code in CODES[:2]:
            yield _invite(place, code, now - 90 * DAY)
        yield from _days(chance, place, now)
        for index in range(24):
            yield from _person(chance, place, index + 100 * number, now)
        yield from _actions(chance, place, now)
        yield from _changes(chance, place, now)
        yield from _levels(place, now)
        yield from _return(place, now)
    yield entry_of("INVITE_DELETE", {"code": "beta"}, guild=FIRST, at=now - HOUR // 2, key="gone")


def _guild(place: int, at: int) -> Entry:
    channels = [[channel, f"c{channel}", 0, CATEGORY] for channel in CHANNELS]
    channels += [[CATEGORY, "lounges", 4, 0], [FIRST + 16, "silent", 2, 0]]
    return guild(
        at=at, guild_id=place, name=f"guild {place}", icon="abc", owner_id=MODERATORS[0], member_count=30,
        premium_tier=2, premium_subscription_count=9, channels=channels,
    )  # fmt: skip


def _invite(place: int, code: str, at: int) -> Entry:
    data = {
        "code": code, "channel_id": CHANNELS[0], "inviter_id": MODERATORS[0], "inviter_username": "mod0",
        "max_uses": 0, "max_age": 0, "uses": 2, "created_at": at,
    }  # fmt: skip
    return entry_of("INVITE_CREATE", data, guild=place, at=at, key=f"invite:{place}:{code}")


def _days(chance: random.Random, place: int, now: int) -> Iterator[Entry]:
    for age in range(75):
        at = now - age * DAY
        channel = CHANNELS[0] if age > 40 else chance.choice(CHANNELS)
        yield metrics(
            ["messages", "human", channel, "", chance.randrange(50)],
            ["messages", "bot", channel, "", chance.randrange(5)],
            ["voice_seconds", "active", channel, "", chance.randrange(10**6)],
            ["voice_seconds", "afk", CHANNELS[1], "", chance.randrange(10**6)],
            ["reactions", "normal", channel, "x", chance.randrange(9)],
            ["member_joins", "", 0, "", chance.randrange(4)],
            ["member_leaves", "kick", 0, "", chance.randrange(3)],
            at=at - at % MINUTE,
            guild=place,
        )


def _person(chance: random.Random, place: int, index: int, now: int) -> Iterator[Entry]:
    joined = now - chance.randrange(70 * 24) * HOUR - HOUR // 2
    user = user_id(index, joined - chance.choice((2 * HOUR, 3 * DAY, 20 * DAY, 200 * DAY, 900 * DAY)))
    bot = index % 11 == 10
    came = join(user, joined, guild=place, bot=bot)
    yield came
    code = chance.choice((*CODES, None))
    inviter = chance.choice((*MODERATORS, None)) if code else None
    yield from _use(came, code, inviter)
    stays = (now - joined) // HOUR
    for _ in range(chance.randrange(6)):
        at = joined + chance.randrange(stays + 1) * HOUR
        yield activity(_member_counts(chance, user, at), at=at, guild=place, key=f"activity:{user}:{at}")
    if chance.random() < 0.5:
        yield from _end(chance, place, user, joined + chance.randrange(stays + 1) * HOUR)


def _changes(chance: random.Random, place: int, now: int) -> Iterator[Entry]:
    for number, kind in enumerate(("ROLE_CREATE", "CHANNEL_UPDATE", "EMOJI_DELETE", "GUILD_UPDATE") * 3):
        at = now - chance.randrange(60 * 24) * HOUR - HOUR // 2
        if kind == "GUILD_UPDATE":
            data: dict[str, Any] = {"name": f"guild {place}", "changes": {"name": {"old": "x", "new": "y"}}}
        else:
            data = {
                "target_id": place + 100 + number,
                "name": f"part{number}" if number % 4 else None,
                "actor_id": chance.choice((MODERATORS[0], user_id(7, now - 500 * DAY), None)),
                "actor_username": "moderator" if number % 2 else None,
                "reason": chance.choice(("tidying", None)),
                "audit_entry_id": place * 100 + 60 + number,
                "recovered": number % 5 == 0,
            }
        if kind == "CHANNEL_UPDATE":
            data["changes"] = {"topic": {"old": None, "new": "z"}, "name": {"old": "x", "new": "y"}}
        yield entry_of(kind, data, guild=place, at=at, key=f"change:{place}:{number}")


def _levels(place: int, now: int) -> Iterator[Entry]:
    """Two levels of a member, and one of a user whose join was not seen."""
    for user, level in ((7, 1), (7, 2), (8, 1)):
        who = user_id(user, now - 500 * DAY)
        data = {"user_id": who, "username": f"user{who}", "level": level, "xp": 100 * level}
        key = f"level:{place}:{who}:{level}"
        yield entry_of("LEVEL_UP", data, guild=place, at=now - DAY - HOUR // 2, key=key)


def _return(place: int, now: int) -> Iterator[Entry]:
    """A user who joined by one invite, was banned, and joined again by another."""
    user = user_id(7, now - 500 * DAY)
    first, banned, again = now - 30 * DAY - HOUR // 2, now - 20 * DAY - HOUR // 2, now - 10 * DAY - HOUR // 2
    came, back = join(user, first, guild=place), join(user, again, guild=place)
    yield came
    yield from _use(came, CODES[0], MODERATORS[0])
    yield activity(
        active(user, ["messages", "human", CHANNELS[0], 3], first=first, last=first),
        at=first,
        guild=place,
        key=f"activity:{user}",
    )
    yield leave(user, banned, guild=place, reason="ban")
    yield ban(f"ban:{place}:{user}", banned, guild=place, target_user_id=user, moderator_id=MODERATORS[0])
    yield back
    yield from _use(back, CODES[1], MODERATORS[1])


def _use(came: Entry, code: str | None, inviter: int | None) -> Iterator[Entry]:
    user = fields_of(came)["user_id"]
    data = {
        "invite_code": code,
        "inviter_id": inviter,
        "inviter_username": f"mod{inviter}" if inviter else None,
        "invitee_id": user,
        "invitee_username": f"user{user}",
        "method": "invite" if code else "unknown",
        "confidence": "certain",
    }
    key = f"use:{came.guild_id}:{user}:{came.at}"
    yield entry_of("INVITE_USE", data, guild=came.guild_id, at=came.at, key=key)
    yield attribution(came, invite_code=code, inviter_id=inviter)


def _member_counts(chance: random.Random, user: int, at: int) -> list[Any]:
    received = ["reactions_received", "", CHANNELS[0], chance.randrange(4)]
    if chance.random() < 0.3:
        return active(user, received, name=f"user{user}", first=at, last=at)
    return active(
        user,
        ["messages", "human", CHANNELS[0], chance.randrange(9)],
        ["voice_seconds", "active", CHANNELS[0], chance.randrange(10**6)],
        ["voice_seconds", "afk", CHANNELS[1], chance.randrange(10**6)],
        ["xp", "", 0, chance.randrange(99)],
        ["reactions", "normal", CHANNELS[0], chance.randrange(9)],
        received,
        name=f"user{user}",
        first=at,
        last=at + 1000,
    )


def _end(chance: random.Random, place: int, user: int, at: int) -> Iterator[Entry]:
    reason = chance.choice(("leave", "kick", "ban"))
    yield leave(user, at, guild=place, reason=reason)
    if reason == "ban":
        data = {"target_user_id": user, "target_username": f"user{user}", "reason": 'spam\'s "end"'}
        yield ban(f"ban:{place}:{user}", at, guild=place, moderator_id=MODERATORS[1], **data)


def _actions(chance: random.Random, place: int, now: int) -> Iterator[Entry]:
    for number in range(60):
        at = now - chance.randrange(120 * 24) * HOUR - HOUR // 2
        action = chance.choice(("timeout", "kick", "message_delete", "automod_block", "role_add", "unban"))
        data: dict[str, Any] = {
            "action": action,
            "target_user_id": FIRST + 1000 + chance.randrange(8) if number % 9 else None,
            "target_username": f"target{number}",
            "moderator_id": chance.choice((*MODERATORS, None)),
            "audit_entry_id": place * 100 + number,
            "channel_id": CHANNELS[0] if action == "message_delete" else None,
            "until": at + 10 * MINUTE + 123 if action == "timeout" else None,
        }
        key = f"action:{place}:{number}"
        yield entry_of("GUILD_AUDIT_LOG_ENTRY_CREATE", data, guild=place, at=at, key=key)
