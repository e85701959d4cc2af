"""Removals that an observer can neither assign to a prune nor exclude from it.

The audit entry of a prune has a count and a time, no names.

Messages around a removal carry Discord's time. So an observer that receives every event knows between which
two messages a member was removed, and assigns the members removed at the time of the entry to the prune if
their number equals its count. That fails if another member left at that time, or if a removal was not
received.

The ledger does not record which guilds share a connection, so only messages of the same guild are used.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from discord_simulator.verify.ledger_reader import LedgerLine

_REORDER_MS = 100
"""Events this close to each other may be sent in either order."""


class _Span(NamedTuple):
    """The time span of an event, as known from the messages around it."""

    since: float
    until: float

    def contains(self, at: int) -> bool:
        return self.since - _REORDER_MS <= at <= self.until + _REORDER_MS


def find_ambiguous_prunes(lines: Iterable[LedgerLine], lost: frozenset[int]) -> frozenset[int]:
    """Numbers of the lines of such removals. ``lost`` are the lines that no session received."""
    messages: defaultdict[int, list[int]] = defaultdict(list)
    removals: defaultdict[int, list[LedgerLine]] = defaultdict(list)
    lost_at: list[int] = []
    for line in lines:
        if line.n in lost:
            lost_at.append(line.at)
        elif line.type == "MESSAGE_CREATE":
            messages[line.guild_id].append(line.at)
        if line.type == "GUILD_MEMBER_REMOVE" and line.reason in {"leave", "prune"}:
            removals[line.guild_id].append(line)
    found: set[int] = set()
    for guild_id, departures in removals.items():
        found |= _of_guild(departures, messages[guild_id], lost_at)
    return frozenset(found)


def _of_guild(departures: list[LedgerLine], messages: list[int], lost_at: list[int]) -> set[int]:
    prunes: dict[int, list[LedgerLine]] = {}
    for line in departures:
        if line.reason == "prune":
            prunes.setdefault(line.audit_entry_id or 0, []).append(line)
    found: set[int] = set()
    ambiguous_at: list[int] = []
    for prune in prunes.values():
        at = prune[0].at
        span = _span(at, messages)
        leaves = [
            line.n for line in departures if line.reason == "leave" and _span(line.at, messages).contains(at)
        ]
        first = bisect_left(lost_at, span.since - _REORDER_MS)
        incomplete = first < len(lost_at) and lost_at[first] <= span.until + _REORDER_MS
        if leaves or incomplete:
            found.update(leaves, (line.n for line in prune))
            ambiguous_at.append(at)
    # The removals of several prunes at the same time cannot be distinguished.
    for prune in prunes.values():
        if any(_span(at, messages).contains(prune[0].at) for at in ambiguous_at):
            found.update(line.n for line in prune)
    return found


def _span(at: int, messages: list[int]) -> _Span:
    before, after = bisect_left(messages, at), bisect_right(messages, at)
    return _Span(
        messages[before - 1] if before else float("-inf"),
        messages[after] if after < len(messages) else float("inf"),
    )
