"""Invites: who created them, and by which invite a member joined.

Discord does not report how a member joined. The uses of invites can be read by REST before and after a join;
the pipeline compares. Sources: Discord docs, Gateway Events › Invite Create, Invite Delete; Resources ›
Invite.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from exporter.events.facts import (
    Count,
    InviteCreated,
    InviteDeleted,
    InviteKnown,
    InviteRevoked,
    InvitesRead,
    MemberJoined,
    Person,
    Record,
)
from exporter.events.members import MemberAdd
from exporter.events.payload import Number, Snowflake, User, believable, clean, unix_ms
from exporter.events.records import InviteDeleteRecord, InviteRecord, InviteUseRecord
from exporter.events.rest_request import RestRequest
from exporter.events.spec import EventSpec, Family, Measure, Reader
from exporter.model import Priority

METHODS = ("invite", "vanity", "oauth", "unknown")

CREATED = Measure(
    name="invites_created",
    help="Invites created.",
    metric="discord_invites_created",
    measurement="discord_guild",
    field="invites_created",
)
USES = Measure(
    name="invite_uses",
    help="Joins, by method.",
    metric="discord_invite_uses",
    measurement="discord_guild",
    field="invite_uses",
    label="method",
    values=METHODS,
)

AUDIT_INVITE_DELETE = 42
"""Discord docs, Resources › Audit Log › Audit Log Events."""

_LONGEST_CODE = 64
"""A vanity code has at most 32 characters, any other fewer."""


class InvitePayload(msgspec.Struct):
    """Discord docs, Resources › Invite › Invite Object, with its metadata."""

    code: str
    inviter: User | None = None
    uses: Number = 0
    max_uses: Number = 0
    expires_at: dt.datetime | None = None


class InviteCreate(msgspec.Struct):
    """Discord docs, Gateway Events › Invite Create."""

    code: str
    guild_id: Snowflake = 0
    channel_id: Snowflake = 0
    inviter: User | None = None
    max_uses: Number = 0
    max_age: Number = 0
    temporary: bool = False
    created_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None


class InviteDelete(msgspec.Struct):
    """Discord docs, Gateway Events › Invite Delete."""

    code: str
    guild_id: Snowflake = 0


class InvitesAnswer(msgspec.Struct):
    """Discord docs, Resources › Guild › Get Guild Invites."""

    request: RestRequest
    status: int
    body: list[InvitePayload] | None = None


class VanityPayload(msgspec.Struct):
    """Discord docs, Resources › Guild › Get Guild Vanity URL."""

    code: str | None = None
    uses: Number = 0


class VanityAnswer(msgspec.Struct):
    """The answer about a guild's own address."""

    request: RestRequest
    status: int
    body: VanityPayload | None = None


class CodeChange(msgspec.Struct):
    """A changed field of an audit-log entry; only the code is of interest, which is text."""

    key: str = ""
    old_value: msgspec.Raw = msgspec.Raw(b"null")


class InviteAudit(msgspec.Struct):
    """An audit-log entry, as far as it describes a revoked invite."""

    guild_id: Snowflake
    action_type: Number
    changes: list[CodeChange] | None = None


def read_create(invite: InviteCreate, received_at: int) -> tuple[InviteCreated | Record | Count, ...]:
    """An invite made; one to a group of friends has no guild."""
    if not invite.guild_id or not invite.code:
        return ()
    at = believable(unix_ms(invite.created_at) or received_at, received_at)
    code = clean(invite.code, _LONGEST_CODE)
    inviter = invite.inviter
    expires_at = unix_ms(invite.expires_at)
    name = clean(inviter.username) if inviter else ""
    known = InviteKnown(code, 0, invite.max_uses, inviter.id if inviter else 0, name, expires_at)
    data = InviteRecord(
        code=code,
        channel_id=invite.channel_id,
        inviter_id=known.inviter_id,
        inviter_username=name or None,
        max_uses=invite.max_uses,
        max_age=invite.max_age,
        temporary=invite.temporary,
        uses=0,
        created_at=at,
        expires_at=expires_at or None,
    )
    key = f"invite:{invite.guild_id}:{code}"
    return (
        Record("INVITE_CREATE", invite.guild_id, at, key, data, known.inviter_id),
        Count(CREATED.series, invite.guild_id, at),
        InviteCreated(invite.guild_id, known),
    )


