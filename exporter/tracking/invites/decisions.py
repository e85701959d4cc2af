"""Decides the joins that wait for their invite, those of the previous run among them.

Invariant: a join that waits is decided once, by a finding or as unknown, and waits no longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from exporter.dispatch.component import Emit
from exporter.events.facts.invites import InviteKnown, MemberJoined
from exporter.state.permissions import Permissions
from exporter.tracking.invites.assignment import Finding
from exporter.tracking.invites.invite_session import Asked, InviteSession
from exporter.tracking.invites.invite_use_writer import InviteUseWriter
from exporter.tracking.invites.open_lookups import OpenLookups

MAX_WAITING = 50_000
"""Most joins waiting for a finding; a further one is recorded as unknown."""

_REVOCATION_PERMISSIONS = ("view_audit_log", "manage_channels")
"""Permissions with which Discord reports every revoked invite, so that it is not taken for one used up."""


class JoinDecisions:
    """The joins of all guilds that wait, and the records of those decided.

    ``before`` gives the invites before the first join of a guild that waits; ``audited`` says whether entries
    of audit logs are received.
    """

    def __init__(
        self,
        emit: Emit,
        permissions: Permissions,
        before: Callable[[int], Iterable[InviteKnown]],
        *,
        audited: bool,
    ) -> None:
        self.uses = InviteUseWriter(emit)
        self.lookups = OpenLookups(before)
        self.audited = audited
        self._permissions = permissions

    @property
    def full(self) -> bool:
        """Whether no further join can wait."""
        return len(self.lookups.joins.rows) >= MAX_WAITING

    def open(self, fact: MemberJoined) -> None:
        """Have a join wait."""
        self.uses.open(fact)
        self.lookups.open(fact)

    def decide(self, guild_id: int, session: InviteSession, heard: int) -> None:
        """Decide what the readings of a session show; up to ``heard`` every dispatch has been received."""
        lacks = partial(self._permissions.lacks, guild_id)
        sure = self.audited and not any(map(lacks, _REVOCATION_PERMISSIONS))
        known = session.known.copy()
        for fact, finding in session.decide(heard, sure=sure):
            self._decide_join(fact, finding, known)

    def decide_restored(self, guild_id: int, session: InviteSession, asked: Asked, at: int, now: int) -> None:
        """Decide the joins of the previous run by the first reading of this one."""
        if guild_id in self.lookups.restored:
            findings, known = self.lookups.compare(guild_id, asked, session.joins, at, now)
            for fact, finding in findings:
                self._decide_join(fact, finding, known)

    def _decide_join(self, fact: MemberJoined, finding: Finding, known: Mapping[str, InviteKnown]) -> None:
        self.lookups.close(fact)
        self.lookups.read(fact.guild_id)
        if fact.person.user_id:
            self.uses.decide(fact, finding, known)

    def give_up(self, session: InviteSession) -> None:
        """Decide the joins of a session as unknown."""
        for one in session.unexplained:
            self._leave_unknown(one.fact)

    def give_up_restored(self, guild_id: int) -> None:
        """Decide the joins of the previous run in a guild as unknown."""
        for fact in self.lookups.take_restored(guild_id):
            self._leave_unknown(fact)

    def _leave_unknown(self, fact: MemberJoined) -> None:
        """Decide a join that waits as unknown, unless the person has opted out since."""
        self.lookups.close(fact)
        if fact.person.user_id:
            self.uses.leave_unknown(fact)
