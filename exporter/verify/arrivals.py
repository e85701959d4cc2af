"""How everybody joined, from a ledger, and of which joins somebody who looks in time can be certain."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from exporter.verify.quantities import InviteUse

if TYPE_CHECKING:
    from exporter.verify.lines import LedgerLine
    from exporter.verify.sight import Sight

_BURST_MS = 3_000
"""Joins and ends of invites this close are seen in one look, as a burst has to be."""

_RECOVERY_MS = 15_000
"""After an outage, or once the permission is back, the counts have to be read anew before they tell."""

_UPSETS = frozenset({"OUTAGE", "PERMISSION", "GUILD_CREATE"})


@dataclass(slots=True)
class Arrivals:
    """Takes the lines of a ledger one by one."""

    sight: Sight
    _uses: list[InviteUse] = field(default_factory=list)
    _joins: dict[tuple[int, int], LedgerLine] = field(default_factory=dict)
    _doors: defaultdict[int, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """When a guild's invites were used or ended, and which."""
    _upsets: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def take(self, line: LedgerLine) -> None:
        """Take a line; most are no arrival."""
        if line.type == "GUILD_MEMBER_ADD":
            self._joins[line.guild_id, line.user_id] = line
        elif line.type == "INVITE_USE":
            self._use(line)
        elif line.type in {"INVITE_DELETE", "INVITE_EXPIRED"}:
            self._doors[line.guild_id].append((line.at, line.code or ""))
        elif line.type in _UPSETS:
            self._upsets[line.guild_id].append(line.at)

    def uses(self) -> tuple[InviteUse, ...]:
        """Every join whose way is known, in order."""
        return tuple(replace(use, clear=use.clear and self._is_alone(use)) for use in self._uses)

    def _use(self, line: LedgerLine) -> None:
        join = self._joins.get((line.guild_id, line.user_id))
        self._uses.append(
            InviteUse(
                guild_id=line.guild_id,
                invitee_id=line.user_id,
                at=line.at,
                invite_code=line.code,
                inviter_id=line.inviter_id,
                method=line.method,
                clear=line.knowable and not self.sight.gap_seconds(line.guild_id, line.at, line.at),
                optional=join is not None and join.n in self.sight.lost,
            )
        )
        if line.method != "oauth":
            self._doors[line.guild_id].append((line.at, line.code or ""))

    def _is_alone(self, use: InviteUse) -> bool:
        """Whether only the use's own invite changed around that moment, and nothing upset the view."""
        if use.method == "oauth":
            return True
        doors = self._doors[use.guild_id]
        start = bisect_left(doors, (use.at - _BURST_MS, ""))
        for at, code in doors[start:]:
            if at > use.at + _BURST_MS:
                break
            if code != use.invite_code:
                return False
        upsets = self._upsets[use.guild_id]
        first = bisect_left(upsets, use.at - _RECOVERY_MS)
        return first == len(upsets) or upsets[first] > use.at + _BURST_MS
