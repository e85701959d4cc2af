"""What could be seen at all: lost lines, gaps of a connection, outages, audit entries nobody was told of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from discord_simulator.verify.ambiguous_prunes import find_ambiguous_prunes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from discord_simulator.verify.ledger_reader import LedgerLine

Gap = tuple[int, int]

_AUDIT_LOG = "view_audit_log"

ASKED_MS = 45_000
"""How long after a departure the audit log may still be asked about it."""

_REREAD_MS = 65_000
"""How long an entry that counts on may go without being read again: a minute's pause, and the answer."""


_BESIDE_MS = 1_200
"""Discord sends the departure and the ban that caused it in either order, a moment apart."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """The blind spots of a ledger.

    Attributes:
        lost: numbers of lines no session could see.
        gaps: times without a connection. Which guilds a shard had is not in the ledger, so a gap of any shard
            counts for every guild.
        outages: times a guild was unavailable, by guild.
        blind_entries: audit entries nobody was told of.
        lost_causes: audit entries whose ban was not seen either.
        mingled: numbers of departures of which nobody can tell whether they were a prune's.
        overtaken: numbers of leaves of people who were banned right after, as if the ban had been the cause.
        closed: times in which the bot might not read the audit log, by guild.
        last_read: until when entries could be read again, by guild, where that was over before the end.
    """

    lost: frozenset[int]
    gaps: tuple[Gap, ...]
    outages: dict[int, tuple[Gap, ...]]
    unpublished_entries: frozenset[int]
    lost_bans: frozenset[int]
    ambiguous_prunes: frozenset[int] = frozenset()
    leaves_before_ban: frozenset[int] = frozenset()
    closed: dict[int, tuple[Gap, ...]] = field(default_factory=dict)
    last_read: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[LedgerLine]) -> Visibility:
        """Find the blind spots of a ledger."""
        kept = tuple(lines)
        lost = frozenset(number for line in kept if line.type == "LOST" for number in line.refs)
        gaps = tuple((line.started, line.ended) for line in kept if line.type == "GAP")
        closed = _audit_log_closures(kept)
        return cls(
            lost=lost,
            gaps=gaps,
            outages=_outages(kept),
            unpublished_entries=frozenset(
                line.audit_entry_id or 0
                for line in kept
                if line.type == "AUDIT_LOG_ENTRY" and (line.n in lost or not line.visible)
            ),
            lost_bans=frozenset(
                line.audit_entry_id or 0 for line in kept if line.type == "GUILD_BAN_ADD" and line.n in lost
            ),
            ambiguous_prunes=find_ambiguous_prunes(kept, lost),
            leaves_before_ban=_leaves_before_ban(kept),
            closed=closed,
            last_read=_last_reads(kept, closed),
        )

    def gap_seconds(self, guild_id: int, start: int, end: int) -> float:
        """Length of all gaps that touch a span of time in a guild.

        The whole gap, not only the common part: what ended in a gap may be seen to end when it is over.
        """
        return sum(to - since for since, to in self.gaps_between(guild_id, start, end)) / 1000

    def gaps_between(self, guild_id: int, start: int, end: int) -> list[Gap]:
        """All gaps that touch a span of time in a guild, outages among them."""
        gaps = (*self.gaps, *self.outages.get(guild_id, ()))
        return [gap for gap in gaps if gap[0] <= end and gap[1] >= start]

    def is_blind(self, entry_id: int | None) -> bool:
        """Whether nobody could learn of an entry from the gateway."""
        return entry_id is not None and entry_id in self.unpublished_entries

    def is_unexplained(self, reason: str, entry_id: int | None) -> bool:
        """Whether nothing said why somebody went: the entry is missing and, for a ban, the ban too."""
        return self.is_blind(entry_id) and (reason != "ban" or entry_id in self.lost_bans)

    def is_audit_log_closed(self, guild_id: int, at: int) -> bool:
        """Whether nobody might read the audit log while something of a moment was to be asked for.

        What happened in a gap is learnt, and so asked about, when that is over.
        """
        learnt = max((to for since, to in self.gaps if since <= at <= to), default=at)
        closings = self.closed.get(guild_id, ())
        return any(since <= learnt + ASKED_MS and to >= at for since, to in closings)

    def is_read_again(self, guild_id: int, at: int) -> bool:
        """Whether what an entry counted at a moment was read for certain before nobody could read it."""
        last = self.last_read.get(guild_id)
        return last is None or at <= last - _REREAD_MS


def _audit_log_closures(lines: tuple[LedgerLine, ...]) -> dict[int, tuple[Gap, ...]]:
    """When the audit log might not be read, as of a guild the bot was removed from.

    Permissions that are not spoken of are there.
    """
    spans: dict[int, list[Gap]] = {}
    begun: dict[int, int] = {}
    for line in lines:
        if line.type == "GUILD_DELETE":
            begun.setdefault(line.guild_id, line.at)
        told = line.type == "PERMISSION" and line.name == _AUDIT_LOG
        if not told and line.type not in {"GUILD_DELETE", "GUILD_CREATE"}:
            continue
        if line.type == "GUILD_DELETE" or not line.granted:
            begun.setdefault(line.guild_id, line.at)
        elif (since := begun.pop(line.guild_id, None)) is not None:
            spans.setdefault(line.guild_id, []).append((since, line.at))
    for guild_id, since in begun.items():
        spans.setdefault(guild_id, []).append((since, lines[-1].at))
    return {guild_id: tuple(found) for guild_id, found in spans.items()}


def _last_reads(lines: tuple[LedgerLine, ...], closed: dict[int, tuple[Gap, ...]]) -> dict[int, int]:
    """Until when, of guilds the bot was removed from, or whose audit log it might not read at the end."""
    end = lines[-1].at if lines else 0
    found = {guild_id: spans[-1][0] for guild_id, spans in closed.items() if spans[-1][1] == end}
    for line in lines:
        if line.type == "GUILD_DELETE":
            found[line.guild_id] = min(line.at, found.get(line.guild_id, line.at))
        elif line.type == "GUILD_CREATE":
            found.pop(line.guild_id, None)
    return found


def _outages(lines: tuple[LedgerLine, ...]) -> dict[int, tuple[Gap, ...]]:
    found: dict[int, tuple[Gap, ...]] = {}
    begun: dict[int, int] = {}
    for line in lines:
        if line.type != "OUTAGE":
            continue
        if line.unavailable:
            begun[line.guild_id] = line.at
        elif (since := begun.pop(line.guild_id, None)) is not None:
            found[line.guild_id] = (*found.get(line.guild_id, ()), (since, line.at))
    # One that is not over when the ledger ends lasts until its last line.
    for guild_id, since in begun.items():
        found[guild_id] = (*found.get(guild_id, ()), (since, lines[-1].at))
    return found


def _leaves_before_ban(lines: Iterable[LedgerLine]) -> frozenset[int]:
    left: dict[tuple[int, int], LedgerLine] = {}
    found: set[int] = set()
    for line in lines:
        if line.type == "GUILD_MEMBER_REMOVE" and line.reason == "leave":
            left[line.guild_id, line.user_id] = line
        elif line.type == "GUILD_MEMBER_ADD":
            left.pop((line.guild_id, line.user_id), None)
        elif line.type == "GUILD_BAN_ADD":
            before = left.pop((line.guild_id, line.target_user_id), None)
            if before is not None and line.at - before.at <= _BESIDE_MS:
                found.add(before.n)
    return frozenset(found)
