"""Who opted out is taken out of the facts here, before anything counts, remembers or records them.

Invariant: no stage behind this one sees the id or the name of somebody who opted out, and nothing they did
or was done to them is counted, one way or the other: a join left out is a leave left out. What Discord tells
of a guild as a whole, such as its number of members, stays as Discord tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from exporter.events.facts import (
    Action,
    AuditEntry,
    AuditPage,
    Count,
    GuildObjectUpserted,
    GuildUpdated,
    GuildUpserted,
    MemberJoined,
    MembershipStarted,
    Person,
    Record,
    RolesListed,
    TimeoutState,
    VoiceState,
)
from exporter.tracking.intake import Route


class OptOut:
    """The people who opted out, by id."""

    def __init__(self, people: frozenset[int]) -> None:
        self._people = people
        self._screens: dict[type, Callable[[Any], Any]] = {
            Count: self._screen_count,
            Record: self._screen_record,
            Person: self._screen_person,
            Action: self._screen_action,
            AuditEntry: self._screen_audit,
            AuditPage: self._screen_page,
            MembershipStarted: self._screen_member,
            TimeoutState: self._screen_silence,
            MemberJoined: self._screen_joined,
            RolesListed: self._screen_roles,
            GuildObjectUpserted: self._screen_part,
            VoiceState: self._screen_voice,
            GuildUpserted: self._screen_guild,
            GuildUpdated: self._screen_owner,
        }

    def __contains__(self, user_id: object) -> bool:
        return user_id in self._people

    def screened(self, routes: Mapping[type, Route]) -> dict[type, Route]:
        """The same routes, given only what remains of each fact; as they are if nobody opted out."""
        if not self._people:
            return dict(routes)
        return {
            kind: _behind(self._screens[kind], route) if kind in self._screens else route
            for kind, route in routes.items()
        }

    def _screen_count(self, count: Count) -> Count | None:
        return None if count.user_id in self._people or count.person in self._people else count

    def _screen_record(self, record: Record) -> Record | None:
        return None if record.person in self._people else record

    def _screen_person(self, person: Person) -> Person | None:
        return None if person.user_id in self._people else person

    def _screen_action(self, action: Action) -> Action | None:
        return None if action.target.user_id in self._people else action

    def _screen_audit(self, entry: AuditEntry) -> AuditEntry | None:
        """A moderator who opted out is not named; what they did to others happened all the same."""
        if entry.target_id in self._people:
            return None
        return msgspec.structs.replace(entry, actor_id=0) if entry.actor_id in self._people else entry

    def _screen_page(self, page: AuditPage) -> AuditPage:
        screened = (self._screen_audit(entry) for entry in page.entries)
        entries = tuple(entry for entry in screened if entry is not None)
        people = tuple(person for person in page.people if person.user_id not in self._people)
        return msgspec.structs.replace(page, entries=entries, people=people)

    def _screen_member(self, fact: MembershipStarted) -> MembershipStarted | None:
        return None if fact.user_id in self._people else fact

    def _screen_silence(self, fact: TimeoutState) -> TimeoutState | None:
        return None if fact.target.user_id in self._people else fact

    def _screen_joined(self, fact: MemberJoined) -> MemberJoined:
        """Somebody unnamed used an invite: or their use would be taken for that of who came next."""
        if fact.person.user_id not in self._people:
            return fact
        return msgspec.structs.replace(fact, person=Person(0, "", fact.person.bot))

    def _screen_roles(self, fact: RolesListed) -> RolesListed:
        # The owner's id only tells whether the bot itself owns the guild, and a bot cannot.
        return msgspec.structs.replace(fact, owner_id=0) if fact.owner_id in self._people else fact

    def _screen_part(self, fact: GuildObjectUpserted) -> GuildObjectUpserted:
        """What a guild is made of is the guild's; only who made it is not said."""
        return msgspec.structs.replace(fact, maker_id=0) if fact.maker_id in self._people else fact

    def _screen_voice(self, state: VoiceState) -> VoiceState | None:
        return None if state.user_id in self._people else state

    def _screen_guild(self, guild: GuildUpserted) -> GuildUpserted:
        states = tuple(state for state in guild.voice_states if state.user_id not in self._people)
        owner_id = 0 if guild.owner_id in self._people else guild.owner_id
        return msgspec.structs.replace(guild, voice_states=states, owner_id=owner_id)

    def _screen_owner(self, guild: GuildUpdated) -> GuildUpdated:
        return msgspec.structs.replace(guild, owner_id=0) if guild.owner_id in self._people else guild


def _behind(screen: Callable[[Any], Any], route: Route) -> Route:
    def take(fact: object) -> None:
        remaining = screen(fact)
        if remaining is not None:
            route(remaining)

    return take
