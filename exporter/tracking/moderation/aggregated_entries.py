"""Audit-log entries whose count goes on rising: deletions, moves and disconnections by the same moderator.

Discord sends the first one and then only raises the entry's count. So when something of the kind happens that
no count explains, the entries are read again: once for all of a guild, some seconds later, and more rarely
while nothing is found, since people delete their own messages and leave channels by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import msgspec

from exporter.dispatch.component import SavedTable
from exporter.events.audit import GROUPED
from exporter.events.facts import AuditEntry, AuditPageRead
from exporter.events.rest_request import RequestKind, RestRequest, Submit
from exporter.tracking.moderation.audit_matcher import SLACK_MS

PURPOSE: Final = "count"
"""Marks requests for counts among those for audit logs."""

ACTIVE_MS: Final = 360_000
"""How long an entry's count may rise: Discord groups what is done within five minutes."""

SETTLE_MS: Final = 3_000
"""From something unexplained to the request: what is done in one go is then in the count."""

PAUSE_MS: Final = 5_000
"""Between two requests about one guild and kind, doubled while nothing is found."""

LONGEST_PAUSE_MS: Final = 60_000
"""The longest such pause."""

ANSWER_MS: Final = 20_000
"""How long an answer is waited for."""

RECENT_MS: Final = 15_000
"""How long something unexplained is remembered for an entry that is late."""

MAX_GROUPS: Final = 100
"""Entries of one guild and kind that are followed, as many as one answer holds; the oldest is given up beyond
this."""

MAX_CHANNELS: Final = 20_000
"""Channels in which something happened lately."""

MAX_RECENT: Final = 100
"""Happenings remembered of one channel: one more than explained is enough for a request."""


class AggregatedEntry(msgspec.Struct, array_like=True):
    """An entry whose count may rise; it is followed ``until`` then, on the steady clock.

    ``spare`` is how much of it has not been seen to happen.
    """

    channel_id: int
    amount: int
    until: int = 0
    spare: int = 0


@dataclass(slots=True)
class GroupPoll:
    """The entries of one guild and kind. Times are steady, in ms; 0 for none."""

    entries: dict[int, AggregatedEntry] = field(default_factory=dict)
    wanted: int = 0
    awaited: int = 0
    submitted_at: int = 0
    pause: int = PAUSE_MS
    grown: bool = False

    def is_due(self, now: int) -> bool:
        """Whether what is wanted has waited long enough, and so has the guild."""
        return self.wanted <= now and (self.submitted_at == 0 or now - self.submitted_at >= self.pause)

    def want(self, now: int) -> None:
        """Have the entries read again soon."""
        self.wanted = self.wanted or now + SETTLE_MS


_Kind = tuple[int, int]
_Spot = tuple[int, int, int]
_Key = tuple[int, int, int]
"""Guild, type of action, and entry."""


