"""The departures that are not decided: recorded at once as leaves, amended when their reason is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container
from typing import Final

from exporter.dispatch.component import Emit
from exporter.events.facts.counting import Count, Record
from exporter.events.facts.moderation import Action, AuditEntry
from exporter.events.members import LEAVES
from exporter.events.records.occurrences import MemberLeaveRecord
from exporter.state.shard_timeline import ShardTimeline
from exporter.tracking.membership.evidence import (
    BanDispatch,
    EvidenceStore,
    MemberEvidence,
    PendingDeparture,
    remember,
)
from exporter.tracking.moderation.lookups import LookupBoard
from exporter.tracking.moderation.waiting_table import WaitingTable

MAX_DEPARTURES: Final = 50_000
"""Departures not decided; the oldest is decided early beyond this."""

MAX_DECIDED: Final = 10_000
"""Departures decided without an entry that are remembered: those of the last minute, but for a raid."""


class Departures:
    """The departures of the last seconds. ``unreadable`` says of which guilds no entry can be known."""

    def __init__(
        self,
        emit: Emit,
        name_of: Callable[[int], str | None],
        timeline: ShardTimeline,
        evidence: EvidenceStore,
        lookups: LookupBoard | None,
        unreadable: Callable[[int], bool],
    ) -> None:
        self._emit = emit
        self._name_of = name_of
        self._timeline = timeline
        self._evidence = evidence
        self._unreadable = unreadable
        self._fresh: list[str] = []
        self._decided: deque[PendingDeparture] = deque(maxlen=MAX_DECIDED)
        self.table: WaitingTable[PendingDeparture] = WaitingTable(
            *("departures", PendingDeparture, MAX_DEPARTURES, emit),
            give_up=self.decide,
            lookups=lookups,
            read=self._read,
        )

    def begin(self, action: Action, now: int) -> None:
        """Record a departure of a reason not known yet."""
        guild_id, who = action.guild_id, action.target
        member = self._evidence.add(guild_id, who.user_id, now)
        key = f"leave:{guild_id}:{who.user_id}:{action.at}"
        number = sum(departure.key.startswith(key) for departure in member.departures)
        if number:  # in a burst a departure, a join and another departure are received in one millisecond
            key = f"{key}:{number}"
        departure = PendingDeparture(
            *(action.type, guild_id, action.at, who.user_id, who.name, who.bot),
            after=member.joined[-1][1] if member.joined else 0,
            moment=self._timeline.moment(guild_id, action.at),
            key=key,
            order=self._evidence.next(),
            session=self._timeline.session(guild_id),
        )
        self._record(
            departure,
            MemberLeaveRecord(
                event="leave", user_id=who.user_id, username=who.name, bot=who.bot, reason="leave"
            ),
            amends=False,
        )
        remember(member.departures, departure)
        self.table.add(departure, now)
        self._fresh.append(key)

    def note(self, member: MemberEvidence) -> None:
        """More is known of a member's departures than before."""
        for departure in member.departures:
            if not departure.decided:
                self.table.touch(departure.key)

    def reason(self, departure: PendingDeparture) -> tuple[str, AuditEntry | None]:
        """The reason of a departure by the evidence so far, and the entry that says so."""
        return self._evidence.about(departure).reason(departure, self._missed(departure))

    def _missed(self, departure: PendingDeparture) -> Callable[[int], bool]:
        guild_id, left_at = departure.guild_id, departure.at
        return lambda at: self._timeline.missed(guild_id, min(at, left_at), max(at, left_at))

    def decide(self, departure: PendingDeparture) -> None:
        """Decide a departure by the evidence about its member."""
        reason, entry = self.reason(departure)
        if reason == "leave" and (self.table.is_refused(departure) or self._unreadable(departure.guild_id)):
            reason = "unknown"
        self.end(departure, reason, entry)

    def was_decided(self, guild_id: int, at: int) -> bool:
        """Whether a departure that may have been at a moment has been decided, and not by an entry."""
        return any(
            departure.guild_id == guild_id and departure.spans(at) and departure.may_be_at(at)
            for departure in self._decided
        )

    def end(self, departure: PendingDeparture, reason: str, entry: AuditEntry | None) -> None:
        """Amend the record of a departure, and count it."""
        departure.decided = True
        if entry is None:
            self._decided.append(departure)
        if entry is not None and reason != "leave":
            actor_id = entry.actor_id or None
            data = MemberLeaveRecord(
                reason=reason,
                moderator_id=actor_id,
                moderator_username=self._name_of(actor_id) if actor_id else None,
                audit_entry_id=entry.entry_id,
            )
            self._record(departure, data, amends=True)
        elif reason != "leave":
            self._record(departure, MemberLeaveRecord(reason=reason), amends=True)
        self._emit(Count(LEAVES[reason], departure.guild_id, departure.at))
        self.table.remove(departure)

    def _record(self, departure: PendingDeparture, data: MemberLeaveRecord, *, amends: bool) -> None:
        place = (departure.type, departure.guild_id, departure.at, departure.key)
        self._emit(Record(*place, data, departure.user_id, amends=amends))

    # ------------------------------------------------------------------ saved state

    def tick(self) -> None:
        """Save those of the last second again: when they were is known better now than when they came."""
        for key in self._fresh:
            self.table.touch(key)
        self._fresh.clear()

    def _read(self, key: str) -> PendingDeparture | None:
        departure = self.table.rows.get(key)
        if departure is not None:
            member = self._evidence.about(departure)
            departure.entry = member.cause(departure, self._missed(departure))
            departure.banned = member.is_banned(departure)
        return departure

    def resume(self, now: int) -> None:
        """Let restored departures wait anew, with the evidence that was saved with them."""
        for key, departure in list(self.table.rows.items()):
            departure.key = key
        for departure in self.table.in_order():
            member = self._evidence.add(departure.guild_id, departure.user_id, now)
            if (
                departure.banned
            ):  # ahead of its own departure, or it would be that of the member's next one too
                remember(member.bans, BanDispatch(self._evidence.next(), departure.at))
            departure.order = self._evidence.next()
            remember(member.departures, departure)
            if departure.entry is not None:
                remember(member.entries, departure.entry)
            self.table.begin(departure, now)

    def clear(self) -> None:
        """Forget everything."""
        self.table.rows.clear()
        self._fresh.clear()

    def forget_people(self, people: Container[int]) -> None:
        """Forget the departures of these people."""
        for departure in [each for each in self.table.rows.values() if each.user_id in people]:
            self.table.remove(departure)
