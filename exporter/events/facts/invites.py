"""Invites and the members who join by them."""

from __future__ import annotations

from collections.abc import Container
from typing import Self

import msgspec

from exporter.events.facts.base import Fact
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

    def without(self, people: Container[int]) -> Self:
        """The invite without the name and id of an inviter who opted out."""
        if self.inviter_id not in people:
            return self
        return msgspec.structs.replace(self, inviter_id=0, inviter_name="")


class InviteCreated(Fact, frozen=True):
    """An invite was made."""

    guild_id: int
    invite: InviteKnown

    def without(self, people: Container[int]) -> Self | None:
        """The invite without an inviter who opted out."""
        return msgspec.structs.replace(self, invite=self.invite.without(people))


class InviteDeleted(Fact, frozen=True):
    """An invite was deleted: revoked, or used up."""

    guild_id: int
    code: str


class InviteRevoked(Fact, frozen=True):
    """An invite was revoked by a user."""

    guild_id: int
    code: str


class InvitesRead(Fact, frozen=True):
    """An answer about invites or a guild's own address; ``status`` is that of HTTP, 0 for no usable one."""

    request: RestRequest
    at: int
    status: int
    invites: tuple[InviteKnown, ...] = ()

    def without(self, people: Container[int]) -> Self | None:
        """The invites without inviters who opted out."""
        return msgspec.structs.replace(self, invites=tuple(invite.without(people) for invite in self.invites))


class MemberJoined(Fact, frozen=True):
    """A member joined; by which invite is not known yet. ``at`` is the time of the join's own record."""

    guild_id: int
    at: int
    person: Person

    def without(self, people: Container[int]) -> Self | None:
        """An unnamed member joined: otherwise their use of an invite would be taken for another's."""
        if self.person.user_id not in people:
            return self
        return msgspec.structs.replace(self, person=Person(0, "", self.person.bot))
