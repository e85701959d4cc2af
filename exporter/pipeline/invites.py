"""By which invite somebody came: the uses of a guild's invites are read before and after a join.

Joins that come close together share readings, so a burst costs a few requests. Of each guild the invites are
kept packed; what is under way is kept only while somebody has just come. What cannot be told is said to be
unknown: after a gap, without the permission, or when Discord does not answer.

Invariants: per guild one reading is under way at most; a reading that failed changes nothing that is known;
what follows a gap is never compared with what was before it.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from http import HTTPStatus

import msgspec

from exporter.events.facts import (
    Count,
    InviteKnown,
    InviteLost,
    InviteMade,
    InvitesRead,
    InviteTaken,
    Joined,
    Record,
)
from exporter.events.inquiry import Ask, Inquiry, Kind
from exporter.events.invites import USES
from exporter.model import Json
from exporter.pipeline.inference import SETTLE_MS, Confidence, Finding, Reading, infer

PURPOSE = "invite-use"

MOST_PRIMED = 50
"""Guilds read for the first time at once: more than the source asks for in two seconds."""

MAX_WAITING = 50_000
"""Joins waiting to be explained; one more is said to be unknown."""

BURST_MS = 10_000
"""Joins within this time of a reading are a burst, and wait for one another."""

CALM_MS = 3_000
"""Quiet that ends a burst."""

CROWD = 50
"""Joins of a burst that are not made to wait any longer."""

MAX_CANDIDATES = 100
"""Codes listed where it may have been any of them: beyond that they tell nobody anything."""

LONGEST_MS = 20_000
"""The longest a join of a burst waits for its reading."""

AGAIN_MS = 2_000
"""Pause before a second look where uses are missing: Discord's counts may lag behind its dispatches."""

TAKEN_MS = 6_000
"""How long to wait for the audit-log entry that says an invite was taken back rather than used up."""

LOST_MS = 10_000
"""How far apart an invite's end and the join that used it up may be told of."""

GIVE_UP_MS = 120_000
"""The longest a join waits to be explained."""

ANSWER_MS = 60_000
"""How long an answer is waited for."""

RETRIES = 3
RETRY_MS = 5_000
"""Pause after the first failure; doubled with each further one."""

_TELLING = ("view_audit_log", "manage_channels")
"""Permissions with which every invite taken back is told of, and told from one used up."""

_PACKED = msgspec.msgpack.Decoder(list[InviteKnown])


@dataclass(slots=True)
class _Asked:
    """A reading under way: what has been answered of it so far, by kind."""

    serial: int
    joins: int
    since: int
    wanted: tuple[Kind, ...]
    answers: dict[Kind, InvitesRead] = field(default_factory=dict)


@dataclass(slots=True)
class _Visit:
    """What is going on in one guild at the moment; times are in ms on a clock that never steps."""

    joins: list[tuple[Joined, int]] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    asked: _Asked | None = None
    last_asked: int = -BURST_MS
    looked_again: bool = False
    failures: int = 0
    not_before: int = 0
    made: dict[str, None] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    taken: dict[str, None] = field(default_factory=dict)
    known: dict[str, InviteKnown] = field(default_factory=dict)
    """Every invite the readings speak of, those gone since among them."""

    @property
    def included(self) -> int:
        """Joins that are in some reading for certain."""
        return self.readings[-1].joins if self.readings else 0


