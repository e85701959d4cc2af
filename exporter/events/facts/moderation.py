"""What moderators do, as the gateway shows it and as the audit log tells it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from exporter.events.facts.counting import Person
from exporter.events.rest_request import RestRequest
from exporter.model import Json


class Action(msgspec.Struct, frozen=True):
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


class AuditEntry(msgspec.Struct, frozen=True):
    """An entry of the guild's audit log: who and why of an action, arriving before it, after it or never.

    ``amount`` is how many it speaks of where it names
    nobody: members pruned, messages deleted. ``action`` is what a moderator did by it, empty where it is no
    action on a person; ``until`` is when a timeout ends, in ms; ``details`` is what else it tells.
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


class AuditPage(msgspec.Struct, frozen=True):
    """GuildObject of an audit log as it was asked for; ``status`` is that of HTTP, 0 if there was no answer.

    ``people`` are those the page itself names; ``size`` is how many entries it had, readable or not.
    """

    request: RestRequest
    status: int
    entries: tuple[AuditEntry, ...] = ()
    people: tuple[Person, ...] = ()
    size: int = 0


class MembershipStarted(msgspec.Struct, frozen=True):
    """Since when somebody is a member again: what was done before was done in an earlier membership."""

    guild_id: int
    user_id: int
    at: int


class TimeoutState(msgspec.Struct, frozen=True):
    """Until when a member is timed out, in ms; 0 for one who is not."""

    guild_id: int
    at: int
    target: Person
    until: int


class MessageDeleted(msgspec.Struct, frozen=True):
    """A message was deleted, by its author or by a moderator: Discord does not say."""

    guild_id: int
    channel_id: int
    at: int