class AggregatedEntries:
    """The aggregated entries of the last minutes. ``unreadable`` says where nothing can be read again."""

    def __init__(self, submit: Submit | None, unreadable: Callable[[int], bool]) -> None:
        self._submit = submit
        self._unreadable = unreadable
        self._polls: dict[_Kind, GroupPoll] = {}
        self._recent: dict[_Spot, list[tuple[int, int]]] = {}
        self.table: SavedTable[_Key, AggregatedEntry] = SavedTable(
            "aggregated", _Key, AggregatedEntry, self._read, self._load
        )

    def open(self, asked_at: int) -> int:
        """Guilds and kinds that are to be read again, or whose answer is awaited, since before a moment."""
        return sum(
            1
            for (guild_id, _), poll in self._polls.items()
            if (poll.awaited and poll.submitted_at <= asked_at)
            or (poll.wanted and poll.wanted - SETTLE_MS <= asked_at and self._is_readable(guild_id))
        )

    def _is_readable(self, guild_id: int) -> bool:
        return self._submit is not None and not self._unreadable(guild_id)

    def enter(self, entry: AuditEntry, now: int) -> bool:
        """Take an entry, new or known; returns whether its count is higher than was known."""
        if entry.action_type not in GROUPED:
            return False
        kind = (entry.guild_id, entry.action_type)
        poll = self._polls.setdefault(kind, GroupPoll())
        known = poll.entries.get(entry.entry_id)
        if known is not None and entry.amount <= known.amount:
            return False
        poll.grown = True
        self.table.touch((*kind, entry.entry_id))
        if known is not None:
            known.amount = entry.amount
            return True
        if len(poll.entries) >= MAX_GROUPS:
            self._forget(kind, next(iter(poll.entries)))
        happened = [
            at for at, _ in self._recent.pop((*kind, entry.channel_id), ()) if at >= entry.at - SLACK_MS
        ]
        spare = entry.amount - len(happened)
        poll.entries[entry.entry_id] = AggregatedEntry(
            entry.channel_id, entry.amount, now + ACTIVE_MS, max(0, spare)
        )
        if spare < 0:
            poll.want(now)
        return True

    def happen(self, guild_id: int, action_type: int, channel_id: int, at: int, now: int) -> None:
        """A message was deleted, or a member moved or disconnected: by whom is not known."""
        poll = self._polls.get((guild_id, action_type))
        if poll is not None:
            entries = [entry for entry in poll.entries.values() if entry.channel_id == channel_id]
            spare = next((entry for entry in entries if entry.spare), None)
            if spare is not None:
                spare.spare -= 1
                return
            if entries:
                poll.want(now)
        self._remember((guild_id, action_type, channel_id), at, now)

    def _remember(self, spot: _Spot, at: int, now: int) -> None:
        if spot not in self._recent and len(self._recent) >= MAX_CHANNELS:
            del self._recent[next(iter(self._recent))]
        # Taken out and put back, so that the first is the one in which nothing happened for longest.
        happened = self._recent.pop(spot, [])
        if len(happened) < MAX_RECENT:
            happened.append((at, now))
        self._recent[spot] = happened

    # ------------------------------------------------------------------ requests

    def submit_due(self, now: int, *, hurry: bool = False) -> None:
        """Submit requests for what is to be read again; ``hurry`` where a flush waits for true numbers."""
        for kind, poll in list(self._polls.items()):
            if poll.awaited > now:
                continue
            poll.awaited = 0
            if not poll.wanted or not self._is_readable(kind[0]):
                self._expire(kind, poll, now)
            elif hurry or poll.is_due(now):
                self._request(kind, poll, now)
        while self._recent:
            spot = next(iter(self._recent))
            if self._recent[spot][-1][1] + RECENT_MS > now:
                break
            del self._recent[spot]

    def _request(self, kind: _Kind, poll: GroupPoll, now: int) -> None:
        guild_id, action_type = kind
        poll.wanted = 0
        poll.grown = False
        poll.submitted_at = now
        poll.awaited = now + ANSWER_MS
        if self._submit is not None:
            self._submit(
                RestRequest(
                    RequestKind.AUDIT_LOG,
                    guild_id,
                    urgent=True,
                    purpose=PURPOSE,
                    after=min(poll.entries, default=1) - 1,
                    action_type=action_type,
                )
            )

    def answer(self, page: AuditPageRead) -> None:
        """Take the end of an answer, its entries having been handled."""
        poll = self._polls.get((page.request.guild_id, page.request.action_type))
        if page.request.purpose != PURPOSE or poll is None:
            return
        poll.awaited = 0
        if page.status != HTTPStatus.OK:
            poll.wanted = poll.wanted or poll.submitted_at
            poll.pause = LONGEST_PAUSE_MS
        elif poll.grown:
            poll.pause = PAUSE_MS
        else:
            poll.pause = min(LONGEST_PAUSE_MS, poll.pause * 2)

    # ------------------------------------------------------------------ guilds

    def see_guild(self, guild_id: int, now: int) -> None:
        """A guild is there again: its entries may have risen meanwhile."""
        for kind, poll in self._polls.items():
            if kind[0] == guild_id and poll.entries:
                poll.want(now)

    def permit(self, guild_id: int) -> None:
        """The bot's permissions in a guild have changed: what could not be read again may be now."""
        for kind, poll in self._polls.items():
            if kind[0] == guild_id:
                poll.pause = PAUSE_MS

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        for kind in [kind for kind in self._polls if kind[0] == guild_id]:
            for entry_id in list(self._polls[kind].entries):
                self._forget(kind, entry_id)
            del self._polls[kind]

    # ------------------------------------------------------------------ memory

    def _expire(self, kind: _Kind, poll: GroupPoll, now: int) -> None:
        for entry_id in [entry_id for entry_id, entry in poll.entries.items() if entry.until <= now]:
            self._forget(kind, entry_id)
        if not poll.entries:
            del self._polls[kind]

    def _forget(self, kind: _Kind, entry_id: int) -> None:
        del self._polls[kind].entries[entry_id]
        self.table.touch((*kind, entry_id))

    def _read(self, key: _Key) -> AggregatedEntry | None:
        guild_id, action_type, entry_id = key
        return self._polls.get((guild_id, action_type), GroupPoll()).entries.get(entry_id)

    def _load(self, key: _Key, entry: AggregatedEntry) -> None:
        guild_id, action_type, entry_id = key
        self._polls.setdefault((guild_id, action_type), GroupPoll()).entries[entry_id] = entry

    def resume(self, now: int) -> None:
        """Read again at once what restored entries have come to meanwhile."""
        for poll in self._polls.values():
            for entry in poll.entries.values():
                entry.until, entry.spare = now + ACTIVE_MS, 0
            poll.want(now)

    def clear(self) -> None:
        """Forget everything."""
        self._polls.clear()
        self._recent.clear()
