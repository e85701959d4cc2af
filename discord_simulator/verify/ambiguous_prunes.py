"""Departures of which nobody can tell whether they were a prune's: its entry says only how many, and when.

Discord's clock shows in the messages around a departure. So whoever sees everything knows between which two
messages somebody went, and takes those who went at the moment of the entry for the prune's if they are as
many as it says. That fails where somebody else went at that very moment, and where not all could be seen.

Which guilds share a stream is not in the ledger, so only the messages of the same guild are counted on.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from discord_simulator.verify.ledger_reader import LedgerLine

_TOGETHER_MS = 100
"""What happens this close to one another Discord may send in either order."""


class _Span(NamedTuple):
    """The time in which something happened, as far as messages tell."""

    since: float
    until: float

    def holds(self, at: int) -> bool:
        return self.since - _TOGETHER_MS <= at <= self.until + _TOGETHER_MS


def find_ambiguous_prunes(lines: Iterable[LedgerLine], lost: frozenset[int]) -> frozenset[int]:
    """Numbers of the lines of such departures. ``lost`` are lines that nobody saw."""
    messages: defaultdict[int, list[int]] = defaultdict(list)
    gone: defaultdict[int, list[LedgerLine]] = defaultdict(list)
    missed: list[int] = []
    for line in lines:
        if line.n in lost:
            missed.append(line.at)
        elif line.type == "MESSAGE_CREATE":
            messages[line.guild_id].append(line.at)
        if line.type == "GUILD_MEMBER_REMOVE" and line.reason in {"leave", "prune"}:
            gone[line.guild_id].append(line)
    found: set[int] = set()
    for guild_id, departures in gone.items():
        found |= _of_guild(departures, messages[guild_id], missed)
    return frozenset(found)


def _of_guild(departures: list[LedgerLine], messages: list[int], missed: list[int]) -> set[int]:
    prunes: dict[int, list[LedgerLine]] = {}
    for line in departures:
        if line.reason == "prune":
            prunes.setdefault(line.audit_entry_id or 0, []).append(line)
    found: set[int] = set()
    doubted: list[int] = []
    for pruned in prunes.values():
        at = pruned[0].at
        span = _span(at, messages)
        beside = [
            line.n for line in departures if line.reason == "leave" and _span(line.at, messages).holds(at)
        ]
        first = bisect_left(missed, span.since - _TOGETHER_MS)
        unseen = first < len(missed) and missed[first] <= span.until + _TOGETHER_MS
        if beside or unseen:
            found.update(beside, (line.n for line in pruned))
            doubted.append(at)
    # Prunes at one moment have their departures mixed.
    for pruned in prunes.values():
        if any(_span(at, messages).holds(pruned[0].at) for at in doubted):
            found.update(line.n for line in pruned)
    return found


def _span(at: int, messages: list[int]) -> _Span:
    before, after = bisect_left(messages, at), bisect_right(messages, at)
    return _Span(
        messages[before - 1] if before else float("-inf"),
        messages[after] if after < len(messages) else float("inf"),
    )
