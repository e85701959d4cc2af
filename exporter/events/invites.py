"""Invites: who created them, and by which invite a member joined.

Discord does not report how a member joined. The uses of invites can be read by REST before and after a join;
the pipeline compares. Sources: Discord docs, Gateway Events › Invite Create, Invite Delete; Resources ›
Invite.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from exporter.events.audit import ENTRY_CREATE, EntryPayload
from exporter.events.facts.base import ElementsRejected
from exporter.events.facts.counting import Count, Person, Record
from exporter.events.facts.invites import (
    InviteCreated,
    InviteDeleted,
    InviteKnown,
    InviteRevoked,
    InvitesRead,
    MemberJoined,
)
from exporter.events.members import JOINED, MemberAdd
from exporter.events.payload import InGuild, Number, Snowflake, User, believable, clean, unix_ms
from exporter.events.reading import UNREADABLE, PartDecoder, read_body
from exporter.events.records.occurrences import InviteDeleteRecord, InviteRecord, InviteUseRecord
from exporter.events.rest_request import Answer
from exporter.events.spec import EventSpec, Family, Identity, Measure, Reader
from exporter.model import Priority

METHODS = ("invite", "vanity", "oauth", "unknown")

CREATED = Measure(name="invites_created", help="Invites created.")
USES = Measure(name="invite_uses", help="Joins, by method.", label="method", values=METHODS)

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

    @property
    def known(self) -> InviteKnown:
        """The invite as a fact."""
        inviter = self.inviter.person if self.inviter else Person(0, "")
        expires_at = unix_ms(self.expires_at)
        return InviteKnown(
            _clean_code(self.code), self.uses, self.max_uses, inviter.user_id, inviter.name, expires_at
        )


class InviteCreate(InvitePayload):
    """Discord docs, Gateway Events › Invite Create."""

    guild_id: Snowflake = 0
    channel_id: Snowflake = 0
    max_age: Number = 0
    temporary: bool = False
    created_at: dt.datetime | None = None


class InviteDelete(InGuild):
    """Discord docs, Gateway Events › Invite Delete."""

    code: str


class VanityPayload(msgspec.Struct):
    """Discord docs, Resources › Guild › Get Guild Vanity URL."""

    code: str | None = None
    uses: Number = 0


def _clean_code(code: str) -> str:
    return clean(code, _LONGEST_CODE)


def read_create(invite: InviteCreate, received_at: int) -> tuple[InviteCreated | Record | Count, ...]:
    """An invite made; one to a group of friends has no guild."""
    if not invite.guild_id or not invite.code:
        return ()
    at = believable(unix_ms(invite.created_at) or received_at, received_at)
    known = msgspec.structs.replace(invite.known, uses=0)
    data = InviteRecord(
        code=known.code,
        channel_id=invite.channel_id,
        inviter_id=known.inviter_id,
        inviter_username=known.inviter_name or None,
        max_uses=known.max_uses,
        max_age=invite.max_age,
        temporary=invite.temporary,
        uses=0,
        created_at=at,
        expires_at=known.expires_at or None,
    )
    key = f"invite:{invite.guild_id}:{known.code}"
    return (
        Record("INVITE_CREATE", invite.guild_id, at, key, data, known.inviter_id),
        Count(CREATED.series, invite.guild_id, at),
        InviteCreated(invite.guild_id, known),
    )


def read_delete(invite: InviteDelete, received_at: int) -> tuple[InviteDeleted | Record, ...]:
    """An invite revoked or used up; for one that expired Discord sends nothing."""
    if not invite.code:
        return ()
    code = _clean_code(invite.code)
    key = f"invite_gone:{invite.guild_id}:{code}:{received_at}"
    return (
        Record("INVITE_DELETE", invite.guild_id, received_at, key, InviteDeleteRecord(code=code)),
        InviteDeleted(invite.guild_id, code),
    )


def read_join(member: MemberAdd, received_at: int) -> tuple[MemberJoined, ...]:
    """A member joined, by an invite to be determined; the time is that of the join's own record."""
    at = believable(unix_ms(member.joined_at), received_at)
    return (MemberJoined(member.guild_id, at, member.user.person),)


def read_invites(answer: Answer, received_at: int) -> tuple[InvitesRead | ElementsRejected, ...]:
    """All invites of a guild and their uses, or that they could not be read."""
    parts = PartDecoder(answer.request.dispatch)
    meaning, invites = read_body(answer, tuple[InvitePayload, ...], parts)
    found = tuple(invite.known for invite in invites or ())
    return (InvitesRead(answer.request, received_at, meaning, found), *parts.report())


def read_vanity(answer: Answer, received_at: int) -> tuple[InvitesRead, ...]:
    """The guild's own address and its uses, or that they could not be read."""
    meaning, own = read_body(answer, VanityPayload)
    code = _clean_code(own.code or "") if own else ""
    known = (InviteKnown(code, own.uses, vanity=True),) if own and code else ()
    return (InvitesRead(answer.request, received_at, meaning, known),)


def read_audit(entry: EntryPayload, _received_at: int) -> tuple[InviteRevoked, ...]:
    """That an invite was revoked, so that it was not used up."""
    if entry.action_type != AUDIT_INVITE_DELETE:
        return ()
    codes = (_text(change.old_value) for change in entry.changes or () if change.key == "code")
    return tuple(InviteRevoked(entry.guild_id, code) for code in codes if code)


def _text(value: msgspec.Raw) -> str:
    """The text; empty where it is none."""
    try:
        return _clean_code(msgspec.json.decode(value, type=str))
    except UNREADABLE:
        return ""


_CREATE = Reader(InviteCreate, read_create, Identity("created", lambda invite: ("invite", invite.code)))
_DELETE = Reader(InviteDelete, read_delete, Identity("deleted", lambda invite: ("invite", invite.code)))

FAMILY = Family(
    "invites",
    "Who invites whom.",
    (
        EventSpec(
            "INVITE_CREATE",
            "An invite was created.",
            priority=Priority.IMPORTANT,
            reads={"INVITE_CREATE": _CREATE},
            intents=("guild_invites",),
            blind_without={"manage_channels": "invites created are not reported"},
            measures=(CREATED,),
            table="invites",
            record=InviteRecord,
        ),
        EventSpec(
            "INVITE_DELETE",
            "An invite was revoked or used up; Discord does not report one that expires.",
            priority=Priority.IMPORTANT,
            reads={"INVITE_DELETE": _DELETE},
            intents=("guild_invites",),
            blind_without={"manage_channels": "invites removed are not reported"},
            table="invites",
            record=InviteDeleteRecord,
        ),
        EventSpec(
            "INVITE_USE",
            "A member joined: by which invite, as far as that can be determined.",
            priority=Priority.IMPORTANT,
            reads={
                "GUILD_MEMBER_ADD": Reader(MemberAdd, read_join, JOINED),
                "INVITE_CREATE": _CREATE,
                "INVITE_DELETE": _DELETE,
                "REST_INVITES": Reader(Answer, read_invites),
                "REST_VANITY": Reader(Answer, read_vanity),
                ENTRY_CREATE: Reader(EntryPayload, read_audit),
            },
            intents=("guild_members", "guild_invites"),
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
