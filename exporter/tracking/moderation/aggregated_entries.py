"""Audit-log entries whose count goes on rising: deletions, moves and disconnections by the same moderator.

Discord sends the first one and then only raises the entry's count. So when something of the kind happens that
no count explains, the entries are read again: once for all of a guild, some seconds later, and more rarely
while nothing is found, since people delete their own messages and leave channels by themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from exporter.dispatch.component import SavedTable
from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.audit import GROUPED
from exporter.events.facts.moderation import AuditEntry, AuditPageRead
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

MAX_GROUPS: Final = 1_000
"""Entries of one guild and kind that are followed, as many as ten answers hold; the oldest is given up beyond
this."""

MAX_CHANNELS: Final = 20_000
"""Channels in which something happened lately."""

MAX_RECENT: Final = 100
"""Happenings remembered of one channel, the newest: one more than explained is enough for a request."""


class AggregatedEntry(msgspec.Struct, array_like=True):
    """An entry whose count may rise; it is followed ``until`` then, on the steady clock.

    ``spare`` is how much of it has not been seen to happen.
    """

    channel_id: int
    amount: int
    until: int = 0
    spare: int = 0

    def is_fresh(self, now: int) -> bool:
        """Whether what it counts may still happen."""
        return now < self.until - ACTIVE_MS + RECENT_MS


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
    """The aggregated entries of the last minutes.

    ``unreadable`` says where nothing can be read again, ``unread`` where something from before is still to be
    learnt: there no entry is forgotten, since what it has come to is read only after that.
    """

    def __init__(
        self, submit: Submit | None, unreadable: Callable[[int], bool], unread: Callable[[int], bool]
    ) -> None:
        self._submit = submit
        self._unreadable = unreadable
        self._unread = unread
        self._away: set[int] = set()
        self._polls: dict[_Kind, GroupPoll] = {}
        self._recent: dict[_Spot, deque[tuple[int, int]]] = {}
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

    def enter(self, entry: AuditEntry, now: int, *, recovered: bool = False) -> bool:
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
        recent = self._recent.get((*kind, entry.channel_id), deque())
        happened = [each for each in recent if each[0] >= entry.at - SLACK_MS]
        for each in happened[: entry.amount]:  # the rest may be of an entry that is late
            recent.remove(each)
        # What was done in an absence has happened.
        spare = 0 if recovered else max(0, entry.amount - len(happened))
        poll.entries[entry.entry_id] = AggregatedEntry(entry.channel_id, entry.amount, now + ACTIVE_MS, spare)
        if len(happened) > entry.amount:
            poll.want(now)
        return True

    def happen(self, guild_id: int, action_type: int, channel_id: int, at: int, now: int) -> None:
        """A message was deleted, or a member moved or disconnected: by whom is not known."""
        poll = self._polls.get((guild_id, action_type))
        if poll is not None:
            entries = [entry for entry in poll.entries.values() if entry.channel_id == channel_id]
            spare = next((entry for entry in entries if entry.spare and entry.is_fresh(now)), None)
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
        happened = self._recent.pop(spot, None) or deque(maxlen=MAX_RECENT)
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
            spot, happened = next(iter(self._recent.items()))
            if happened and happened[-1][1] + RECENT_MS > now:
                break
            del self._recent[spot]

    def _request(self, kind: _Kind, poll: GroupPoll, now: int) -> None:
        poll.wanted = 0
        poll.grown = False
        poll.submitted_at = now
        self._request_page(kind, poll, min(poll.entries, default=1) - 1, now)

    def _request_page(self, kind: _Kind, poll: GroupPoll, after: int, now: int) -> None:
        guild_id, action_type = kind
        poll.awaited = now + ANSWER_MS
        if self._submit is not None:
            self._submit(
                RestRequest(
                    RequestKind.AUDIT_LOG,
                    guild_id,
                    urgent=True,
                    purpose=PURPOSE,
                    after=after,
                    action_type=action_type,
                )
            )

    def answer(self, page: AuditPageRead, now: int) -> None:
        """Take the end of an answer, its entries having been handled."""
        kind = (page.request.guild_id, page.request.action_type)
        poll = self._polls.get(kind)
        if page.request.purpose != PURPOSE or poll is None:
            return
        poll.awaited = 0
        if page.meaning is not AnswerMeaning.ANSWERED:
            poll.wanted = poll.wanted or poll.submitted_at
            poll.pause = LONGEST_PAUSE_MS
        elif page.more and page.newest < max(poll.entries, default=0):
            self._request_page(kind, poll, page.newest, now)
        elif poll.grown:
            poll.pause = PAUSE_MS
        else:
            poll.pause = min(LONGEST_PAUSE_MS, poll.pause * 2)

    # ------------------------------------------------------------------ guilds

    def see_guild(self, guild_id: int, now: int) -> None:
        """A guild is there again: its entries may have risen meanwhile."""
        self._away.discard(guild_id)
        for kind, poll in self._polls.items():
            if kind[0] == guild_id and poll.entries:
                poll.want(now)

    def lose_guild(self, guild_id: int) -> None:
        """A guild has an outage: its entries are followed until it is there again."""
        self._away.add(guild_id)

    def permit(self, guild_id: int) -> None:
        """The bot's permissions in a guild have changed: what could not be read again may be now."""
        for kind, poll in self._polls.items():
            if kind[0] == guild_id:
                poll.pause = PAUSE_MS

    def forget_guild(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        self._away.discard(guild_id)
        for kind in [kind for kind in self._polls if kind[0] == guild_id]:
            for entry_id in list(self._polls[kind].entries):
                self._forget(kind, entry_id)
            del self._polls[kind]

    # ------------------------------------------------------------------ memory

    def _expire(self, kind: _Kind, poll: GroupPoll, now: int) -> None:
        if kind[0] in self._away or self._unread(kind[0]):
            return
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
        self._away.clear()
        self._polls.clear()
        self._recent.clear()
