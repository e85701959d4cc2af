"""The joins that wait for their invite, as saved, so that a kill loses neither the use nor its invite.

Saved are the joins, and of each guild with some the invites as they were before the first of them. The first
reading of the next run, which has a new session, is compared with these. Other members may have joined in the
gap unseen, so what would be exact is only probable.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import TypeAlias

import msgspec

from exporter.dispatch.saved_rows import SavedRows
from exporter.events.facts.invites import InviteKnown, MemberJoined
from exporter.tracking.invites.assignment import Finding
from exporter.tracking.invites.inference import LATE_MS, Arrival, downgrade, infer
from exporter.tracking.invites.invite_session import Asked, InviteSession, WaitingJoin

_Key: TypeAlias = tuple[int, int, int]
"""Guild, member and time of a join."""


class SavedInvites(msgspec.Struct, frozen=True, array_like=True):
    """The invites of a guild before the first join that waits."""

    invites: list[InviteKnown]


class OpenLookups:
    """The joins of all guilds that wait; ``before`` gives the invites before the first one of a guild."""

    def __init__(self, before: Callable[[int], Iterable[InviteKnown]]) -> None:
        self._before = before
        self._numbers: dict[int, int] = {}
        self.restored: dict[int, list[MemberJoined]] = {}
        """The joins of the previous run, by guild."""
        self.joins: SavedRows[_Key, MemberJoined] = SavedRows("joins", _Key, MemberJoined)
        self.invites: SavedRows[int, SavedInvites] = SavedRows(
            "invites", int, SavedInvites, read=self._read_invites
        )

    def _read_invites(self, guild_id: int) -> SavedInvites | None:
        if guild_id in self.restored:
            return self.invites.rows.get(guild_id)
        return SavedInvites(list(self._before(guild_id))) if self._numbers.get(guild_id) else None

    def open(self, fact: MemberJoined) -> None:
        """A join waits."""
        number = self._numbers[fact.guild_id] = self._numbers.get(fact.guild_id, 0) + 1
        self.joins.put(_key(fact), fact)
        if number == 1:
            self.invites.touch(fact.guild_id)

    def close(self, fact: MemberJoined) -> None:
        """A join is decided."""
        if self.joins.pop(_key(fact)) is None:
            return
        self._numbers[fact.guild_id] -= 1
        if not self._numbers[fact.guild_id]:
            del self._numbers[fact.guild_id]
            self.read(fact.guild_id)

    def read(self, guild_id: int) -> None:
        """The invites of a guild were read, or what was read has been used to decide joins."""
        self.invites.touch(guild_id)

    # ------------------------------------------------------------------ after a start

    def resume(self) -> None:
        """Take what was saved for joins of the previous run."""
        for fact in self.joins.rows.values():
            self._numbers[fact.guild_id] = self._numbers.get(fact.guild_id, 0) + 1
            self.restored.setdefault(fact.guild_id, []).append(fact)

    def take_restored(self, guild_id: int) -> list[MemberJoined]:
        """Let go of a guild's joins of the previous run, to decide them."""
        self.invites.rows.pop(guild_id, None)
        return self.restored.pop(guild_id, [])

    def compare(
        self, guild_id: int, asked: Asked, since: Iterable[WaitingJoin], at: int, now: int
    ) -> tuple[Iterator[tuple[MemberJoined, Finding]], Mapping[str, InviteKnown]]:
        """Findings for the restored joins of a guild by its first reading, and the invites known for them.

        ``since`` are the joins received before the reading, which may have used invites, too.
        """
        saved = self.invites.rows.get(guild_id, SavedInvites([]))
        before = {invite.code: invite for invite in saved.invites}
        facts = self.take_restored(guild_id)
        session = InviteSession()
        past = Arrival(asked.since - 2 * LATE_MS, asked.since - LATE_MS)
        session.joins = [WaitingJoin(fact, past) for fact in facts]
        session.joins += (WaitingJoin(one.fact, one.arrival, explained=True) for one in since)
        session.take_reading(before, asked, at, now)
        arrivals = [one.arrival for one in session.joins]
        found = {
            index: finding
            for case in infer(arrivals, session.readings, sure=False)
            for index, finding in zip(case.arrivals, case.evaluate(), strict=True)
        }
        return ((fact, downgrade(found[index])) for index, fact in enumerate(facts)), session.known

    def clear(self) -> None:
        """Forget everything."""
        for state in (self._numbers, self.restored, self.joins.rows, self.invites.rows):
            state.clear()

    def forget_people(self, people: Container[int]) -> None:
        """Keep no name of these people; the use of one who joined still is no other member's."""
        for fact in [fact for fact in self.joins.rows.values() if fact.person.user_id in people]:
            self.close(fact)
            joins = self.restored.get(fact.guild_id, [])
            joins[:] = [one.without(people) or one for one in joins]
        for guild_id, saved in list(self.invites.rows.items()):
            invites = [invite.without(people) or invite for invite in saved.invites]
            if invites != saved.invites:
                self.invites.put(guild_id, SavedInvites(invites))


def invites_before(known: dict[str, InviteKnown], session: InviteSession | None) -> Iterable[InviteKnown]:
    """The invites by code without the uses in the readings of a session, which joins still wait for."""
    for reading in session.readings if session is not None else ():
        for code in (*reading.used_up, *reading.indeterminate):
            if session is not None and code in session.known:
                known.setdefault(code, session.known[code])
        for code, uses in reading.uses.items():
            if code in known:
                known[code] = msgspec.structs.replace(known[code], uses=max(0, known[code].uses - uses))
    return known.values()


def _key(fact: MemberJoined) -> _Key:
    return fact.guild_id, fact.person.user_id, fact.at
