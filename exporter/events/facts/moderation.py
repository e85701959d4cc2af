"""Moderation actions, as the gateway shows them and as the audit log records them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Self

import msgspec

from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.base import Fact, GuildFact, Named, Subject, TimedFact
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


class AuditEntry(GuildFact, frozen=True):
    """An entry of the guild's audit log: who and why of an action, arriving before it, after it or never.

    ``amount`` is how many members were pruned or messages deleted, where the entry names no target.
    ``action`` is the moderation action, empty where it is no action on a person; ``until`` is when a timeout
    ends, in ms; ``details`` are its other fields. A moderator who opted out is not named; what they did to
    others happened all the same.
    """

    entry_id: int
    at: int
    action_type: int
    actor_id: Named
    target_id: Subject
    reason: str | None
    amount: int = 0
    action: str = ""
    channel_id: int = 0
    until: int = 0
    details: Mapping[str, Json] = {}


class AuditPage(Fact, frozen=True):
    """A page of an audit log as requested.

    ``people`` are those the page itself names; ``size`` is how many entries it had, readable or not.
    ``newest`` is the largest entry id, where entries were left out of the page.
    """

    request: RestRequest
    meaning: AnswerMeaning
    entries: tuple[AuditEntry, ...] = ()
    people: tuple[Person, ...] = ()
    size: int = 0
    newest: int = 0

    def without(self, people: Container[int]) -> Self | None:
        """The page without the entries and names of people who opted out."""
        newest = max((self.newest, *(entry.entry_id for entry in self.entries)))
        return Fact.without(msgspec.structs.replace(self, newest=newest), people)


class AuditEntryTaken(Fact, frozen=True):
    """An entry of an audit log that was not known before; ``recovered`` where it was made in an absence."""

    entry: AuditEntry
    recovered: bool = False


class AuditEntryRecounted(Fact, frozen=True):
    """An entry that is known was read again: its ``amount`` may have grown."""

    entry: AuditEntry


class AuditPageRead(Fact, frozen=True):
    """A page of an audit log was answered; its entries are facts before this one.

    ``newest`` is the largest id on it, ``more`` says that there may be further entries after it.
    """

    request: RestRequest
    meaning: AnswerMeaning
    newest: int = 0
    more: bool = False


class ActionUnexplained(GuildFact, frozen=True):
    """An action without an audit-log entry so far; ``key`` names it until it is explained."""

    key: str
    at: int


class ActionExplained(GuildFact, frozen=True):
    """An action got its entry, or none is awaited any more."""

    key: str


class MembershipStarted(GuildFact, frozen=True):
    """When the current membership of a user began: earlier actions belong to an earlier membership."""

    user_id: Subject
    at: int


class TimeoutState(TimedFact, frozen=True):
    """Until when a member is timed out, in ms; 0 for one who is not."""

    target: Person
    until: int


class MessageDeleted(GuildFact, frozen=True):
    """A message was deleted, by its author or by a moderator: Discord does not say."""

    channel_id: int
    at: int