class InviteTracker:
    """The invites of all guilds.

    ``record`` takes records and, with ``amends``, what else is known of one; ``permitted`` says whether the
    bot has a permission in a guild; ``has_vanity`` whether the guild has an address of its own; ``audited``
    whether entries of audit logs are received.
    """

    def __init__(
        self,
        record: Callable[[Record, bool], None],
        count: Callable[[Count], None],
        ask: Ask | None,
        permitted: Callable[[int, str], bool],
        has_vanity: Callable[[int], bool],
        opted_out: Container[int] = (),
        *,
        audited: bool = True,
    ) -> None:
        self._record = record
        self._count = count
        self._ask = ask
        self._permitted = permitted
        self._has_vanity = has_vanity
        self._opted_out = opted_out
        self._audited = audited
        self._packed: dict[int, bytes] = {}
        self._unread: dict[int, None] = {}
        self._visits: dict[int, _Visit] = {}
        self._waiting = 0
        self._serial = 0

    @property
    def undecided(self) -> int:
        """Joins not explained yet."""
        return self._waiting

    # ------------------------------------------------------------------ what is told

    def see_guild(self, guild_id: int) -> None:
        """A guild can be seen, after a gap in which people may have come: what was known is no use."""
        self._give_up(guild_id)
        if self._ask is not None:
            self._unread[guild_id] = None

    def permit(self, guild_id: int) -> None:
        """The bot may do more or less in a guild."""
        if not self._permitted(guild_id, "manage_guild"):
            self._give_up(guild_id)
        elif self._ask is not None and guild_id not in self._packed:
            self._unread[guild_id] = None

    def forget(self, guild_id: int) -> None:
        """The bot is no longer in a guild."""
        self._give_up(guild_id)
        self._unread.pop(guild_id, None)
        self._visits.pop(guild_id, None)

    def make(self, fact: InviteMade) -> None:
        """An invite was made."""
        packed = self._packed.get(fact.guild_id)
        if packed is None:
            return
        self._packed[fact.guild_id] = msgspec.msgpack.encode([*_PACKED.decode(packed), fact.invite])
        visit = self._visits.get(fact.guild_id)
        if visit is not None:
            visit.made[fact.invite.code] = None

    def lose(self, fact: InviteLost, now: int) -> None:
        """An invite is gone; until it is clear whether somebody used it up, it is remembered."""
        if fact.guild_id in self._packed:
            self._visit(fact.guild_id).lost[fact.code] = now

    def take_back(self, fact: InviteTaken) -> None:
        """Somebody took an invite back: it was not used up."""
        if fact.guild_id in self._packed:
            self._visit(fact.guild_id).taken[fact.code] = None

    def join(self, fact: Joined, now: int) -> None:
        """Somebody came."""
        guild_id = fact.guild_id
        if fact.person.bot:
            self._tell(fact, Finding(Confidence.EXACT), "oauth", None)
        elif guild_id not in self._packed or self._waiting >= MAX_WAITING:
            self._tell(fact, Finding(Confidence.UNKNOWN), "unknown", None)
        else:
            visit = self._visit(guild_id)
            # Recorded at once, so that no crash takes the row along; amended when it is known.
            self._write(fact, Finding(Confidence.UNKNOWN), "unknown", None, amends=False)
            visit.joins.append((fact, now))
            self._waiting += 1
            if visit.asked is None and now - visit.last_asked >= BURST_MS and now >= visit.not_before:
                self._put(guild_id, visit, now)

    # ------------------------------------------------------------------ readings

    def answer(self, fact: InvitesRead, now: int) -> None:
        """Take an answer."""
        guild_id = fact.inquiry.guild_id
        visit = self._visits.get(guild_id)
        asked = visit.asked if visit is not None else None
        if visit is None or asked is None or fact.inquiry.purpose != f"{PURPOSE}:{asked.serial}":
            return
        if fact.status != HTTPStatus.OK:
            self._fail(guild_id, visit, fact.status, now)
            return
        asked.answers[fact.inquiry.kind] = fact
        if len(asked.answers) < len(asked.wanted):
            return
        visit.asked = None
        visit.failures = 0
        found = {invite.code: invite for kind in asked.wanted for invite in asked.answers[kind].invites}
        packed = self._packed.get(guild_id)
        if packed is not None:
            before = {invite.code: invite for invite in _PACKED.decode(packed)}
            visit.readings.append(_compare(before, found, visit, asked, (fact.at, now)))
            found |= {code: before[code] for code in visit.made if code not in found and code in before}
        self._packed[guild_id] = msgspec.msgpack.encode(list(found.values()))
        visit.known |= found if visit.joins else {}
        visit.made.clear()

    def _put(self, guild_id: int, visit: _Visit, now: int) -> None:
        if self._ask is None:
            return
        self._serial += 1
        wanted = (Kind.INVITES, Kind.VANITY) if self._has_vanity(guild_id) else (Kind.INVITES,)
        visit.asked = _Asked(self._serial, len(visit.joins), now, wanted)
        visit.last_asked = now
        visit.made.clear()
        for kind in wanted:
            self._ask(Inquiry(kind, guild_id, urgent=bool(visit.joins), purpose=f"{PURPOSE}:{self._serial}"))

    def _fail(self, guild_id: int, visit: _Visit, status: int, now: int) -> None:
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
        for fact, _ in visit.joins:
            self._count(Count(USES["unknown"], fact.guild_id, fact.at))
        self._waiting -= len(visit.joins)

    # ------------------------------------------------------------------ what time decides

    def tick(self, now: int) -> None:
        """Ask for readings that are due, and tell what they came to."""
        for guild_id, visit in list(self._visits.items()):
            if visit.asked is not None:
                if now - visit.asked.since >= ANSWER_MS:
                    self._fail(guild_id, visit, 0, now)
                continue
            if visit.joins:
                self._advance(guild_id, visit, now)
            elif now - max(visit.last_asked, visit.not_before, *visit.lost.values()) >= LOST_MS:
                self._close(guild_id, visit)
        self._prime(now)

    def hurry(self, now: int) -> None:
        """Somebody waits for true numbers: ask at once for what waits for a burst to end."""
        for guild_id, visit in self._visits.items():
            if visit.asked is None and len(visit.joins) > visit.included and now >= visit.not_before:
                self._put(guild_id, visit, now)

    def stop(self) -> None:
        """The process ends: nobody will explain who still waits."""
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

    def _advance(self, guild_id: int, visit: _Visit, now: int) -> None:
        if now < visit.not_before:
            return
        oldest = visit.joins[visit.included][1] if visit.included < len(visit.joins) else None
        if oldest is not None:
            calm = now - visit.joins[-1][1] >= CALM_MS
            crowd = len(visit.joins) - visit.included >= CROWD
            if calm or crowd or now - oldest >= LONGEST_MS:
                self._put(guild_id, visit, now)
                return
            if now - visit.joins[0][1] < GIVE_UP_MS or not visit.included:
                return
        answered = visit.readings[-1].answered
        if now - answered < SETTLE_MS:
            return
        rises = sum(sum(reading.uses.values()) for reading in visit.readings)
        if rises < visit.included:
            if any(reading.used_up for reading in visit.readings) and now - answered < TAKEN_MS:
                return
            if not visit.looked_again:
                if now - answered >= AGAIN_MS:
                    visit.looked_again = True
                    self._put(guild_id, visit, now)
                return
        self._decide(guild_id, visit)

    def _decide(self, guild_id: int, visit: _Visit) -> None:
        joins = visit.joins[: visit.included]
        readings = [_without(reading, visit.taken) for reading in visit.readings]
        sure = self._audited and all(self._permitted(guild_id, needed) for needed in _TELLING)
        findings = infer([arrived for _, arrived in visit.joins], readings, sure=sure)
        for (fact, _), finding in zip(joins, findings, strict=True):
            known = visit.known.get(finding.codes[0]) if len(finding.codes) == 1 else None
            self._tell(fact, finding, self._method(visit, finding), known, amends=True)
        self._waiting -= len(joins)
        del visit.joins[: len(joins)]
        visit.readings.clear()
        visit.looked_again = False
        if not visit.joins:
            visit.known.clear()
            visit.taken.clear()

    @staticmethod
    def _method(visit: _Visit, finding: Finding) -> str:
        if not finding.codes or not (finding.counted or finding.confidence is Confidence.PROBABLE):
            return "unknown"
        own = {code for code in finding.codes if _is_vanity(visit.known.get(code))}
        if not own:
            return "invite"
        return "vanity" if len(own) == len(finding.codes) else "unknown"

    def _tell(
        self, fact: Joined, finding: Finding, method: str, known: InviteKnown | None, *, amends: bool = False
    ) -> None:
        self._count(Count(USES[method], fact.guild_id, fact.at))
        self._write(fact, finding, method, known, amends=amends)

    def _write(
        self, fact: Joined, finding: Finding, method: str, known: InviteKnown | None, *, amends: bool
    ) -> None:
        person = fact.person
        code = finding.codes[0] if len(finding.codes) == 1 else None
        if finding.confidence is Confidence.AMBIGUOUS:
            code = known = None
        if known is not None and known.inviter_id in self._opted_out:
            known = _without_inviter(known)
        data: dict[str, Json] = {
            "invitee_id": person.user_id,
            "invitee_username": person.name,
            "invite_code": code,
            "inviter_id": known.inviter_id or None if known else None,
            "inviter_username": known.inviter_name or None if known else None,
            "method": method,
            "confidence": str(finding.confidence),
            "candidates": list(finding.codes[:MAX_CANDIDATES]) if code is None and finding.codes else None,
        }
        place = f"{fact.guild_id}:{person.user_id}:{fact.at}"
        use = Record("INVITE_USE", fact.guild_id, fact.at, f"use:{place}", data, person.user_id)
        self._record(use, amends)
        if code is not None and finding.confidence is Confidence.EXACT:
            told = {"invite_code": code, "inviter_id": data["inviter_id"]}
            join = Record("GUILD_MEMBER_ADD", fact.guild_id, fact.at, f"join:{place}", told, person.user_id)
            self._record(join, True)

    def _visit(self, guild_id: int) -> _Visit:
        visit = self._visits.get(guild_id)
        if visit is None:
            visit = self._visits[guild_id] = _Visit()
        return visit

    def _close(self, guild_id: int, visit: _Visit) -> None:
        """Nobody came: an invite that is gone was not used by anybody whose join is still to be told."""
        del self._visits[guild_id]
        packed = self._packed.get(guild_id)
        if packed is not None and visit.lost:
            left = [invite for invite in _PACKED.decode(packed) if invite.code not in visit.lost]
            self._packed[guild_id] = msgspec.msgpack.encode(left)