def read_delete(invite: InviteDelete, received_at: int) -> tuple[InviteDeleted | Record, ...]:
    """An invite revoked or used up; for one that expired Discord sends nothing."""
    if not invite.guild_id or not invite.code:
        return ()
    code = clean(invite.code, _LONGEST_CODE)
    key = f"invite_gone:{invite.guild_id}:{code}:{received_at}"
    return (
        Record("INVITE_DELETE", invite.guild_id, received_at, key, InviteDeleteRecord(code=code)),
        InviteDeleted(invite.guild_id, code),
    )


def read_join(member: MemberAdd, received_at: int) -> tuple[MemberJoined, ...]:
    """A member joined, by an invite to be determined; the time is that of the join's own record."""
    user = member.user
    at = believable(unix_ms(member.joined_at), received_at)
    return (MemberJoined(member.guild_id, at, Person(user.id, clean(user.username), user.bot)),)


def read_invites(answer: InvitesAnswer, received_at: int) -> tuple[InvitesRead, ...]:
    """All invites of a guild and their uses, or that they could not be read."""
    found = tuple(
        InviteKnown(
            clean(invite.code, _LONGEST_CODE),
            invite.uses,
            invite.max_uses,
            invite.inviter.id if invite.inviter else 0,
            clean(invite.inviter.username) if invite.inviter else "",
            unix_ms(invite.expires_at),
        )
        for invite in answer.body or ()
    )
    status = answer.status if answer.body is not None else answer.status * (answer.status != _OK)
    return (InvitesRead(answer.request, received_at, status, found),)


def read_vanity(answer: VanityAnswer, received_at: int) -> tuple[InvitesRead, ...]:
    """The guild's own address and its uses, or that they could not be read."""
    status = answer.status if answer.body is not None else answer.status * (answer.status != _OK)
    code = clean(answer.body.code or "", _LONGEST_CODE) if answer.body else ""
    known = (InviteKnown(code, answer.body.uses, vanity=True),) if answer.body and code else ()
    return (InvitesRead(answer.request, received_at, status, known),)


def read_audit(entry: InviteAudit, _received_at: int) -> tuple[InviteRevoked, ...]:
    """That an invite was revoked, so that it was not used up."""
    if entry.action_type != AUDIT_INVITE_DELETE:
        return ()
    codes = (_text(change.old_value) for change in entry.changes or () if change.key == "code")
    return tuple(InviteRevoked(entry.guild_id, code) for code in codes if code)


def _text(value: msgspec.Raw) -> str:
    """The text; empty where it is none."""
    try:
        return clean(msgspec.json.decode(value, type=str), _LONGEST_CODE)
    except msgspec.MsgspecError:
        return ""


_OK = 200
_CREATE = Reader(InviteCreate, read_create)
_DELETE = Reader(InviteDelete, read_delete)

FAMILY = Family(
    "invites",
    "Who invites whom.",
    (
        EventSpec(
            type="INVITE_CREATE",
            family="invites",
            help="An invite was created.",
            priority=Priority.IMPORTANT,
            reads={"INVITE_CREATE": _CREATE},
            intents=("guild_invites",),
            permissions=("manage_channels",),
            blind_without={"manage_channels": "invites created are not reported"},
            measures=(CREATED,),
            table="invites",
            record=InviteRecord,
        ),
        EventSpec(
            type="INVITE_DELETE",
            family="invites",
            help="An invite was revoked or used up; Discord does not report one that expires.",
            priority=Priority.IMPORTANT,
            reads={"INVITE_DELETE": _DELETE},
            intents=("guild_invites",),
            permissions=("manage_channels",),
            blind_without={"manage_channels": "invites removed are not reported"},
            table="invites",
            record=InviteDeleteRecord,
        ),
        EventSpec(
            type="INVITE_USE",
            family="invites",
            help="A member joined: by which invite, as far as that can be determined.",
            priority=Priority.IMPORTANT,
            reads={
                "GUILD_MEMBER_ADD": Reader(MemberAdd, read_join),
                "INVITE_CREATE": _CREATE,
                "INVITE_DELETE": _DELETE,
                "REST_INVITES": Reader(InvitesAnswer, read_invites),
                "REST_VANITY": Reader(VanityAnswer, read_vanity),
                "GUILD_AUDIT_LOG_ENTRY_CREATE": Reader(InviteAudit, read_audit),
            },
            intents=("guild_members", "guild_invites"),
            permissions=("manage_guild", "view_audit_log"),
            blind_without={
                "manage_guild": "by which invite a member joined stays unknown",
                "view_audit_log": "an invite used up and one revoked look the same",
            },
            measures=(USES,),
            table="invite_tracking",
            record=InviteUseRecord,
        ),
    ),
)
