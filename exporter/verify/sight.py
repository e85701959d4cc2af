"""What could be seen at all: lost lines, gaps of a connection, outages, audit entries nobody was told of."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.verify.lines import LedgerLine

Gap = tuple[int, int]

_TOGETHER_MS = 100
"""Departures this close cannot be told apart: what is sent together arrives together."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The blind spots of a ledger.

    Attributes:
        lost: numbers of lines no session could see.
        gaps: times without a connection. Which guilds a shard had is not in the ledger, so a gap of any shard
            counts for every guild.
        outages: times a guild was unavailable, by guild.
        blind_entries: audit entries nobody was told of.
        lost_causes: audit entries whose ban was not seen either.
        mingled: numbers of departures that came together with a prune's, and of that prune's: an entry of a
            prune says only how many it removed.
    """

    lost: frozenset[int]
    gaps: tuple[Gap, ...]
    outages: dict[int, tuple[Gap, ...]]
    blind_entries: frozenset[int]
    lost_causes: frozenset[int]
    mingled: frozenset[int] = frozenset()

    @classmethod
    def of(cls, lines: Iterable[LedgerLine]) -> Sight:
        """Find the blind spots of a ledger."""
        kept = tuple(lines)
        lost = frozenset(number for line in kept if line.type == "LOST" for number in line.refs)
        return cls(
            lost=lost,
            gaps=tuple((line.started, line.ended) for line in kept if line.type == "GAP"),
            outages=_outages(kept),
            blind_entries=frozenset(
                line.audit_entry_id or 0
                for line in kept
                if line.type == "AUDIT_LOG_ENTRY" and (line.n in lost or not line.visible)
            ),
            lost_causes=frozenset(
                line.audit_entry_id or 0 for line in kept if line.type == "GUILD_BAN_ADD" and line.n in lost
            ),
            mingled=_mingled(kept),
        )

    def gap_seconds(self, guild_id: int, start: int, end: int) -> float:
        """Length of all gaps that touch a span of time in a guild.

        The whole gap, not only the common part: what ended in a gap may be seen to end when it is over.
        """
        gaps = (*self.gaps, *self.outages.get(guild_id, ()))
        return sum(to - since for since, to in gaps if since <= end and to >= start) / 1000

    def is_blind(self, entry_id: int | None) -> bool:
        """Whether nobody could learn of an entry from the gateway."""
        return entry_id is not None and entry_id in self.blind_entries

    def is_unexplained(self, reason: str, entry_id: int | None) -> bool:
        """Whether nothing said why somebody went: the entry is missing and, for a ban, the ban too."""
        return self.is_blind(entry_id) and (reason != "ban" or entry_id in self.lost_causes)


def _mingled(lines: tuple[LedgerLine, ...]) -> frozenset[int]:
    gone = [line for line in lines if line.type == "GUILD_MEMBER_REMOVE"]
    prunes: dict[int, list[LedgerLine]] = {}
    for line in gone:
        if line.reason == "prune":
            prunes.setdefault(line.audit_entry_id or 0, []).append(line)
    found: set[int] = set()
    for pruned in prunes.values():
        first, last = pruned[0], pruned[-1]
        beside = {
            line.n
            for line in _between(gone, first.at - _TOGETHER_MS, last.at + _TOGETHER_MS)
            if line.guild_id == first.guild_id and line.reason == "leave"
        }
        if beside:
            found |= beside | {line.n for line in pruned}
    return frozenset(found)


def _between(lines: list[LedgerLine], start: int, end: int) -> list[LedgerLine]:
    def moment(line: LedgerLine) -> int:
        return line.at

    return lines[bisect_left(lines, start, key=moment) : bisect_right(lines, end, key=moment)]


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
