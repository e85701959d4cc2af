"""Joins and leaves."""

from __future__ import annotations

from typing import Annotated

from exporter.events.records.values import Doc, Id, Milliseconds
from exporter.model import EntryData


class MemberJoinRecord(EntryData, frozen=True, kw_only=True):
    """A member joined; the invite is added by an entry that amends."""

    event: Annotated[str | None, Doc("`join`")] = None
    user_id: Annotated[Id | None, Doc("Who joined.", personal=True)] = None
    username: Annotated[str | None, Doc("Name at that moment.", personal=True)] = None
    bot: Annotated[bool | None, Doc("Whether it is a bot.")] = None
    account_created_at: Annotated[
        Milliseconds | None, Doc("When the account was made, ms since the epoch.")
    ] = None
    invite_code: Annotated[str | None, Doc("The invite used, where that is certain.")] = None
    inviter_id: Annotated[Id | None, Doc("Who made that invite.", personal=True)] = None


class MemberLeaveRecord(EntryData, frozen=True, kw_only=True):
    """A member left; the reason is decided later and added by an entry that amends."""

    event: Annotated[str | None, Doc("`leave`")] = None
    user_id: Annotated[Id | None, Doc("Who left.", personal=True)] = None
    username: Annotated[str | None, Doc("Name at that moment.", personal=True)] = None
    bot: Annotated[bool | None, Doc("Whether it is a bot.")] = None
    reason: Annotated[
        str | None, Doc("`leave`, `kick`, `ban` or `prune`; `unknown` where there is no evidence.")
    ] = None
    moderator_id: Annotated[Id | None, Doc("Who kicked, banned or pruned.", personal=True)] = None
    moderator_username: Annotated[str | None, Doc("That person's name, where known.", personal=True)] = None
    audit_entry_id: Annotated[Id | None, Doc("The audit-log entry that says so.")] = None
    recovered: Annotated[bool | None, Doc("Found in the audit log afterwards, not seen live.")] = None
