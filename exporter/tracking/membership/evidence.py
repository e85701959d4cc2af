"""The evidence about one member's departures, and the reason that follows from it.

An entry of a kick or ban explains the departure that ended the membership it falls in: entries and joins both
carry Discord's own time, so it does not matter in which order they arrive. The dispatch of a ban comes with
that of the departure. Where joins and departures may have been missed, only what was made at about the moment
of the departure is its reason: whoever was removed earlier was a member again. Nothing made before the
session in which a departure was received is its reason, and what was made just when the session began may be
that of an earlier membership.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from exporter.events.facts.moderation import AuditEntry
from exporter.state.shard_timeline import TOGETHER_MS, TimeBounds
from exporter.tracking.moderation.audit_matcher import SLACK_MS
from exporter.tracking.moderation.waiting_table import LONGEST_MS, WINDOW_MS

BESIDE_MS = 1_000
"""How long after the departure the dispatch of the ban that caused it may come. Both are sent at once;
whoever is banned later than this had left before."""

SKEW_MS = 2_000
"""How far the clock may be behind Discord's: an answer that is further from it corrects it (``DOUBT_MS``)."""

VAGUE_MS = 10_000
"""Between the earliest and the latest moment of a departure that was not held up."""

LATE_MS = LONGEST_MS + WINDOW_MS
"""How long before a departure its entry may have been made: as far back as joins are remembered."""

MAX_EVIDENCE = 16
"""Things remembered of each kind about one member: more within seconds are no person's doing."""

MAX_MEMBERS: Final = 100_000
"""Members whose joins and departures of the last seconds are remembered."""

_T = TypeVar("_T")


class PendingDeparture(msgspec.Struct, array_like=True, eq=False):
    """A departure whose reason is not decided; ``after`` and ``before`` are the joins around it, where seen.

    ``entry`` is the audit-log entry and ``banned`` the dispatch of a ban that are evidence of its reason,
    as of when it was saved; ``moment`` is when it happened, ``session`` when that in which it was received
    began. ``key`` and what follows up to ``decided`` is of this run only.
    """

    type: str
    guild_id: int
    at: int
    user_id: int
    name: str
    bot: bool
    after: int
    entry: AuditEntry | None = None
    banned: bool = False
    before: int | None = None
    moment: TimeBounds | None = None
    key: str = ""
    order: int = 0
    deadline: int = 0
    decided: bool = False
    session: TimeBounds | None = None

    def spans(self, at: int) -> bool:
        """Whether a moment lies in the membership this departure ended."""
        return self.after <= at and (self.before is None or at <= self.before)

    def may_be_at(self, at: int) -> bool:
        """Whether it may have happened at a moment."""
        moment = self.moment or TimeBounds(self.at, self.at)
        return moment.holds(at) and not self.is_after(at)

    def is_after(self, at: int) -> bool:
        """Whether its session began after a moment: what happened then was not dispatched in it."""
        return self.session is not None and at < self.session.since - TOGETHER_MS

    def may_be_after(self, at: int) -> bool:
        """Whether its session may have begun after a moment."""
        return self.session is not None and at < self.session.until

    @property
    def is_vague(self) -> bool:
        """Whether it was held up so long that it is not known when it happened."""
        return self.moment is not None and self.moment.until - self.moment.since > VAGUE_MS

    def waited(self, now: int) -> int:
        """How long it has waited."""
        return now - self.deadline + WINDOW_MS


@dataclass(slots=True)
class BanDispatch:
    """The dispatch of a ban."""

    order: int
    at: int


