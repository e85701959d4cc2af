"""Invites and their uses."""

from __future__ import annotations

from typing import Annotated

from exporter.events.records.values import Doc, Id, Int64, Milliseconds
from exporter.model import EntryData


class InviteRecord(EntryData, frozen=True, kw_only=True):
    """An invite was made; an entry that amends has the uses as they were read later."""

    code: Annotated[str, Doc("The invite's code.")]
    channel_id: Annotated[Id | None, Doc("Where it leads.")] = None
    inviter_id: Annotated[Id | None, Doc("Who made it.", personal=True)] = None
    inviter_username: Annotated[str | None, Doc("That person's name.", personal=True)] = None
    max_uses: Annotated[Int64 | None, Doc("Uses allowed; 0 for no limit.")] = None
    max_age: Annotated[Int64 | None, Doc("Lifetime in seconds; 0 for ever.")] = None
    temporary: Annotated[bool | None, Doc("Whether members stay only while they are online.")] = None
    uses: Annotated[Int64 | None, Doc("Uses when last read; 0 for a new invite.")] = None
    created_at: Annotated[Milliseconds | None, Doc("When it was made, ms since the epoch.")] = None
    expires_at: Annotated[Milliseconds | None, Doc("When it ends by itself, ms since the epoch.")] = None


class InviteDeleteRecord(EntryData, frozen=True, kw_only=True):
    """An invite was revoked or used up."""

    code: Annotated[str, Doc("The invite's code.")]


class InviteUseRecord(EntryData, frozen=True, kw_only=True):
    """A member joined, and by which invite as far as that is known."""

    invitee_id: Annotated[Id | None, Doc("Who joined.", personal=True)] = None
    invitee_username: Annotated[str | None, Doc("Name at that moment.", personal=True)] = None
    invite_code: Annotated[str | None, Doc("The invite used, where known.")] = None
    inviter_id: Annotated[Id | None, Doc("Who made it.", personal=True)] = None
    inviter_username: Annotated[str | None, Doc("That person's name.", personal=True)] = None
    method: Annotated[str | None, Doc("`invite`, `vanity`, `oauth` or `unknown`.")] = None
    confidence: Annotated[str | None, Doc("`exact`, `probable`, `ambiguous` or `unknown`.")] = None
    candidates: Annotated[list[str] | None, Doc("The codes it may have been, where more than one.")] = None
