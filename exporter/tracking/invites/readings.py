"""Readings of the invites of guilds: what was read last, and requests for more.

Invariant: at most one reading per guild is in progress.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

import msgspec

from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.invites import InviteKnown, InvitesRead
from exporter.events.rest_request import RequestKind, RestRequest, Submit
from exporter.state.guild_cache import GuildCache
from exporter.state.permissions import Permissions
from exporter.tracking.invites.invite_session import Asked, InviteSession

PURPOSE = "invite-use"

MOST_PRIMED = 50
"""Most guilds with a first reading in progress: more than the source requests in two seconds."""

USABLE = frozenset({AnswerMeaning.ANSWERED, AnswerMeaning.ABSENT})
"""Answers of a reading; a guild without an address of its own has none that was used."""

_INVITES = msgspec.msgpack.Decoder(list[InviteKnown])


class KnownInvites:
    """Invites by guild, packed; a guild that is not in it was not read yet, or what was read is outdated."""

    def __init__(self) -> None:
        self._packed: dict[int, bytes] = {}

    def __contains__(self, guild_id: object) -> bool:
        return guild_id in self._packed

    def of(self, guild_id: int) -> dict[str, InviteKnown]:
        """A guild's invites by code."""
        return {invite.code: invite for invite in _INVITES.decode(self._packed[guild_id])}

    def put(self, guild_id: int, invites: Iterable[InviteKnown]) -> None:
        """Take all invites of a guild."""
        self._packed[guild_id] = msgspec.msgpack.encode(list(invites))

    def add(self, guild_id: int, invite: InviteKnown) -> None:
        """Add an invite; one that is known stays: a reading may have come first, and counted uses of it."""
        known = self.of(guild_id)
        known.setdefault(invite.code, invite)
        self.put(guild_id, known.values())

    def remove(self, guild_id: int, codes: Container[str]) -> None:
        """Remove some of a guild's invites."""
        self.put(guild_id, (invite for code, invite in self.of(guild_id).items() if code not in codes))

    def forget(self, guild_id: int) -> None:
        """Forget all invites of a guild."""
        self._packed.pop(guild_id, None)


class InviteReadings:
    """Readings of the guilds in ``sessions``; ``submit`` sends requests, None where none can be sent."""

    def __init__(
        self,
        submit: Submit | None,
        permissions: Permissions,
        guilds: GuildCache,
        sessions: dict[int, InviteSession],
    ) -> None:
        self._submit = submit
        self._permissions = permissions
        self._guilds = guilds
        self._sessions = sessions
        self._serial = 0
        self.unread: dict[int, None] = {}
        """Guilds that wait for a first reading."""

    def want(self, guild_id: int) -> None:
        """Have a guild's invites read when its turn comes."""
        if self._submit is not None:
            self.unread[guild_id] = None

    def want_all(self) -> None:
        """Have the invites of every guild read."""
        for guild_id in self._guilds.guilds:
            self.want(guild_id)

    def request(self, guild_id: int, now: int) -> None:
        """Request a reading."""
        if self._submit is None:
            return
        session = self._sessions.setdefault(guild_id, InviteSession())
        self._serial += 1
        kinds = (RequestKind.INVITES, RequestKind.VANITY)
        wanted = kinds if self._guilds.has_vanity(guild_id) else kinds[:1]
        session.asked = Asked(self._serial, now, wanted)
        session.last_asked = now
        session.created.clear()
        purpose = f"{PURPOSE}:{self._serial}"
        for kind in wanted:
            self._submit(RestRequest(kind, guild_id, urgent=bool(session.joins), purpose=purpose))

    def request_due(self, now: int, guild_id: int, *, hurried: bool = False) -> None:
        """Request a reading if one is due; ``hurried`` if also one that waits for the end of a burst is."""
        session = self._sessions[guild_id]
        if session.is_due(now) or (
            hurried and session.asked is None and session.unread and now >= session.not_before
        ):
            self.request(guild_id, now)

    def asked_by(self, fact: InvitesRead) -> Asked | None:
        """The reading in progress that an answer belongs to."""
        session = self._sessions.get(fact.request.guild_id)
        asked = session.asked if session is not None else None
        return asked if asked is not None and fact.request.purpose == f"{PURPOSE}:{asked.serial}" else None

    def prime(self, known: Container[int], now: int) -> None:
        """Request first readings, of so many guilds at a time; those ``known`` have had theirs."""
        primed = sum(
            1 for guild_id, session in self._sessions.items() if session.asked and guild_id not in known
        )
        for guild_id in list(self.unread):
            if primed >= MOST_PRIMED:
                break
            session = self._sessions.get(guild_id)
            if session is not None and (session.asked is not None or session.not_before > now):
                continue
            del self.unread[guild_id]
            if not self._permissions.lacks(guild_id, "manage_guild"):
                primed += 1
                self.request(guild_id, now)