@dataclass(slots=True, eq=False)
class MemberEvidence:
    """What happened to one member lately; ``joined`` is in order of arrival: order, time."""

    deadline: int
    departures: list[PendingDeparture] = field(default_factory=list)
    entries: list[AuditEntry] = field(default_factory=list)
    bans: list[BanDispatch] = field(default_factory=list)
    joined: list[tuple[int, int]] = field(default_factory=list)

    def reason(
        self, departure: PendingDeparture, missed: Callable[[int], bool]
    ) -> tuple[str, AuditEntry | None]:
        """The reason, and the entry that says so; a leave where there is no evidence of another cause.

        ``missed`` says whether what happened between a moment and the departure may never have been received.
        """
        banned = self.is_banned(departure)
        entry = self.cause(departure, missed)
        if entry is None:
            return ("ban", None) if banned else ("leave", None)
        unseen = departure.may_be_after(entry.at) and not (banned and entry.action == "ban")
        if unseen or (departure.is_vague and missed(entry.at)):
            # It may be of a later membership, whose beginning and end were not received.
            return "unknown", None
        return entry.action, entry

    def cause(self, departure: PendingDeparture, missed: Callable[[int], bool]) -> AuditEntry | None:
        """The entry that may say what the reason of a departure is, doubtful or not."""
        received = departure.at
        mine = [
            entry
            for entry in self.entries
            if self._is_nearest(departure, entry)
            and not departure.is_after(entry.at)
            and (departure.may_be_at(entry.at) or not missed(entry.at))
        ]
        banned = self.is_banned(departure)
        # Who is banned after having left is no member; a ban made after the departure is not its reason. A
        # kick always is the reason of one, though a clock may be wrong.
        latest = {"ban": received + (SKEW_MS if banned else SLACK_MS), "kick": received + SKEW_MS}
        # What is received after a silence is dated by what is known of it, and may have happened later.
        causes = [
            entry
            for entry in mine
            if entry.at <= latest[entry.action]
            or ((entry.action == "kick" or banned) and departure.may_be_at(entry.at))
        ]
        # The first ends the membership: who was kicked can be banned later on. Not if another may have begun
        # unseen; then it is the nearest.
        unseen = any(missed(entry.at) for entry in causes)
        return min(causes, key=lambda entry: abs(received - entry.at) if unseen else entry.at, default=None)

    def _is_nearest(self, departure: PendingDeparture, entry: AuditEntry) -> bool:
        received = departure.at
        if not departure.spans(entry.at) or received - entry.at > LATE_MS:
            return False
        # Only where a join between them was missed do two departures span one moment.
        others = (other for other in self.departures if other is not departure and other.spans(entry.at))
        return all(abs(received - entry.at) <= abs(other.at - entry.at) for other in others)

    def is_banned(self, departure: PendingDeparture) -> bool:
        """Whether a ban's dispatch goes with it: before it and no join between, or right behind it."""
        for ban in self.bans:
            first, last = sorted((ban.order, departure.order))
            if any(first < order < last for order, _ in self.joined):
                continue
            if any(first < other.order < last for other in self.departures):
                continue
            if ban.order < departure.order or ban.at - departure.at <= BESIDE_MS:
                return True
        return False

    def forget_actors(self, people: Container[int]) -> bool:
        """No longer name these people as moderators; False if none of them was."""
        named = any(entry.actor_id in people for entry in self.entries)
        self.entries = [entry.without(people) or entry for entry in self.entries]
        return named


class EvidenceStore:
    """The members something happened to lately, the first being the one that is forgotten next."""

    def __init__(self) -> None:
        self.members: dict[tuple[int, int], MemberEvidence] = {}
        self._order = 0

    def next(self) -> int:
        """The place of what happens now in the order of all evidence."""
        self._order += 1
        return self._order

    def add(self, guild_id: int, user_id: int, now: int) -> MemberEvidence:
        """The evidence about a member, kept for a while longer."""
        place = (guild_id, user_id)
        member = self.members.pop(place, None)
        if member is None:
            if len(self.members) >= MAX_MEMBERS:
                del self.members[next(iter(self.members))]
            member = MemberEvidence(0)
        member.deadline = now + LATE_MS
        self.members[place] = member
        return member

    def about(self, departure: PendingDeparture) -> MemberEvidence:
        """What is known of a departure, at least the departure itself."""
        known = self.members.get((departure.guild_id, departure.user_id))
        return known or MemberEvidence(0, [departure])

    def expire(self, now: int) -> None:
        """Forget members of whom nothing more can come."""
        while self.members:
            place = next(iter(self.members))
            if self.members[place].deadline > now:
                break
            del self.members[place]


def remember(items: list[_T], item: _T) -> None:
    """Add to evidence of one kind; the oldest goes where there is too much."""
    if len(items) >= MAX_EVIDENCE:
        del items[0]
    items.append(item)
