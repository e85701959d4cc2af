"""Entries that go on counting: further deletions, moves and disconnections by the same moderator.

Discord tells of the first one and then only raises the entry's count. So when something of the kind happens
that no count explains, the entries are read again: once for all of a guild, some seconds later, and more
rarely while nothing is found, since people delete their own messages and leave channels by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from exporter.events.audit import GROUPED
from exporter.events.facts import AuditEntry, AuditPage
from exporter.events.rest_request import RequestKind, RestRequest, Submit
from exporter.tracking.moderation.audit_matcher import SLACK_MS
from exporter.tracking.previous_journal import SavedGroup

PURPOSE = "count"

ACTIVE_MS = 360_000
"""How long an entry may go on counting: Discord groups what is done within five minutes."""

SETTLE_MS = 3_000
"""From something unexplained to the question: what is done in one go is then in the count."""

PAUSE_MS = 5_000
"""Between two questions about one guild and kind, doubled while nothing is found."""

LONGEST_PAUSE_MS = 60_000
"""The longest such pause."""

ANSWER_MS = 20_000
"""How long an answer is waited for."""

RECENT_MS = 15_000
"""How long something unexplained is remembered for an entry that is late."""

MAX_GROUPS = 100
"""Entries of one guild and kind that are followed, as many as one answer holds; the oldest is given up beyond
this."""

MAX_PLACES = 20_000
"""Channels in which something happened lately."""

MAX_RECENT = 100
"""Happenings remembered of one channel: one more than explained is enough to ask."""


@dataclass(slots=True)
class Group:
    """An entry that may go on counting. ``spare`` is how much of its count has not been seen happen."""

    entry_id: int
    channel_id: int
    amount: int
    until: int
    spare: int


@dataclass(slots=True)
class Watch:
    """The entries of one guild and kind. Times are steady, in ms; 0 for none."""

    groups: dict[int, Group] = field(default_factory=dict)
    wanted: int = 0
    awaited: int = 0
    asked_at: int = 0
    pause: int = PAUSE_MS
    grown: bool = False

    def is_due(self, now: int) -> bool:
        """Whether what is wanted has waited long enough, and so has the guild."""
        return self.wanted <= now and (self.asked_at == 0 or now - self.asked_at >= self.pause)


_Kind = tuple[int, int]
_Spot = tuple[int, int, int]


class Groups:
    """Entries that count on, of the last minutes. ``submit`` sends requests; ``blind`` says where in vain."""

    def __init__(self, submit: Submit, blind: Callable[[int], bool]) -> None:
        self._submit = submit
        self._blind = blind
        self._watches: dict[_Kind, Watch] = {}
        self._recent: dict[_Spot, list[tuple[int, int]]] = {}

    @property
    def open(self) -> int:
        """Guilds and kinds that are to be asked about, or whose answer is awaited."""
        return sum(
            1
            for (guild_id, _), watch in self._watches.items()
            if watch.awaited or (watch.wanted and not self._blind(guild_id))
        )

    def enter(self, entry: AuditEntry, now: int) -> None:
        """An entry, new or with a higher count."""
        if entry.action_type not in GROUPED:
            return
        watch = self._watches.setdefault((entry.guild_id, entry.action_type), Watch())
        group = watch.groups.get(entry.entry_id)
        if group is not None:
            if entry.amount > group.amount:
                watch.grown = True
                group.amount = entry.amount
            return
        if len(watch.groups) >= MAX_GROUPS:
            del watch.groups[next(iter(watch.groups))]
        spot = (entry.guild_id, entry.action_type, entry.channel_id)
        happened = [at for at, _ in self._recent.pop(spot, ()) if at >= entry.at - SLACK_MS]
        spare = entry.amount - len(happened)
        watch.groups[entry.entry_id] = Group(
            entry.entry_id, entry.channel_id, entry.amount, now + ACTIVE_MS, max(0, spare)
        )
        watch.grown = True
        if spare < 0:
            self._want(watch, now)

    def happen(self, guild_id: int, action_type: int, channel_id: int, at: int, now: int) -> None:
        """A message was deleted, or somebody moved or disconnected: by whom is not known."""
        watch = self._watches.get((guild_id, action_type))
        if watch is not None:
            groups = [group for group in watch.groups.values() if group.channel_id == channel_id]
            spare = next((group for group in groups if group.spare), None)
            if spare is not None:
                spare.spare -= 1
                return
            if groups:
                self._want(watch, now)
        self._remember((guild_id, action_type, channel_id), at, now)

    def _remember(self, spot: _Spot, at: int, now: int) -> None:
        if spot not in self._recent and len(self._recent) >= MAX_PLACES:
            del self._recent[next(iter(self._recent))]
        # Taken out and put back, so that the first is the one in which nothing happened for longest.
        happened = self._recent.pop(spot, [])
        if len(happened) < MAX_RECENT:
            happened.append((at, now))
        self._recent[spot] = happened

    @staticmethod
    def _want(watch: Watch, now: int) -> None:
        watch.wanted = watch.wanted or now + SETTLE_MS

    def ask_due(self, now: int, *, hurry: bool = False) -> None:
        """Request what is to be read again; ``hurry`` where somebody waits for true numbers."""
        for kind, watch in list(self._watches.items()):
            if watch.awaited > now:
                continue
            watch.awaited = 0
            if not watch.wanted or self._blind(kind[0]):
                self._expire(kind, watch, now)
            elif hurry or watch.is_due(now):
                self._put(kind, watch, now)
        while self._recent:
            spot = next(iter(self._recent))
            if self._recent[spot][-1][1] + RECENT_MS > now:
                break
            del self._recent[spot]

    def _expire(self, kind: _Kind, watch: Watch, now: int) -> None:
        watch.groups = {number: group for number, group in watch.groups.items() if group.until > now}
        if not watch.groups:
            del self._watches[kind]

    def _put(self, kind: _Kind, watch: Watch, now: int) -> None:
        guild_id, action_type = kind
        watch.wanted = 0
        watch.grown = False
        watch.asked_at = now
        watch.awaited = now + ANSWER_MS
        after = min(watch.groups, default=1) - 1
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

    def answer(self, page: AuditPage) -> None:
        """Take an answer, after its entries were taken."""
        watch = self._watches.get((page.request.guild_id, page.request.action_type))
        if watch is None:
            return
        watch.awaited = 0
        if page.status != HTTPStatus.OK:
            watch.wanted = watch.wanted or watch.asked_at
            watch.pause = LONGEST_PAUSE_MS
        elif watch.grown:
            watch.pause = PAUSE_MS
        else:
            watch.pause = min(LONGEST_PAUSE_MS, watch.pause * 2)

    def see_guild(self, guild_id: int, now: int) -> None:
        """A guild is seen again: its entries may have counted on meanwhile."""
        for kind, watch in self._watches.items():
            if kind[0] == guild_id and watch.groups:
                self._want(watch, now)

    def permit(self, guild_id: int) -> None:
        """What the bot may do in a guild has changed: what could not be read again may be now."""
        for kind, watch in self._watches.items():
            if kind[0] == guild_id:
                watch.pause = PAUSE_MS

    def forget(self, guild_id: int) -> None:
        """Forget a guild the bot was removed from."""
        for kind in [kind for kind in self._watches if kind[0] == guild_id]:
            del self._watches[kind]

    # ------------------------------------------------------------------ memory

    def save(self, now: int) -> list[SavedGroup]:
        """The entries that may go on counting, for the journal."""
        return [
            SavedGroup(guild_id, action_type, group.entry_id, group.channel_id, group.amount)
            for (guild_id, action_type), watch in self._watches.items()
            for group in watch.groups.values()
            if group.until > now
        ]

    def restore(self, saved: list[SavedGroup], now: int) -> None:
        """Take up the entries of the process before; what they came to meanwhile is read at once."""
        for item in saved:
            watch = self._watches.setdefault((item.guild_id, item.action_type), Watch())
            watch.groups[item.entry_id] = Group(
                item.entry_id, item.channel_id, item.amount, now + ACTIVE_MS, 0
            )
            self._want(watch, now)
