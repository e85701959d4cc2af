"""Membership: who joined, who left. The reason of a departure is found by attribution (``moderation``)."""

from __future__ import annotations

import datetime as dt

import msgspec

from exporter.events.facts.counting import BotSeen, Count, Record
from exporter.events.facts.guilds import MemberCountChanged
from exporter.events.facts.moderation import Action, MembershipStarted, TimeoutState
from exporter.events.payload import (
    CLOCK_SPREAD_MS,
    DISCORD_EPOCH_MS,
    UserEvent,
    believable,
    clean,
    snowflake_ms,
    unix_ms,
)
from exporter.events.permissions import SEES_BANS
from exporter.events.records.occurrences import MemberJoinRecord, MemberLeaveRecord
from exporter.events.spec import EventSpec, Family, Identity, Measure, Reader
from exporter.model import Priority

LEAVE_REASONS = ("leave", "kick", "ban", "prune", "unknown")
"""Unknown without access to the audit log, and for departures that may or may not be part of a prune."""

JOINS = Measure(name="member_joins", help="Members who joined.", field="joins", columns={"": "joins"})
LEAVES = Measure(
    name="member_leaves",
    help="Members who left, by reason.",
    field="leaves",
    label="reason",
    values=LEAVE_REASONS,
    columns=dict.fromkeys(LEAVE_REASONS, "leaves"),
)


class MemberAdd(UserEvent):
    """Discord docs, Gateway Events › Guild Member Add."""

    joined_at: dt.datetime | None = None


class MemberUpdate(UserEvent):
    """Discord docs, Gateway Events › Guild Member Update."""

    communication_disabled_until: dt.datetime | msgspec.UnsetType | None = msgspec.UNSET


def read_add(
    member: MemberAdd, received_at: int
) -> tuple[BotSeen | Count | Record | MemberCountChanged | MembershipStarted, ...]:
    """One join, identified by member and moment: a member joins once at a time.

    Of who has long been a member Discord may send the dispatch as well; that is no join.
    """
    guild_id, user = member.guild_id, member.user
    joined_at = unix_ms(member.joined_at)
    if DISCORD_EPOCH_MS <= joined_at < received_at - CLOCK_SPREAD_MS:
        return ()
    at = believable(joined_at, received_at)
    data = MemberJoinRecord(
        event="join",
        user_id=user.id,
        username=clean(user.username),
        bot=user.bot,
        account_created_at=snowflake_ms(user.id),
    )
    return (
        *((BotSeen(user.id),) if user.bot else ()),
        Record("GUILD_MEMBER_ADD", guild_id, at, f"join:{guild_id}:{user.id}:{at}", data, user.id),
        Count(JOINS.series, guild_id, at, person=user.id),
        MemberCountChanged(guild_id, 1),
        MembershipStarted(guild_id, user.id, at),
    )


def read_update(member: MemberUpdate, received_at: int) -> tuple[TimeoutState, ...]:
    """Whether a member is timed out; in a moment that may have passed."""
    until = member.communication_disabled_until
    if isinstance(until, msgspec.UnsetType):
        return ()
    return (TimeoutState(member.guild_id, received_at, member.user.person, unix_ms(until)),)


def read_remove(member: UserEvent, received_at: int) -> tuple[Action | MemberCountChanged, ...]:
    """One departure of a reason not known yet."""
    return (
        Action("GUILD_MEMBER_REMOVE", "leave", member.guild_id, received_at, member.user.person),
        MemberCountChanged(member.guild_id, -1),
    )


def _member(event: UserEvent) -> tuple[str, int, int]:
    return "member", event.guild_id, event.user.id


JOINED = Identity("joined", _member, opposites=("GUILD_MEMBER_REMOVE",))
LEFT = Identity("left", _member, opposites=("GUILD_MEMBER_ADD",))
_UPDATE = Reader(MemberUpdate, read_update)

FAMILY = Family(
    "members",
    "Who joins and who goes.",
    (
        EventSpec(
            "GUILD_MEMBER_ADD",
            "A member joined.",
            priority=Priority.CRITICAL,
            reads={"GUILD_MEMBER_ADD": Reader(MemberAdd, read_add, JOINED), "GUILD_MEMBER_UPDATE": _UPDATE},
            intents=("guild_members",),
            measures=(JOINS,),
            table="member_events",
            record=MemberJoinRecord,
        ),
        EventSpec(
            "GUILD_MEMBER_REMOVE",
            "A member left, was kicked, banned or pruned.",
            priority=Priority.CRITICAL,
            reads={
                "GUILD_MEMBER_REMOVE": Reader(UserEvent, read_remove, LEFT),
                "GUILD_MEMBER_UPDATE": _UPDATE,
            },
            intents=("guild_members",),
            blind_without={"view_audit_log": "why members left, other than by a ban"},
            blind_without_all={SEES_BANS: "that members left by a ban"},
            measures=(LEAVES,),
            table="member_events",
            record=MemberLeaveRecord,
        ),
    ),
)
