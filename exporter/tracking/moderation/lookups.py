"""Looking up in the audit log what the gateway did not explain: once for a burst, never once for a member.

What stays unexplained for some seconds is looked up, everything of a guild by one question for all entries
since shortly before. A guild that refuses (no View Audit Log) is left alone for a while. While an answer is
awaited the guild's open actions wait for it; it may also never come.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from exporter.events.facts import AuditPage
from exporter.events.payload import DISCORD_EPOCH_MS
from exporter.events.rest_request import RequestKind, RestRequest, Submit

PURPOSE = "unexplained"

PATIENCE_MS = 6_000
"""How long an entry may be late before it is asked for: longer than it ever takes as a rule, and short enough
for an answer within the window."""

BACK_MS = 60_000
"""How far before the first unexplained action the question reaches: clocks may differ."""

PAUSE_MS = 10_000
"""Between two questions about one guild: a raid of a minute costs six requests."""

BLIND_MS = 600_000
"""How long a guild that refused is left alone."""

ANSWER_MS = 20_000
"""How long an answer is waited for."""

MAX_PAGES = 10
"""Pages of one look-up: a thousand actions."""

MAX_ASKED = 10
"""Look-ups begun in one second, over all guilds: half of what the source may spend."""


class Fate(enum.Enum):
    """What became of an unexplained action's look-up."""

    OPEN = "open"
    ASKED = "asked"
    CLEAR = "clear"
    """The audit log was read, whatever it said."""
    BLIND = "blind"
    """It may not be read."""
    FAILED = "failed"
    """Discord gave no answer; catching up will find what there is."""


@dataclass(slots=True, eq=False)
class Miss:
    """Something nobody has explained: when it was received, by the wall and by the steady clock, in ms."""

    guild_id: int
    at: int
    arrived: int
    fate: Fate = Fate.OPEN


@dataclass(slots=True)
class Search:
    """The look-ups of one guild; ``awaited`` is until when an answer is waited for, 0 for none.

    ``quiet`` is until when nothing is asked, as long if that was ``refused``.
    """

    fresh: dict[Miss, None] = field(default_factory=dict)
    asked: dict[Miss, None] = field(default_factory=dict)
    awaited: int = 0
    quiet: int = 0
    pages: int = 0
    refused: bool = False


def first_id(at: int) -> int:
    """An id no entry made at or after this moment is below. Discord docs, Reference › Snowflakes."""
    return max(0, at - DISCORD_EPOCH_MS) << 22


class LookUps:
    """The look-ups of all guilds. ``submit`` puts a question; ``blind`` says where it would be refused."""

    def __init__(self, submit: Submit, blind: Callable[[int], bool]) -> None:
        self._submit = submit
        self._blind = blind
        self._searches: dict[int, Search] = {}

    @property
    def awaited(self) -> int:
        """Guilds whose answer is awaited."""
        return sum(1 for search in self._searches.values() if search.awaited)

    def miss(self, guild_id: int, at: int, now: int) -> Miss:
        """Note an action that is not explained yet."""
        miss = Miss(guild_id, at, now)
        before = self._searches.get(guild_id)
        if self._blind(guild_id) or (before is not None and before.refused and before.quiet > now):
            miss.fate = Fate.BLIND
        else:
            self._searches.setdefault(guild_id, Search()).fresh[miss] = None
        return miss

    def find(self, miss: Miss) -> None:
        """Note that it is explained, or that nobody asks any more."""
        search = self._searches.get(miss.guild_id)
        if search is not None:
            search.fresh.pop(miss, None)
            search.asked.pop(miss, None)

    def waits(self, guild_id: int) -> bool:
        """Whether an answer about the guild is awaited."""
        search = self._searches.get(guild_id)
        return search is not None and search.awaited > 0

    def permit(self, guild_id: int) -> None:
        """What the bot may do in a guild has changed: it may be answered now."""
        search = self._searches.get(guild_id)
        if search is not None and search.refused:
            search.refused, search.quiet = False, 0

    def ask_due(self, now: int, *, hurry: bool = False) -> None:
        """Request what has stayed unexplained; ``hurry`` where somebody waits for it to be decided."""
        begun = 0
        for guild_id, search in list(self._searches.items()):
            if search.awaited and search.awaited <= now:
                self._close(search, Fate.FAILED, now + PAUSE_MS)
            if not search.fresh:
                if not search.awaited and search.quiet <= now:
                    del self._searches[guild_id]
                continue
            oldest = next(iter(search.fresh))
            patient = now - oldest.arrived < PATIENCE_MS or search.quiet > now
            due = not search.awaited and (not patient or (hurry and not search.refused))
            if due and begun < MAX_ASKED:
                begun += 1
                self._begin(guild_id, search, now)

    def _begin(self, guild_id: int, search: Search, now: int) -> None:
        after = first_id(min(miss.at for miss in search.fresh) - BACK_MS)
        for miss in search.fresh:
            miss.fate = Fate.ASKED
        search.refused = False
        search.asked |= search.fresh
        search.fresh = {}
        search.pages = 0
        self._put(guild_id, search, after, now)

    def _put(self, guild_id: int, search: Search, after: int, now: int) -> None:
        search.awaited = now + ANSWER_MS
        search.pages += 1
        self._submit(RestRequest(RequestKind.AUDIT_LOG, guild_id, urgent=True, purpose=PURPOSE, after=after))

    def answer(self, page: AuditPage, now: int) -> None:
        """Take an answer, after its entries were taken."""
        search = self._searches.get(page.request.guild_id)
        if search is None or not search.awaited:
            return
        if page.status == HTTPStatus.OK:
            newest = max((entry.entry_id for entry in page.entries), default=0)
            more = page.size >= page.request.limit and newest > page.request.after
            if more and search.pages < MAX_PAGES:
                self._put(page.request.guild_id, search, newest, now)
            else:
                self._close(search, Fate.CLEAR, now + PAUSE_MS)
            return
        refused = HTTPStatus.BAD_REQUEST <= page.status < HTTPStatus.INTERNAL_SERVER_ERROR
        if refused:
            search.refused = True
            self._close(search, Fate.BLIND, now + BLIND_MS)
        else:
            self._close(search, Fate.FAILED, now + PAUSE_MS)

    @staticmethod
    def _close(search: Search, fate: Fate, quiet: int) -> None:
        for miss in search.asked:
            miss.fate = fate
        search.asked = {}
        search.awaited = 0
        search.quiet = quiet
