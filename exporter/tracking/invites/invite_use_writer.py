"""What is said of how somebody came: the row of the use, what the join's own row learns, and the count.

Invariants: a use is counted once, when it is decided; who opted out of being named is not named as inviter.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from exporter.events.facts import Count, InviteKnown, MemberJoined, Record
from exporter.events.invites import USES
from exporter.model import Json
from exporter.tracking.invites.assignment import Confidence, Finding

MAX_CANDIDATES = 100
"""Codes listed where it may have been any of them; where it may have been more, nothing is known."""

UNKNOWN = Finding(Confidence.UNKNOWN)
OAUTH = Finding(Confidence.EXACT)


class Uses:
    """Writes uses. ``record`` takes records and, with ``amends``, what else is known of one."""

    def __init__(
        self,
        record: Callable[[Record, bool], None],
        count: Callable[[Count], None],
        opted_out: Container[int],
    ) -> None:
        self._record = record
        self._count = count
        self._opted_out = opted_out

    def open(self, fact: MemberJoined) -> None:
        """Somebody came: recorded at once, so that no crash takes the row along; amended when it is known."""
        self._write(fact, UNKNOWN, "unknown", None, amends=False)

    def leave_unknown(self, fact: MemberJoined) -> None:
        """How somebody came, whose row is open, will not be known."""
        self._count(Count(USES["unknown"], fact.guild_id, fact.at))

    def tell(self, fact: MemberJoined, finding: Finding, known: Mapping[str, InviteKnown]) -> None:
        """How somebody came whose row is open; ``known`` are the invites by code."""
        if len(finding.codes) > MAX_CANDIDATES:
            finding = Finding(Confidence.UNKNOWN)
        method = _method(finding, known)
        self._count(Count(USES[method], fact.guild_id, fact.at))
        self._write(
            fact, finding, method, known.get(finding.codes[0]) if finding.codes else None, amends=True
        )

    def tell_at_once(self, fact: MemberJoined, finding: Finding, method: str) -> None:
        """How somebody came where no reading is needed to say so."""
        self._count(Count(USES[method], fact.guild_id, fact.at))
        self._write(fact, finding, method, None, amends=False)

    def _write(
        self, fact: MemberJoined, finding: Finding, method: str, invite: InviteKnown | None, *, amends: bool
    ) -> None:
        person = fact.person
        sole = len(finding.codes) == 1 and finding.confidence is not Confidence.AMBIGUOUS
        code = finding.codes[0] if sole else None
        inviter = self._inviter(invite) if sole and invite is not None else {}
        data: dict[str, Json] = {
            "invitee_id": person.user_id,
            "invitee_username": person.name,
            "invite_code": code,
            "inviter_id": None,
            "inviter_username": None,
            **inviter,
            "method": method,
            "confidence": str(finding.confidence),
            "candidates": None if sole or not finding.codes else list(finding.codes),
        }
        place = f"{fact.guild_id}:{person.user_id}:{fact.at}"
        use = Record("INVITE_USE", fact.guild_id, fact.at, f"use:{place}", data, person.user_id)
        self._record(use, amends)
        if code is not None and finding.confidence is Confidence.EXACT:
            told = {"invite_code": code, "inviter_id": data["inviter_id"]}
            join = Record("GUILD_MEMBER_ADD", fact.guild_id, fact.at, f"join:{place}", told, person.user_id)
            self._record(join, True)

    def note(self, guild_id: int, invite: InviteKnown, at: int) -> None:
        """An invite's uses as they were read, and who made it, which may never have been told."""
        data: dict[str, Json] = {
            "code": invite.code,
            **self._inviter(invite),
            "max_uses": invite.max_uses,
            "uses": invite.uses,
            "expires_at": invite.expires_at or None,
        }
        self._record(Record("INVITE_CREATE", guild_id, at, f"invite:{guild_id}:{invite.code}", data), True)

    def _inviter(self, invite: InviteKnown) -> dict[str, Json]:
        if not invite.inviter_id or invite.inviter_id in self._opted_out:
            return {}
        return {"inviter_id": invite.inviter_id, "inviter_username": invite.inviter_name or None}


def _method(finding: Finding, known: Mapping[str, InviteKnown]) -> str:
    if not finding.codes or not (finding.counted or finding.confidence is Confidence.PROBABLE):
        return "unknown"
    own = [code for code in finding.codes if code in known and known[code].vanity]
    if not own:
        return "invite"
    return "vanity" if len(own) == len(finding.codes) else "unknown"
