"""Invites and those who come by them."""

from __future__ import annotations

import msgspec

from exporter.events.facts.counting import Person
from exporter.events.rest_request import RestRequest


class InviteKnown(msgspec.Struct, frozen=True, array_like=True):
    """An invite as it is known; ``vanity`` is the guild's own address. Times are in ms, 0 for none."""

    code: str
    uses: int = 0
    max_uses: int = 0
    inviter_id: int = 0
    inviter_name: str = ""
    expires_at: int = 0
    vanity: bool = False


class InviteCreated(msgspec.Struct, frozen=True):
    """An invite was made."""

    guild_id: int
    invite: InviteKnown


class InviteDeleted(msgspec.Struct, frozen=True):
    """An invite is gone: taken back, or used up."""

    guild_id: int
    code: str


class InviteRevoked(msgspec.Struct, frozen=True):
    """Somebody took an invite back."""

    guild_id: int
    code: str


class InvitesRead(msgspec.Struct, frozen=True):
    """An answer about invites or a guild's own address; ``status`` is that of HTTP, 0 for no usable one."""

    request: RestRequest
    at: int
    status: int
    invites: tuple[InviteKnown, ...] = ()


class MemberJoined(msgspec.Struct, frozen=True):
    """Somebody joined, by a way nobody tells; ``at`` is the moment of the join's own record."""

    guild_id: int
    at: int
    person: Person
