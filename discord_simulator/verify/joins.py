"""How users joined, from a ledger, and which of these joins an observer can determine with certainty."""

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
"""A dispatch may take 1.5 s to arrive, and so may a reading of the invites: between two uses that are closer,
a reading is not certain."""

_BURST_PAUSE_MS = 4_000
"""The same in a burst. A reading takes one or two of the requests that Discord allows a bot for all its
guilds, so in a burst there is at most one per ten joins. That is not enough for every pause of a second or
two: a reading is requested only after three seconds without a join."""

_BURST_SIZE = 10
_BURST_MS = 10_000
"""This number of joins within this time is a burst."""

_RECOVERY_MS = 15_000
"""After an outage, a gap or a grant of the permission, the counts are read once before they are used."""

_INVENTORY = frozenset({"HEADER", "GUILD"})
"""Line types of the initial state."""

_INTERRUPTIONS = frozenset({"OUTAGE", "PERMISSION", "GUILD_CREATE", "GUILD_DELETE"})
"""Line types that interrupt the view of a guild. A join right before may be one of several in the same
reading, of which the others are never received."""


@dataclass(slots=True)
class Joins:
    """Collects the joins from the lines of a ledger."""

    visibility: Visibility
    _uses: list[InviteUse] = field(default_factory=list)
    _joins: dict[tuple[int, int], LedgerLine] = field(default_factory=dict)
    _times: defaultdict[int, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """Time and invite code of each join, by guild; the code is empty if no count shows it."""
    _ends: defaultdict[int, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """Time and code of each invite that was deleted, used up or expired, by guild."""
    _began: int | None = None
    """Time of the first action."""
    _interruptions: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _unannounced: set[tuple[int, str]] = field(default_factory=set)
    """Invites whose creation the bot did not receive."""

    def take(self, line: LedgerLine) -> None:
        """Add a line; most lines are not about joins."""
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
        elif line.type in _INTERRUPTIONS:
            self._interruptions[line.guild_id].append(line.at)

    def uses(self) -> tuple[InviteUse, ...]:
        """Every join with a recorded method, in order."""
        same_invite = {guild_id: _by_same_invite(times) for guild_id, times in self._times.items()}
        return tuple(
            replace(use, clear=use.clear and self._is_clear(use, same_invite.get(use.guild_id, {})))
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
            self._times[line.guild_id].append((line.at, line.code or ""))

    def _is_clear(self, use: InviteUse, same_invite: Mapping[int, bool]) -> bool:
        """Whether readings in time determine how a user joined.

        They do if all joins without a certain reading between them were by the same invite, if no other
        invite ended at that time, and if the view of the guild was not interrupted.
        """
        if use.method == "oauth":
            return True
        if not same_invite[use.at]:
            return False
        ends = _around(self._ends[use.guild_id], use.at - _APART_MS, use.at + _APART_MS)
        if any(code != use.invite_code for _, code in ends):
            return False
        interruptions = (
            self._began or 0,
            *(to for _, to in self.visibility.gaps),
            *self._interruptions[use.guild_id],
        )
        if any(use.at - _RECOVERY_MS <= at <= use.at + _APART_MS for at in interruptions):
            return False
        return not self.visibility.gap_seconds(use.guild_id, use.at - _APART_MS, use.at + _APART_MS)


def _by_same_invite(times: Sequence[tuple[int, str]]) -> dict[int, bool]:
    """By time of join, whether all joins without a certain reading between them were by one invite."""
    found: dict[int, bool] = {}
    run: list[tuple[int, str]] = []
    for number, moment in enumerate(times):
        if run and moment[0] - run[-1][0] > _pause(times[max(0, number - _BURST_SIZE) : number]):
            found |= _mark_run(run)
            run = []
        run.append(moment)
    return found | _mark_run(run)


def _pause(last: Sequence[tuple[int, str]]) -> int:
    """The pause in ms after these joins that guarantees a reading before the next join."""
    in_burst = len(last) == _BURST_SIZE and last[-1][0] - last[0][0] < _BURST_MS
    return _BURST_PAUSE_MS if in_burst else _APART_MS


def _mark_run(run: Sequence[tuple[int, str]]) -> dict[int, bool]:
    same = len({code for _, code in run}) == 1
    return {at: same for at, _ in run}


def _around(moments: Sequence[tuple[int, str]], start: int, end: int) -> Sequence[tuple[int, str]]:
    return moments[bisect_left(moments, (start, "")) : bisect_left(moments, (end + 1, ""))]
