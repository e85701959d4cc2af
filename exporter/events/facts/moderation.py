"""Moderation actions, as the gateway shows them and as the audit log records them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Self

import msgspec

from exporter.events.facts.base import Fact
from exporter.events.facts.counting import Person
from exporter.events.rest_request import RestRequest
from exporter.model import Json


class Action(Fact, frozen=True):
    """Something was done to a person: a ban, an unban, a departure. Who did it is not in the dispatch.

    ``dedup_key`` names the occurrence where the dispatch has a name for it.
    """

    type: str
    action: str
    guild_id: int
    at: int
    target: Person
    data: Mapping[str, Json] = {}
    dedup_key: str = ""

    def without(self, people: Container[int]) -> Self | None:
        """Nothing remains of a fact about someone who opted out."""
        return None if self.target.user_id in people else self


class AuditEntry(Fact, frozen=True):
    """An entry of the guild's audit log: who and why of an action, arriving before it, after it or never.

    ``amount`` is how many members were pruned or messages deleted, where the entry names no target.
    ``action`` is the moderation action, empty where it is no action on a person; ``until`` is when a timeout
    ends, in ms; ``details`` are its other fields.
    """

    guild_id: int
    entry_id: int
    at: int
    action_type: int
    actor_id: int
    target_id: int
    reason: str | None
    amount: int = 0
    action: str = ""
    channel_id: int = 0
    until: int = 0
    details: Mapping[str, Json] = {}

    def without(self, people: Container[int]) -> Self | None:
        """A moderator who opted out is not named; what they did to others happened all the same."""
        if self.target_id in people:
            return None
        return msgspec.structs.replace(self, actor_id=0) if self.actor_id in people else self


class AuditPage(Fact, frozen=True):
    """A page of an audit log as requested; ``status`` is that of HTTP, 0 if there was no answer.

    ``people`` are those the page itself names; ``size`` is how many entries it had, readable or not.
    ``newest`` is the largest entry id, where entries were left out of the page.
    """

    request: RestRequest
    status: int
    entries: tuple[AuditEntry, ...] = ()
    people: tuple[Person, ...] = ()
    size: int = 0
    newest: int = 0

    def without(self, people: Container[int]) -> Self | None:
        """The page without the entries and names of people who opted out."""
        screened = (entry.without(people) for entry in self.entries)
        return msgspec.structs.replace(
            self,
            entries=tuple(entry for entry in screened if entry is not None),
            newest=max((self.newest, *(entry.entry_id for entry in self.entries))),
            people=tuple(person for person in self.people if person.user_id not in people),
        )


class MembershipStarted(Fact, frozen=True):
    """When the current membership of a user began: earlier actions belong to an earlier membership."""

    guild_id: int
    user_id: int
    at: int

    def without(self, people: Container[int]) -> Self | None:
        """Nothing remains of a fact about someone who opted out."""
        return None if self.user_id in people else self


class TimeoutState(Fact, frozen=True):
    """Until when a member is timed out, in ms; 0 for one who is not."""

    guild_id: int
    at: int
    target: Person
    until: int

    def without(self, people: Container[int]) -> Self | None:
        """Nothing remains of a fact about someone who opted out."""
        return None if self.target.user_id in people else self


class MessageDeleted(Fact, frozen=True):
    """A message was deleted, by its author or by a moderator: Discord does not say."""

    guild_id: int
    channel_id: int
    at: int


class AuditEntryTaken(Fact, frozen=True):
    """An entry of an audit log that was not known before; ``recovered`` where it was made in an absence."""

    entry: AuditEntry
    recovered: bool = False

    def without(self, people: Container[int]) -> Self | None:
        """As of the entry itself."""
        entry = self.entry.without(people)
        return None if entry is None else msgspec.structs.replace(self, entry=entry)


class AuditEntryRecounted(Fact, frozen=True):
    """An entry that is known was read again: its ``amount`` may have grown."""

    entry: AuditEntry

    def without(self, people: Container[int]) -> Self | None:
        """As of the entry itself."""
        entry = self.entry.without(people)
        return None if entry is None else msgspec.structs.replace(self, entry=entry)


class AuditPageRead(Fact, frozen=True):
    """A page of an audit log was answered; its entries are facts before this one.

    ``newest`` is the largest id on it, ``more`` says that there may be further entries after it.
    """

    request: RestRequest
    status: int
    newest: int = 0
    more: bool = False


class ActionUnexplained(Fact, frozen=True):
    """An action without an audit-log entry so far; ``key`` names it until it is explained."""

    guild_id: int
    key: str
    at: int


class ActionExplained(Fact, frozen=True):
    """An action got its entry, or none is awaited any more."""

    guild_id: int
    key: str
