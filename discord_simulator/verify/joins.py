"""How everybody joined, from a ledger, and of which joins somebody who looks in time can be certain."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from discord_simulator.verify.quantities import InviteUse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from discord_simulator.verify.ledger_reader import LedgerLine
    from discord_simulator.verify.visibility import Visibility

_APART_MS = 3_000
"""A dispatch may be a second and a half on its way, and as long may a reading of the invites take: of two
uses closer together nobody can be sure that a reading falls between them."""

_CROWDED_MS = 4_000
"""The same in a crowd. A reading is a request or two of those Discord allows a bot for all its guilds, so a
crowd has one for ten who came at most. That leaves none for each pause of a second or two, which are many
where people come one after the other: only after three seconds without anybody a reading is asked for."""

_CROWD = 10
_CROWD_MS = 10_000
"""So many within so long are a crowd."""

_RECOVERY_MS = 15_000
"""After an outage or a gap, or once the permission is there, the counts have to be read before they tell."""

_INVENTORY = frozenset({"HEADER", "GUILD"})
"""Lines that say what there is before anything happens."""

_UPSETS = frozenset({"OUTAGE", "PERMISSION", "GUILD_CREATE", "GUILD_DELETE"})
"""What takes a guild out of sight, or brings it back. Who came right before may be one of several by the same
reading, of whom the others will never be told."""


@dataclass(slots=True)
class Joins:
    """Takes the lines of a ledger one by one."""

    visibility: Visibility
    _uses: list[InviteUse] = field(default_factory=list)
    _joins: dict[tuple[int, int], LedgerLine] = field(default_factory=dict)
    _doors: defaultdict[int, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """When somebody came, and by which invite; by none that shows, the code is empty."""
    _ends: defaultdict[int, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """When an invite was taken back or used up, or expired, and which."""
    _began: int | None = None
    """When there was something to see for the first time."""
    _upsets: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _unannounced: set[tuple[int, str]] = field(default_factory=set)
    """Invites made while the bot was not told of any."""

    def take(self, line: LedgerLine) -> None:
        """Take a line; most are no arrival."""
        if self._began is None and line.type not in _INVENTORY:
            self._began = line.at
        if line.type == "GUILD_MEMBER_ADD":
            self._joins[line.guild_id, line.user_id] = line
        elif line.type == "INVITE_USE":
            self._use(line)
        elif line.type == "INVITE_CREATE" and not line.visible:
            self._unannounced.add((line.guild_id, line.code or ""))
        elif line.type in {"INVITE_DELETE", "INVITE_EXPIRED"}:
            self._ends[line.guild_id].append((line.at, line.code or ""))
        elif line.type in _UPSETS:
            self._upsets[line.guild_id].append(line.at)

    def uses(self) -> tuple[InviteUse, ...]:
        """Every join whose way is known, in order."""
        alike = {guild_id: _alike(doors) for guild_id, doors in self._doors.items()}
        return tuple(
            replace(use, clear=use.clear and self._is_clear(use, alike.get(use.guild_id, {})))
            for use in self._uses
        )

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
                clear=line.knowable,
                optional=join is not None and join.n in self.visibility.lost,
                unannounced=(line.guild_id, line.code or "") in self._unannounced,
            )
        )
        if line.method != "oauth":
            self._doors[line.guild_id].append((line.at, line.code or ""))

    def _is_clear(self, use: InviteUse, alike: Mapping[int, bool]) -> bool:
        """Whether readings in time can tell how somebody came.

        They can where everybody came by the same invite who came so close together, one after the other, that
        no reading is sure to fall between them; where no other invite ended just then; and where nothing
        upset the view.
        """
        if use.method == "oauth":
            return True
        if not alike[use.at]:
            return False
        ends = _around(self._ends[use.guild_id], use.at - _APART_MS, use.at + _APART_MS)
        if any(code != use.invite_code for _, code in ends):
            return False
        upsets = (self._began or 0, *(to for _, to in self.visibility.gaps), *self._upsets[use.guild_id])
        if any(use.at - _RECOVERY_MS <= at <= use.at + _APART_MS for at in upsets):
            return False
        return not self.visibility.gap_seconds(use.guild_id, use.at - _APART_MS, use.at + _APART_MS)


def _alike(doors: Sequence[tuple[int, str]]) -> dict[int, bool]:
    """Whether everybody who came close together came by the same invite, by the moment they came."""
    found: dict[int, bool] = {}
    run: list[tuple[int, str]] = []
    for number, door in enumerate(doors):
        if run and door[0] - run[-1][0] > _pause(doors[max(0, number - _CROWD) : number]):
            found |= _judge(run)
            run = []
        run.append(door)
    return found | _judge(run)


def _pause(last: Sequence[tuple[int, str]]) -> int:
    """How long nobody may come for a reading to be sure to fall between these and who comes next."""
    crowded = len(last) == _CROWD and last[-1][0] - last[0][0] < _CROWD_MS
    return _CROWDED_MS if crowded else _APART_MS


def _judge(run: Sequence[tuple[int, str]]) -> dict[int, bool]:
    same = len({code for _, code in run}) == 1
    return {at: same for at, _ in run}


def _around(moments: Sequence[tuple[int, str]], start: int, end: int) -> Sequence[tuple[int, str]]:
    return moments[bisect_left(moments, (start, "")) : bisect_left(moments, (end + 1, ""))]
