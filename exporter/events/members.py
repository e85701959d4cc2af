"""Membership: who joined, who left. The reason of a departure is found by attribution (``moderation``)."""

from __future__ import annotations

import datetime as dt

import msgspec

from exporter.events.facts import (
    Action,
    Count,
    MemberCountChanged,
    MembershipStarted,
    Person,
    Record,
    TimeoutState,
)
from exporter.events.payload import Snowflake, User, believable, clean, snowflake_ms, unix_ms
from exporter.events.records import MemberJoinRecord, MemberLeaveRecord
from exporter.events.spec import EventSpec, Family, Measure, Reader
from exporter.model import Priority

LEAVE_REASONS = ("leave", "kick", "ban", "prune", "unknown")
"""Unknown without access to the audit log, and for departures that may or may not be part of a prune."""

JOINS = Measure(
    name="member_joins",
    help="Members who joined.",
    metric="discord_member_joins",
    measurement="discord_guild",
    field="joins",
    columns={"": "joins"},
)
LEAVES = Measure(
    name="member_leaves",
    help="Members who left, by reason.",
    metric="discord_member_leaves",
    measurement="discord_guild",
    field="leaves",
    label="reason",
    values=LEAVE_REASONS,
    columns=dict.fromkeys(LEAVE_REASONS, "leaves"),
)


class MemberAdd(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Member Add."""

    guild_id: Snowflake
    user: User
    joined_at: dt.datetime | None = None


class MemberUpdate(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Member Update."""

    guild_id: Snowflake
    user: User
    communication_disabled_until: dt.datetime | msgspec.UnsetType | None = msgspec.UNSET


class MemberRemove(msgspec.Struct):
    """Discord docs, Gateway Events › Guild Member Remove."""

    guild_id: Snowflake
    user: User


def read_add(
    member: MemberAdd, received_at: int
) -> tuple[Count | Record | MemberCountChanged | MembershipStarted, ...]:
    """One join, identified by member and moment: a member joins once at a time."""
    at = believable(unix_ms(member.joined_at), received_at)
    user = member.user
    return (
        Record(
            "GUILD_MEMBER_ADD",
            member.guild_id,
            at,
            f"join:{member.guild_id}:{user.id}:{at}",
            MemberJoinRecord(
                event="join",
                user_id=user.id,
                username=clean(user.username),
                bot=user.bot,
                account_created_at=snowflake_ms(user.id),
            ),
            person=user.id,
        ),
        Count(JOINS.series, member.guild_id, at, person=user.id),
        MemberCountChanged(member.guild_id, 1),
        MembershipStarted(member.guild_id, user.id, at),
    )


def read_update(member: MemberUpdate, received_at: int) -> tuple[TimeoutState, ...]:
    """Whether a member is timed out; in a moment that may have passed."""
    until = member.communication_disabled_until
    if isinstance(until, msgspec.UnsetType):
        return ()
    user = member.user
    person = Person(user.id, clean(user.username), user.bot)
    return (TimeoutState(member.guild_id, received_at, person, unix_ms(until)),)


def read_remove(member: MemberRemove, received_at: int) -> tuple[Action | MemberCountChanged, ...]:
    """One departure of a reason not known yet."""
    user = member.user
    return (
        Action(
            "GUILD_MEMBER_REMOVE",
            "leave",
            member.guild_id,
            received_at,
            Person(user.id, clean(user.username), user.bot),
        ),
        MemberCountChanged(member.guild_id, -1),
    )


_UPDATE = Reader(MemberUpdate, read_update)

FAMILY = Family(
    "members",
    "Who joins and who goes.",
    (
        EventSpec(
            type="GUILD_MEMBER_ADD",
            family="members",
            help="A member joined.",
            priority=Priority.CRITICAL,
            reads={"GUILD_MEMBER_ADD": Reader(MemberAdd, read_add), "GUILD_MEMBER_UPDATE": _UPDATE},
            intents=("guild_members",),
            measures=(JOINS,),
            table="member_events",
            record=MemberJoinRecord,
        ),
        EventSpec(
            type="GUILD_MEMBER_REMOVE",
            family="members",
            help="A member left, was kicked, banned or pruned.",
            priority=Priority.CRITICAL,
            reads={"GUILD_MEMBER_REMOVE": Reader(MemberRemove, read_remove), "GUILD_MEMBER_UPDATE": _UPDATE},
            intents=("guild_members",),
            permissions=("view_audit_log",),
            blind_without={"view_audit_log": "why members left, other than by a ban"},
            measures=(LEAVES,),
            table="member_events",
            record=MemberLeaveRecord,
        ),
    ),
)
