"""Changes of roles, channels, threads, emoji and stickers."""

from __future__ import annotations

from typing import Annotated

from exporter.events.records.values import Changes, Doc, Id
from exporter.model import EntryData


class StructureRecord(EntryData, frozen=True, kw_only=True):
    """A part of a guild was created or deleted."""

    target_id: Annotated[Id | None, Doc("The part it was done to.")] = None
    name: Annotated[str | None, Doc("Its name, where known.")] = None
    actor_id: Annotated[Id | None, Doc("Who did it; null while or where unknown.", personal=True)] = None
    actor_username: Annotated[str | None, Doc("That person's name, where known.", personal=True)] = None
    reason: Annotated[str | None, Doc("The reason given, if any.", personal=True)] = None
    audit_entry_id: Annotated[Id | None, Doc("The audit-log entry that says so.")] = None
    recovered: Annotated[bool | None, Doc("Found in the audit log afterwards, not seen live.")] = None


class StructureUpdateRecord(StructureRecord, frozen=True, kw_only=True):
    """A part of a guild was changed."""

    changes: Annotated[
        Changes | None, Doc("Only what changed: old and new value by field, as the audit log names them.")
    ] = None


class ChannelUpdateRecord(StructureUpdateRecord, frozen=True, kw_only=True):
    """A channel was changed, or what it allows a role or member."""

    role_id: Annotated[Id | None, Doc("The role whose permissions in the channel were changed.")] = None
