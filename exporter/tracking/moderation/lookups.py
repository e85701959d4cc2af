"""Looks up in the audit log what the gateway did not explain: once for a burst, never once for a member.

What stays unexplained for some seconds is looked up, everything of a guild by one request for all entries
since shortly before. Without an answer that is put again, for as long as there is something that waits for
it. While an answer is awaited the guild's open actions wait for it; it may also never come.

What waits here is not saved: after a start each component puts its unexplained actions out again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.answer_meaning import AnswerMeaning
from exporter.events.facts.guilds import PermissionsChanged
from exporter.events.facts.moderation import ActionExplained, ActionUnexplained, AuditPageRead
from exporter.events.payload import DISCORD_EPOCH_MS
from exporter.events.rest_request import RequestKind, RestRequest, Submit

PURPOSE: Final = "unexplained"

PATIENCE_MS: Final = 6_000
"""How long an entry may be late before it is looked up: longer than it ever takes as a rule, and short enough
for an answer within the window."""

BACK_MS: Final = 60_000
"""How far before the first unexplained action a request reaches: clocks may differ."""

PAUSE_MS: Final = 10_000
"""Between two requests about one guild: a raid of a minute costs six."""

ANSWER_MS: Final = 20_000
"""How long an answer is waited for."""

MAX_PAGES: Final = 10
"""Pages of one look-up: a thousand actions."""

MAX_SUBMITTED: Final = 10
"""Look-ups begun in one second, over all guilds: half of what the source may spend."""


class LookupState(enum.Enum):
    """What became of an unexplained action's look-up."""

    OPEN = "open"
    SUBMITTED = "submitted"
    READ = "read"
    """The audit log was read, whatever it said."""
    REFUSED = "refused"
    """It may not be read."""


@dataclass(slots=True)
class LookupTicket:
    """An unexplained action: when it was received, by the wall and by the steady clock, in ms.

    ``refused`` says that Discord refused the last look-up, though the bot's roles say that it may.
    """

    guild_id: int
    at: int
    arrived: int
    state: LookupState = LookupState.OPEN
    refused: bool = False


class LookupBoard:
    """The look-ups by the key of their action: written by ``Lookups``, read by what waits for them."""

    def __init__(self) -> None:
        self.tickets: dict[str, LookupTicket] = {}

    def is_pending(self, key: str) -> bool:
        """Whether an answer about an action is awaited, or will be asked for."""
        ticket = self.tickets.get(key)
        return ticket is not None and ticket.state in {LookupState.OPEN, LookupState.SUBMITTED}

    def is_refused(self, key: str) -> bool:
        """Whether the audit log could not be read for an action."""
        ticket = self.tickets.get(key)
        return ticket is not None and (ticket.refused or ticket.state is LookupState.REFUSED)


@dataclass(slots=True)
class Search:
    """The look-ups of one guild; ``awaited`` is until when an answer is waited for, 0 for none.

    ``begun`` is when the one that is awaited was begun.
    ``quiet`` is until when nothing is submitted; ``refused`` says that the last answer was a refusal.
    """

    awaited: int = 0
    begun: int = 0
    quiet: int = 0
    pages: int = 0
    failed: bool = False
    refused: bool = False


def first_id(at: int) -> int:
    """An id no entry made at or after this moment is below. Discord docs, Reference › Snowflakes."""
    return max(0, at - DISCORD_EPOCH_MS) << 22


