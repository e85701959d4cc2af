"""What a bot could receive: lost lines, gaps, outages, unpublished audit entries, missing permissions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from discord_simulator.verify.ambiguous_prunes import find_ambiguous_prunes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from discord_simulator.verify.ledger_reader import LedgerLine

Gap = tuple[int, int]

_AUDIT_LOG = "view_audit_log"

LOOKUP_MS = 45_000
"""How long after a removal its look-up in the audit log may take place."""

_REREAD_MS = 65_000
"""Longest time between two readings of a grouped entry: a minute, and the answer."""


_REORDER_MS = 1_200
"""Discord sends a removal and the ban that caused it in either order, within this time."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """What of a ledger a bot could not receive. Times are in ms.

    Attributes:
        lost: numbers of lines that no session received.
        gaps: times without a connection. The ledger does not record the guilds of a shard, so a gap of any
            shard counts for every guild.
        outages: times when a guild was unavailable, by guild.
        unpublished_entries: audit entries that the bot did not receive.
        lost_bans: audit entries whose ban event was lost.
        ambiguous_prunes: numbers of removals that cannot be assigned to a prune or excluded from it.
        leaves_before_ban: numbers of leaves of users who were banned right after, as if that were the cause.
        audit_log_closures: times when the bot could not read the audit log, by guild.
        last_read: last time when entries could be read, for guilds in which that ended before the ledger.
    """

    lost: frozenset[int]
    gaps: tuple[Gap, ...]
    outages: dict[int, tuple[Gap, ...]]
    unpublished_entries: frozenset[int]
    lost_bans: frozenset[int]
    ambiguous_prunes: frozenset[int] = frozenset()
    leaves_before_ban: frozenset[int] = frozenset()
    audit_log_closures: dict[int, tuple[Gap, ...]] = field(default_factory=dict)
    last_read: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[LedgerLine]) -> Visibility:
        """Collect the visibility from the lines of a ledger."""
        kept = tuple(lines)
        lost = frozenset(number for line in kept if line.type == "LOST" for number in line.refs)
        gaps = tuple((line.started, line.ended) for line in kept if line.type == "GAP")
        audit_log_closures = _audit_log_closures(kept)
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
            audit_log_closures=audit_log_closures,
            last_read=_last_reads(kept, audit_log_closures),
        )

    def gap_seconds(self, guild_id: int, start: int, end: int) -> float:
        """Length of all gaps that overlap a span of time in a guild, in seconds.

        The whole gap counts, not only the overlap: what ended in a gap is observed to end after the gap.
        """
        return sum(to - since for since, to in self.gaps_between(guild_id, start, end)) / 1000

    def gaps_between(self, guild_id: int, start: int, end: int) -> list[Gap]:
        """All gaps and outages that overlap a span of time in a guild."""
        gaps = (*self.gaps, *self.outages.get(guild_id, ()))
        return [gap for gap in gaps if gap[0] <= end and gap[1] >= start]

    def is_unpublished(self, entry_id: int | None) -> bool:
        """Whether the bot did not receive an audit entry from the gateway."""
        return entry_id is not None and entry_id in self.unpublished_entries

    def is_unexplained(self, reason: str, entry_id: int | None) -> bool:
        """Whether no event names the reason of a removal: no entry and, for a ban, no ban event."""
        return self.is_unpublished(entry_id) and (reason != "ban" or entry_id in self.lost_bans)

    def is_audit_log_closed(self, guild_id: int, at: int) -> bool:
        """Whether the audit log could not be read during a look-up about a time.

        What happened in a gap is looked up after the gap.
        """
        known_at = max((to for since, to in self.gaps if since <= at <= to), default=at)
        closures = self.audit_log_closures.get(guild_id, ())
        return any(since <= known_at + LOOKUP_MS and to >= at for since, to in closures)

    def is_read_again(self, guild_id: int, at: int) -> bool:
        """Whether the count of an entry at a time was certainly read again while that was possible."""
        last = self.last_read.get(guild_id)
        return last is None or at <= last - _REREAD_MS


def _audit_log_closures(lines: tuple[LedgerLine, ...]) -> dict[int, tuple[Gap, ...]]:
    """Times when the audit log could not be read, by guild; removal of the bot is such a time.

    A permission without a PERMISSION line is granted.
    """
    spans: dict[int, list[Gap]] = {}
    begun: dict[int, int] = {}
    for line in lines:
        if line.type == "GUILD_DELETE":
            begun.setdefault(line.guild_id, line.at)
        concerns_audit_log = line.type == "PERMISSION" and line.name == _AUDIT_LOG
        if not concerns_audit_log and line.type not in {"GUILD_DELETE", "GUILD_CREATE"}:
            continue
        if line.type == "GUILD_DELETE" or not line.granted:
            begun.setdefault(line.guild_id, line.at)
        elif (since := begun.pop(line.guild_id, None)) is not None:
            spans.setdefault(line.guild_id, []).append((since, line.at))
    for guild_id, since in begun.items():
        spans.setdefault(guild_id, []).append((since, lines[-1].at))
    return {guild_id: tuple(found) for guild_id, found in spans.items()}


def _last_reads(
    lines: tuple[LedgerLine, ...], audit_log_closures: dict[int, tuple[Gap, ...]]
) -> dict[int, int]:
    """Last time of reading, for guilds the bot was removed from or whose log it could not read at the end."""
    end = lines[-1].at if lines else 0
    found = {guild_id: spans[-1][0] for guild_id, spans in audit_log_closures.items() if spans[-1][1] == end}
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
    # An outage without an end lasts until the last line.
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
            if before is not None and line.at - before.at <= _REORDER_MS:
                found.add(before.n)
    return frozenset(found)
