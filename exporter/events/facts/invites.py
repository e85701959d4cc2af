"""Invites and the members who join by them."""

from __future__ import annotations

from collections.abc import Container
from typing import Self

import msgspec

from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.base import Fact, GuildFact, TimedFact
from exporter.events.facts.counting import Person
from exporter.events.rest_request import RestRequest


class InviteKnown(Fact, frozen=True, array_like=True):
    """An invite as it is known; ``vanity`` is the guild's own address. Times are in ms, 0 for none."""

    code: str
    uses: int = 0
    max_uses: int = 0
    inviter_id: int = 0
    inviter_name: str = ""
    expires_at: int = 0
    vanity: bool = False

    def without(self, people: Container[int]) -> Self | None:
        """The invite without the name and id of an inviter who opted out."""
        if self.inviter_id not in people:
            return self
        return msgspec.structs.replace(self, inviter_id=0, inviter_name="")


class InviteCreated(GuildFact, frozen=True):
    """An invite was made."""

    invite: InviteKnown


class InviteDeleted(GuildFact, frozen=True):
    """An invite was deleted: revoked, or used up."""

    code: str


class InviteRevoked(GuildFact, frozen=True):
    """An invite was revoked by a user."""

    code: str


class InvitesRead(Fact, frozen=True):
    """An answer about invites or a guild's own address."""

    request: RestRequest
    at: int
    meaning: AnswerMeaning
    invites: tuple[InviteKnown, ...] = ()


class MemberJoined(TimedFact, frozen=True):
    """A member joined; by which invite is not known yet. ``at`` is the time of the join's own record."""

    person: Person

    def without(self, people: Container[int]) -> Self | None:
        """An unnamed member joined: otherwise their use of an invite would be taken for another's."""
        if self.person.user_id not in people:
            return self
        return msgspec.structs.replace(self, person=Person(0, "", self.person.bot))
