"""By which invite somebody came: the uses of a guild's invites are read before and after a join.

Of each guild the invites are kept packed; what is under way (``visits``) is kept only while somebody has just
come. What cannot be told is said to be unknown: after a gap, without the permission, or when Discord does not
answer.

Invariants: per guild one reading is under way at most; a reading that failed changes nothing that is known;
what follows a gap is never compared with what was before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.facts import (
    GuildDeleted,
    GuildUpserted,
    InviteCreated,
    InviteDeleted,
    InviteKnown,
    InviteRevoked,
    InvitesRead,
    MemberJoined,
    PermissionsChanged,
)
from exporter.events.rest_request import RequestKind, RestRequest, Submit
from exporter.state.guild_cache import GuildCache
from exporter.state.permissions import Permissions
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.invites.inference import SETTLE_MS, Arrival
from exporter.tracking.invites.invite_session import Asked, Visit
from exporter.tracking.invites.invite_use_writer import OAUTH, UNKNOWN, InviteUseWriter

PURPOSE = "invite-use"

MOST_PRIMED = 50
"""Guilds read for the first time at once: more than the source asks for in two seconds."""

MAX_WAITING = 50_000
"""Joins waiting to be explained; one more is said to be unknown."""

ANSWER_MS = 60_000
"""How long an answer is waited for."""

LOOK_MS = 200
"""How late a reading may be asked for that is due."""

RETRIES = 3
RETRY_MS = 5_000
"""Pause after the first failure; doubled with each further one."""

_TELLING = ("view_audit_log", "manage_channels")
"""Permissions with which every invite taken back is told of, and told from one used up."""

_PACKED = msgspec.msgpack.Decoder(list[InviteKnown])


class InviteTracker(Component):
    """The invites of all guilds.

    ``submit`` puts requests to Discord, None where nothing can be asked; ``audited`` says whether entries of
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
        self._uses = InviteUseWriter(emit)
        self._submit = submit
        self._permissions = permissions
        self._guilds = guilds
        self._timeline = timeline
        self._audited = audited
        self._packed: dict[int, bytes] = {}
        self._unread: dict[int, None] = {}
        self._visits: dict[int, Visit] = {}
        self._waiting = 0
        self._serial = 0

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Joins, invites, and what Discord answers about invites."""
        return {
            MemberJoined: self._take_join,
            InvitesRead: self.answer,
            InviteCreated: lambda fact, _: self.make(fact),
            InviteDeleted: self.lose,
            InviteRevoked: lambda fact, _: self.take_back(fact),
            GuildUpserted: lambda fact, _: self.see_guild(fact.guild_id),
            GuildDeleted: self._lose_guild,
            PermissionsChanged: lambda fact, _: self.permit(fact.guild_id),
        }

    def _permitted(self, guild_id: int, permission: str) -> bool:
        return not self._permissions.lacks(guild_id, permission)

    def _take_join(self, fact: MemberJoined, now: int) -> None:
        # A replay contains what happened at any time since the connection was last heard.
        self.join(fact, now, self._timeline.heard if self._timeline.replaying else None)

    def _lose_guild(self, fact: GuildDeleted, now: int) -> None:
        if not fact.unavailable:
            self.forget(fact.guild_id, now)

    def undecided(self, asked_at: int) -> int:
        """Joins not explained yet."""
        del asked_at
        return self._waiting

    # ------------------------------------------------------------------ what is told

    def see_guild(self, guild_id: int) -> None:
        """A guild can be seen, after a gap in which people may have come: what was known is no use."""
        self._give_up(guild_id)
        if self._submit is not None:
            self._unread[guild_id] = None

    def permit(self, guild_id: int) -> None:
        """The bot may do more or less in a guild."""
        if not self._permitted(guild_id, "manage_guild"):
            self._give_up(guild_id)
        elif self._submit is not None and guild_id not in self._packed:
            self._unread[guild_id] = None

    def forget(self, guild_id: int, now: int) -> None:
        """The bot is no longer in a guild, and all it will ever be told of it has been told."""
        if (visit := self._visits.get(guild_id)) is not None and visit.joins:
            self._decide(guild_id, visit, now)
        self._give_up(guild_id)
        self._unread.pop(guild_id, None)
        self._visits.pop(guild_id, None)

    def make(self, fact: InviteCreated) -> None:
        """An invite was made."""
        packed = self._packed.get(fact.guild_id)
        if packed is None:
            return
        known = _PACKED.decode(packed)
        # A reading may have been quicker than the dispatch, and seen it used.
        if all(invite.code != fact.invite.code for invite in known):
            self._packed[fact.guild_id] = msgspec.msgpack.encode([*known, fact.invite])
        if (visit := self._visits.get(fact.guild_id)) is not None:
            visit.made[fact.invite.code] = None

    def lose(self, fact: InviteDeleted, now: int) -> None:
        """An invite is gone; until it is clear whether somebody used it up, it is remembered."""
        if fact.guild_id in self._packed:
            self._visit(fact.guild_id).lost[fact.code] = now

    def take_back(self, fact: InviteRevoked) -> None:
        """Somebody took an invite back: it was not used up."""
        if fact.guild_id in self._packed:
            self._visit(fact.guild_id).taken[fact.code] = None

    def join(self, fact: MemberJoined, now: int, since: int | None = None) -> None:
        """Somebody came, after ``since``: a replay tells of what happened long before.

        Of somebody without an id nothing is said; their use is not to be taken for another's.
        """
        guild_id = fact.guild_id
        named = bool(fact.person.user_id)
        if fact.person.bot:
            if named:
                self._uses.decide_at_once(fact, OAUTH, "oauth")
            return
        arrival = Arrival(min(now - SETTLE_MS, now if since is None else since), now)
        if guild_id not in self._packed or self._waiting >= MAX_WAITING:
            if named:
                self._uses.decide_at_once(fact, UNKNOWN, "unknown")
            if guild_id in self._unread or guild_id in self._visits:
                self._visit(guild_id).precede(fact, arrival)
            return
        visit = self._visit(guild_id)
        if named:
            self._uses.open(fact)
            self._waiting += 1
        if visit.join(fact, arrival) and visit.asked is None and now >= visit.not_before:
            self._put(guild_id, visit, now)

    # ------------------------------------------------------------------ readings

    def answer(self, fact: InvitesRead, now: int) -> None:
        """Take an answer."""
        guild_id = fact.request.guild_id
        visit = self._visits.get(guild_id)
        asked = visit.asked if visit is not None else None
        if visit is None or asked is None or fact.request.purpose != f"{PURPOSE}:{asked.serial}":
            return
        if fact.status != HTTPStatus.OK:
            self._fail(guild_id, visit, fact.status, now)
            return
        asked.answers[fact.request.kind] = fact
        if len(asked.answers) < len(asked.wanted):
            return
        visit.asked = None
        visit.failures = 0
        found = asked.found
        packed = self._packed.get(guild_id)
        if packed is not None:
            before = {invite.code: invite for invite in _PACKED.decode(packed)}
            visit.take_reading(before, asked, fact.at, now)
            for code, invite in found.items():
                if not invite.vanity and (code not in before or invite.uses != before[code].uses):
                    self._uses.record_invite(guild_id, invite, fact.at)
            found |= {code: before[code] for code in visit.made if code not in found and code in before}
        else:
            visit.begin(asked)
        self._packed[guild_id] = msgspec.msgpack.encode(list(found.values()))
        visit.made.clear()

    def _put(self, guild_id: int, visit: Visit, now: int) -> None:
        if self._submit is None:
            return
        self._serial += 1
        wanted = (
            (RequestKind.INVITES, RequestKind.VANITY)
            if self._guilds.has_vanity(guild_id)
            else (RequestKind.INVITES,)
        )
        visit.asked = Asked(self._serial, now, wanted)
        visit.last_asked = now
        visit.made.clear()
        for kind in wanted:
            self._submit(
                RestRequest(kind, guild_id, urgent=bool(visit.joins), purpose=f"{PURPOSE}:{self._serial}")
            )

    def _fail(self, guild_id: int, visit: Visit, status: int, now: int) -> None:
        visit.asked = None
        visit.failures += 1
        pause = now + RETRY_MS * 2 ** (visit.failures - 1)
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._give_up(guild_id)
        elif visit.failures < RETRIES:
            visit.not_before = pause
            if guild_id not in self._packed:
                self._unread[guild_id] = None
        else:
            self._give_up(guild_id)
            self._unread[guild_id] = None
            self._visit(guild_id).not_before = pause

    def _give_up(self, guild_id: int) -> None:
        """Nothing can be compared any more: whoever waits is unknown."""
        self._packed.pop(guild_id, None)
        visit = self._visits.pop(guild_id, None)
        if visit is None:
            return
        for one in visit.untold:
            self._uses.leave_unknown(one.fact)
            self._waiting -= 1

    # ------------------------------------------------------------------ what time decides

    def tick(self, now: int, wall: int) -> None:
        """Ask for readings that are due, and decide what they came to."""
        del wall
        # A replay may still bring a join: nothing is decided before every shard was heard.
        heard = min(self._timeline.heard, now)
        for guild_id, visit in list(self._visits.items()):
            if visit.asked is not None and now - visit.asked.since >= ANSWER_MS:
                self._fail(guild_id, visit, 0, now)
                continue
            if visit.joins:
                self._decide(guild_id, visit, heard)
            if not visit.is_due(now) and visit.is_over(now):
                self._close(guild_id, visit)
        self.look(now)
        self._prime(now)

    def look(self, now: int) -> None:
        """Request readings that are due.

        To be called every ``LOOK_MS``: who comes next must not come before the reading of those before.
        """
        for guild_id, visit in self._visits.items():
            if visit.is_due(now):
                self._put(guild_id, visit, now)

    def hurry(self, now: int) -> None:
        """A flush waits for true numbers: read at once what waits for a burst to end."""
        for guild_id, visit in self._visits.items():
            if visit.asked is None and visit.unread and now >= visit.not_before:
                self._put(guild_id, visit, now)

    def stop(self, now: int) -> None:
        """The process ends: joins that still wait stay unknown."""
        del now
        for guild_id in list(self._visits):
            self._give_up(guild_id)

    def _prime(self, now: int) -> None:
        primed = sum(
            1 for guild_id, visit in self._visits.items() if visit.asked and guild_id not in self._packed
        )
        for guild_id in list(self._unread):
            if primed >= MOST_PRIMED:
                break
            visit = self._visits.get(guild_id)
            if visit is not None and (visit.asked is not None or visit.not_before > now):
                continue
            del self._unread[guild_id]
            if self._permitted(guild_id, "manage_guild"):
                primed += 1
                self._put(guild_id, self._visit(guild_id), now)

    def _decide(self, guild_id: int, visit: Visit, heard: int) -> None:
        sure = self._audited and all(self._permitted(guild_id, needed) for needed in _TELLING)
        known = visit.known.copy()
        for fact, finding in visit.decide(heard, sure=sure):
            self._uses.decide(fact, finding, known)
            self._waiting -= 1

    def _visit(self, guild_id: int) -> Visit:
        visit = self._visits.get(guild_id)
        if visit is None:
            visit = self._visits[guild_id] = Visit()
        return visit

    def _close(self, guild_id: int, visit: Visit) -> None:
        """Nobody came: an invite that is gone was not used by anybody whose join is still to be told."""
        del self._visits[guild_id]
        packed = self._packed.get(guild_id)
        if packed is not None and visit.lost:
            left = [invite for invite in _PACKED.decode(packed) if invite.code not in visit.lost]
            self._packed[guild_id] = msgspec.msgpack.encode(left)
