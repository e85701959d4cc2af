"""By which invite a member joined: the uses of a guild's invites are read before and after a join.

The invites of each guild are kept packed; work in progress (an ``InviteSession``) is kept only after a recent
join. A join is recorded as unknown where it cannot be determined: after a gap, without the permission, or
when Discord does not answer for long.

Invariants: at most one reading per guild is in progress; a failed reading changes nothing that is known and
is put again, whatever the answer was, for as long as the bot's roles say that it may read; a reading after a
gap is compared with one from before it only for joins of the previous run, and shows nothing exactly.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import partial
from typing import Any

from exporter.dispatch.component import Component, Emit, Handler, SavedTable
from exporter.events.answer_meaning import pause_after
from exporter.events.facts.guilds import GuildDeleted, GuildUpserted, PermissionsChanged, SessionStarted
from exporter.events.facts.invites import (
    InviteCreated,
    InviteDeleted,
    InviteKnown,
    InviteRevoked,
    InvitesRead,
    MemberJoined,
)
from exporter.events.rest_request import Submit
from exporter.state.guild_cache import GuildCache
from exporter.state.permissions import Permissions
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.invites.decisions import JoinDecisions
from exporter.tracking.invites.inference import SETTLE_MS, Arrival
from exporter.tracking.invites.invite_session import MOST_OPEN, InviteSession
from exporter.tracking.invites.invite_use_writer import OAUTH, UNKNOWN
from exporter.tracking.invites.open_lookups import invites_before
from exporter.tracking.invites.readings import USABLE, InviteReadings, KnownInvites

LOOK_MS = 200
"""Longest delay of a reading that is due."""

GIVE_UP_MS = 600_000
"""How long joins wait while readings fail: a proxy or an outage of minutes costs nothing, and of a longer one
the joins are known to be unknown in time. What is read after that is known anew."""


class InviteTracker(Component):
    """The invites of all guilds.

    ``submit`` sends requests to Discord, None where none can be sent; ``audited`` says whether entries of
    audit logs are received.
    """

    name = "invites"

    def __init__(
        self,
        emit: Emit,
        submit: Submit | None,
        permissions: Permissions,
        guilds: GuildCache,
        timeline: ShardTimeline,
        *,
        audited: bool = True,
    ) -> None:
        super().__init__(emit)
        self._permissions = permissions
        self._timeline = timeline
        self._known = KnownInvites()
        self._sessions: dict[int, InviteSession] = {}
        self._readings = InviteReadings(submit, permissions, guilds, self._sessions)
        self._decisions = JoinDecisions(emit, permissions, self._invites_before, audited=audited)
        self._lookups = self._decisions.lookups
        self._resumed = 0

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Joins, invites, and answers of Discord about invites."""
        return {
            MemberJoined: lambda fact, now: self.join(fact, now, self._timeline.earliest(fact.guild_id)),
            InvitesRead: lambda fact, now: self.for_each(
                (fact.request.guild_id,), lambda _: self.answer(fact, now)
            ),
            InviteCreated: self.create,
            InviteDeleted: self.delete,
            InviteRevoked: self.revoke,
            GuildUpserted: lambda fact: self.reset_guild(fact.guild_id),
            GuildDeleted: self.delete_guild,
            PermissionsChanged: lambda fact: self.update_permissions(fact.guild_id),
            SessionStarted: self.start_session,
        }

    def undecided(self, asked_at: int, wall: int) -> int:
        """Joins not explained yet, but for those that wait only for later ones."""
        del wall
        heard = self._timeline.heard
        restored = sum(map(len, self._lookups.restored.values()))
        return restored + sum(session.undecided(asked_at, heard) for session in self._sessions.values())

    # ------------------------------------------------------------------ facts

    def reset_guild(self, guild_id: int) -> None:
        """Read the invites of a guild anew, after an error or where members may have joined unseen.

        Joins that wait are unknown.
        """
        self._give_up(guild_id)
        self._readings.want(guild_id)

    def start_session(self, fact: SessionStarted) -> None:
        """Discard what is known of these guilds: joins in the gap before the session are never received.

        Not only with each guild's own dispatch: a tick between the two would decide joins without those.
        """
        for guild_id in fact.guild_ids:
            self._give_up(guild_id)

    def update_permissions(self, guild_id: int) -> None:
        """Take a change of the bot's permissions in a guild."""
        if self._permissions.lacks(guild_id, "manage_guild"):
            self._give_up(guild_id)
            self._decisions.give_up_restored(guild_id)
        elif guild_id not in self._known:
            self._readings.want(guild_id)
            if (session := self._sessions.get(guild_id)) is not None:
                session.not_before = 0

    def delete_guild(self, fact: GuildDeleted, now: int) -> None:
        """Take an outage, or that the bot is no longer in a guild and receives nothing more of it."""
        guild_id = fact.guild_id
        if fact.unavailable:
            return
        if (session := self._sessions.get(guild_id)) is not None and session.joins:
            self._decisions.decide(guild_id, session, now)
        self._give_up(guild_id)
        self._decisions.give_up_restored(guild_id)
        self._readings.unread.pop(guild_id, None)

    def create(self, fact: InviteCreated) -> None:
        """Take a created invite."""
        if fact.guild_id not in self._known:
            return
        self._known.add(fact.guild_id, fact.invite)
        if (session := self._sessions.get(fact.guild_id)) is not None:
            session.created[fact.invite.code] = None

    def delete(self, fact: InviteDeleted, now: int) -> None:
        """Take a deleted invite; it is kept until it is clear whether it was used up."""
        if fact.guild_id in self._known:
            self._session(fact.guild_id).deleted[fact.code] = now

    def revoke(self, fact: InviteRevoked) -> None:
        """Take a revoked invite: it was not used up."""
        if fact.guild_id in self._known:
            self._session(fact.guild_id).revoked[fact.code] = None

    def join(self, fact: MemberJoined, now: int, since: int | None = None) -> None:
        """Take a join that happened after ``since``: a replay contains joins from long before.

        A member without an id gets no record; their use must not be attributed to another member.
        """
        guild_id = fact.guild_id
        named = bool(fact.person.user_id)
        if fact.person.bot:
            if named:
                self._decisions.uses.decide_at_once(fact, OAUTH, "oauth")
            return
        arrival = Arrival(min(now, now if since is None else since) - SETTLE_MS, now)
        if guild_id not in self._known or self._decisions.full:
            if named:
                self._decisions.uses.decide_at_once(fact, UNKNOWN, "unknown")
            if guild_id in self._readings.unread or guild_id in self._sessions:
                self._session(guild_id).precede(fact, arrival)
            return
        session = self._session(guild_id)
        if named:
            self._decisions.open(fact)
        if session.join(fact, arrival) and session.asked is None and now >= session.not_before:
            self._readings.request(guild_id, now)

    # ------------------------------------------------------------------ readings

    def answer(self, fact: InvitesRead, now: int) -> None:
        """Take an answer."""
        asked = self._readings.asked_by(fact)
        if asked is None:
            return
        guild_id = fact.request.guild_id
        session = self._sessions[guild_id]
        if fact.meaning not in USABLE:
            self._fail(guild_id, session, now)
            return
        asked.answers[fact.request.kind] = fact
        if len(asked.answers) < len(asked.wanted):
            return
        session.asked = None
        session.failures = session.failing_since = 0
        found = asked.found
        if guild_id in self._known:
            before = self._known.of(guild_id)
            session.take_reading(before, asked, fact.at, now)
            self._decisions.uses.record_invites(guild_id, before, found, fact.at)
            found |= {code: before[code] for code in session.created if code not in found and code in before}
        else:
            self._decisions.decide_restored(guild_id, session, asked, fact.at, now)
            session.begin(asked, now)
        self._lookups.read(guild_id)
        self._known.put(guild_id, found.values())
        session.created.clear()

    def _fail(self, guild_id: int, session: InviteSession, now: int) -> None:
        """Put a reading again later."""
        session.asked = None
        if self._permissions.lacks(guild_id, "manage_guild"):
            self._give_up(guild_id)
            return
        failures, since = session.failures + 1, session.failing_since or now
        if now - since >= GIVE_UP_MS or len(session.joins) > MOST_OPEN:
            self._give_up(guild_id)
            session, since = self._session(guild_id), now
        session.failures, session.failing_since = failures, since
        session.not_before = now + pause_after(failures)
        if guild_id not in self._known:
            self._readings.want(guild_id)

    def _give_up(self, guild_id: int) -> None:
        """Discard what is known of a guild's invites: joins that wait are unknown."""
        self._known.forget(guild_id)
        if (session := self._sessions.pop(guild_id, None)) is not None:
            self._decisions.give_up(session)

    # ------------------------------------------------------------------ time passing

    def tick(self, now: int, wall: int) -> None:
        """Request readings that are due, and decide joins by those answered."""
        del wall
        # A replay may still contain a join: nothing is decided before every shard has received data.
        self.for_each(list(self._sessions), partial(self._progress, now, min(self._timeline.heard, now)))
        if self._lookups.restored and now - self._resumed >= GIVE_UP_MS:
            self.for_each(list(self._lookups.restored), self._decisions.give_up_restored)
        self.look(now)
        self._readings.prime(self._known, now)

    def _progress(self, now: int, heard: int, guild_id: int) -> None:
        session = self._sessions[guild_id]
        if session.asked is not None and session.asked.is_overdue(now):
            self._fail(guild_id, session, now)
            return
        if session.joins:
            self._decisions.decide(guild_id, session, heard)
        if not session.is_due(now) and session.is_over(heard):
            # A deleted invite belongs to no join that is still to be reported.
            del self._sessions[guild_id]
            if guild_id in self._known and session.deleted:
                self._known.remove(guild_id, session.deleted)

    def look(self, now: int) -> None:
        """Request readings that are due.

        To be called every ``LOOK_MS``, so that earlier joins have their reading before the next join.
        """
        self.for_each(list(self._sessions), partial(self._readings.request_due, now))

    def hurry(self, now: int) -> None:
        """Request readings that wait for the end of a burst at once, since a flush waits for them."""
        self.for_each(list(self._sessions), partial(self._readings.request_due, now, hurried=True))

    # ------------------------------------------------------------------ saved state

    @property
    def tables(self) -> tuple[SavedTable[Any, Any], ...]:
        """The joins that wait, and the invites before them."""
        return (self._lookups.joins, self._lookups.invites)

    def resume(self, now: int, wall: int) -> None:
        """Decide restored joins by the first reading; after an error the invites are read again."""
        del wall
        self._resumed = now
        self._lookups.resume()
        self._readings.want_all()

    def clear(self) -> None:
        """Forget everything; joins that wait are restored, and decided by the next reading."""
        self._known = KnownInvites()
        self._sessions.clear()
        self._lookups.clear()

    def forget_people(self, people: Container[int]) -> None:
        """Forget the names of these people."""
        self._lookups.forget_people(people)

    def _invites_before(self, guild_id: int) -> Iterable[InviteKnown]:
        """The invites of a guild before the first join that waits."""
        return invites_before(self._known.of(guild_id), self._sessions.get(guild_id))

    def _session(self, guild_id: int) -> InviteSession:
        return self._sessions.setdefault(guild_id, InviteSession())