def _compare(
    before: dict[str, InviteKnown],
    found: dict[str, InviteKnown],
    visit: _Visit,
    asked: _Asked,
    moment: tuple[int, int],
) -> Reading:
    """What a reading shows; ``moment`` is that of its answer, since the epoch and on the steady clock."""
    uses: dict[str, int] = {}
    used_up: dict[str, int] = {}
    faded: list[str] = []
    for code, invite in found.items():
        old = before.get(code)
        risen = invite.uses - (old.uses if old is not None else 0)
        # An address given to a guild anew brings its old uses along; an invite begins at none.
        if risen > 0 and (old is not None or not invite.vanity):
            uses[code] = risen
    first = min((fact.at for fact, _ in visit.joins), default=moment[0])
    for code, invite in before.items():
        if code in found or invite.vanity or (code in visit.made and code not in visit.lost):
            continue
        visit.known[code] = invite
        left = invite.max_uses - invite.uses
        if code in visit.lost and left > 0:
            used_up[code] = left
        elif not invite.expires_at or invite.expires_at >= first - LOST_MS:
            faded.append(code)
        visit.lost.pop(code, None)
    return Reading(asked.joins, moment[1], uses, used_up, tuple(faded))


def _without(reading: Reading, taken: Container[str]) -> Reading:
    """The reading as it is once invites are known to have been taken back: they may have been used before."""
    back = tuple(code for code in reading.used_up if code in taken)
    if not back:
        return reading
    used_up = {code: left for code, left in reading.used_up.items() if code not in back}
    return replace(reading, used_up=used_up, faded=(*reading.faded, *back))


def _is_vanity(invite: InviteKnown | None) -> bool:
    return invite is not None and invite.vanity


def _without_inviter(invite: InviteKnown) -> InviteKnown:
    return msgspec.structs.replace(invite, inviter_id=0, inviter_name="")
