"""Records and counts of how a member joined: the row of the use, the amendment of the join's row, the count.

Invariant: a use is counted once, when it is decided.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.dispatch.component import Emit
from exporter.events.facts.counting import Count, Record
from exporter.events.facts.invites import InviteKnown, MemberJoined
from exporter.events.invites import USES
from exporter.events.records.occurrences import InviteRecord, InviteUseRecord, MemberJoinRecord
from exporter.tracking.invites.assignment import Confidence, Finding

MAX_CANDIDATES = 100
"""Most candidate codes listed for a use; with more of them the finding is unknown."""

UNKNOWN = Finding(Confidence.UNKNOWN)
OAUTH = Finding(Confidence.EXACT)


class InviteUseWriter:
    """Emits the records and counts of invite uses."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def open(self, fact: MemberJoined) -> None:
        """Record a join at once, so that no crash loses the row; it is amended when the invite is known."""
        self._write(fact, UNKNOWN, "unknown", None, amends=False)

    def leave_unknown(self, fact: MemberJoined) -> None:
        """Count a use, whose row is open, as finally unknown."""
        self._emit(Count(USES["unknown"], fact.guild_id, fact.at))

    def decide(self, fact: MemberJoined, finding: Finding, known: Mapping[str, InviteKnown]) -> None:
        """Amend a use whose row is open; ``known`` are the invites by code."""
        if len(finding.codes) > MAX_CANDIDATES:
            finding = Finding(Confidence.UNKNOWN)
        method = _method(finding, known)
        self._emit(Count(USES[method], fact.guild_id, fact.at))
        self._write(
            fact, finding, method, known.get(finding.codes[0]) if finding.codes else None, amends=True
        )

    def decide_at_once(self, fact: MemberJoined, finding: Finding, method: str) -> None:
        """Record a use that needs no reading of the invites."""
        self._emit(Count(USES[method], fact.guild_id, fact.at))
        self._write(fact, finding, method, None, amends=False)

    def _write(
        self, fact: MemberJoined, finding: Finding, method: str, invite: InviteKnown | None, *, amends: bool
    ) -> None:
        person = fact.person
        sole = len(finding.codes) == 1 and finding.confidence is not Confidence.AMBIGUOUS
        code = finding.codes[0] if sole else None
        inviter_id, inviter_username = _inviter(invite if sole else None)
        data = InviteUseRecord(
            invitee_id=person.user_id,
            invitee_username=person.name,
            invite_code=code,
            inviter_id=inviter_id,
            inviter_username=inviter_username,
            method=method,
            confidence=str(finding.confidence),
            candidates=None if sole or not finding.codes else list(finding.codes),
        )
        place = f"{fact.guild_id}:{person.user_id}:{fact.at}"
        use = f"use:{place}"
        self._emit(Record("INVITE_USE", fact.guild_id, fact.at, use, data, person.user_id, amends))
        if code is not None and finding.confidence is Confidence.EXACT:
            by = MemberJoinRecord(invite_code=code, inviter_id=inviter_id)
            join = f"join:{place}"
            self._emit(Record("GUILD_MEMBER_ADD", fact.guild_id, fact.at, join, by, person.user_id, True))

    def record_invites(
        self, guild_id: int, before: Mapping[str, InviteKnown], found: Mapping[str, InviteKnown], at: int
    ) -> None:
        """Record the invites that a reading found new or used."""
        for code, invite in found.items():
            if not invite.vanity and (code not in before or invite.uses != before[code].uses):
                self._record_invite(guild_id, invite, at)

    def _record_invite(self, guild_id: int, invite: InviteKnown, at: int) -> None:
        """Record an invite's uses as read, and its inviter, which no dispatch may have contained."""
        inviter_id, inviter_username = _inviter(invite)
        data = InviteRecord(
            code=invite.code,
            inviter_id=inviter_id,
            inviter_username=inviter_username,
            max_uses=invite.max_uses,
            uses=invite.uses,
            expires_at=invite.expires_at or None,
        )
        key = f"invite:{guild_id}:{invite.code}"
        self._emit(Record("INVITE_CREATE", guild_id, at, key, data, amends=True))


def _inviter(invite: InviteKnown | None) -> tuple[int | None, str | None]:
    """Id and name of who made an invite, where known."""
    if invite is None or not invite.inviter_id:
        return None, None
    return invite.inviter_id, invite.inviter_name or None


def _method(finding: Finding, known: Mapping[str, InviteKnown]) -> str:
    if not finding.codes or not (finding.counted or finding.confidence is Confidence.PROBABLE):
        return "unknown"
    own = [code for code in finding.codes if code in known and known[code].vanity]
    if not own:
        return "invite"
    return "vanity" if len(own) == len(finding.codes) else "unknown"