class Lookups(Component):
    """The look-ups of all guilds. ``unreadable`` says where the audit log may not be read."""

    name = "lookups"

    def __init__(
        self, emit: Emit, board: LookupBoard, submit: Submit | None, unreadable: Callable[[int], bool]
    ) -> None:
        super().__init__(emit)
        self._submit = submit
        self._unreadable = unreadable
        self._tickets = board.tickets
        self._searches: dict[int, Search] = {}

    @property
    def handles(self) -> Mapping[type, Handler]:
        """Actions without an entry, and what was read for them."""
        return {
            ActionUnexplained: self._open,
            ActionExplained: self._close_ticket,
            AuditPageRead: self._answer,
            PermissionsChanged: lambda fact, _: self._permit(fact.guild_id),
        }

    def undecided(self, asked_at: int, wall: int) -> int:
        """Guilds whose answer is awaited."""
        del wall
        return sum(1 for search in self._searches.values() if search.awaited and search.begun <= asked_at)

    def _open(self, fact: ActionUnexplained, now: int) -> None:
        """Note an action that is to be looked up unless its entry comes."""
        ticket = self._tickets[fact.key] = LookupTicket(fact.guild_id, fact.at, now)
        if self._submit is None or self._unreadable(fact.guild_id):
            ticket.state = LookupState.REFUSED
            return
        search = self._searches.setdefault(fact.guild_id, Search())
        ticket.refused = search.refused

    def _close_ticket(self, fact: ActionExplained, now: int) -> None:
        del now
        self._tickets.pop(fact.key, None)

    def _permit(self, guild_id: int) -> None:
        """The bot's permissions in a guild have changed: it may be answered now."""
        search = self._searches.get(guild_id)
        if search is not None and search.refused:
            search.refused, search.quiet = False, 0

    # ------------------------------------------------------------------ requests

    def tick(self, now: int, wall: int) -> None:
        """Submit requests for what has stayed unexplained."""
        del wall
        self._submit_due(now, hurry=False)

    def hurry(self, now: int) -> None:
        """Submit requests for all that is unexplained."""
        self._submit_due(now, hurry=True)

    def _submit_due(self, now: int, *, hurry: bool) -> None:
        begun = 0
        fresh: dict[int, list[LookupTicket]] = {}
        for ticket in self._tickets.values():
            if ticket.state is LookupState.OPEN:
                fresh.setdefault(ticket.guild_id, []).append(ticket)
        for guild_id, search in list(self._searches.items()):
            if search.awaited and search.awaited <= now:
                self._close(guild_id, LookupState.OPEN, now)
            if guild_id not in fresh:
                if not search.awaited and search.quiet <= now:
                    del self._searches[guild_id]
                continue
            patient = now - fresh[guild_id][0].arrived < PATIENCE_MS or search.quiet > now
            due = not search.awaited and (not patient or (hurry and not search.failed))
            if due and begun < MAX_SUBMITTED:
                begun += 1
                self._begin(guild_id, fresh[guild_id], now)

    def _begin(self, guild_id: int, tickets: list[LookupTicket], now: int) -> None:
        for ticket in tickets:
            ticket.state = LookupState.SUBMITTED
        self._searches[guild_id] = Search(begun=now)
        self._request(guild_id, first_id(min(ticket.at for ticket in tickets) - BACK_MS), now)

    def _request(self, guild_id: int, after: int, now: int) -> None:
        search = self._searches[guild_id]
        search.awaited = now + ANSWER_MS
        search.pages += 1
        if self._submit is not None:
            self._submit(
                RestRequest(RequestKind.AUDIT_LOG, guild_id, urgent=True, purpose=PURPOSE, after=after)
            )

    def _answer(self, page: AuditPageRead, now: int) -> None:
        """Take the end of an answer, its entries having been handled."""
        guild_id = page.request.guild_id
        search = self._searches.get(guild_id)
        if page.request.purpose != PURPOSE or search is None or not search.awaited:
            return
        if page.meaning is not AnswerMeaning.ANSWERED:
            search.refused = page.meaning is AnswerMeaning.REFUSED
            self._close(guild_id, LookupState.OPEN, now)
        elif page.more and search.pages < MAX_PAGES:
            self._request(guild_id, page.newest, now)
        else:
            self._close(guild_id, LookupState.READ, now)

    def _close(self, guild_id: int, state: LookupState, now: int) -> None:
        """End a guild's look-up, for all that it was begun for; ``OPEN`` if it is to be put again."""
        search = self._searches[guild_id]
        for ticket in self._tickets.values():
            if ticket.guild_id == guild_id and ticket.state is LookupState.SUBMITTED:
                ticket.state, ticket.refused = state, search.refused
        search.failed = state is LookupState.OPEN
        search.awaited, search.quiet = 0, now + PAUSE_MS
